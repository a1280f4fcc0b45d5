"""What vectors are made with: the list of files with its index, and small changes."""

import copy

from sample_chain import BATCH, HEADER, Block, lay_out, name32
from codec import uint
from receipt import write as write_receipt


class Vectors:
    """`folder` is that of the suite: empty, or "sm2-sm3/"."""

    def __init__(self, folder):
        self.folder = folder
        self.files = {}
        self.index = []

    def put(self, name, data, what, expected, genesis="genesis.json"):
        name = self.folder + name
        assert name not in self.files, name
        self.files[name] = data
        entry = {"file": name, "genesis": genesis and self.folder + genesis, "valid": expected is None, "what": what}
        if expected:
            entry["part"], entry["reason"] = expected
        self.index.append(entry)

    def good(self, name, data, what, genesis="genesis.json"):
        self.put("good/%s.galen" % name, data, what, None, genesis)

    def bad(self, name, data, part, reason, what, genesis="genesis.json"):
        self.put("bad/%s.galen" % name, data, what, (part, reason), genesis)

    def receipt(self, name, fields, part, reason, what, **changes):
        fields = copy.deepcopy(fields)
        for key, value in changes.items():
            at = fields
            *way, last = key.split("__")
            for step in way:
                at = at[step]
            at[last] = value(at[last]) if callable(value) else value
        self.bad("receipt-" + name, write_receipt(fields), part, reason, what)


class Editor:
    """Takes a file of dicts, changes copies of it, and puts them among the bad ones."""

    def __init__(self, v, prefix, write, **parts):
        self.v, self.prefix, self.write, self.parts = v, prefix, write, parts

    def __call__(self, name, part, reason, what, *changes, genesis="genesis.json"):
        """A change is (way as a tuple of keys, value or function)."""
        parts = copy.deepcopy(self.parts)
        for way, value in changes:
            at = parts
            for step in way[:-1]:
                at = at[step]
            at[way[-1]] = value(at[way[-1]]) if callable(value) else value
        self.v.bad("%s-%s" % (self.prefix, name), self.write(**parts), part, reason, what, genesis)


def flip(at, mask=1):
    def change(data):
        out = bytearray(data)
        out[at] ^= mask
        return bytes(out)
    return change


def flip_sibling(index):
    return lambda siblings: siblings[:index] + [flip(0)(siblings[index])] + siblings[index + 1:]


def more(x):
    return x + [bytes(32)]


def fewer(x):
    return x[:-1]


def high_s_last(suite):
    """n - s in place of s, of the last signature."""
    return lambda data: data[:-32] + uint(suite.curve.n - int.from_bytes(data[-32:], "big"), 32)


def header_with(block, **changes):
    """A header with other values, as a block with its digest."""
    out = Block(block.suite)
    out.__dict__.update(block.__dict__)
    out.values = dict(block.values, **changes)
    out.header = lay_out(HEADER, out.values)
    out.digest = block.suite.tagged("galen/1 header", out.header)
    return out


def batch_with(batch, **changes):
    return lay_out(BATCH, dict(batch.values, **changes))


def other_results(block):
    out = header_with(block)
    out.results_root = name32("other results")
    return out
