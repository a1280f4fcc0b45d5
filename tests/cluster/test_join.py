#!/usr/bin/env python3
"""A member's data directory is made anew while the chain runs: it joins by a snapshot, without a command and without being told
what to trust. On its way it is SIGKILLed again and again, and one member sends parts whose checksum is right and whose content
is not. The chain has gone over to another epoch meanwhile, so the snapshot leads across its end. At the end the member has the same
root, every block down to the first, receipts of transactions older than it, and a directory that verifies. GALEN_FULL=1: a chain of 10^6 records (GALEN_RECORDS), with more blocks and kills."""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import threading
import time

from consortium import BIN, SEED, AnchorLoad, Consortium, check, main
from membership import approve, prepare_rotation, retried, wait_for_epoch

FULL = os.environ.get("GALEN_FULL") == "1"
WITHIN = 5 if FULL else 1  # lives that go on with a join which a kill had cut off
BLOCKS, SECONDS, KILLS, SIZE = (1500, 120, 12, 100) if FULL else (125, 24, 4, 20)
INTERVAL, BEHIND, TTL_MS = (200, 400, 40_000) if FULL else (25, 100, 12_000)
RECORDS = int(os.environ.get("GALEN_RECORDS", 1_000_000 if FULL else 0))


def crc32c_table():
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        yield value


