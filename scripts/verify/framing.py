"""Framing of proofs and bundles (docs/spec/evidence.md 1 and 2): every field, count and length, before anything is
checked.

A parsed part is a dict of its fields. Headers, certificates, envelopes, operations and values stay bytes here.
"""

from codec import Bad, Reader, part
from epochs import LINKS_MAX, read_link

KINDS = {b"GALENTXP": "transaction proof", b"GALENSTP": "state proof", b"GALENCON": "consistency proof",
         b"GALENEVD": "evidence"}
MIB = 1 << 20


def counted(reader, size, low, high):
    """An integer of `size` bytes from low to high."""
    value = reader.uint(size)
    if not low <= value <= high:
        raise Bad("MALFORMED", "%d is not from %d to %d" % (value, low, high))
    return value


def sized(reader, size, low, high):
    """Bytes behind their length."""
    return reader.take(counted(reader, size, low, high))


def path(reader):
    return [reader.take(32) for _ in range(counted(reader, 1, 0, 64))]


def certified_header(reader):
    out = {"header": reader.take(286), "later": None}
    if counted(reader, 1, 0, 1):
        out["later"] = {"header": reader.take(286), "path": path(reader)}
    out["commit_certificate"] = sized(reader, 4, 0, 8192)
    return out


def certified_block(reader):
    out = {"header": reader.take(286), "way": counted(reader, 1, 1, 2)}
    if out["way"] == 1:
        out["executed_certificate"] = sized(reader, 4, 0, 8192)
    else:
        out["path"] = path(reader)
        out["confirming"] = certified_header(reader)
        out["later_outcome_roots"] = [reader.take(32) for _ in range(counted(reader, 2, 0, 1024))]
    return out


def transaction_proof(reader):
    out = {"scheme": reader.uint(1), "authorization": sized(reader, 2, 0, 1024), "envelope": sized(reader, 2, 1, 256)}
    out["operations"] = counted(reader, 2, 1, 1000)
    out["code"] = reader.uint(2)
    out["shown"] = []
    last = -1
    for _ in range(counted(reader, 2, 1, out["operations"])):
        shown = {"index": counted(reader, 2, last + 1, out["operations"] - 1)}
        last = shown["index"]
        shown["operation"] = sized(reader, 2, 1, 1024)
        shown["path"] = path(reader)
        if out["code"] == 0:
            shown["result"] = sized(reader, 4, 0, 65536)
            shown["result_path"] = path(reader)
        out["shown"].append(shown)
    out["item"] = {"index": reader.uint(4), "path": path(reader)}
    out["batch_header"] = reader.take(92)
    out["batch"] = {"index": reader.uint(4), "path": path(reader)}
    out["outcome"] = {"index": reader.uint(4), "size": reader.uint(4), "path": path(reader)}
    out["previous_results_root"] = reader.take(32)
    return out


def state_proof(reader):
    out = {"kind": reader.uint(1), "key": sized(reader, 1, 0, 64), "present": counted(reader, 1, 0, 1), "value": None}
    if out["present"]:
        out["value"] = sized(reader, 4, 0, 65536)
    out["proof"] = sized(reader, 4, 0, 16384)
    return out


def consistency_proof(reader):
    return {"old_header": reader.take(286), "consistency_path": path(reader), "path": path(reader),
            "new": certified_header(reader)}


def exactly(reader, parse):
    """A part behind a length that covers it exactly."""
    inner = Reader(reader.take(reader.uint(4)))
    out = parse(inner)
    inner.end()
    return out


def bundle(reader):
    out = {"summary": sized(reader, 4, 1, MIB), "genesis": sized(reader, 4, 1, 2 * MIB)}
    counted(reader, 2, 1, 1)
    out["epoch"] = reader.uint(8)
    out["members"] = sized(reader, 4, 0, 65536)
    out["blocks"] = [exactly(reader, certified_block) for _ in range(counted(reader, 2, 1, 2000))]
    last = len(out["blocks"]) - 1
    for name, parse in (("transactions", transaction_proof), ("states", state_proof)):
        out[name] = []
        for _ in range(counted(reader, 2, 0, 1000)):
            block = counted(reader, 2, 0, last)
            out[name].append(dict(exactly(reader, parse), block=block))
    out["consistency"] = [exactly(reader, consistency_proof) for _ in range(counted(reader, 2, 0, 16))]
    out["openings"] = []
    for _ in range(counted(reader, 2, 0, 1000)):
        state = counted(reader, 2, 0, len(out["states"]) - 1)
        out["openings"].append({"state": state, "key": reader.take(32), "document": sized(reader, 4, 0, 16 * MIB)})
    if {item["block"] for item in out["transactions"] + out["states"]} != set(range(last + 1)):
        raise Bad("MALFORMED", "a block that nothing names")
    return out


def read(data):
    """Kind, chain id and parts of a file that is no receipt."""
    with part("file"):
        kind = KINDS.get(data[:8])
        if kind is None:
            raise Bad("MALFORMED", "no file of Galen begins like this")
        reader = Reader(data)
        reader.take(8)
        version = reader.uint(2)
        if version not in (1, 2):
            raise Bad("UNSUPPORTED_VERSION", "another version of the file")
        if reader.left() > (64 if kind == "evidence" else 8) * MIB:
            raise Bad("TOO_LARGE", "longer than its limit")
        out = {"kind": kind, "chain_id": reader.take(32), "epochs": []}
        if version == 2:
            out["epochs"] = [read_link(reader, sized) for _ in range(counted(reader, 2, 1, LINKS_MAX))]
        if kind == "evidence":
            out.update(bundle(reader))
        elif kind == "consistency proof":
            out["consistency"] = consistency_proof(reader)
        else:
            out["block"] = certified_block(reader)
            if kind == "state proof":
                out["state"] = state_proof(reader)
            else:
                out["transaction"] = transaction_proof(reader)
        reader.end()
    return out
