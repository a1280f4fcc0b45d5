#!/usr/bin/env python3
"""A data directory is put back from an earlier copy: D was stopped and copied, ran on under load, is SIGKILLed and started with the
copy. It has forgotten what it signed meanwhile, the others have not: it follows as RECOVERING, is SIGKILLed once more in the midst of
that, and votes again by consensus.md 8. Nobody signs two things for one place: all that left every process is recorded and compared."""
import shutil
import signal
import time

from consortium import AnchorLoad, check, main
from disk_world import DiskWorld

VICTIM = "D"


def wait_for_mode(world, life, mode, timeout=60):
    until, modes = time.monotonic() + timeout, []
    while True:
        check(not life.ended(), f"{VICTIM} ended:\n{life.log()[-1500:]}")
        status = world.status(VICTIM)
        if status and (not modes or modes[-1] != status["mode"]):
            modes.append(status["mode"])
        if modes and modes[-1] == mode:
            return modes
        check(time.monotonic() < until, f"{VICTIM} does not come to {mode}: {modes}\n{life.log()[-1500:]}")
        time.sleep(0.02)


def test():
    # Tenures of a few blocks, so that a view begins soon that was agreed on without it.
    with DiskWorld(params=["tenure_blocks=32"]) as world:
        copy = world.folder(VICTIM) / "copy"
        with AnchorLoad(world, size=3, names=["A", "B", "C"]) as load:
            time.sleep(1)
            world.down(VICTIM)
            shutil.copytree(world.data(VICTIM), copy)
            life = world.run_node(VICTIM)
            wait_for_mode(world, life, "VOTING")
            check("reason=votes_lost" not in life.log(), "a directory that nothing was done to is taken for an old one")
            time.sleep(3)
            before = world.status(VICTIM)["height"]
            world.down(VICTIM, signal.SIGKILL)
            shutil.rmtree(world.data(VICTIM))
            shutil.copytree(copy, world.data(VICTIM))

            life = world.run_node(VICTIM)
            began = time.monotonic()
            while "recovering reason=votes_lost" not in life.log():
                check(not life.ended() and time.monotonic() < began + 30, f"{VICTIM} does not see what it forgot:\n{life.log()[-1500:]}")
                time.sleep(0.01)
            time.sleep(1)  # what it says of itself is durable by then; the way back takes many times as long
            world.down(VICTIM, signal.SIGKILL)
            check("resumed" not in life.log(), "it recovered before it was killed, so the second start shows nothing")
            life = world.run_node(VICTIM)
            modes = wait_for_mode(world, life, "VOTING")
            took = time.monotonic() - began
            check("reason=not_over" in life.log() and "resumed" in life.log(), f"no recovery that goes on: {life.log()[-1500:]}")
            check("RECOVERING" in modes, f"{VICTIM} was never seen to recover: {modes}")
            time.sleep(2)
        height, root = world.agree(timeout=90, at_least=before)
        statements = world.check_signatures()
        victim = world.names.index(VICTIM)
        own = [s for s in statements if s.sender == victim]
        check(load.acknowledged and own, "nothing was anchored, or nothing signed")
        load.verify()
        print(f"{VICTIM}, at height {before} when its directory was put back from a copy, voted again after {took:.1f} s and a kill; {len(statements)} recorded "
              f"statements, {len(own)} of them its own, none twice for one place; {len(load.acknowledged)} imports all there at height {height}")


main(test)
