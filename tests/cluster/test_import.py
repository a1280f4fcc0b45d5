#!/usr/bin/env python3
"""Real bundles through one hospital: each distinct (type, id, bytes) is one pointer, the summary adds up, a second import adds
nothing, also at once with another one or after a SIGKILL in the middle; all nodes report the same root; and no block holds
anything that was in the input (H02)."""
import json
import os
import random
import re
import signal
import subprocess
import time

from consortium import BIN, SEED, Consortium, check, main, need_data


def entries_of(path):
    document = json.loads(path.read_text())
    return len(document["entry"]) if document.get("resourceType") == "Bundle" else 1


def words_of(paths):
    """Names, addresses, ids and codes of the input that would be a leak anywhere on the ledger."""
    words = set()
    for path in paths:
        text = path.read_text()
        for key in ("family", "given", "city", "postalCode", "birthDate", "line", "display", "value", "code", "id"):
            for value in re.findall(rf'"{key}"\s*:\s*\[?\s*"([^"]{{6,60}})"', text):
                words.add(value.encode())
    return words


def test():
    rng = random.Random(SEED)
    paths = sorted(need_data("synthea-r4").glob("*.json"))
    if os.environ.get("GALEN_FULL") != "1":
        paths = paths[:3] + [p for p in paths if p.name.startswith(("hospital", "practitioner"))][:1]
    total = sum(entries_of(p) for p in paths)
    with Consortium() as consortium:
        command = [str(BIN / "galenctl"), "--dir", consortium.dir, "--node", "A", "--json", "record", "import"]
        # Interrupted in the middle, three times.
        for _ in range(3):
            running = subprocess.Popen(command + [str(p) for p in paths], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(rng.uniform(0.02, 0.4))
            running.send_signal(signal.SIGKILL)
            running.wait()
        # Twice at once.
        both = [subprocess.Popen(command + [str(p) for p in paths], stdout=subprocess.PIPE, text=True) for _ in range(2)]
        sums = [json.loads(p.communicate()[0].strip().splitlines()[-1]) for p in both]
        for summary in sums:
            check(summary["resources"] == total, f"resources {summary['resources']} instead of {total}")
            check(summary["anchored"] + summary["already_anchored"] + summary["refused"] == total, f"does not add up: {summary}")
            check(summary["refused"] == 0, f"refused: {summary}")
        last = consortium.json("record", "import", *paths, node="A", timeout=300)
        check(last == {"resources": total, "anchored": 0, "already_anchored": total, "refused": 0, "skipped": 0, "elsewhere": 0, "lossy_numbers": 0},
              f"a repetition added: {last}")
        height, root = consortium.agree()
        words = words_of(paths)
        blob = bytearray()
        # A block is shown in parts, to each member its own: all parts together are the block.
        for block in range(1, height + 1):
            parts = [consortium.json("ledger", "block", "--height", str(block), node=node) for node in consortium.names]
            seen = {(own["batch"], own["item"]): own for part in parts for own in part["own_transactions"]}
            whole = [part["block"] for part in parts if part["block"]]
            check(whole or len(seen) == parts[0]["transactions"], f"block {block}: {len(seen)} transactions are shown")
            for text in whole[:1] or [part for own in seen.values() for part in (own["transaction"], own["authorization"])]:
                blob += bytes.fromhex(text)
        found = [w for w in words if w in blob]
        check(not found, f"input stands on the ledger: {found[:5]}")
        print(f"{len(paths)} files, {total} resources, height {height}, root {root[:12]}; {len(words)} words of the input in "
              f"{len(blob)} bytes of blocks: none")


main(test)
