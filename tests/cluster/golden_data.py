"""Data directories that releases left behind, tests/golden/data/RELEASE/SUITE: a node's whole folder, packed, and what is in it.
A copy is checked by `galend verify`, opened by a node that is alone with it, and asked."""
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import types

import newcomer
import stock
from consortium import BIN, ROOT, check

GOLDEN = ROOT / "tests" / "golden" / "data"
ARCHIVE, EXPECTED = "directory.tar.gz", "expected.json"
SUITES = ("p256-sha256", "sm2-sm3")


def release():
    """Of the programs that are tested."""
    return subprocess.run([BIN / "galend", "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]


class Copy:
    """Unpacked, in a place of its own: genesis.json, and node/ with node.toml, keys/ and data/."""

    def __init__(self, archive, expected):
        self.archive, self.expected = archive, expected
        self.galend = None

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="galen-golden-"))
        subprocess.run(["tar", "-xzf", self.archive, "-C", self.dir, "--no-same-owner"], check=True)
        self.node = self.dir / "node"
        self.log = self.dir / "galend.log"
        self.document = self.dir / "document.json"
        self.document.write_text(self.expected["document"])
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and self.log.exists():
            print("--- the end of the log\n" + "".join(self.log.read_text(errors="replace").splitlines(True)[-12:]))
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def verify(self):
        done = subprocess.run([BIN / "galend", "verify", "--data", self.node / "data", "--json"], capture_output=True, text=True,
                              timeout=120)
        check(done.returncode == 0, f"galend verify ends with {done.returncode}: {done.stdout} {done.stderr[-800:]}")
        report = json.loads(done.stdout)
        check(report["ok"] and report["executed"] and report["ledger_checked"], f"galend verify says {report}")
        return report

    def prepare(self):
        """The certificates of its interface end after a year, and its ports may be another's: both are of no account for what
        is stored, and made anew. Its key and certificate towards the other members stay; there are none."""
        (self.dir / "pki").mkdir()
        newcomer.make_ca(self.dir / "pki" / "golden", "/CN=golden")
        pki = stock.Pki(types.SimpleNamespace(dir=self.dir))
        self.ca = pki.ca("golden")
        shutil.copy(self.ca, self.node / "keys" / "client-ca.pem")
        for name, made in zip(("api.pem", "api.key"), pki.issue("golden", ["DNS:localhost", "IP:127.0.0.1"])):
            shutil.copy(made, self.node / "keys" / name)
            (self.node / "keys" / name).chmod(0o600)
        self.client = pki.issue("golden", [f"URI:urn:galen:principal:{self.expected['service']}"])
        self.client[1].chmod(0o600)
        self.port = newcomer.free_port()
        toml = self.node / "node.toml"
        before, addresses, after = re.split(r"(?s)(\[peers\.addresses\]\n.*?)(?=\n\[)", toml.read_text(), maxsplit=1)
        before = re.sub(r'listen = "[^"]*"', f'listen = "127.0.0.1:{newcomer.free_port()}"', before)
        addresses = re.sub(r'"[^"]*"', '"127.0.0.1:1"', addresses)
        toml.write_text(before + addresses + re.sub(r'listen = "[^"]*"', f'listen = "127.0.0.1:{self.port}"', after))

    def start(self):
        self.prepare()
        with open(self.log, "ab") as log:
            self.galend = subprocess.Popen([BIN / "galend", "--config", self.node / "node.toml"], stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=log)
        until = time.monotonic() + 60
        while True:
            done = self.run("node", "status")
            if done.stdout.strip():
                status = json.loads(done.stdout.strip().splitlines()[-1])
                if status.get("up") and status["height"]:  # alone it stays STARTING, and answers
                    return status
            check(self.galend.poll() is None, f"the node refuses the directory, with {self.galend.returncode}")
            check(time.monotonic() < until, f"the node does not serve: {done.stdout[-400:]} {done.stderr[-400:]}")
            time.sleep(0.2)

    def stop(self):
        if self.galend and self.galend.poll() is None:
            self.galend.terminate()
            self.galend.wait(timeout=30)

    def run(self, *arguments):
        command = [BIN / "galenctl", "--json", "--timeout", "5", "--endpoint", f"127.0.0.1:{self.port}", "--ca", self.ca, "--cert",
                   self.client[0], "--key", self.client[1], *arguments]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)

    def json(self, *arguments):
        done = self.run(*arguments)
        check(done.returncode == 0, f"galenctl {' '.join(map(str, arguments))}: {done.stdout[-400:]} {done.stderr[-400:]}")
        return json.loads(done.stdout.strip().splitlines()[-1])


def record_of(answer):
    """Without what depends on when it is asked."""
    return {key: value for key, value in answer.items() if key not in ("read_point", "match", "message")}


def check_copy(archive, expected):
    """The directory is what it was when it was put away, to the checker and to a node; returns what the node says."""
    with Copy(archive, expected) as copy:
        report = copy.verify()
        check(report["height"] == expected["height"], f"verify sees height {report['height']}, not {expected['height']}")
        status = copy.start()
        seen = (status["height"], status["state_root"])
        check(seen == (expected["height"], expected["state_root"]), f"height and root are {seen}, not those of {expected}")
        found = record_of(copy.json("record", "get", "--source", expected["source"]))
        check(found == expected["record"], f"the record is {found}, not {expected['record']}")
        # The document opens its commitment: master key, keyring, vault and ledger still belong together.
        opened = copy.json("record", "verify", copy.document, "--source", expected["source"])
        check(opened["match"] and opened["pointer_id"] == expected["record"]["pointer_id"], f"the document is not the record's: {opened}")
        copy.stop()
        check(copy.galend.returncode == 0, f"the node ended with {copy.galend.returncode}")
        copy.verify()
        return status
