#!/usr/bin/env python3
"""A consortium grows from 4 to 7 members and shrinks to 4 again, an epoch for each, under load and with SIGKILLs between.

E, F and G come one after the other: a paper whose proof is of another key is refused, and a learner that stands still is given no
vote until it has caught up and shown so. D's consensus key is replaced twice. E is down while it is removed, so that its node misses the
end of its last epoch: it learns from the others that it was removed, and asks seldom from then on. D and G run on while they are
removed. At the end the four that are left have one state, what was acknowledged is there, and of all that left every process, those
of the removed members included, no two signed words contradict each other."""
import os
import random
import signal
import time

import stock
from consortium import SEED, AnchorLoad, check, main
from disk_world import DiskWorld
from membership import PATIENCE, approve, prepare_rotation, retried, wait_for_epoch
from newcomer import Newcomer

REFUSED = "reason=MEMBER_REMOVED"


class GrowingWorld(DiskWorld):
    """Its voters of the moment, and an eye on a newcomer's status by its administrator: it has registered no service."""

    def __init__(self, **options):
        super().__init__(**options)
        self.rng, self.voters, self.epoch, self.kills = random.Random(SEED), list(self.names), 1, 0

    def run(self, *arguments, node=None, **options):
        by = () if node in (None, "A", "B", "C", "D") or "--as" in arguments else ("--as", "admin")
        return super().run(*by, *arguments, node=node, **options)

    def quorum(self):
        n = len(self.voters)
        return self.voters[:(n + (n - 1) // 3) // 2 + 1]

    def change(self, *arguments, by=None, but=()):
        """Decided by a quorum; the epoch begins on all voters but those that are down."""
        approve(self, *arguments, by=by or self.quorum())
        self.epoch += 1
        wait_for_epoch(self, self.epoch, [name for name in self.voters if name not in but])

    def kill_one(self):
        victim = self.rng.choice(self.voters)
        self.kill(victim)
        self.kills += 1
        time.sleep(0.5)
        self.start(victim)
        self.wait_voting(victim)

    def wait_voting(self, name):
        until = time.monotonic() + PATIENCE
        while (status := self.status(name)) is None or status["mode"] != "VOTING":
            check(time.monotonic() < until, f"{name} does not vote: {status and (status['mode'], status['mode_detail'])}")
            time.sleep(0.2)


def refuse_a_wrong_proof(world, newcomer):
    """The proof is by a key, but by another than the paper names."""
    paper, forged = newcomer.admission(), newcomer.folder / "forged.json"
    text = paper.read_text()
    other = newcomer.folder / "keys" / "other.pem"
    world.ctl("member", "keygen", "--out", other)
    mine = text.split('"consensus_key":"')[1].split('"')[0]
    theirs = stock.openssl("pkey", "-in", other, "-pubout", "-outform", "DER")[-65:].hex()
    forged.write_text(text.replace(mine, theirs))
    refused = world.run("member", "propose", "add", "--paper", forged, node="A")
    check(refused.returncode != 0 and "BAD_POSSESSION_PROOF" in refused.stdout + refused.stderr, f"{refused.stdout}{refused.stderr}")
    return paper


def admit(world, newcomer, lags=False):
    name = newcomer.name
    approve(world, "add", "--paper", refuse_a_wrong_proof(world, newcomer), by=world.quorum())
    world.start(name)
    newcomer.wait_for("role=learner")
    if lags:
        os.kill(world.pid(name), signal.SIGSTOP)
        time.sleep(8)
        refused = world.run("member", "propose", "promote", "--member", name, "--dry-run", node="A")
        check(refused.returncode != 0 and "LEARNER_NOT_READY" in refused.stdout + refused.stderr, f"{refused.stdout}{refused.stderr}")
        os.kill(world.pid(name), signal.SIGCONT)
    newcomer.show_readiness()
    by = world.quorum()
    world.voters.append(name)
    world.change("promote", "--member", name, by=by)


def rotate(world, name):
    paper, _ = prepare_rotation(world, name, at="A")
    world.change("rotate-key", "--paper", paper)


def remove(world, name, but=()):
    by = [voter for voter in world.quorum() if voter != name]
    by += [voter for voter in world.voters if voter not in by and voter != name][:len(world.quorum()) - len(by)]
    world.voters.remove(name)
    world.change("remove", "--member", name, by=by, but=but)


def remove_one_that_is_down(world, name):
    """Its node cannot see the end of its last epoch, and nobody would tell it of that block."""
    world.kill(name)
    remove(world, name)
    seen = len(world.log(name))
    world.start(name)
    until = time.monotonic() + PATIENCE
    while f"removed member={name}" not in world.log(name)[seen:]:
        check(time.monotonic() < until, f"{name} does not learn that it was removed:\n{world.log(name)[seen:][-2500:]}")
        time.sleep(0.2)
    # The line comes first, and the mode with the next turn of the core.
    while not (status := world.status(name)) or status["mode"] != "NO_MEMBER" or "removed" not in status["mode_detail"]:
        check(time.monotonic() < until, f"{name} does not say that it was removed: {status}")
        time.sleep(0.2)
    return seen


def test():
    with GrowingWorld() as world:
        pki = stock.Pki(world)
        for name in world.voters:
            retried(world, "member", "admin-key", node=name)
        newcomers = [Newcomer(world, pki, name) for name in "EFG"]
        for newcomer in newcomers:
            newcomer.write_config([other for other in newcomers if other is not newcomer])
        sizes, began = [4], time.monotonic()
        with AnchorLoad(world, size=5, names=["A", "B", "C"]) as load:
            admit(world, newcomers[0], lags=True)
            sizes.append(len(world.voters))
            world.kill_one()
            rotate(world, "D")
            admit(world, newcomers[1])
            sizes.append(len(world.voters))
            world.kill_one()
            rotate(world, "D")
            admit(world, newcomers[2])
            sizes.append(len(world.voters))
            world.kill_one()
            told = remove_one_that_is_down(world, "E")
            sizes.append(len(world.voters))
            world.kill_one()
            remove(world, "D")
            sizes.append(len(world.voters))
            world.kill_one()
            remove(world, "G")
            sizes.append(len(world.voters))
            world.kill_one()
            time.sleep(2)
        took = time.monotonic() - began
        height, root = world.agree(world.voters, timeout=PATIENCE)
        check(sizes == [4, 5, 6, 7, 6, 5, 4] and world.voters == ["A", "B", "C", "F"], f"{sizes} {world.voters}")
        for name in "DG":
            check(REFUSED in world.log(name), f"{name} was not told that it was removed:\n{world.log(name)[-1500:]}")
        asked = world.log("E")[told:].count(REFUSED)
        check(0 < asked <= 8, f"E's node asked {asked} times to be let in since it was told that it was removed")
        statements = world.check_signatures()
        check({s.epoch for s in statements} == set(range(1, world.epoch + 1)), "no words were recorded of some epoch")
        world.names = ["A", "B", "C"]
        known = load.acknowledged
        load.acknowledged = known[:: max(1, len(known) // 12)]  # of every epoch some: that the states are one is checked above
        load.verify()
        load.acknowledged, world.names = known, list("ABCDEFG")
        print(f"{'-'.join(map(str, sizes))} members in {world.epoch} epochs and {took:.0f} s, {world.kills} SIGKILLs; {len(load.acknowledged)} "
              f"imports acknowledged, {load.refused} not, longest gap {load.longest_gap:.1f} s; {len(statements)} recorded statements, no "
              f"two for one place; E asked {asked} times; height {height}, root {root[:12]}")


main(test)
