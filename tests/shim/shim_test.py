#!/usr/bin/env python3
"""The shim does what its README says: a small program that writes, syncs and renames is hurt at a known call, killed, and its files
are compared with what a loss of power must leave. Python's os calls are the C library's, so the program is in Python."""
import os
import pathlib
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import power_loss

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cluster"))
import signed_record  # noqa: E402

SHIM = pathlib.Path(os.environ.get("GALEN_BIN", "build/release/bin")).resolve() / "libgalen_disk_shim.so"

PRELUDE = """
import os, sys, time, errno
def put(name, data, at=0, flags=os.O_RDWR | os.O_CREAT):
    fd = os.open(name, flags, 0o600); n = os.pwrite(fd, data, at); return fd, n
def sync(fd): os.fsync(fd)
def sync_dir(): fd = os.open('.', os.O_RDONLY); os.fsync(fd); os.close(fd)
def code(call):
    try: call(); return 0
    except OSError as e: return e.errno
"""


class ShimTest(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="galen-shim-")
        self.top = pathlib.Path(self.scratch.name).resolve()
        self.data, self.journal = self.top / "data", self.top / "journal"
        self.data.mkdir()
        self.journal.mkdir()

    def tearDown(self):
        self.scratch.cleanup()

    def run_program(self, text, journal=True, **settings):
        env = dict(os.environ, LD_PRELOAD=str(SHIM), GALEN_SHIM_DIR=str(self.data))
        if journal:
            env["GALEN_SHIM_JOURNAL"] = str(self.journal)
        env.update({f"GALEN_SHIM_{k}": str(v) for k, v in settings.items()})
        return subprocess.run([sys.executable, "-c", PRELUDE + text], cwd=self.data, env=env, capture_output=True, text=True,
                              timeout=60)

    def killed(self, text, rng=None):
        done = self.run_program(text + "\nos.kill(os.getpid(), 9)\n")
        self.assertEqual(done.returncode, -signal.SIGKILL, done.stderr)
        power_loss.lose(str(self.data), self.journal, rng)
        self.assertEqual(list(self.journal.iterdir()), [])
        return {p.name: p.read_bytes() for p in self.data.iterdir()}

    def test_unsynced_bytes_are_lost_synced_ones_stay(self):
        (self.data / "a").write_bytes(b"0123456789")
        left = self.killed("fd, _ = put('a', b'AB', 2); sync(fd); os.pwrite(fd, b'xy', 5); os.pwrite(fd, b'zz', 12)")
        self.assertEqual(left, {"a": b"01AB456789"})

    def test_overwrites_are_undone_to_the_last_sync_and_no_further(self):
        (self.data / "a").write_bytes(b"0" * 8)
        left = self.killed("fd, _ = put('a', b'1' * 8); sync(fd); os.pwrite(fd, b'2' * 4, 0); os.pwrite(fd, b'3' * 4, 2)")
        self.assertEqual(left, {"a": b"1" * 8})

    def test_a_name_needs_its_directory_synced(self):
        self.assertEqual(self.killed("fd, _ = put('a', b'A'); sync(fd)"), {})
        self.assertEqual(self.killed("fd, _ = put('a', b'A'); sync(fd); sync_dir()"), {"a": b"A"})

    def test_a_rename_without_sync_brings_the_old_file_back(self):
        (self.data / "a").write_bytes(b"old")
        text = "fd, _ = put('a.tmp', b'new'); sync(fd); os.rename('a.tmp', 'a')"
        self.assertEqual(self.killed(text), {"a": b"old"})
        self.assertEqual(self.killed(text + "; sync_dir()"), {"a": b"new"})

    def test_a_synced_name_of_unsynced_bytes_is_an_empty_file(self):
        (self.data / "a").write_bytes(b"old")
        left = self.killed("fd, _ = put('a.tmp', b'new'); os.rename('a.tmp', 'a'); sync_dir()")
        self.assertEqual(left, {"a": b""})

    def test_an_unlinked_file_comes_back(self):
        (self.data / "a").write_bytes(b"kept")
        self.assertEqual(self.killed("os.unlink('a')"), {"a": b"kept"})
        self.assertEqual(self.killed("os.unlink('a'); sync_dir()"), {})

    def test_truncation_is_undone(self):
        (self.data / "a").write_bytes(b"0123456789")
        self.assertEqual(self.killed("fd = os.open('a', os.O_RDWR); os.ftruncate(fd, 3)"), {"a": b"0123456789"})
        self.assertEqual(self.killed("fd = os.open('a', os.O_RDWR | os.O_TRUNC); os.pwrite(fd, b'x', 0)"), {"a": b"0123456789"})

    def test_single_pages_survive_with_a_generator(self):
        pages = 32
        (self.data / "a").write_bytes(b"o" * 4096 * pages)
        left = self.killed(f"put('a', b'n' * 4096 * {pages})", random.Random(1))["a"]
        kinds = {left[i:i + 4096] for i in range(0, len(left), 4096)}
        self.assertEqual(kinds, {b"o" * 4096, b"n" * 4096})

    def test_faults(self):
        def said(fault, at, text, **settings):
            return self.run_program(text, journal=False, FAULT=fault, AT=at, **settings).stdout.split()

        second = "fd, _ = put('a', b'1111'); print(code(lambda: os.pwrite(fd, b'2222', 0)), open('a').read())"
        self.assertEqual(said("eio", 2, second), ["5", "1111"])
        self.assertEqual(said("enospc", 2, second), ["28", "1111"])
        self.assertEqual(said("torn", 2, second), ["5", "2211"])
        self.assertEqual(said("drop", 2, second), ["0", "1111"])
        self.assertEqual(said("short", 2, "fd, _ = put('a', b'1111'); print(os.pwrite(fd, b'2222', 0), open('a').read())"),
                         ["2", "2211"])
        self.assertEqual(said("eio", 1, "print(code(lambda: put('a', b'1')), code(lambda: put('a', b'1')))"), ["5", "0"])
        self.assertEqual(said("eio", 2, "fd, _ = put('a', b'1'); print(code(lambda: sync(fd)), code(lambda: sync(fd)))"), ["5", "0"])
        self.assertEqual(said("eio", 2, "put('a', b'1'); print(code(lambda: os.rename('a', 'b')), os.path.exists('a'))"),
                         ["5", "True"])
        started = time.monotonic()
        self.assertEqual(said("delay", 1, "print(code(lambda: put('a', b'1')))", DELAY_MS=700), ["0"])
        self.assertGreaterEqual(time.monotonic() - started, 0.7)

    def test_classes_calls_and_the_trace(self):
        trace = self.top / "trace"
        for name in ("wal", "ledger"):
            (self.data / name).mkdir()
        text = "put('ledger/x', b'11'); fd, _ = put('wal/s', b'22'); print(code(lambda: sync(fd)))"
        done = self.run_program(text, journal=False, FAULT="eio", AT=1, CLASS="log", CALL="sync", TRACE=trace)
        self.assertEqual(done.stdout.strip(), "5")
        self.assertRegex(trace.read_text(), r"^1 log sync 0 /wal/s FIRED \d+\.\d+\n$")

    def test_files_elsewhere_are_not_touched(self):
        done = self.run_program(f"print(code(lambda: put({str(self.top / 'other')!r}, b'1')))", FAULT="eio", AT=1)
        self.assertEqual(done.stdout.strip(), "0")

    def test_kill_happens_after_the_call(self):
        done = self.run_program("put('a', b'1'); put('b', b'2'); put('c', b'3')", journal=False, FAULT="kill", AT=2)
        self.assertEqual(done.returncode, -signal.SIGKILL)
        self.assertEqual(sorted(p.name for p in self.data.iterdir()), ["a", "b"])
        self.assertEqual((self.data / "b").read_bytes(), b"2")


