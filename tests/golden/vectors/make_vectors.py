#!/usr/bin/env python3
"""Writes the published vectors: good/ and bad/ beside this file, and index.json that says what a verifier must
answer.

Everything is derived from the golden keys, so a second run writes the same bytes; `--check` compares instead of
writing. The expected part and reason of each bad file are stated by hand, from docs/spec; no verifier is asked.
"""

import json
import sys

sys.dont_write_bytecode = True
from sample_chain import GOLDEN, HERE
from bad_bundles import bad_bundles
from bad_epochs import bad_epochs
from bad_proofs import bad_consistencies, bad_state_proofs, bad_transaction_proofs
from bad_receipts import bad_receipts
from editing import Vectors
from epoch_sample import build_epochs, good_epochs
from good import build, good_vectors
from member_rows import bad_member_rows, build_member_rows, good_member_rows


def main():
    files, index = {}, []
    for folder in ("", "sm2-sm3/"):
        chain = build(GOLDEN / folder)
        v = Vectors(folder)
        good_vectors(v, chain)
        bad_receipts(v, chain)
        bad_transaction_proofs(v, chain)
        bad_state_proofs(v, chain)
        bad_consistencies(v, chain)
        bad_bundles(v, chain)
        several = build_epochs(GOLDEN / folder)
        good_epochs(v, several)
        bad_epochs(v, several)
        rows = build_member_rows(GOLDEN / folder)
        good_member_rows(v, rows)
        bad_member_rows(v, rows)
        files.update(v.files)
        index += v.index
    return write(files, index, "--check" in sys.argv)


def write(files, index, check):
    files["index.json"] = ("[\n" + ",\n".join("  " + json.dumps(entry) for entry in index) + "\n]\n").encode()
    wrong = 0
    for name, data in files.items():
        path = HERE / name
        if check:
            if not path.exists() or path.read_bytes() != data:
                print("differs:", name)
                wrong += 1
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    stray = {str(p.relative_to(HERE)) for p in HERE.rglob("*.galen")} - set(files)
    for name in sorted(stray):
        print("not of this program:", name)
    print("%d good, %d bad" % (sum(e["valid"] for e in index), sum(not e["valid"] for e in index)))
    return 1 if wrong or stray else 0


if __name__ == "__main__":
    sys.exit(main())
