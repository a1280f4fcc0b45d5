#!/usr/bin/env python3
"""Every class of file in a stopped node's data directory with a flipped byte, cut short, swapped with an older copy, or missing:
`ledger verify` names it or the byte is dead space by docs/spec, and the node that starts on it mends it (of its ledger
always), or refuses with the reason and what to do, or follows without voting; whatever it answers is right. What no read of a start came to
("latent") its scrub finds, in one pass, and mends it or leaves it to the next start, which does. A table by file class is printed.

A sample: GALEN_CASES (6) of the kinds of damage to each class of file, an older manifest of the log among them, GALEN_PAIRS (3) flips at
random places, and two folders. GALEN_FULL=1: all of them, and 1,000 flips over 10,000 records; what has passed is kept in GALEN_PROGRESS.
"""
import collections
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import time

from consortium import BIN, SEED, Failure, check, main, share_of
from disk_world import DiskWorld

KINDS = ("flip", "cut", "older", "missing")
PAGE = 4096
FULL = os.environ.get("GALEN_FULL") == "1"
PROGRESS = pathlib.Path(os.environ["GALEN_PROGRESS"]) if FULL and "GALEN_PROGRESS" in os.environ else None
UNREAD = re.compile(r"(^lock$|^scrub$|/LOCK$|/IDENTITY$|/OPTIONS-|/LOG)")  # written for people and other tools; nothing reads them


def class_of(path):
    top, name = path.split("/")[0], path.split("/")[-1]
    if top == "wal":
        return "log manifest" if name == "manifest" else "log segment"
    if top in ("ledger", "vault"):
        return f"{top} {'sst' if name.endswith('.sst') else name.split('-')[0]}"
    return name


class LogSpace:
    """Which bytes of the log mean something, by docs/spec/log.md 2 and 4 alone."""

    def __init__(self, wal):
        self.live = {}
        log_id = (wal / "manifest").read_bytes()
        frames, newest, oldest = {}, {}, 0
        for path in sorted(wal.glob("segment-*")):
            data = path.read_bytes()
            for at in range(0, len(data), PAGE):
                head = data[at:at + 112]
                if head[:8] == b"GALENLOG" and head[12:28] in log_id:
                    generation = int.from_bytes(head[28:36], "big")
                    frames.setdefault(path.name, []).append((generation, at, at + int.from_bytes(head[92:96], "big")))
                    newest[path.name] = max(generation, newest.get(path.name, 0))
                    oldest = max(oldest, int.from_bytes(head[44:52], "big"))
        for name, found in frames.items():
            if newest[name] >= oldest:
                self.live[name] = [(begin, end) for generation, begin, end in found if generation == newest[name]]

    def is_dead(self, name, begin, end):
        return all(end <= a or begin >= b for a, b in self.live.get(name, []))


