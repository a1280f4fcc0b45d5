#!/usr/bin/env python3
"""The data directory of every release, as it was put away then (tests/golden/data): `galend verify` finds it whole, a node starts on a copy
of it, and height, state root, record and document are those of then. Of the present release both suites must be there: they are made by
tests/golden/make_data_dir.py, once, and kept for ever."""
import json

from consortium import check, main
from golden_data import ARCHIVE, EXPECTED, GOLDEN, SUITES, check_copy, release


def test():
    for suite in SUITES:
        for name in (ARCHIVE, EXPECTED):
            path = GOLDEN / release() / suite / name
            check(path.is_file(), f"{path} is not there: tests/golden/make_data_dir.py makes it, once for a release")
    for path in sorted(GOLDEN.glob(f"*/*/{EXPECTED}")):
        expected = json.loads(path.read_text())
        check(expected["release"] == path.parents[1].name and expected["suite"] == path.parent.name, f"{path}: {expected}")
        status = check_copy(path.parent / ARCHIVE, expected)
        print(f"{expected['release']} {expected['suite']}: height {status['height']}, {path.parent / ARCHIVE}: "
              f"{(path.parent / ARCHIVE).stat().st_size >> 10} KiB")


main(test)
