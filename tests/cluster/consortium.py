"""A consortium of real processes for the tests: galenctl dev up, killed and started again by pid, spoken to by galenctl.

Each test is a program of its own: it says what it does, prints figures, and ends non-zero when something does not hold.
GALEN_BIN names the directory of the programs; GALEN_SEED the seed of whatever is drawn (printed). Where a test keeps its progress in
GALEN_PROGRESS, several may run at once with one file: GALEN_SHARD=2/4 takes the second of four shares of what is left.
"""
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

BIN = pathlib.Path(os.environ.get("GALEN_BIN", "build/release/bin")).resolve()
ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
SEED = int(os.environ.get("GALEN_SEED", random.randrange(1 << 31)))


SHARD, SHARDS = map(int, os.environ.get("GALEN_SHARD", "1/1").split("/"))


def share_of(cases):
    """What this one of several runs has to do."""
    return [case for number, case in enumerate(cases) if number % SHARDS == SHARD - 1]


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


def need_data(name):
    """The folder of real input; without it the test is skipped by name, which is a failure under CI."""
    folder = DATA / name
    if folder.is_dir():
        return folder
    print(f"SKIPPED: {folder} is not there")
    sys.exit(1 if os.environ.get("CI") == "true" else 77)


class Consortium:
    def __init__(self, nodes=4, params=()):
        self.dir = tempfile.mkdtemp(prefix="galen-cluster-")
        self.params = params
        self.count = nodes
        self.names = [chr(ord("A") + i) for i in range(nodes)]

    def __enter__(self):
        arguments = ["dev", "up", "--nodes", str(self.count), "--wait", "90"]
        for param in self.params:
            arguments += ["--param", param]
        self.ctl(*arguments, timeout=120)
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            for name in self.names:
                print(f"--- the end of {name}'s log\n" + "".join(self.log(name).splitlines(True)[-12:]))
        subprocess.run([BIN / "galenctl", "--dir", self.dir, "dev", "down", "--now"], capture_output=True, timeout=60)
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, *arguments, timeout=60, node=None):
        command = [str(BIN / "galenctl"), "--dir", self.dir]
        if node:
            command += ["--node", node]
        return subprocess.run(command + [str(a) for a in arguments], capture_output=True, text=True, timeout=timeout)

    def ctl(self, *arguments, timeout=60, node=None):
        done = self.run(*arguments, timeout=timeout, node=node)
        check(done.returncode == 0, f"galenctl {' '.join(map(str, arguments))} ended with {done.returncode}: "
                                    f"{done.stdout[-800:]}{done.stderr[-1200:]}")
        return done.stdout

    def json(self, *arguments, **options):
        """The last line of --json output."""
        return json.loads(self.ctl("--json", *arguments, **options).strip().splitlines()[-1])

    def status(self, node):
        done = self.run("--json", "--timeout", "5", "node", "status", node=node)
        try:
            entry = json.loads(done.stdout.strip().splitlines()[-1])
        except (IndexError, json.JSONDecodeError):
            return None
        return entry if entry.get("up") else None

    def peers(self, node):
        """What the node says of each other member, connected or not just then: the exit code says whether all are."""
        done = self.run("--json", "node", "peers", node=node)
        check(done.returncode in (0, 4) and done.stdout, f"node peers of {node}: {done.stdout[-800:]}{done.stderr[-1200:]}")
        return {p["member"]: p for p in json.loads(done.stdout.strip().splitlines()[-1])["peers"]}

    def wait_peers(self, node, wanted, timeout=15):
        """Until `wanted` holds of each of them: a connection may come up a moment after a node serves."""
        until = time.monotonic() + timeout
        while not all(wanted(p) for p in self.peers(node).values()):
            check(time.monotonic() < until, f"after {timeout} s {node} says of its peers: {self.peers(node)}")
            time.sleep(0.1)

    def folder(self, node):
        return pathlib.Path(self.dir) / f"node-{self.names.index(node) + 1}"

    def log(self, node):
        path = self.folder(node) / "log" / "galend.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def pid(self, node):
        return int((self.folder(node) / "galend.pid").read_text().split()[0])

    def kill(self, node, how=signal.SIGKILL):
        pid = self.pid(node)
        os.kill(pid, how)
        for _ in range(3000):
            try:
                state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                return
            if state == "Z":
                return
            time.sleep(0.01)
        raise Failure(f"{node} did not end")

    def set_sync(self, interval, behind):
        """Snapshots every so many blocks, taken by who is so many behind; all nodes stop for it and start again."""
        self.ctl("dev", "down")
        for node in self.names:
            with open(self.folder(node) / "node.toml", "a") as toml:
                toml.write(f"\n[sync]\nsnapshot_interval_blocks = {interval}\njoin_behind_blocks = {behind}\n")
        self.ctl("dev", "up", "--wait", "90", timeout=120)

    def start(self, node):
        self.ctl("dev", "up", "--wait", "60", node=node, timeout=90)

    def agree(self, nodes=None, timeout=60, at_least=0):
        """Waits until the nodes report one height and one root; returns (height, root)."""
        nodes = nodes or self.names
        until = time.monotonic() + timeout
        while True:
            seen = [self.status(n) for n in nodes]
            if all(seen) and len({(s["height"], s["state_root"]) for s in seen}) == 1 and seen[0]["height"] >= at_least:
                return seen[0]["height"], seen[0]["state_root"]
            if time.monotonic() > until:
                raise Failure(f"no agreement: {[(s or {}).get('height') for s in seen]} "
                              f"{[(s or {}).get('state_root', '')[:8] for s in seen]} "
                              f"{[(s or {}).get('mode') for s in seen]}")
            time.sleep(0.2)

    def documents(self, count, tag):
        """A Bundle of small resources of its own, as a file."""
        path = pathlib.Path(self.dir) / f"{tag}.json"
        entries = [{"resource": {"resourceType": "Observation", "id": f"{tag}-{i}", "status": "final",
                                 "code": {"text": f"{tag} {i}"}}} for i in range(count)]
        path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
        return path


