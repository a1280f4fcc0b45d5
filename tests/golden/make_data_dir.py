#!/usr/bin/env python3
"""Puts away a data directory of this release, once, for every later release to open (tests/cluster/test_golden_data.py).

  GALEN_BIN=build/release/bin python3 tests/golden/make_data_dir.py

Four hospitals on this machine, under each suite: one patient, one record of hers, one without a patient; then all are stopped in order,
and the first one's folder is packed with its keys, which are used nowhere else. What is there already is left as it is."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cluster"))
import stock  # noqa: E402
from consortium import Consortium, Failure, check, main  # noqa: E402
from golden_data import ARCHIVE, EXPECTED, GOLDEN, SUITES, Copy, check_copy, record_of, release  # noqa: E402

# No blocks between the last record and the end, and the smallest log that a configuration can name.
PARAMETERS = ("idle_block_interval_ms=3600000",)
SEGMENT_MIB = 1
SOURCE = "Observation/golden"
DOCUMENT = json.dumps({"resourceType": "Observation", "id": "golden", "status": "final", "code": {"text": "kept for ever"}})


def with_small_logs(consortium):
    """The size of a log's files is that of its making, and `dev up` makes them before anybody can say how large."""
    consortium.ctl("dev", "down")
    for node in consortium.names:
        folder = consortium.folder(node)
        with open(folder / "node.toml", "a") as toml:
            toml.write(f"\n[limits]\nlog_segment_mib = {SEGMENT_MIB}\n")
        shutil.rmtree(folder / "data")
        (folder / "keys" / "master.key").unlink()
    consortium.ctl("dev", "up", "--wait", "90", timeout=120)


def at_rest(consortium):
    """Height and root when nothing follows any more."""
    seen = None
    while seen != (seen := consortium.agree()):
        time.sleep(3)
    return seen


def fill(consortium):
    """What expected.json says, but for height and root."""
    document = pathlib.Path(consortium.dir) / "golden.json"
    document.write_text(DOCUMENT)
    patient = consortium.json("patient", "register", "--source", "Patient/golden", node="A")["pseudonym"]
    consortium.ctl("record", "anchor", document, "--source", SOURCE, "--subject", patient, node="A")
    consortium.json("record", "import", consortium.documents(1, "other"), node="B")
    height, root = at_rest(consortium)
    record = record_of(consortium.json("record", "get", "--source", SOURCE, node="A"))
    check(record["subject"] == patient, f"the record is not the patient's: {record}")
    certificate, _ = stock.Pki(consortium).client("A")
    service = stock.Pki.principal(None, certificate).hex()
    return {"member": "A", "service": service, "height": height, "state_root": root, "patient": patient, "source": SOURCE,
            "record": record, "document": DOCUMENT}


def pack(consortium, archive):
    with tempfile.TemporaryDirectory(prefix="galen-golden-") as staging:
        staging = pathlib.Path(staging)
        shutil.copy(pathlib.Path(consortium.dir) / "genesis.json", staging)
        for name in ("data", "keys"):
            shutil.copytree(consortium.folder("A") / name, staging / "node" / name)
        shutil.copy(consortium.folder("A") / "node.toml", staging / "node")
        subprocess.run(["tar", "-cf", archive.with_suffix(""), "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "-C", staging,
                        "genesis.json", "node"], check=True)
        subprocess.run(["gzip", "-9n", archive.with_suffix("")], check=True)


def at_the_end(archive, expected):
    """Height and root of what was put away: members that are asked to stop hand over their tenure, which makes a block or two more. That
    these are right says the checker, which executes the chain once more."""
    with Copy(archive, expected) as copy:
        report, status = copy.verify(), copy.start()
        check(expected["height"] <= report["height"] == status["height"],
              f"verify sees height {report['height']}, the node {status['height']}, both after {expected['height']}")
        return {"height": status["height"], "state_root": status["state_root"]}


def make(suite):
    folder = GOLDEN / release() / suite
    if (folder / EXPECTED).exists():
        return print(f"{folder} is there already; it is left as it is")
    os.environ["GALEN_SUITE"] = suite
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / ARCHIVE
    archive.unlink(missing_ok=True)
    with Consortium(params=PARAMETERS) as consortium:
        with_small_logs(consortium)
        expected = {"release": release(), "suite": suite, **fill(consortium)}
        consortium.ctl("dev", "down")
        pack(consortium, archive)
    expected.update(at_the_end(archive, expected))
    # Last: a folder without it is one that was not finished.
    check_copy(archive, expected)
    (folder / EXPECTED).write_text(json.dumps(expected, indent=1) + "\n")
    print(f"{archive}: {archive.stat().st_size >> 10} KiB, height {expected['height']}")


def make_all():
    for suite in SUITES:
        try:
            make(suite)
        except subprocess.CalledProcessError as error:
            raise Failure(f"{suite}: {error}") from error


main(make_all)
