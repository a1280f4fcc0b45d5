#!/usr/bin/env python3
"""One of four members lies, as a real process with its real key (tests/byzantine): it proposes two blocks for one place, votes for
everything, withholds, storms, stalls, changes messages. Under load from the three others: work goes on, their roots are equal, no
honest member signed two things for one place, the others' logs name the liar, and the ledger of every node proves its fault and
nobody else's. Afterwards it comes back as an honest node.
GALEN_BYZANTINE_S: seconds for each mix of lies (8); GALEN_LEADER_S: for the first one, an equivocating leader (the same);
GALEN_FULL=1: every mix, else the first and one drawn by the seed."""
import json
import os
import random
import signal
import subprocess
import time

import signed_record
from consortium import BIN, SEED, AnchorLoad, check, main
from disk_world import DiskWorld

FULL = os.environ.get("GALEN_FULL") == "1"
SECONDS = float(os.environ.get("GALEN_BYZANTINE_S", "60" if FULL else "8"))
LEADER_SECONDS = float(os.environ.get("GALEN_LEADER_S", SECONDS))
LIAR = "D"
MIXES = ["equivocates,votes_for_all", "equivocates,withholds,stalls", "votes_for_all,storms,replays", "lies_status,lies_view_change,deaf",
         "mutates,replays,withholds"]
PROVABLE = MIXES[0]  # leaves two different signed words for one place with the others, once the liar has led; more silence may hide them


class HonestLoad(AnchorLoad):
    """Through the honest members only: the liar may refuse its own clients."""

    def _run(self):
        names = self.consortium.names
        self.consortium.names = [n for n in names if n != LIAR]
        try:
            super()._run()
        finally:
            self.consortium.names = names


def named(world):
    """How often the honest members' logs accuse the liar."""
    return sum(line.count(f"member={LIAR}") for n in world.names if n != LIAR for line in world.log(n).splitlines()
               if " equivocation " in line)


def proven(world, node):
    """What the node says the ledger has proven: names in its status, and the list with all there is to it."""
    status = world.status(node)
    done = world.run("--json", "member", "evidence", node=node)
    check(done.returncode == 0, f"{node}: {done.stderr[-400:]}")
    listed = json.loads(done.stdout.strip().splitlines()[-1])["equivocations"]
    return (status or {}).get("equivocations"), listed


def check_proven(world, nodes, timeout=30):
    """Every node's ledger names the liar and nobody else, with the same proof."""
    until = time.monotonic() + timeout
    while not all((world.status(n) or {}).get("equivocations") == [LIAR] for n in nodes):
        check(time.monotonic() < until, f"not proven: {[(n, (world.status(n) or {}).get('equivocations')) for n in nodes]}")
        time.sleep(0.2)
    lists = []
    for node in nodes:
        names, listed = proven(world, node)
        check(names == [LIAR] and [one["name"] for one in listed] == [LIAR], f"{node} names {names}, {listed}")
        lists.append(listed)
    check(all(listed == lists[0] for listed in lists), f"the ledgers differ: {lists}")
    only = lists[0][0]
    check(only["epoch"] == 1 and only["kind"] in ("PRE_PREPARE", "PREPARE", "COMMIT") and only["height"] > 0, f"{only}")
    table = world.run("member", "list", node=nodes[0]).stdout.splitlines()
    marked = [line for line in table if "SIGNED TWO VALUES" in line]
    check(len(marked) == 1 and f" {LIAR} " in marked[0], f"member list marks {marked}")
    events = world.run("--json", "events", "--from", "beginning", "--type", "equivocation_proven", node=nodes[-1])
    told = [json.loads(line) for line in events.stdout.splitlines() if "equivocation_proven" in line]
    check(len(told) == 1 and told[0]["what"].startswith(f"member {only['member']}"), f"events: {events.stdout[-400:]}")
    return only


def check_refuses(world):
    """What the liar cannot do it refuses: a test would take its silence for endurance."""
    config = world.folder(LIAR) / "node.toml"
    for lie in ("twins", "whispers", "errs"):
        done = subprocess.run([BIN / "galend-byzantine", "--config", config, "--lies", f"storms,{lie}"], capture_output=True, text=True,
                              timeout=30)
        check(done.returncode == 1 and f"only the simulator knows this lie: {lie}" in done.stderr, f"{lie}: {done.returncode} {done.stderr}")


def test():
    rng = random.Random(SEED)
    mixes = MIXES if FULL else [PROVABLE, rng.choice(MIXES[1:])]
    with DiskWorld(params=["tenure_blocks=8"]) as world:  # so that the liar leads soon
        honest = [n for n in world.names if n != LIAR]
        check_refuses(world)
        for lies in mixes:
            accused = named(world)
            process = world.run_liar(LIAR, lies, rng.getrandbits(32))
            began = time.monotonic()
            try:
                with HonestLoad(world) as load:
                    time.sleep(LEADER_SECONDS if lies == PROVABLE else SECONDS)
                    while lies == PROVABLE and named(world) == accused and time.monotonic() < began + LEADER_SECONDS + 60:
                        time.sleep(0.5)  # on a slow machine its tenure has not come yet
                took = time.monotonic() - began
                check(process.poll() is None, f"the liar ended with {process.poll()}:\n{world.log(LIAR)[-1500:]}")
                height, root = world.agree(honest, timeout=90)
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait()
            check(load.acknowledged, f"{lies}: nothing was acknowledged")
            accused = named(world) - accused
            if lies == PROVABLE:
                check(accused, f"{lies}: nobody's log names {LIAR}")
                fault = check_proven(world, honest)
                print(f"proven in block {fault['block']}: two of {fault['kind']} in view {fault['view']} for height {fault['height']}", flush=True)
            world.run_node(LIAR)
            world.agree(timeout=90, at_least=height)
            print(f"{lies:<34} {len(load.acknowledged) * load.size / took:5.0f} records a second acknowledged, {load.refused} imports not, "
                  f"longest pause {load.longest_gap:.1f} s; {LIAR} accused {accused} times; height {height}, root {root[:12]}", flush=True)
        check_proven(world, world.names)  # the liar's own ledger says so too, and still nobody else is named
        # The liar's own words are not recorded; what it says in others' names has no valid signature, and no honest node passes it on.
        liar = world.names.index(LIAR)
        statements = [s for s in signed_record.read(world.record_dir) if s.sender != liar]
        found = signed_record.conflicts(statements)
        check(statements and not found, f"{len(statements)} statements, in conflict: {found[:5]}")
        print(f"{len(statements)} signatures of honest members, no two for one place")


main(test)
