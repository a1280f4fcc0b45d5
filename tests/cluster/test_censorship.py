#!/usr/bin/env python3
"""One of four members, a real process, leaves one hospital's batches out of every block it proposes (tests/byzantine), under load from the
two others. The hospital's imports are all acknowledged; each waits for two tenures at most, counted in views, those that a timer ended
apart; and the honest members leave the liar for it at least once (F2). The imports of the others go on.
GALEN_CENSORSHIP_S: seconds at most until the liar must have been left (180)."""
import os
import re
import signal
import subprocess
import time

from consortium import BIN, SEED, AnchorLoad, Consortium, check, main

SECONDS = float(os.environ.get("GALEN_CENSORSHIP_S", "180"))
LIAR, VICTIM = "D", "A"
TENURES = 2  # f = 1: the rest of the one under way, and the liar's or the one after it


def lie(world):
    world.kill(LIAR, signal.SIGTERM)
    folder = world.folder(LIAR)
    with open(folder / "log" / "galend.log", "ab") as log:
        process = subprocess.Popen([BIN / "galend-byzantine", "--config", folder / "node.toml", "--lies", "ignores_origin", "--victim",
                                    VICTIM, "--seed", str(SEED)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   start_new_session=True)
    (folder / "galend.pid").write_text(f"{process.pid}\n")
    return process


def left(world):
    """How often each honest member asked for the next view because the liar left out the victim; and because of anybody else."""
    lines = [re.search(r"passed_over member=(\w+) by leader=(\w+)", line) for n in world.names if n != LIAR
             for line in world.log(n).splitlines() if " passed_over " in line]
    found = [(m.group(1), m.group(2)) for m in lines if m]
    return found.count((VICTIM, LIAR)), [one for one in found if one != (VICTIM, LIAR)]


def timer_views(world):
    """Views that an honest member asked for because its timer had run out: a busy machine's, not the liar's doing."""
    return {int(m.group(1)) for n in world.names if n != LIAR
            for m in re.finditer(r"view_change_sent view=(\d+) height=\d+ value=0\b", world.log(n))}


def view_of(world):
    status = world.status(VICTIM)
    check(status, f"{VICTIM} tells nothing of itself")
    return int(status["view"])


def test():
    # By time, not by blocks: else a busy leader's tenure is over before anybody can have waited long.
    with Consortium(params=["tenure_blocks=100000"]) as world:
        process = lie(world)
        waits, began = [], time.monotonic()
        try:
            with AnchorLoad(world, size=5, names=[n for n in world.names if n not in (LIAR, VICTIM)]) as others:
                while time.monotonic() - began < SECONDS and not (left(world)[0] and len(waits) > 5):
                    path = world.documents(5, f"ignored{len(waits)}")
                    before, at = view_of(world), time.monotonic()
                    done = world.json("--timeout", "90", "record", "import", path, node=VICTIM, timeout=150)
                    took, after = time.monotonic() - at, view_of(world)
                    check(done["anchored"] == 5, f"an import of {VICTIM} was not anchored: {done}")
                    burned = len([v for v in timer_views(world) if before < v <= after])
                    waits.append((took, after - before, burned))
            check(process.poll() is None, f"the liar ended with {process.poll()}:\n{world.log(LIAR)[-1500:]}")
            complaints, wrong = left(world)
            longest = max(waits)
            print(f"{len(waits)} imports of {VICTIM}: longest wait {longest[0]:.1f} s, {longest[1]} views ({longest[2]} by timers); "
                  f"at most {max(w[1] for w in waits)} views; {LIAR} left {complaints} times for leaving it out; "
                  f"{len(others.acknowledged)} imports of the others, longest pause {others.longest_gap:.1f} s", flush=True)
            check(complaints, f"nobody left {LIAR}, which left out {VICTIM}")
            check(not wrong, f"honest leaders were left: {wrong}")
            late = [w for w in waits if w[1] - w[2] > TENURES]
            check(not late, f"an import waited for more than {TENURES} tenures: {late}")
            check(others.acknowledged, "the others' imports stood still")
            world.agree([n for n in world.names if n != LIAR], timeout=90)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


main(test)
