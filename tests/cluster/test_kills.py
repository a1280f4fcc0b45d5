#!/usr/bin/env python3
"""A load of anchors while random nodes are SIGKILLed and started again, never more than one at a time, the leader included:
every acknowledged anchor is on all nodes at the end, with equal roots, and receipts of them verify with the second
implementation (scripts/verify). GALEN_KILLS sets how many kills (10); beyond 100 they are spread over several consortia, one
after the other, and what has passed is kept in GALEN_PROGRESS."""
import json
import os
import pathlib
import random
import subprocess
import sys
import time

import stock
from consortium import ROOT, SEED, AnchorLoad, Consortium, check, main

KILLS = int(os.environ.get("GALEN_KILLS", "10"))
A_CONSORTIUM = 100
RECEIPTS = 20
PROGRESS = pathlib.Path(os.environ["GALEN_PROGRESS"]) if "GALEN_PROGRESS" in os.environ else None


def kill_and_start(consortium, rng, kills):
    """Every third time the leader; how often that was."""
    leaders = 0
    for number in range(kills):
        time.sleep(rng.uniform(0.5, 2.0))
        statuses = [s for s in (consortium.status(n) for n in consortium.names) if s]
        leader = max(statuses, key=lambda s: s["view"])["leader"] if statuses else "A"
        victim = leader if number % 3 == 0 else rng.choice(consortium.names)
        leaders += victim == leader
        consortium.kill(victim)
        time.sleep(rng.uniform(0.2, 1.5))
        consortium.start(victim)
    return leaders


class Records:
    """Asks the nodes for records over channels that stay open."""

    def __init__(self, consortium):
        pki = stock.Pki(consortium)
        self.clients = {node: stock.Client(json.loads(consortium.ctl("--json", "dev", "env", node=node).strip().splitlines()[-1])["GALEN_ENDPOINT"],
                                           pki.ca(node), pki.client(node)) for node in consortium.names}

    def pointer_of(self, node, type=None, id=None, pointer=None):
        source = None if pointer else stock.message((1, "urn:galen:dev"), (2, type), (3, id))
        request = stock.message((1, pointer), (2, source))
        for attempt in range(3):
            answer = self.clients[node].call("RecordService/GetRecord", request, timeout=30)
            if answer.code not in ("DEADLINE_EXCEEDED", "UNAVAILABLE"):  # a busy machine may keep a caller waiting
                break
        check(answer.code == "OK", f"{node} does not find {id or pointer.hex()}: {answer}")
        return stock.one(stock.decode(stock.one(stock.decode(answer.body), 1)), 1)


def verify_receipts(consortium, transactions):
    """Each from its custodian, the only one that may have it, by a verifier that shares no code with it."""
    files = []
    for number, (node, transaction) in enumerate(transactions):
        files.append(pathlib.Path(consortium.dir) / f"{number}.galen")
        consortium.ctl("receipt", "get", "--tx", transaction, "--out", files[-1], node=node)
    lines = "".join(f"{file}\t{consortium.dir}/genesis.json\n" for file in files)
    done = subprocess.run([sys.executable, ROOT / "scripts/verify/galen_verify.py", "--list"], input=lines, capture_output=True,
                          text=True, timeout=600)
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    check(len(verdicts) == len(files) and all(v["valid"] for v in verdicts), f"receipts: {done.stdout[-800:]}{done.stderr[-800:]}")


def one_consortium(rng, kills):
    with Consortium() as consortium:
        with AnchorLoad(consortium) as load:
            leaders = kill_and_start(consortium, rng, kills)
        height, root = consortium.agree(timeout=90)
        check(load.acknowledged, "nothing was acknowledged at all")
        load.verify(Records(consortium).pointer_of)
        sample = rng.sample(load.transactions, min(RECEIPTS, len(load.transactions)))
        verify_receipts(consortium, sample)
        print(f"all there on all nodes at height {height}, root {root[:12]}", flush=True)
        return {"kills": kills, "leaders": leaders, "imports": len(load.acknowledged), "records": len(load.acknowledged) * load.size,
                "refused": load.refused, "receipts": len(sample), "gap_s": round(load.longest_gap, 1)}


def test():
    rng = random.Random(SEED)
    rounds = []

    def total(name):
        return sum(done[name] for done in rounds)

    def read_rounds():
        if PROGRESS and PROGRESS.exists():  # other runs add to it
            rounds[:] = [json.loads(line) for line in PROGRESS.read_text().splitlines()]

    read_rounds()
    while total("kills") < KILLS:
        rounds.append(one_consortium(rng, min(A_CONSORTIUM, KILLS - total("kills"))))
        if PROGRESS:
            with open(PROGRESS, "a") as file:
                file.write(json.dumps(rounds[-1]) + "\n")
        read_rounds()
    print(f"{total('kills')} kills, {total('leaders')} of the leader; {total('imports')} imports with {total('records')} records "
          f"acknowledged, {total('refused')} not; {total('receipts')} receipts verified in Python; longest time without an "
          f"acknowledged import {max(done['gap_s'] for done in rounds)} s")


main(test)