class Damage:
    def __init__(self, world, rng):
        self.world, self.rng = world, rng
        self.victim = None
        self.good = pathlib.Path(world.dir) / "good"
        self.older = pathlib.Path(world.dir) / "older"
        self.table = collections.Counter()
        self.answers = {}
        self.done = set()
        if PROGRESS and PROGRESS.exists():
            for line in PROGRESS.read_text().splitlines():
                case, *row = line.split("\t")
                self.done.add(case)
                if row:
                    self.table[tuple(row)] += 1

    def prepare(self, transactions, size):
        world = self.world
        names = world.names
        for step in range(transactions):
            check(world.anchor(names[step % 4], count=size, timeout=30), "an anchor fails before anything is wrong")
            if step == 1:  # early: the log still has the files it was made with
                leader = world.status("A")["leader"]
                self.victim = next(n for n in names if n != leader)
                world.down(self.victim)
                shutil.copytree(world.data(self.victim), self.older)
                world.wait_serving(self.victim, world.run_node(self.victim))
        # A log grows by a file when it has filled those it was made with; then its manifest is another one.
        manifest = [folder / "wal" / "manifest" for folder in (world.data(self.victim), self.older)]
        for _ in range(200):
            if manifest[0].read_bytes() != manifest[1].read_bytes():
                break
            world.anchor(names[0], count=size, timeout=30)
        while world.status("A")["leader"] == self.victim:  # a leader that is killed would sign a view change when it is back
            world.anchor("A")
        world.agree()
        for node, source in world.acknowledged:
            if node == self.victim or len(self.answers) < 5:
                found = world.json("record", "get", "--source", source, node=node)
                self.answers[source] = (node, found["pointer_id"])
        self.settle()

    def others_height(self):
        return max(s["height"] for s in map(self.world.status, (n for n in self.world.names if n != self.victim)) if s)

    def settle(self):
        """The copy that all cases begin with. A start on it must sign nothing: what the log did not hold yet when the node was killed
        (the newest committed block waits up to 0.2 s to be written) would be submitted again, and the others would remember
        votes that the next start on the same copy knows nothing of."""
        world = self.world
        other = next(n for n in world.names if n != self.victim)
        for _ in range(5):
            world.down(self.victim, signal.SIGKILL)
            shutil.rmtree(self.good, ignore_errors=True)
            shutil.copytree(world.data(self.victim), self.good)
            self.height = self.others_height()
            world.wait_serving(self.victim, world.run_node(self.victim))
            time.sleep(1)
            if self.others_height() == self.height and world.status(other)["leader"] != self.victim:
                world.down(self.victim, signal.SIGKILL)
                break
            world.anchor(other)
            world.agree()
            time.sleep(1)
        else:
            raise Failure("the chain does not come to rest")
        self.space = LogSpace(self.good / "wal")
        # An empty file holds nothing to be lost: RocksDB's log, which is switched off.
        self.files = sorted(str(p.relative_to(self.good)) for p in self.good.rglob("*") if p.is_file() and p.stat().st_size)

    def rest(self):
        """After a case. One that made the node submit something again, an older vault/ for example, made it vote as well: the
        copy is an older one by now. It recovers, and another copy is made."""
        world = self.world
        if self.others_height() == self.height:
            return
        self.reset()
        world.run_node(self.victim)
        until = time.monotonic() + 120
        while (world.status(self.victim) or {}).get("mode") != "VOTING":
            check(time.monotonic() < until, f"the undamaged copy does not come to vote again: {world.status(self.victim)}")
            world.anchor(next(n for n in world.names if n != self.victim))
        world.agree()
        self.settle()

    def keep(self, case, *row):
        """A case that has passed; `row` of the table, nothing when there was nothing to damage."""
        if row:
            self.table[row] += 1
        if PROGRESS:
            with open(PROGRESS, "a") as file:
                file.write("\t".join((case, *row)) + "\n")

    def reset(self):
        data = self.world.data(self.victim)
        shutil.rmtree(data)
        shutil.copytree(self.good, data)
        return data

    def apply(self, data, name, kind, offset):
        """Does the damage; None when there is none to do, else whether the bytes are dead space."""
        path, size = data / name, (data / name).stat().st_size
        dead = UNREAD.search(name) is not None
        in_segment = class_of(name) == "log segment"
        if kind == "missing":
            path.unlink()
            return dead
        if kind == "older":
            before = self.older / name
            if not before.exists() or before.read_bytes() == path.read_bytes():
                return None
            shutil.copyfile(before, path)
            # Of a segment below the oldest generation named anywhere nobody reads a frame, neither of this copy nor of the older one.
            return dead or (in_segment and self.space.is_dead(path.name, 0, size))
        if size == 0:
            return None
        if kind == "cut":
            offset = size // 2
            with open(path, "r+b") as file:
                file.truncate(offset)
            return dead  # a segment of a wrong length is never right
        with open(path, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ (1 << self.rng.randrange(8))]))
        return dead or (in_segment and self.space.is_dead(path.name, offset, offset + 1))

    def verify(self):
        folder = self.world.data(self.victim)
        done = subprocess.run([BIN / "galend", "verify", "--data", folder, "--json"], capture_output=True, text=True,
                              timeout=600)
        check(done.returncode in (0, 1), f"verify ended with {done.returncode}: {done.stdout[-500:]} {done.stderr[-500:]}")
        report = json.loads(done.stdout)
        check(report["ok"] == (done.returncode == 0), f"verify ended with {done.returncode} and says {report}")
        for finding in report["findings"]:
            check("height" not in finding or finding["file"].endswith("/ledger"), f"of what is this the height: {finding}")
        return not report["ok"], done.stdout.strip()

    def names(self, path, said):
        """The finding has the file, or the folder where one file of a database is as good as the other."""
        folder = {"ledger": "ledger", "vault": "vault/index", "wal": "wal"}.get(path.split("/")[0])
        files = [finding["file"] for finding in json.loads(said)["findings"]]
        if class_of(path) in ("log segment", "log manifest") and path.split("/")[-1] in said:
            return True
        return any(file.endswith("/" + (folder or path)) for file in files) or "error" in json.loads(said)

    def case(self, case, name, kind, offset=None):
        """`offset` of a flip, or one among the first bytes, where most files have what is read first."""
        if not (self.good / name).exists():  # of an older copy
            name = next((other for other in self.files if class_of(other) == class_of(name)), None)
            if name is None:
                return self.keep(case)
        if offset is None:
            offset = self.rng.randrange(max(1, min((self.good / name).stat().st_size, PAGE // 16)))
        data = self.reset()
        dead = self.apply(data, name, kind, offset)
        if dead is None:
            return self.keep(case)
        what = f"{kind} {name}" + (f" at {offset}" if kind == "flip" else "")
        named, said = self.verify()
        # Cut behind one of its records it is what it was before its last flush, as a crash leaves it: the log has the rest.
        former = kind == "cut" and "/MANIFEST-" in name
        check(named or dead or former, f"{what}: not named by verify: {said[-300:]}")
        check(not named or self.names(name, said), f"{what}: found, but not in this file: {said[-500:]}")
        outcome, why = self.start(what)
        vault = class_of(name).startswith("vault ")
        if vault and outcome == "refuses" and (data / "vault.suspect").exists():  # it ended at a byte that it read as it ran
            outcome, why = self.start(f"{what}, once more")
        if outcome == "refuses" and class_of(name).startswith(("vault", "keyring")):
            check("backup" in why and "galend init" not in why, f"{what}: what to do is not said: {why}")
        # Without CURRENT there is no index, and its volume may not be mounted.
        check(outcome != "refuses" or not vault or (kind, class_of(name)) == ("missing", "vault CURRENT"), f"{what}: it does not follow: {why}")
        ledger = class_of(name).startswith("ledger ")
        if ledger and outcome == "refuses" and (data / "ledger.suspect").exists():  # it ended at a byte that it read as it ran
            outcome, why = self.start(f"{what}, once more")
        check(outcome == "votes" or not ledger, f"{what}: the others have all of it, and the node {outcome}: {why}")
        check(named or dead or outcome == "votes", f"{what}: a former state is not gone on from: the node {outcome}: {why}")
        if outcome == "votes" and named:
            again, said = self.verify()
            anew = (data / "ledger.damaged").exists()
            if again and anew:  # killed while it caught up: the newest blocks that it flushed had no certificate yet
                where = {finding.get("where") for finding in json.loads(said)["findings"]}
                check(where == {"certificate"}, f"{what}: made anew, and damaged: {said[-500:]}")
                self.start(f"{what}, once more", how=signal.SIGTERM)
                again, said = self.verify()
                check(not again, f"{what}: made anew, and after a stop in good order not whole: {said[-500:]}")
            outcome = self.scrub(what, class_of(name)) if again else "made anew" if anew else "mended"
            outcome = f"votes, {outcome}"
        elif outcome == "votes":
            outcome = "votes, dead space" if dead else "votes, from before the last flush"
        self.keep(case, class_of(name), kind, "named" if named else "dead" if dead else "-", outcome)
        print(f"{what}: verify {'names it' if named else 'finds nothing'}, node {outcome}{': ' + why if why else ''}", flush=True)
        self.rest()

    def scrub(self, what, file_class):
        """What comes of damage that a start passed by: one pass of the scrub, and the start after it."""
        world, data = self.world, self.world.data(self.victim)
        (data / "scrub").unlink(missing_ok=True)  # a pass from its beginning
        config = world.folder(self.victim) / "node.toml"
        kept = config.read_text()
        config.write_text(f"{kept}\n[scrub]\nperiod_s = 2\n")
        life = world.run_node(self.victim)
        until, scrub = time.monotonic() + 60, None
        while not life.ended() and not (scrub and scrub["last_pass_ms"]):
            check(time.monotonic() < until, f"{what}: no full pass of the scrub: {scrub}")
            scrub = (world.status(self.victim) or {}).get("scrub")
            time.sleep(0.1)
        config.write_text(kept)
        if not life.ended():
            life.stop(signal.SIGKILL)
        else:  # one of its own threads came to the byte first
            check("CORRUPT" in life.log(), f"{what}: it ended in the scrub's pass, and not for the damage: {life.log()[-600:]}")
        suspect = [name for name in ("ledger.suspect", "vault.suspect") if (data / name).exists()]
        outcome, why = self.start(f"{what}, after the scrub", how=signal.SIGTERM)
        what = f"{what}: after the scrub ({scrub}, {suspect})"
        if outcome != "votes":
            check(outcome == "follows, no vote" and file_class.startswith("vault "), f"{what} the node {outcome}: {why}")
            return f"latent; scrub: {outcome}"
        if (data / "ledger.damaged").exists():
            outcome = "made anew"
        else:
            outcome = "mended" if scrub and scrub["found"] else "gone"  # compaction wrote the rows anew, without the damaged bytes
        named, said = self.verify()
        # What the ledger has as well, or one of two copies: nothing needs it, and the segment goes when the log turns over.
        if named and file_class == "log segment":
            return "latent; scrub: goes with the log"
        check(not named, f"{what} it is still damaged: {said[-500:]}")
        return f"latent; scrub: {outcome}"

    def start(self, what, keys=True, how=signal.SIGKILL):
        """(outcome, reason): what the node does on the damaged directory. It signs nothing here: the chain is idle."""
        world = self.world
        life = world.run_node(self.victim)
        until, mode = time.monotonic() + 30, None
        while time.monotonic() < until and not life.ended():
            status = world.status(self.victim)
            mode = status["mode"] if status else None
            others = world.status(next(n for n in world.names if n != self.victim))
            if mode in ("VOTING", "RECOVERING", "DIVERGED") and others and status["height"] >= others["height"]:
                break
            time.sleep(0.05)
        if not life.ended() and mode:
            self.check_answers(what, keys)
        if life.ended():
            reason = [l for l in life.log().splitlines() if l.startswith("galend:") or " critical [" in l]
            check(reason, f"{what}: it ended with {life.popen.returncode} and no reason: {life.log()[-600:]}")
            advice = [l for l in life.log().splitlines() if l.startswith("  ")]
            return "refuses", re.sub(r"/\S*/data", "DIR", reason[-1].removeprefix("galend: "))[:400] + \
                (" |" + advice[-1] if advice else "")
        life.stop(how)
        check(mode is not None, f"{what}: it neither serves nor ends: {life.log()[-600:]}")
        return {"VOTING": "votes", "RECOVERING": "follows, no vote"}.get(mode, mode), ""

    def check_refusals(self, what, status):
        """Of a node that follows without its vault: it says what to do, takes on no work, and answers nothing that it cannot know."""
        world = self.world
        check("put back vault/" in status["mode_detail"], f"{what}: what to do is not said: {status['mode_detail']}")
        source = next(source for source, (node, _) in self.answers.items() if node == self.victim)
        document = world.documents(1, "unwanted")
        for asked in (("get", "--source", source), ("import", "--retry-for", "0", document)):
            done = world.run("--json", "--timeout", "5", "record", *asked, node=self.victim)
            check(done.returncode != 0 and "VAULT_DAMAGED" in done.stdout + done.stderr,
                  f"{what}: record {asked[0]} is not refused: {done.returncode} {done.stdout[-300:]} {done.stderr[-300:]}")
        document.unlink()

    def check_answers(self, what, keys):
        """`keys`: the member's own index must know its documents."""
        world = self.world
        status, other = world.status(self.victim), world.status(next(n for n in world.names if n != self.victim))
        if status and other and status["height"] == other["height"]:
            check(status["state_root"] == other["state_root"], f"{what}: another state root is served")
        if status and status["mode_detail"].startswith("VAULT_DAMAGED"):
            self.check_refusals(what, status)
        for source, (node, pointer) in list(self.answers.items())[:3]:
            options = ("--source", source) if node == self.victim else ("--pointer", pointer)
            done = world.run("--json", "--timeout", "5", "record", "get", *options, node=self.victim)
            if done.returncode == 0:
                found = json.loads(done.stdout.strip().splitlines()[-1])
                check(found["pointer_id"] == pointer, f"{what}: a wrong record is served: {found}")
            else:
                check(not keys or "NOT_FOUND" not in done.stdout + done.stderr or status["mode"] != "VOTING",
                      f"{what}: a record is denied: {done.stdout[-200:]} {done.stderr[-200:]}")

    def folder(self, name, kind):
        """A whole part of the directory is gone or comes from a backup; what the refusal says to do is done."""
        data = self.reset()
        what = f"{kind} {name}/"
        target = data if name == "data" else data / name
        shutil.rmtree(target)
        if kind == "older":
            shutil.copytree(self.older if name == "data" else self.older / name, target)
        named, _ = self.verify()
        outcome, why = self.start(what)
        print(f"{what}: verify {'names it' if named else 'finds nothing'}, node {outcome}{': ' + why if why else ''}", flush=True)
        if (name, kind) in (("keyring", "missing"), ("vault", "missing")):
            check("backup" in why and "galend init" not in why, f"{what}: what to do is not said: {why}")
        option = re.search(r"galend repair (--[a-z-]+)", why)
        if option:
            done = subprocess.run([BIN / "galend", "repair", "--config", self.world.folder(self.victim) / "node.toml", option[1]],
                                  capture_output=True, text=True)
            check(done.returncode == 0, f"{what}: repair {option[1]}: {done.stderr}")
            after, why = self.start(f"{what}, after repair {option[1]}", keys=option[1] != "--older-vault")
            check(after in ("votes", "follows, no vote"), f"{what}: after repair {option[1]} the node {after}: {why}")
            outcome = f"{outcome}; repaired: {after}"
        self.keep(f"{kind} {name}/", f"{name}/", kind, "named" if named else "-", outcome)
        self.rest()
        return outcome

    def folders(self):
        votes, silent = "votes", "follows, no vote"
        expected = {
            ("wal", "older"): lambda o: o == silent,  # an older log must not vote
            ("ledger", "missing"): lambda o: o.endswith(f"repaired: {votes}"),  # a lost ledger comes back from the others
            ("ledger", "older"): lambda o: o == votes,
            ("wal", "missing"): lambda o: o.endswith(f"repaired: {silent}"),
            ("data", "older"): lambda o: o == silent,  # a restored backup
            ("keyring", "missing"): lambda o: o == "refuses",
            ("vault", "missing"): lambda o: o == "refuses",
            # While the log still holds what the older index misses it is read again from there; else it is one to do without.
            ("vault", "older"): lambda o: o in (votes, silent),
        }
        for (name, kind), holds in share_of(list(expected.items())[:None if FULL else 2]):
            if f"{kind} {name}/" in self.done:
                continue
            outcome = self.folder(name, kind)
            check(holds(outcome), f"{kind} {name}/: the node {outcome}")

    def random_flip(self, number):
        """Draws from the seed and its number alone, so that a run that goes on draws the rest."""
        self.rng = random.Random(f"{SEED} {number}")
        name = self.rng.choice(self.files)
        path = self.good / name
        size = path.stat().st_size
        offset = self.rng.randrange(size)
        if self.rng.random() < 0.8:  # most of a log is zeros: look for a page with something on it
            with open(path, "rb") as file:
                for _ in range(200):
                    file.seek(offset // PAGE * PAGE)
                    if file.read(PAGE).strip(b"\0"):
                        break
                    offset = self.rng.randrange(size)
        self.case(f"flip {number}", name, "flip", offset)

    def kinds_of_damage(self):
        """One file of each class with each kind; of older copies one that there is."""
        found = {}
        for name in self.files:
            for kind in KINDS:
                older = self.older / name
                if kind == "older" and (not older.exists() or older.read_bytes() == (self.good / name).read_bytes()):
                    continue
                found.setdefault((class_of(name), kind), name)
        cases = [(name, kind) for (_, kind), name in sorted(found.items())]
        if FULL:
            return cases
        manifest = ("wal/manifest", "older")
        check(manifest in cases, "the log's manifest did not change: the sample misses a case")
        return [manifest] + self.rng.sample(cases, min(len(cases), int(os.environ.get("GALEN_CASES", "6"))))


def test():
    rng = random.Random(SEED)
    # One heartbeat an hour: the node that is started again and again on one state of its disk signs nothing in between.
    with DiskWorld(segment_mib=4 if FULL else 1, params=("idle_block_interval_ms=3600000",)) as world:
        damage = Damage(world, rng)
        damage.prepare(*((100, 100) if FULL else (40, 5)))
        check(not damage.verify()[0], f"the undamaged directory is not whole: {damage.verify()[1]}")
        outcome, _ = damage.start("nothing")
        check(outcome == "votes", f"the undamaged directory: {outcome}")
        for name, kind in share_of(damage.kinds_of_damage()):
            case = f"{kind} {class_of(name)}"
            if case not in damage.done:
                damage.case(case, name, kind)
        damage.folders()
        for number in share_of(range(1000 if FULL else int(os.environ.get("GALEN_PAIRS", "3")))):
            if f"flip {number}" not in damage.done:
                damage.random_flip(number)
        damage.reset()
        world.wait_serving(damage.victim, world.run_node(damage.victim))
        world.check_signatures()
        print(f"\n{'file class':18} {'damage':8} {'verify':7} {'a node started on it':46} cases")
        for (name, kind, named, outcome), count in sorted(damage.table.items()):
            print(f"{name:18} {kind:8} {named:7} {outcome:46} {count:5}")
        print(f"{sum(damage.table.values())} damages: each named or dead space, none served wrongly, no vote twice")


main(test)