class AnchorLoad:
    """Anchors small bundles without a pause, from one of `names` after the other, and remembers what was acknowledged."""

    def __init__(self, consortium, size=20, names=None, tag="load"):
        self.consortium, self.size, self.names, self.tag = consortium, size, names or consortium.names, tag
        self.acknowledged = []  # (node, tag)
        self.transactions = []  # (node, the last transaction) of each import that anchored something
        self.refused, self.longest_gap, self.stopping = 0, 0.0, False
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join()

    def _run(self):
        number, last = 0, time.monotonic()
        while not self.stopping:
            node = self.names[number % len(self.names)]
            tag = f"{self.tag}{number}"
            path = self.consortium.documents(self.size, tag)
            done = self.consortium.run("--json", "--timeout", "8", "record", "import", "--retry-for", "1", path, node=node,
                                       timeout=120)
            number += 1
            path.unlink()
            try:
                lines = [json.loads(line) for line in done.stdout.strip().splitlines()]
                summary = lines[-1]
            except (IndexError, json.JSONDecodeError):
                lines, summary = [], {}
            if done.returncode == 0 and summary.get("anchored", 0) + summary.get("already_anchored", 0) == self.size:
                self.acknowledged.append((node, tag))
                self.transactions += [(node, line["last_transaction"]) for line in lines if "last_transaction" in line][-1:]
                self.longest_gap = max(self.longest_gap, time.monotonic() - last)
                last = time.monotonic()
            else:
                self.refused += 1

    def verify(self, pointer_of=None):
        """Every acknowledged record is there: its custodian knows it by source, and another node by pointer. That the nodes agree
        (one height, one root) is checked before; so what is in one state is in all. `pointer_of(node, type=, id= | pointer=)`: who
        has thousands to look up brings a client that is no process for each."""
        names, pointer_of = self.consortium.names, pointer_of or self._pointer_of
        for number, (node, tag) in enumerate(self.acknowledged):
            other = names[(names.index(node) + 1 + number % (len(names) - 1)) % len(names)]
            for index in (0, self.size - 1):
                pointer_of(other, pointer=pointer_of(node, type="Observation", id=f"{tag}-{index}"))

    def _pointer_of(self, node, type=None, id=None, pointer=None):
        """A busy machine may keep a caller waiting (exit 4: try again); what is not there is not found at any time."""
        which = ("--pointer", pointer) if pointer else ("--source", f"{type}/{id}")
        for attempt in range(3):
            done = self.consortium.run("--json", "record", "get", *which, node=node, timeout=90)
            if done.returncode != 4:
                break
        check(done.returncode == 0, f"{node} does not find {which}: {done.stdout[-400:]}{done.stderr[-400:]}")
        return json.loads(done.stdout.strip().splitlines()[-1])["pointer_id"]


def main(test):
    print(f"seed {SEED}")
    started = time.monotonic()
    try:
        test()
    except Failure as failure:
        print(f"FAILED: {failure}")
        sys.exit(1)
    print(f"passed in {time.monotonic() - started:.1f} s")
