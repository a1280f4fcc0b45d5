"""A consortium in which one node's disk goes wrong: galend under the disk shim, every node's words recorded.

tests/shim/README.md says what the shim can do and what it takes for the truth about a disk.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import consortium as base
import signed_record
from consortium import BIN, Failure, check

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "shim"))
import power_loss  # noqa: E402

SHIM = BIN / "libgalen_disk_shim.so"


class Process:
    """One life of a galend that this test started itself."""

    def __init__(self, world, node, settings):
        folder = world.folder(node)
        self.started_at = (folder / "log" / "galend.log").stat().st_size if world.log(node) else 0
        self.log_path = folder / "log" / "galend.log"
        self.began_us = time.monotonic_ns() // 1000
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen([BIN / "galend", "--config", folder / "node.toml"], stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log, start_new_session=True, env=world.environment(settings))
        (folder / "galend.pid").write_text(f"{self.popen.pid}\n")
        self.ended_at = None
        # Somebody must look at the clock when it ends, whatever the test waits for just then.
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def watch(self):
        self.popen.wait()
        self.ended_at = time.monotonic()

    def ended(self, timeout=0.0):
        """Whether it has ended."""
        self.watcher.join(timeout)
        return not self.watcher.is_alive()

    def stop(self, how=signal.SIGTERM):
        if not self.ended():
            self.popen.send_signal(how)
        check(self.ended(30), "a node did not end within 30 s")
        return self.popen.returncode

    def log(self):
        with open(self.log_path, "rb") as file:
            file.seek(self.started_at)
            return file.read().decode(errors="replace")


class DiskWorld(base.Consortium):
    """`segment_mib` makes the logs small, so that segments turn over and directories are quick to copy."""

    def __init__(self, segment_mib=None, **options):
        check(SHIM.exists(), f"{SHIM} is not built")
        super().__init__(**options)
        self.segment_mib = segment_mib
        self.record_dir = pathlib.Path(self.dir) / "wire"
        self.acknowledged = []  # (node, source id)
        self.pointers = {}  # of some sources
        self.keys_lost = set()
        self.lives = []
        self.number = 0

    def __enter__(self):
        self.record_dir.mkdir(parents=True)
        os.environ.update(self.environment({}))
        super().__enter__()
        if self.segment_mib:
            self.ctl("dev", "down")
            for node in self.names:
                with open(self.folder(node) / "node.toml", "a") as toml:
                    toml.write(f"\n[limits]\nlog_segment_mib = {self.segment_mib}\n")
                for name in ("data", "keys/master.key"):
                    path = self.folder(node) / name
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            # The chain begins anew: what was signed for its first form is no word on this one.
            for file in self.record_dir.iterdir():
                file.unlink()
            self.ctl("dev", "up", "--wait", "90", timeout=120)
        return self

    def __exit__(self, *reason):
        for life in self.lives:
            if not life.ended():
                life.stop(signal.SIGKILL)
        super().__exit__(*reason)

    def environment(self, settings):
        out = {k: v for k, v in os.environ.items() if not k.startswith("GALEN_SHIM_")}
        out.update(LD_PRELOAD=str(SHIM), GALEN_RECORD_DIR=str(self.record_dir))
        out.update({f"GALEN_SHIM_{k}": str(v) for k, v in settings.items()})
        return out

    def data(self, node):
        return self.folder(node) / "data"

    def run_node(self, node, **settings):
        if settings:
            settings["DIR"] = self.data(node)
        life = Process(self, node, settings)
        self.lives = [l for l in self.lives if not l.ended()] + [life]
        return life

    def run_liar(self, node, lies, seed):
        """In place of the node its liar (tests/byzantine), whose words are not recorded: nobody holds it to them."""
        self.down(node)
        folder = self.folder(node)
        with open(folder / "log" / "galend.log", "ab") as log:
            process = subprocess.Popen([BIN / "galend-byzantine", "--config", folder / "node.toml", "--lies", lies, "--seed", str(seed)],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                       env={k: v for k, v in os.environ.items() if k != "LD_PRELOAD"})
        (folder / "galend.pid").write_text(f"{process.pid}\n")
        return process

    def down(self, node, how=signal.SIGTERM):
        pid = self.pid(node)
        mine = [l for l in self.lives if l.popen.pid == pid]
        if mine:
            return mine[0].stop(how)
        return self.kill(node, how)

    def anchor(self, node, count=3, timeout=6, keep_pointer=False):
        """One transaction of small documents; True when it was acknowledged, and then it is held to that."""
        self.number += 1
        tag = f"doc{self.number}"
        path = self.documents(count, tag)
        try:
            done = self.run("--json", "--timeout", timeout, "record", "import", "--retry-for", "0", path, node=node,
                            timeout=60)
        finally:
            path.unlink()
        try:
            summary = json.loads(done.stdout.strip().splitlines()[-1])
        except (IndexError, json.JSONDecodeError):
            return False
        if done.returncode != 0 or summary.get("anchored", 0) + summary.get("already_anchored", 0) != count:
            return False
        source = f"Observation/{tag}-{count - 1}"
        self.acknowledged.append((node, source))
        if keep_pointer:
            found = self.run("--json", "record", "get", "--source", source, node=node)
            if found.returncode == 0:
                self.pointers[source] = json.loads(found.stdout.strip().splitlines()[-1])["pointer_id"]
        return True

    def wait_serving(self, node, life, timeout=60, may_wait_for_vault=False):
        """Until the node takes part again: (modes, None). Of one that has ended, or may wait for its vault, and is stopped then: (None, what it said)."""
        until = time.monotonic() + timeout
        seen = None
        modes = []
        while time.monotonic() < until:
            if life.ended():
                return None, life.log()[-1500:]
            status = self.status(node)
            if status:
                seen = status["mode"]
                if not modes or modes[-1] != seen:
                    modes.append(seen)
                if seen == "VOTING" and status.get("quorum_reachable", True):
                    return modes, None
                if may_wait_for_vault and status["mode_detail"].startswith("VAULT_DAMAGED"):
                    life.stop()
                    return None, f"galend: {status['mode_detail']}"
            time.sleep(0.1)
        raise Failure(f"{node} does not come to vote within {timeout} s: {modes}\n{self.described(node)}\n{life.log()[-1500:]}")

    def described(self, node):
        """All that the node says of itself and of the others, and what its threads do: for a failure that may not come again."""
        said = [self.run("--json", "node", which, node=node).stdout.strip() for which in ("status", "peers")]
        threads = []
        for task in pathlib.Path(f"/proc/{self.pid(node)}/task").glob("*"):
            name, fields = (task / "comm").read_text().strip(), (task / "stat").read_text().rsplit(") ", 1)[1].split()
            threads.append(f"{name}: {fields[0]}, {int(fields[11]) + int(fields[12])} ticks")
        return "\n".join(said + threads)

    def check_acknowledged(self, since=0, liar=None):
        """Nothing that was acknowledged is lost: the custodian knows it by source, and another node by pointer. A node whose disk
        called synced what it never wrote (liar) may have lost its own key; the record stands in the ledger all the same."""
        for node, source in self.acknowledged[since:]:
            if (node, source) in self.keys_lost:
                continue
            other = next(n for n in self.names if n != node)
            found = self.run("--json", "record", "get", "--source", source, node=node)
            if found.returncode == 0:
                pointer = json.loads(found.stdout.strip().splitlines()[-1])["pointer_id"]
            else:
                check(node == liar, f"{node} has lost {source}: {found.stderr[-300:]}")
                self.keys_lost.add((node, source))
                pointer = self.pointers.get(source)
            if pointer:
                self.json("record", "get", "--pointer", pointer, node=other)
        return len(self.acknowledged) - since

    def check_signatures(self):
        statements = signed_record.read(self.record_dir)
        found = signed_record.conflicts(statements)
        check(statements, "nothing was recorded: the test would pass whatever the nodes sign")
        check(not found, f"{len(found)} conflicting signatures on the wire: {found[:5]}")
        return statements


FIRED = re.compile(r"^(\d+) (\w+) (\w+) (\d+) (\S+) FIRED (\d+\.\d+)$", re.M)


def fired(trace):
    """(number, class, call, name, time) of the fault, or None."""
    found = FIRED.search(trace.read_text()) if trace.exists() else None
    return (int(found[1]), found[2], found[3], found[5], float(found[6])) if found else None
