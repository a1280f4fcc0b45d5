#!/usr/bin/env python3
"""Verifies what Galen hands out (receipts, transaction, state and consistency proofs, evidence bundles) with
genesis.json alone.

A second implementation, written from docs/spec (formats.md, evidence.md, commitments.md) and the golden files,
without a look at the first one. It needs Python's standard library and the openssl program, and imports nothing of
Galen's.

Exit codes: 0 valid, 1 not valid or not readable, 2 usage.
"""

import argparse
import json
import sys

import evidence
import framing
import receipt
import report
import signature
from codec import Failure
from genesis import Genesis


class Verdict:
    """kind, and either the failure or the genesis used with what was proved."""

    def __init__(self, kind):
        self.kind = kind or "evidence"
        self.failure = None
        self.genesis = None
        self.proved = None
        self.own_genesis = None

    def as_json(self):
        if self.failure is None:
            return report.facts(self.genesis, self.kind, self.proved)
        return {"valid": False, "kind": self.kind, "error": {
            "reason": self.failure.reason, "part": self.failure.part, "message": self.failure.message}}

    def as_text(self):
        if self.failure is None:
            return "\n".join(report.words(self.genesis, self.kind, self.proved, self.own_genesis))
        return "NOT VALID: %s: %s: %s [%s]" % (self.kind, self.failure.part, self.failure.message, self.failure.reason)


_genesis = {}


def read_genesis(data):
    """One Genesis for equal bytes; a list of files mostly has one."""
    if data not in _genesis:
        if len(_genesis) > 100:
            _genesis.clear()
        try:
            _genesis[data] = Genesis(data)
        except Failure as failure:
            _genesis[data] = failure
    if isinstance(_genesis[data], Failure):
        raise _genesis[data]
    return _genesis[data]


def kind_of(data):
    """None if the magic is none."""
    return "receipt" if data[:8] == receipt.MAGIC else framing.KINDS.get(data[:8])


def check(data, genesis_bytes):
    """The verdict on a file's bytes. Without genesis_bytes a bundle's own genesis.json is used."""
    verdict = Verdict(kind_of(data))
    try:
        genesis = None if genesis_bytes is None else read_genesis(genesis_bytes)
        if genesis is None and verdict.kind != "evidence":
            raise Failure("genesis", "INVALID_ARGUMENT", "genesis.json is needed; only a bundle brings its own")
        if verdict.kind == "receipt":
            verdict.proved = {"transactions": [receipt.verify(genesis, data)], "states": [], "consistency": [],
                              "openings": []}
        else:
            genesis, verdict.proved = evidence.verify(genesis, genesis_bytes, data)
            if verdict.kind == "evidence":
                verdict.own_genesis = genesis_bytes is None
        verdict.genesis = genesis
    except Failure as failure:
        verdict.failure = failure
    return verdict


# What is longer than every kind of file may be is longer than its own limit too, which is said behind magic and version
# (docs/spec/evidence.md 3). No more is read.
READ_BYTES_MAX = 65 << 20


def read_file(path):
    try:
        with open(path, "rb") as file:
            return file.read(READ_BYTES_MAX)
    except (OSError, ValueError) as error:
        raise Failure("file", "IO_ERROR", "cannot read %s: %s" % (path, getattr(error, "strerror", error))) from error


def check_paths(path, genesis_path):
    try:
        data = read_file(path)
        genesis_bytes = None if genesis_path is None else read_file(genesis_path)
    except Failure as failure:
        verdict = Verdict(None)
        verdict.failure = failure
        return verdict
    return check(data, genesis_bytes)


def check_list(lines):
    """One file a line, with a tab and its genesis.json behind it where it needs one; one JSON object a line comes
    out."""
    all_valid = True
    for line in lines:
        names = line.removesuffix("\n").split("\t", 1)
        verdict = check_paths(names[0], names[1] if len(names) > 1 and names[1] else None)
        all_valid = all_valid and verdict.failure is None
        print(json.dumps(verdict.as_json(), ensure_ascii=False), flush=True)
    return 0 if all_valid else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", help="receipt, proof or evidence bundle")
    parser.add_argument("genesis", nargs="?", help="the consortium's genesis.json; a bundle may do without")
    parser.add_argument("--json", action="store_true", help="the verdict as one JSON object")
    parser.add_argument("--openssl", action="store_true", help="ask the openssl program about every signature too")
    parser.add_argument("--list", action="store_true",
                        help="read lines FILE<tab>GENESIS from standard input, print JSON lines")
    options = parser.parse_args()
    signature.ask_openssl = options.openssl
    # Names of files are bytes, and nothing but LF ends a line of them.
    sys.stdin.reconfigure(errors="surrogateescape", newline="\n")
    sys.stdout.reconfigure(errors="backslashreplace")
    sys.stderr.reconfigure(errors="backslashreplace")
    if options.list:
        if options.file:
            parser.error("--list takes its files from standard input")
        return check_list(sys.stdin)
    if not options.file:
        parser.error("a file is needed")
    verdict = check_paths(options.file, options.genesis)
    if verdict.failure and verdict.failure.reason == "INVALID_ARGUMENT":
        parser.error(verdict.failure.message)
    if options.json:
        print(json.dumps(verdict.as_json(), ensure_ascii=False))
    else:
        print(verdict.as_text(), file=sys.stdout if verdict.failure is None else sys.stderr)
    return 0 if verdict.failure is None else 1


if __name__ == "__main__":
    sys.exit(main())