class SignedRecordTest(unittest.TestCase):
    """The reader of the wire finds what it is there for."""

    @staticmethod
    def vote(kind, sender, view, height, digest):
        body = bytes([1, kind, 1]) + struct.pack(">HQQ", sender, view, height) + digest * 32 + b"s" * 64
        return struct.pack(">HBBI", 0x4701, 1, 7, len(body)) + body

    def conflicts(self, *frames, cut=None):
        with tempfile.TemporaryDirectory() as folder:
            stream = b"".join(frames)
            pieces = [stream] if cut is None else [stream[i:i + cut] for i in range(0, len(stream), cut)]
            record = struct.pack("=QQI", 1, 9, 0) + b"".join(struct.pack("=QQI", 1, 9, len(p)) + p for p in pieces)
            (pathlib.Path(folder) / "galend-1.wire").write_bytes(record)
            found = signed_record.read(folder)
            self.assertEqual(len(found), len(frames))
            return signed_record.conflicts(found)

    def test_two_votes_for_one_place(self):
        one, same = self.vote(3, 0, 1, 7, b"a"), self.vote(3, 0, 1, 7, b"a")
        other = self.vote(3, 0, 1, 7, b"b")
        self.assertEqual(self.conflicts(one, same), [])
        self.assertEqual(len(self.conflicts(one, other)), 1)
        self.assertEqual(len(self.conflicts(one, other, cut=5)), 1)
        for elsewhere in (self.vote(4, 0, 1, 7, b"b"), self.vote(3, 1, 1, 7, b"b"), self.vote(3, 0, 2, 7, b"b"),
                          self.vote(3, 0, 1, 8, b"b")):
            self.assertEqual(self.conflicts(one, elsewhere), [])


if __name__ == "__main__":
    unittest.main()
