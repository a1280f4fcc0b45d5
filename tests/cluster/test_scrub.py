#!/usr/bin/env python3
"""A byte of an old block flips on the disk of a running node: its scrub finds it, fetches the block from the others, writes it anew and takes
the damaged file out, all while the node votes; what it then serves is what the others serve, and a start on it finds nothing wrong."""
import json
import signal
import subprocess
import time

from consortium import BIN, Consortium, check, main

PERIOD_S = 4


def test():
    with Consortium() as consortium:
        for number in range(6):
            consortium.json("record", "import", consortium.documents(60, f"scrub{number}"), node="ABC"[number % 3])
        height, _ = consortium.agree()
        victim = next(n for n in consortium.names if n != consortium.status("A")["leader"])
        consortium.kill(victim, signal.SIGTERM)  # a stop in order writes the ledger's tables
        with open(consortium.folder(victim) / "node.toml", "a") as toml:
            # Without a cache, which would answer for the disk.
            toml.write(f"\n[limits]\nblock_cache_mib = 0\n[scrub]\nperiod_s = {PERIOD_S}\n")
        consortium.start(victim)

        blocks = (consortium.json("ledger", "block", "--height", h, node="A") for h in range(2, height))
        served = next(block for block in blocks if block["transactions"] > 0)
        header = bytes.fromhex(served["header"])
        tables = consortium.folder(victim) / "data" / "ledger"
        settle(tables)
        # The header stands in the info row and, last, in the block's own row.
        path, at = next((p, found) for p in sorted(tables.glob("*.sst")) if (found := p.read_bytes().rfind(header)) >= 0)
        with open(path, "r+b") as file:
            file.seek(at + 1500)
            byte = file.read(1)[0]
            file.seek(at + 1500)
            file.write(bytes([byte ^ 4]))
        flipped = time.monotonic()

        wait(consortium, victim, lambda scrub: scrub["found"] > 0 and scrub["repaired"] == scrub["found"] and not scrub["left"],
             "the damage is not mended")
        took = time.monotonic() - flipped
        wait_gone(path)
        log = consortium.log(victim)
        check("scrub: damage found: ledger/" + path.name in log, "the log does not name the file")
        check("fetched from" in log, "the log does not say where the block came from")
        check(" critical [" not in log, "the node stopped")
        again = consortium.json("ledger", "block", "--height", served["height"], node=victim)
        check((again["header"], again["digest"]) == (served["header"], served["digest"]), "the block that is served is another one")
        # The whole chain still goes through the node, and it goes on.
        consortium.json("record", "import", consortium.documents(10, "after"), node=victim)
        consortium.agree()
        status = consortium.status(victim)
        check(status["mode"] == "VOTING", f"the node is {status['mode']}")
        consortium.kill(victim, signal.SIGTERM)
        done = subprocess.run([BIN / "galend", "verify", "--data", consortium.folder(victim) / "data", "--json"],
                              capture_output=True, text=True)
        report = json.loads(done.stdout)
        check(report["ok"] and report["executed"], f"not whole: {report['findings']}")
        consortium.start(victim)
        consortium.agree()
        print(f"a flipped byte in {path.name}: found and mended {took:.1f} s after it, period {PERIOD_S} s; "
              f"{status['scrub']['found']} findings, {status['scrub']['repaired']} repaired")


def settle(tables):
    """Waits until RocksDB has moved and rewritten its fresh files."""
    seen, since = None, time.monotonic()
    while time.monotonic() - since < 3:
        now = sorted(tables.glob("*.sst"))
        if now != seen:
            seen, since = now, time.monotonic()
        time.sleep(0.2)


def wait(consortium, node, holds, what):
    until = time.monotonic() + 60
    while True:
        status = consortium.status(node)
        if status and holds(status["scrub"]):
            return
        check(time.monotonic() < until, f"{what}: {status and status['scrub']}")
        time.sleep(0.3)


def wait_gone(path):
    until = time.monotonic() + 30
    while path.exists():
        check(time.monotonic() < until, "the damaged file is still there")
        time.sleep(0.2)


main(test)
