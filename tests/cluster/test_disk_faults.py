#!/usr/bin/env python3
"""One call of one node's disk goes wrong: the k-th write, sync, rename or size change of a scripted workload fails (EIO, ENOSPC),
is short, torn, late or never done, or power goes at it and takes what was not synced. After a failed write or sync the
process is gone within a second, and what it said before stands in its log; every start after it is clean, or refused with a
reason; nothing acknowledged is lost; nobody signs two things for one place.

A sample of GALEN_CASES cases (10), or those that GALEN_CASE names (eio:69,kill:12); with GALEN_FULL=1 each of the first 300 calls with every kind, kept in GALEN_PROGRESS.
"""
import collections
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time

import signed_record
from consortium import BIN, SEED, Failure, check, main, share_of
from disk_world import DiskWorld, fired, power_loss

KINDS = ("eio", "enospc", "short", "torn", "delay", "drop", "kill")
FAILS = ("eio", "enospc", "torn")  # the caller is told
CALLS = 300
STEPS_MAX = 120
GONE_WITHIN_S = 1.0
DELAY_MS = 1500
OLDER = 30


PROGRESS = pathlib.Path(os.environ["GALEN_PROGRESS"]) if "GALEN_PROGRESS" in os.environ else None


def passed_before():
    """Lines of cases that this or another run has done: KIND:CALL, class of file, call, outcome."""
    return PROGRESS.read_text().splitlines() if PROGRESS and PROGRESS.exists() else []


def cases(rng):
    if "GALEN_CASE" in os.environ:
        return [(kind, int(at)) for kind, at in (case.split(":") for case in os.environ["GALEN_CASE"].split(","))]
    if os.environ.get("GALEN_FULL") == "1":
        done = {line.split(" ")[0] for line in passed_before()}
        return [(kind, at) for kind, at in share_of([(kind, at) for at in range(1, CALLS + 1) for kind in KINDS])
                if f"{kind}:{at}" not in done]
    count = int(os.environ.get("GALEN_CASES", "10"))
    return [(KINDS[i % len(KINDS)], rng.randint(1, CALLS)) for i in range(count)]


def refused_reason(said):
    """What a start that is refused tells the operator, or nothing."""
    lines = [line for line in said.splitlines() if "galend:" in line or " critical [" in line]
    return lines[-1] if lines else None


