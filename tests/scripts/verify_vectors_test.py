#!/usr/bin/env python3
"""Two implementations, one verdict: galen-verify and scripts/verify/galen_verify.py on every published vector and on
random mutations of the good ones, under both suites. Verdict, reason and part must agree; what differs is kept as a
file, to become a vector.

  verify_vectors_test.py [GALEN_VERIFY] [--suite SUITE] [--mutations N] [--seed S] [--keep DIR]
Without GALEN_VERIFY only galen_verify.py is held against the index. GALEN_FULL=1 makes it 10,000 mutations per suite.
"""

import argparse
import base64
import collections
import concurrent.futures
import copy
import functools
import itertools
import json
import os
import pathlib
import random
import re
import select
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
VECTORS = ROOT / "tests" / "golden" / "vectors"
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "scripts" / "verify"), str(VECTORS)]
import sample_chain  # first: it says where the modules of the verifier are
import epoch_sample
import files
import galen_verify
import good as good_files
import signature
import suite
from codec import uint, write_varint
from editing import header_with

GOLDEN = ROOT / "tests" / "golden"
FOLDERS = {"p256-sha256": GOLDEN, "sm2-sm3": GOLDEN / "sm2-sm3"}


def python_verdict(data, genesis_bytes):
    failure = galen_verify.check(data, genesis_bytes).failure
    return ("VALID", "") if failure is None else (failure.reason, failure.part)