CRC32C = tuple(crc32c_table())


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ CRC32C[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class BadParts(threading.Thread):
    """Changes the last byte of every part that a node has, and its checksum with it: nothing local can tell."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.done, self.stopping = folder, set(), False

    def run(self):
        while not self.stopping:
            self.turn()
            time.sleep(0.02)

    def turn(self):
        """Every part that is there; whether none went away meanwhile with a snapshot that was removed."""
        try:
            self.change_parts()
            return True
        except FileNotFoundError:
            return False

    def change_parts(self):
        for path in self.folder.glob("[0-9]*/part-*"):
            if path in self.done:
                continue
            data = bytearray(path.read_bytes()[:-4])
            if len(data) > 19:  # an empty part has nothing to be changed
                data[-1] ^= 1
                beside = path.parent.parent / "changed"
                beside.write_bytes(bytes(data) + crc32c(data).to_bytes(4, "big"))
                if path.parent.exists():
                    beside.replace(path)
            self.done.add(path)


class Joiner:
    """The member that lost its disk, started without anybody waiting for it."""

    def __init__(self, consortium, node):
        self.consortium, self.node, self.folder = consortium, node, consortium.folder(node)
        self.kills = 0

    def make_anew(self):
        shutil.rmtree(self.folder / "data")
        (self.folder / "keys" / "master.key").unlink()
        made = subprocess.run([BIN / "galend", "init", "--config", self.folder / "node.toml"], capture_output=True, text=True)
        check(made.returncode == 0, f"galend init: {made.stderr}")

    def live_for(self, seconds):
        process, _ = self.begin()
        time.sleep(seconds)
        self.end(process)

    def live_into_a_join(self, seconds):
        """Until so long after it began to join or went on with that; False if it does neither."""
        process, log = self.begin()
        until = time.monotonic() + 20
        said, joining = "", None
        while not joining and time.monotonic() < until:
            said += log.read()
            joining = re.search("joining (by snapshot|goes on)", said)
            time.sleep(0.005)
        time.sleep(seconds)
        self.end(process)
        return joining is not None

    def begin(self):
        """The process, and its log to be read from here on."""
        log = self.folder / "log" / "galend.log"
        with open(log, "a") as out:
            said = open(log, errors="replace")
            said.seek(0, os.SEEK_END)
            return subprocess.Popen([BIN / "galend", "--config", self.folder / "node.toml"], stderr=out, stdout=out), said

    def end(self, process):
        ended = process.poll()
        process.send_signal(signal.SIGKILL)
        process.wait()
        check(ended is None, f"{self.node} ended by itself with {ended}")
        self.kills += 1

    def said(self, text):
        return len(re.findall(text, self.consortium.log(self.node)))


def fill(consortium):
    """Records in bulk, as fast as node A takes them; returns about how many."""
    seconds, done = 20, 0
    environment = os.environ | consortium.json("dev", "env")
    while done < RECORDS:
        run = subprocess.run([BIN / "galen-bench", "--workload", "bulk", "--outstanding", "64", "--seconds", str(seconds),
                              "--warm-up", "0", "--json"], capture_output=True, text=True, timeout=180, env=environment)
        check(run.returncode == 0, f"galen-bench: {run.stdout[-400:]}{run.stderr[-400:]}")
        done += json.loads(run.stdout.strip().splitlines()[-1])["ops_per_s"] * seconds
        print(f"{done:.0f} records", flush=True)
    return done


def import_at(consortium, node, tag):
    """The transaction of a bundle that the node anchored."""
    path = consortium.documents(5, tag)
    lines = consortium.ctl("--json", "record", "import", path, node=node).strip().splitlines()
    return next(line["last_transaction"] for line in map(json.loads, lines) if "last_transaction" in line)


def wait_for_height(consortium, height):
    while True:
        status = consortium.status("A")
        if status and status["height"] >= height:
            return status["height"]
        time.sleep(0.5)


def kill_within_joins(joiner, rng):
    """By the clock alone every kill may miss the join, which is short on a quick machine: these fall into it."""
    joined = 0
    for _ in range(10 * WITHIN):
        if joiner.said("joining goes on") >= WITHIN:
            return
        if joiner.said(" joined height=") > joined:
            joined = joiner.said(" joined height=")
            joiner.make_anew()
        if not joiner.live_into_a_join(rng.uniform(0, 0.5 if FULL else 0.05)):
            joiner.make_anew()  # it had all of it already
    check(joiner.said("joining goes on") >= WITHIN, f"no {WITHIN} kills fell into a join under way")


def wait_until_whole(consortium, joiner, modes):
    until = time.monotonic() + (600 if FULL else 90)
    by_snapshot = False
    while True:
        status = consortium.status(joiner.node)
        if status and (not modes or modes[-1] != status["mode"]):
            modes.append(status["mode"])
            print(f"{joiner.node} says {status['mode']}: {status['mode_detail']}")
        # A kill may have come between the taking of it and the line that says so.
        by_snapshot |= bool(status and status["backfill_floor"] > 0) or joiner.said("snapshot now") > 0
        if status and status["mode"] == "VOTING" and status["backfill_floor"] == 0 and by_snapshot:
            return
        check(time.monotonic() < until, f"{joiner.node} is not whole again: {modes} {status}")
        time.sleep(0.1)


def check_old_receipts(consortium, joiner, transactions):
    for transaction in transactions:
        path = pathlib.Path(consortium.dir) / "old.galen"
        consortium.ctl("receipt", "get", "--tx", transaction, "--out", path, node=joiner.node)
        verdict = consortium.json("receipt", "verify", path)
        check(verdict["valid"], f"the receipt of {transaction} from {joiner.node}: {verdict}")


def check_directory(consortium, joiner):
    consortium.kill(joiner.node, signal.SIGTERM)
    done = subprocess.run([BIN / "galend", "verify", "--data", joiner.folder / "data", "--json"], capture_output=True, text=True,
                          timeout=1800)
    report = json.loads(done.stdout)
    check(done.returncode == 0 and report["ok"] and report["executed"] and report["from"] == 0, f"verify: {report}")
    consortium.start(joiner.node)
    return report


def test():
    rng = random.Random(SEED)
    with Consortium(params=[f"ttl_max_ms={TTL_MS}", "clock_skew_max_ms=2000"]) as consortium:
        consortium.set_sync(INTERVAL, BEHIND)
        for name in consortium.names:
            retried(consortium, "member", "admin-key", node=name)
        joiner = Joiner(consortium, "D")
        old = [import_at(consortium, "D", f"old{i}") for i in range(3)]
        filled = fill(consortium)
        with AnchorLoad(consortium, size=SIZE) as load:
            time.sleep(SECONDS / 2)
            paper, _ = prepare_rotation(consortium, "B")
            approve(consortium, "rotate-key", "--paper", paper, by=["A", "C", "D"])
            wait_for_epoch(consortium, 2)
            time.sleep(SECONDS / 2)  # the oldest blocks are to be older than ttl_max
            before = wait_for_height(consortium, BLOCKS)
        first = load.acknowledged[0][1]
        custodian = load.acknowledged[0][0]
        pointer = consortium.json("record", "get", "--source", f"Observation/{first}-0", node=custodian)["pointer_id"]

        consortium.kill("D")
        joiner.make_anew()
        bad = BadParts(consortium.folder("B") / "data" / "snapshots")
        until = time.monotonic() + 60
        while not bad.turn() or not bad.done:
            check(time.monotonic() < until, "B made no snapshot")
            time.sleep(0.1)
        bad.start()
        modes = []
        with AnchorLoad(consortium, size=SIZE, names=["A", "B", "C"], tag="meanwhile") as meanwhile:
            began = time.monotonic()
            for _ in range(KILLS):
                joiner.live_for(rng.uniform(0.3, 2.5))
            kill_within_joins(joiner, rng)
            consortium.start("D")
            wait_until_whole(consortium, joiner, modes)
            took = time.monotonic() - began
        bad.stopping = True
        bad.join()
        height, root = consortium.agree(timeout=90)
        check(meanwhile.acknowledged, "nothing was acknowledged while D joined")
        end = consortium.json("member", "epochs", node="A")["epochs"][-1]["first_height"] - 1
        joined = [int(h) for h in re.findall(r" joined height=(\d+)", consortium.log("D"))]
        check(joined and max(joined) > end > 0, f"D was to join beyond the end of the epoch at {end}: {joined}")
        check(joiner.said("joining by snapshot") > 0 and joiner.said("backfilled: every block") > 0, "D did not join by snapshot")
        floors = [int(f) for f in re.findall(r"backfilling floor=(\d+)", consortium.log("D"))]
        check(floors and max(floors) > 1, f"nothing was left to be backfilled: {floors}")
        refused = set(re.findall(r"sync refuses member=(\w+)", consortium.log("D")))
        check(refused == {"B"}, f"D refused {refused or 'nobody'}, B sent bad parts")

        consortium.json("record", "get", "--pointer", pointer, node="D")
        check_old_receipts(consortium, joiner, old)
        blocks = check_directory(consortium, joiner)["blocks"]
        consortium.agree(timeout=90)
        rate = len(meanwhile.acknowledged) * SIZE / took
        records = filled + len(load.acknowledged) * SIZE
        print(f"D joined a chain of {before} blocks and {records:.0f} records in {took:.1f} s with {joiner.kills} kills, after which "
              f"{joiner.said('joining goes on')} times a join went on, a floor of {max(floors)}, beyond the end of an epoch at {end}, "
              f"and bad parts from B; the others went on at {rate:.0f} records/s; all agree at height {height}, root {root[:12]}; D has "
              f"and verifies {blocks} blocks")


main(test)