class Run:
    def __init__(self, world, rng):
        self.world, self.rng = world, rng
        self.table = collections.Counter()
        for line in passed_before():
            case, name, call, outcome = line.split(" ", 3)
            self.table[case.split(":")[0], name, call, outcome] += 1
        self.slowest = 0.0
        self.promises = 0

    def case(self, number, kind, at):
        world, rng = self.world, self.rng
        victim = world.names[number % len(world.names)]
        trace = pathlib.Path(world.dir) / "trace"
        journal = pathlib.Path(world.dir) / "journal"
        trace.unlink(missing_ok=True)
        shutil.rmtree(journal, ignore_errors=True)
        journal.mkdir()
        before = len(world.acknowledged)
        world.down(victim)
        self.backup = pathlib.Path(world.dir) / "backup"
        shutil.rmtree(self.backup, ignore_errors=True)
        for name in ("vault", "keyring"):
            shutil.copytree(world.data(victim) / name, self.backup / name)
        life = world.run_node(victim, FAULT=kind, AT=at, DELAY_MS=DELAY_MS, TRACE=trace, JOURNAL=journal)
        hit = self.work(victim, life, trace, kind == "drop")
        what = f"{kind} at call {at} of {victim}: {hit}"
        if hit is None:
            raise Failure(f"{what}: the workload has too few calls")
        if kind in FAILS and hit[2] in ("write", "sync"):
            gone = life.ended(GONE_WITHIN_S + 2)
            took = (life.ended_at or time.monotonic()) - hit[4]
            check(gone and took <= GONE_WITHIN_S, f"{what}: the process lived on for {took:.2f} s")
            check(life.popen.returncode != 0, f"{what}: it ended with 0")
            self.slowest = max(self.slowest, took)
        elif not life.ended():
            world.anchor(victim, keep_pointer=True)
            world.anchor(world.names[(number + 1) % len(world.names)])
        if life.ended() and kind != "kill":
            check(refused_reason(life.log()), f"{what}: it ended without a reason: {life.log()[-500:]}")
        if not life.ended():
            life.stop(signal.SIGKILL)
        # Half of the time single pages survive that were not synced, as on a disk that writes in its own order.
        lost = power_loss.lose(world.data(victim), journal, rng if number % 2 else None)
        if kind != "drop":
            self.check_promises(victim, life, what)
        outcome = self.restart(victim, kind, what)
        world.agree(timeout=60)
        # What a write that was never done takes away may be older than this case.
        since = max(0, before - OLDER) if kind == "drop" else before
        world.check_acknowledged(since, victim if kind == "drop" and (hit[2] == "sync" or "backup" in outcome or "vault" in outcome) else None)
        self.table[kind, hit[1], hit[2], outcome] += 1
        print(f"{kind}:{at} {hit[1]} {hit[2]} {hit[3]}: {outcome}, {lost} unsynced changes lost, "
              f"{len(world.acknowledged) - before} transactions kept", flush=True)
        if PROGRESS:
            with open(PROGRESS, "a") as file:
                file.write(f"{kind}:{at} {hit[1]} {hit[2]} {outcome}\n")

    def work(self, victim, life, trace, keep_pointer):
        """Anchors through the victim and through others until the fault has hit; says what it hit."""
        world = self.world
        for step in range(STEPS_MAX):
            if life.ended():
                break
            if fired(trace):
                break
            node = victim if step % 2 == 0 else world.names[(world.names.index(victim) + 1 + step) % len(world.names)]
            if world.status(victim) is None:
                time.sleep(0.05)
                continue
            world.anchor(node, keep_pointer=keep_pointer)
        life.ended(0.5)
        return fired(trace)

    def check_promises(self, victim, life, what):
        """Every vote that this life of the node gave to the wire stands in its log as the disk has it."""
        path = self.world.record_dir / f"galend-{life.popen.pid}.wire"
        if not path.exists():
            return  # it ended before it met anybody
        log = b"".join(p.read_bytes() for p in sorted((self.world.data(victim) / "wal").glob("segment-*")))
        member = self.world.names.index(victim)
        for said in signed_record.read_file(path):
            if said.kind not in (signed_record.PREPARE, signed_record.COMMIT, signed_record.VIEW_CHANGE):
                continue
            if said.time_us < life.began_us:
                continue  # of an earlier life with the same pid, whose part of the log is long given up
            if said.sender == member:
                check(said.signature in log, f"{what}: promised and not durable: {said}")
                self.promises += 1

    def restart(self, victim, kind, what):
        """Starts the node until it votes. A disk that told the truth needs one start; after one that lied the operator does what
        the refusal says."""
        world = self.world
        refusals = []
        while True:
            life = world.run_node(victim)
            modes, said = world.wait_serving(victim, life, may_wait_for_vault=True)
            if modes is not None:
                break
            reason = refused_reason(said)
            check(reason, f"{what}: refused without a reason: {said}")
            check(kind == "drop", f"{what}: the start was refused though the disk told the truth: {reason}")
            check(len(refusals) < 4, f"{what}: no way out of {refusals}")
            refusals.append(self.mend(victim, reason, what))
        recovered = "RECOVERING" in modes
        check(not recovered or kind == "drop", f"{what}: votes were lost: {modes}\n{life.log()[-1500:]}")
        return ", ".join([f"refused, {r}" for r in refusals] + (["recovered"] if recovered else [])) or "clean"

    def mend(self, victim, reason, what):
        world = self.world
        option = next((o for o in ("--ledger", "--log", "--older-vault") if f"galend repair {o}" in reason), None)
        if option:
            done = subprocess.run([BIN / "galend", "repair", "--config", world.folder(victim) / "node.toml", option],
                                  capture_output=True, text=True)
            check(done.returncode == 0, f"{what}: repair {option}: {done.stderr}")
            return f"repair {option}"
        if "move that copy away" in reason:  # the second time that it lost something of its ledger
            shutil.rmtree(world.data(victim) / "ledger.damaged")
            return "copy moved away"
        check("vault" in reason or "keyring" in reason, f"{what}: it does not say what to do: {reason}")
        for name in ("vault", "keyring"):
            shutil.rmtree(world.data(victim) / name)
            shutil.copytree(self.backup / name, world.data(victim) / name)
        return "backup put back"


def test():
    rng = random.Random(SEED)
    with DiskWorld() as world:
        run = Run(world, rng)
        chosen = cases(rng)
        for number, (kind, at) in enumerate(chosen):
            run.case(number, kind, at)
        height, root = world.agree(timeout=60)
        kept = len(world.acknowledged)
        statements = world.check_signatures()
        if world.keys_lost:
            print(f"{len(world.keys_lost)} records keep their place in the ledger, and lost their key with the disk that lied")
        print("\nfault    class    call    start      cases")
        for (kind, name, call, outcome), count in sorted(run.table.items()):
            print(f"{kind:8} {name:8} {call:7} {outcome:10} {count:5}")
        check(run.promises > 0 or len(chosen) < 5, "no vote of a victim was compared with its log")
        print(f"{sum(run.table.values())} faults, {len(chosen)} of them in this run; {kept} acknowledged transactions, none lost; {len(statements)} signatures on the wire, "
              f"no two for one place; {run.promises} votes of the victims, each in its log; gone {run.slowest * 1000:.0f} ms after a failed call at the latest; "
              f"height {height}, root {root[:12]}")


main(test)