def cpp_verdict(program, path, genesis):
    """One file, one process, as people call it."""
    command = [program, str(path)] + ([str(genesis)] if genesis else []) + ["--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode not in (0, 1) or not done.stdout:
        return ("EXIT %d" % done.returncode, done.stderr)
    verdict = json.loads(done.stdout)
    if verdict["valid"] != (done.returncode == 0):
        return ("EXIT %d" % done.returncode, done.stdout)
    return answer_of(verdict)


def answer_of(verdict):
    if verdict["valid"]:
        return ("VALID", "")
    error = verdict["error"]
    return (error["reason"], error.get("part") or part_of(error["message"]))


class ListedVerdicts:
    """galen-verify --list, kept running: to start a process takes longer than most verdicts."""

    def __init__(self, program):
        self.program = program
        self.process = None
        self.folder = tempfile.TemporaryDirectory()

    def verdict(self, data, genesis):
        if self.process is None:
            self.process = subprocess.Popen([self.program, "--list"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        path = pathlib.Path(self.folder.name) / "file.galen"
        path.write_bytes(data)
        line = "%s\t%s\n" % (path, genesis or "")
        try:
            self.process.stdin.write(line.encode())
            self.process.stdin.flush()
            ready, _, _ = select.select([self.process.stdout], [], [], 120)
            answer = self.process.stdout.readline() if ready else b""
        except BrokenPipeError:
            answer = b""
        if answer:
            return answer_of(json.loads(answer))
        # It died over this file, or thinks for ever; the next one gets another process.
        self.process.kill()
        code, self.process = self.process.wait(), None
        return ("EXIT %d" % code, "")

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()
        self.folder.cleanup()


def part_of(message):
    """KIND: PART: sentence."""
    found = re.match(r"(?:[a-z ]+: )?([a-z_]+(?:\[\d+\])?(?:\.[a-z_]+(?:\[\d+\])?)*): ", message)
    return found[1] if found else message


# Mutations

def mutate_bytes(rng, data, other):
    """One to three small accidents."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(out)) if out else 0
        kind = rng.randrange(8)
        if len(out) in NUMBERS and rng.random() < 0.4:
            at, size = rng.choice(NUMBERS[len(out)])
            out[at:at + size] = extreme(rng, int.from_bytes(out[at:at + size], "big"), size)
        elif not out or kind == 0:
            out[at:at] = rng.randbytes(rng.choice((1, 1, 4, 32)))
        elif kind == 1:
            del out[at:at + rng.choice((1, 1, 4, 32))]
        elif kind == 2:
            out[at] = rng.choice((0, 1, 2, 0x7f, 0x80, 0xff))
        elif kind == 3:
            size = rng.choice((1, 4, 32, 64))
            source = rng.randrange(len(out))
            out[at:at + size] = out[source:source + size]
        elif kind == 4:
            out[at:at + 32] = other[at:at + 32]
        elif kind == 5:
            del out[at:]
        else:
            out[at] ^= 1 << rng.randrange(8)
    return bytes(out)


def places(table):
    """Where the numbers of a fixed layout stand, by its length."""
    ends = list(itertools.accumulate(size for _, size in table))
    return ends[-1], [(end - size, size) for end, (_, size) in zip(ends, table) if size <= 8]


NUMBERS = dict(places(table) for table in (sample_chain.HEADER, sample_chain.BATCH))


def extreme(rng, old, size):
    """Another value of an unsigned integer, most likely where something overflows."""
    top = 1 << 8 * size
    return uint(rng.choice((0, 1, 2, old + 1, old - 1, top // 2 - 1, top // 2, top - 2, top - 1, top - 1)) % top, size)


def children(value):
    """(container, key) of everything inside a tree of dicts and lists."""
    keys = sorted(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for key in keys:
        yield value, key
        yield from children(value[key])


def mutate_parsed(rng, tree, other):
    """A change inside a field or two of a parsed file, or fields of another file put in their place."""
    for _ in range(rng.choice((1, 1, 2))):
        where = [(at, key) for at, key in children(tree) if key not in ("kind", "genesis")]
        at, key = rng.choice(where)
        old = at[key]
        same = [far[name] for far, name in children(other) if name == key and type(far[name]) is type(old)]
        if same and rng.random() < 0.2:
            at[key] = copy.deepcopy(rng.choice(same))
        elif isinstance(old, int):
            at[key] = rng.choice((0, 1, 2, 3, 300, old + 1, max(old - 1, 0), 65535, 2**32 - 1, 2**63, 2**64 - 1))
        elif isinstance(old, bytes):
            at[key] = mutate_bytes(rng, old, old)
        elif isinstance(old, list):
            mutate_list(rng, old)


def mutate_list(rng, values):
    kind = rng.randrange(4)
    if not values or (kind == 0 and isinstance(values[0], bytes)):
        values.insert(rng.randrange(len(values) + 1), rng.randbytes(32))
    elif kind == 1:
        values.pop(rng.randrange(len(values)))
    elif kind == 2:
        rng.shuffle(values)
    else:
        values.append(copy.deepcopy(rng.choice(values)))


ODD = "\0\1\t\n\v\f\r  -=:+/Aa0\x7f\x85\u00a0\u00e9\u2028\ufeff\U0001f600"


def mutate_pem(rng, pem, other):
    """An accident in a certificate's text, or in its DER."""
    lines, kind = pem.split("\n"), rng.randrange(9)
    at, line = rng.randrange(len(pem)), rng.randrange(len(lines))
    if kind == 0:
        return pem[:at] + rng.choice(ODD) + pem[at + rng.randrange(2):]
    if kind == 1:
        where = rng.choice((0, len(lines[line])))
        lines[line] = lines[line][:where] + rng.choice(ODD) * rng.choice((1, 1, 2)) + lines[line][where:]
    elif kind == 2:
        lines.insert(line, rng.choice(["", " ", "a: b", "-", "====", "AAAA", "-----BEGIN X-----", "-----END X-----",
                                       "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", lines[line]]))
    elif kind == 3:
        del lines[line]
    elif kind == 4:
        return rng.choice((pem.replace("\n", "\r\n"), pem.replace("\n", "\r"), pem + other, pem.rstrip(),
                           pem.replace("CERTIFICATE", rng.choice(("X509 CERTIFICATE", "TRUSTED CERTIFICATE", "X"))),
                           pem[:at] + "\n" + pem[at:], pem[:at] + "\r" + pem[at:], "A" * rng.randrange(300) + pem, other))
    else:
        der = base64.b64decode("".join(lines[1:-2]))
        if kind > 5:
            der = mutate_bytes(rng, der, der)
        text, width = base64.b64encode(der).decode(), rng.choice((64, 64, 64, 64, 60, 65, 76, 4, 2000))
        lines[1:-2] = [text[i:i + width] for i in range(0, len(text), width)]
    return "\n".join(lines)


def mutate_genesis(rng, data):
    """Of a bundle that brings its own, where every check of it is reached."""
    if rng.random() < 0.3:
        return mutate_bytes(rng, data, data)
    members = json.loads(data)["members"]
    pem = rng.choice(members)["ca_pem"]
    changed = mutate_pem(rng, pem, rng.choice(members)["ca_pem"])
    return data.replace(json.dumps(pem).encode(), json.dumps(changed, ensure_ascii=rng.random() < 0.5).encode("utf-8"))


@functools.cache  # once in each process
def signed_of(name):
    return Signed(FOLDERS[name])


class Signed:
    """Files with what only a quorum could have signed: the numbers of headers, the rows of records."""

    def __init__(self, folder):
        self.chain, self.epochs = good_files.build(folder), epoch_sample.build_epochs(folder)

    def mutation(self, rng):
        return self.row(rng) if rng.random() < 0.3 else self.header(rng)

    def changed(self, rng, block):
        name, size = rng.choice([pair for pair in sample_chain.HEADER if pair[1] <= 8 and pair[0] != "version"])
        values = {name: int.from_bytes(extreme(rng, block.values[name], size), "big")}
        if name == "height" and rng.random() < 0.8:
            values["history_size"] = values["height"]
        return header_with(block, **values)

    def header(self, rng):
        c = self.epochs
        height = rng.choice((2, 3, 4, 5, 7, 9))
        if rng.random() < 0.6:
            receipt = files.receipt(c, height, 0, 0)
            links = receipt["epochs"] = copy.deepcopy(c.links[:max(len(receipt["epochs"]), rng.randrange(4))])
            if links and rng.random() < 0.8:
                index = rng.randrange(len(links))
                block = self.changed(rng, c.blocks[(3, 6, 8)[index]])
                links[index].update(header=block.header, commit_certificate=c.commit(block, of=index + 1))
            else:
                block = self.changed(rng, c.blocks[height])
                epoch = c.blocks[height].values["epoch"]
                receipt.update(header=block.header, executed_certificate=c.executed(block, of=epoch))
            return files.write(receipt)
        receipt = files.receipt(c, 9, 0, 0, 10, by_history=rng.random() < 0.5)
        block = self.changed(rng, c.blocks[10])
        receipt["confirmation"].update(header=block.header, commit_certificate=c.commit(block, of=4))
        return files.write(receipt)

    def row(self, rng):
        if rng.random() < 0.5:
            name = rng.choice(("format", "canon", "status", "class", "retention", "period", "height"))
            limit = 2**64 if name in ("period", "height") else 2**32
            value = rng.choice((0, 1, 2, 255, 256, 257, 2**31 - 1, 2**31, limit - 1))
            return files.write_bundle(good_files.opening(self.chain, good_files.record_row(self.chain, **{name: value})))
        row = good_files.record_row(self.chain)
        if rng.random() < 0.5:
            return files.write_bundle(good_files.opening(self.chain, mutate_bytes(rng, row, row)))
        at = rng.choice([i for i, byte in enumerate(row) if byte in (8, 0x28, 0x38, 0x40, 0x48, 0x58, 0x60)])
        number = write_varint(rng.choice((0, 1, 255, 256, 2**31, 2**32, 2**32 + 1, 2**64 - 1)))
        row = row[:at + 1] + rng.choice((number, b"\x81\0", b"\xff" * 10 + b"\1")) + row[at + 2:]
        return files.write_bundle(good_files.opening(self.chain, row))


def mutation(seed, number, good, signed):
    """A file, and whether it is judged without another genesis.json than its own."""
    rng = random.Random("%d/%d" % (seed, number))
    kind = rng.random()
    if kind < 0.06:
        tree = files.parse(rng.choice([data for data in good if data[:8] == b"GALENEVD"]))
        return files.write(dict(tree, genesis=mutate_genesis(rng, tree["genesis"]))), True
    if kind < 0.12:
        return signed.mutation(rng), False
    return accident(rng, good), False


def accident(rng, good):
    data, other = rng.choice(good), rng.choice(good)
    if rng.random() < 0.6:
        try:
            return files.write(mutate_tree(rng, files.parse(data), files.parse(other)))
        except (OverflowError, TypeError, AttributeError, KeyError, IndexError):
            pass  # A tree that cannot be written as a file any more.
    return mutate_bytes(rng, data, other)


def mutate_tree(rng, tree, other):
    mutate_parsed(rng, tree, other)
    return tree


class Comparison:
    """Compares on one file after the other; keeps those on which the two differ."""

    def __init__(self, program, keep):
        self.program = program
        self.listed = ListedVerdicts(program) if program else None
        self.keep = keep
        self.differ = []
        self.answers = collections.Counter()

    def one(self, name, data, genesis, wanted=None, alone=None):
        """`alone`: the file's path, to be given to a process of its own."""
        python = cpp = python_verdict(data, genesis.read_bytes() if genesis else None)
        if self.program:
            cpp = cpp_verdict(self.program, alone, genesis) if alone else self.listed.verdict(data, genesis)
        if cpp == python == (wanted or python):
            self.answers[python[0]] += 1
            return
        self.answers["differs"] += 1
        self.differ.append((name, wanted, cpp, python))
        if self.keep:
            (pathlib.Path(self.keep) / (name.replace("/", "-") + ".galen")).write_bytes(data)

    def told(self):
        for name, wanted, cpp, python in self.differ[:40]:
            print("%s: galen-verify %s, galen_verify.py %s%s" % (name, cpp, python,
                                                                ", wanted %s" % (wanted,) if wanted else ""))
        return len(self.differ)

    def close(self):
        if self.listed:
            self.listed.close()


def compare_mutations(options, name, good, numbers):
    """A share of a suite's mutations, in a process of its own: most of the time is Python's."""
    compare, signed = Comparison(options.program, options.keep), signed_of(name)
    for number in numbers:
        data, alone = mutation(options.seed, number, good, signed)
        compare.one("%s-mutation-%d-%d" % (name, options.seed, number), data,
                    None if alone else FOLDERS[name] / "genesis.json")
    compare.close()
    return compare.answers, compare.differ


def check_openssl(good):
    """Every signature of the good vectors, with the openssl program after the conversion of formats.md 6.5."""
    signature.forget()
    signature.ask_openssl, signature.asked = True, 0
    for data, genesis in good:
        galen_verify.check(data, genesis)
    signature.ask_openssl = False
    print("%d signatures checked with openssl as well" % signature.asked)
    return signature.asked > 10


def check_known_answers():
    """SM3 of GB/T 32905 A.1 and the signature of GB/T 32918.5 A.2: what the suite stands on, before Galen's formats."""
    sm3 = suite.SUITES["sm2-sm3"].h(b"abc").hex()
    key = bytes.fromhex("0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
                        "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13")
    signed = bytes.fromhex("f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
                           "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa")
    holds = signature.verify(signature.Sm2, key, b"message digest", signed)
    changed = signature.verify(signature.Sm2, key, b"message digesT", signed)
    return sm3 == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0" and holds and not changed


def check_list(command):
    """Lines of --list that name no genesis.json, no file or no name at all: each gets its verdict, and the next ones too."""
    lines = b"receipt_executed.galen\nproof_consistency.galen\t\nnone\na\0b\nna\xffme\nevidence.galen\n"
    done = subprocess.run([*command, "--list"], input=lines, cwd=GOLDEN, capture_output=True, check=False)
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    got = ["VALID" if verdict["valid"] else verdict["error"]["reason"] for verdict in verdicts]
    return done.returncode == 1 and got == ["INVALID_ARGUMENT"] * 2 + ["IO_ERROR"] * 3 + ["VALID"]


def check_reading(command):
    """Files that cannot be read or are longer than any may be: what is asked before, and what behind (evidence.md 3)."""
    with tempfile.TemporaryDirectory() as folder:
        at = pathlib.Path(folder)
        for name, head in (("long", b""), ("receipt", b"GALENRCP\0\1"), ("receipt-3", b"GALENRCP\0\3"),
                           ("bundle", b"GALENEVD\0\1"), ("bundle-3", b"GALENEVD\0\3"), ("json", b"{")):
            with open(at / name, "wb") as file:
                file.write(head)
                file.truncate((80 << 20) + 1)
        (at / "a\tb").write_bytes((GOLDEN / "genesis.json").read_bytes())
        (at / "a\rb").write_bytes((GOLDEN / "receipt_executed.galen").read_bytes())
        good, genesis = str(GOLDEN / "receipt_executed.galen"), str(GOLDEN / "genesis.json")
        cases = [
            ("long", genesis, "MALFORMED", "file"), ("receipt", genesis, "TOO_LARGE", "file"),
            ("receipt-3", genesis, "UNSUPPORTED_VERSION", "file"), ("bundle", genesis, "TOO_LARGE", "file"),
            ("bundle", "", "TOO_LARGE", "file"), ("bundle-3", genesis, "UNSUPPORTED_VERSION", "file"),
            ("long", "", "MALFORMED", "file"), ("receipt", "", "INVALID_ARGUMENT", "genesis"),
            (good, "json", "CONFIG_INVALID", "genesis"), ("bundle", "json", "CONFIG_INVALID", "genesis"),
            ("none", genesis, "IO_ERROR", "file"), (good, "none", "IO_ERROR", "file"), ("none", "json", "IO_ERROR", "file"),
            (folder, genesis, "IO_ERROR", "file"), (good, folder, "IO_ERROR", "file"), ("", genesis, "IO_ERROR", "file"),
            (good, "a\tb", "", ""), ("a\rb", genesis, "", ""),
        ]
        lines = "".join("%s\t%s\n" % case[:2] for case in cases).encode()
        done = subprocess.run([*command, "--list"], input=lines, cwd=folder, capture_output=True, check=False)
        told = [json.loads(line) for line in done.stdout.splitlines()]
        got = [answer_of(verdict) for verdict in told]
        wanted = [case[2:] if case[2] else ("VALID", "") for case in cases]
        for case, answer in zip(cases, got):
            if answer != (case[2:] if case[2] else ("VALID", "")):
                print(command[-1], case, answer)
        return got == wanted


def check_suite(options, name, index):
    """All vectors of one suite and its mutations; True if nothing differs."""
    folder = FOLDERS[name]
    genesis = folder / "genesis.json"
    mine = [entry for entry in index if entry["file"].startswith("sm2-sm3/") == (name == "sm2-sm3")]
    compare = Comparison(options.program, options.keep)
    vectors = {entry["file"]: (VECTORS / entry["file"]).read_bytes() for entry in mine}
    for entry in mine:
        compare.one(entry["file"], vectors[entry["file"]], GOLDEN / entry["genesis"] if entry["genesis"] else None,
                    ("VALID", "") if entry["valid"] else (entry["reason"], entry["part"]))
    # The files that the first implementation made are good ones too.
    made = sorted(folder.glob("*.galen"))
    for path in made:
        compare.one(path.name, path.read_bytes(), genesis, ("VALID", ""), alone=path)
    compare.close()
    good = [vectors[entry["file"]] for entry in mine if entry["valid"] and entry["genesis"]]
    good += [path.read_bytes() for path in made]
    answers, shares = collections.Counter(), options.jobs * 8
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        for told, differ in pool.map(compare_mutations, [options] * shares, [name] * shares, [good] * shares,
                                     [range(i, options.mutations, shares) for i in range(shares)]):
            answers += told
            compare.differ += differ
    print("%s: %d vectors and %d mutations: %d differ" % (name, len(mine) + len(made), options.mutations,
                                                          len(compare.differ)))
    print("answers to mutations:", ", ".join("%s %d" % pair for pair in answers.most_common()))
    return not compare.told() and check_openssl([(data, genesis.read_bytes()) for data in good])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", nargs="?")
    parser.add_argument("--suite", choices=list(FOLDERS), help="this one only")
    parser.add_argument("--mutations", type=int, default=10000 if os.environ.get("GALEN_FULL") else 300)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--keep")
    options = parser.parse_args()
    options.program = options.program and str(pathlib.Path(options.program).resolve())
    print("seed", options.seed, flush=True)
    index = json.loads((VECTORS / "index.json").read_text())
    sound = check_known_answers()
    if not sound:
        print("the known answers of SM2 and SM3 are missed")
    programs = [[sys.executable, "-B", str(ROOT / "scripts/verify/galen_verify.py")]]
    for program in programs + ([[options.program]] if options.program else []):
        if not check_list(program):
            print(program[-1], "--list does not answer every line")
            sound = False
        if not check_reading(program):
            print(program[-1], "does not judge files as they must be read")
            sound = False
    for name in [options.suite] if options.suite else FOLDERS:
        sound = check_suite(options, name, index) and sound
    remade = subprocess.run([sys.executable, "-B", str(VECTORS / "make_vectors.py"), "--check"], check=False).returncode
    return 1 if remade or not sound else 0


if __name__ == "__main__":
    sys.exit(main())
