#!/usr/bin/env python3
"""Holds docs/spec/formats.md against the golden files without any of Galen's code: Python's hashlib and the openssl program.

Computes every value of values.json from the bytes beside it, and verifies both receipts with nothing but genesis.json.
Usage: tests/golden/independent_check.py [RECEIPT GENESIS]
"""
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def h(data): return hashlib.sha256(data).digest()
def tagged(tag, data): return h(bytes([len(tag)]) + tag.encode() + data)
def u16(n): return n.to_bytes(2, "big")
def u32(n): return n.to_bytes(4, "big")
def u64(n): return n.to_bytes(8, "big")
def leaf(data): return h(b"\0" + data)
def node(left, right): return h(b"\1" + left + right)
def golden_hex(name): return bytes.fromhex((HERE / name).read_text().replace("\n", ""))


def need(condition, what):
    if not condition:
        raise SystemExit(f"FAILED: {what}")


def root(leaves):
    """RFC 9162 2.1.1, by its definition."""
    if not leaves:
        return h(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node(root(leaves[:split]), root(leaves[split:]))


def root_of_path(start, index, size, path):
    """RFC 9162 2.1.3.2."""
    need(index < size, "index within size")
    first, last, result = index, size - 1, start
    for sibling in path:
        need(last > 0, "path not too long")
        if first & 1 or first == last:
            result = node(sibling, result)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            result = node(result, sibling)
        first, last = first >> 1, last >> 1
    need(last == 0, "path not too short")
    return result


def fields(data):
    """Protobuf fields as (number, value) in their order."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        elif tag & 7 == 1:
            yield tag >> 3, int.from_bytes(data[at:at + 8], "little")
            at += 8
        else:
            need(tag & 7 == 2, "wire type")
            size = varint()
            need(at + size <= len(data), "length")
            yield tag >> 3, data[at:at + size]
            at += size


def message(data):
    out = {}
    for number, value in fields(data):
        out.setdefault(number, []).append(value)
    return out


def one(msg, number, default=b""): return msg.get(number, [default])[0]


class Reader:
    def __init__(self, data): self.data, self.at = data, 0

    def raw(self, size):
        need(self.at + size <= len(self.data), "layout long enough")
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, size): return int.from_bytes(self.raw(size), "big")
    def done(self): need(self.at == len(self.data), "nothing behind the layout")


ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551


def der(signature):
    def integer(data):
        data = data.lstrip(b"\0")
        if data[0] & 128:
            data = b"\0" + data
        return b"\x02" + bytes([len(data)]) + data
    body = integer(signature[:32]) + integer(signature[32:])
    return b"\x30" + bytes([len(body)]) + body


def verify_signature(key, data, signature, what):
    need(0 < int.from_bytes(signature[:32], "big") < ORDER, f"{what}: r")
    need(0 < int.from_bytes(signature[32:], "big") <= ORDER // 2, f"{what}: low s")
    # SubjectPublicKeyInfo of an uncompressed P-256 point.
    spki = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200") + key
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "key.der").write_bytes(spki)
        (folder / "signature.der").write_bytes(der(signature))
        (folder / "bytes").write_bytes(data)
        done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", folder / "key.der", "-keyform", "DER", "-signature",
                               folder / "signature.der", folder / "bytes"], capture_output=True)
    need(done.returncode == 0, f"{what}: signature")


def transaction_hash(data):
    msg = message(data)
    operations = msg[2]
    return tagged("galen/1 transaction", h(msg[1][0]) + u32(len(operations)) + root([leaf(o) for o in operations]))


def transaction_id(data):
    envelope = message(message(data)[1][0])
    return tagged("galen/1 transaction id", one(envelope, 3) + one(envelope, 4))


def item_leaf(data, scheme, authorization):
    return leaf(transaction_hash(data) + tagged("galen/1 authorization", bytes([scheme]) + authorization))


def fingerprint(pem):
    import base64
    body = pem.split("-----BEGIN CERTIFICATE-----")[1].split("-----END")[0]
    return h(base64.b64decode(body))


class Chain:
    def __init__(self, genesis):
        self.id = h(genesis)
        facts = json.loads(genesis)
        self.keys = [bytes.fromhex(m["consensus_key"]) for m in facts["members"]]
        self.members = u16(1) + u16(len(self.keys)) + b"".join(
            bytes.fromhex(m["id"]) + bytes.fromhex(m["consensus_key"]) + fingerprint(m["ca_pem"]) for m in facts["members"])
        self.members_hash = tagged("galen/1 members", self.members)
        empty = h(b"")
        self.block_zero = (u16(1) + u16(0) + self.id + u64(1) + u64(0) + u64(0) + bytes(32) + u64(facts["created_ms"]) + u64(0)
                           + bytes(64) + empty + u32(0) + u64(0) + empty + u32(facts["rules_version"]) + u16(0) + bytes(32))

    def prefix(self, kind, epoch=1, members=None):
        return b"GALEN/1\0" + bytes([kind, 1]) + self.id + u64(epoch) + (self.members_hash if members is None else members)

    def check_signers(self, reader, sign_bytes, what):
        count = reader.number(2)
        need(count == len(self.keys), f"{what}: members")
        bitmap = reader.raw((count + 7) // 8)
        signers = [i for i in range(8 * len(bitmap)) if bitmap[i // 8] >> i % 8 & 1]
        need(not signers or signers[-1] < count, f"{what}: padding")
        need(len(signers) >= (count + (count - 1) // 3) // 2 + 1, f"{what}: quorum")
        for signer in signers:
            verify_signature(self.keys[signer], sign_bytes(signer), reader.raw(64), f"{what} of member {signer}")
        reader.done()

    def check_commit(self, data, header, what):
        reader = Reader(data)
        need(reader.number(2) == 1 and reader.number(1) == 2, f"{what}: version and phase")
        view, height, digest = reader.number(8), reader.number(8), reader.raw(32)
        need(height == header["height"] and digest == header["digest"] and view >= header["view"], f"{what}: subject")
        self.check_signers(reader, lambda i: self.prefix(4) + u16(i) + u64(view) + u64(height) + digest, what)

    def check_executed(self, data, header, results_root, state_root):
        reader = Reader(data)
        need(reader.number(2) == 1, "executed_certificate: version")
        subject = reader.raw(8 + 32 + 32 + 32)
        need(subject == u64(header["height"]) + header["digest"] + state_root + results_root, "executed_certificate: subject")
        self.check_signers(reader, lambda i: self.prefix(7) + u16(i) + subject, "executed_certificate")

    def header(self, data):
        reader, out = Reader(data), {"digest": tagged("galen/1 header", data)}
        need(reader.number(2) == 1 and reader.number(2) in (0, 1), "header: version and flags")
        need(reader.raw(32) == self.id and reader.number(8) == 1, "header: chain and epoch")
        for name, size in (("view", 8), ("height", 8), ("parent", 32), ("time_ms", 8), ("exec_height", 8), ("state_root", 32),
                           ("results_root", 32), ("body_root", 32), ("batch_count", 4), ("history_size", 8),
                           ("history_root", 32), ("rules_version", 4), ("proposer", 2), ("next_members_hash", 32)):
            out[name] = reader.raw(size) if size == 32 else reader.number(size)
        reader.done()
        return out

    def check_receipt(self, data):
        need(data[:10] == b"GALENRCP" + u16(1), "file: magic and version")
        receipt = message(data[10:])
        need(one(receipt, 1, 0) == 1 and one(receipt, 2) == self.id and 3 not in receipt, "frame")
        need((16 in receipt) != (17 in receipt), "exactly one certificate")
        header = self.header(one(receipt, 4))
        body, scheme, authorization = one(receipt, 5), one(receipt, 6, 0), one(receipt, 7)
        need(one(message(message(body)[1][0]), 2) == self.id, "transaction: chain")
        if scheme == 0:
            need(authorization == b"", "authorization: empty")
        else:
            need(scheme == 1 and len(authorization) == 129, "authorization: es256")
            sign_bytes = self.prefix(8, 0, bytes(32)) + transaction_hash(body)
            verify_signature(authorization[:65], sign_bytes, authorization[65:], "authorization")

        def path(number): return message(one(receipt, number))
        def lead(start, p): return root_of_path(start, one(p, 1, 0), one(p, 2, 0), p.get(3, []))
        item, batch, outcome = path(8), path(10), path(13)
        reader = Reader(one(receipt, 9))
        need(reader.number(2) == 1 and reader.raw(32) == self.id and reader.number(8) == 1, "batch_header")
        need(reader.number(2) < len(self.keys), "batch_header: origin")
        reader.raw(8)
        need(reader.number(4) == one(item, 2, 0), "item_path: size")
        reader.raw(4)
        need(lead(item_leaf(body, scheme, authorization), item) == reader.raw(32), "item_path: root")
        reader.done()
        need(one(batch, 2, 0) == header["batch_count"], "batch_path: size")
        need(lead(leaf(tagged("galen/1 batch", one(receipt, 9))), batch) == header["body_root"], "batch_path: root")

        code, results = one(receipt, 11, 0), receipt.get(12, [])
        need(len(results) == (len(message(body)[2]) if code == 0 else 0), "results")
        index, least = one(outcome, 1, 0), one(item, 1, 0) + one(batch, 1, 0)
        need(index >= least and (one(batch, 1, 0) > 0 or index == least), "outcome_path: index")
        data = u32(index) + transaction_hash(body) + transaction_id(body) + u32(code) + root([leaf(r) for r in results])
        results_root = tagged("galen/1 results", one(receipt, 14) + u64(header["height"]) + lead(leaf(data), outcome))
        if 16 in receipt:
            self.check_executed(one(receipt, 16), header, results_root, one(receipt, 15))
            return
        confirmation = message(one(receipt, 17))
        later = self.header(one(confirmation, 1))
        roots = confirmation.get(4, [])
        need(header["height"] <= later["exec_height"] < later["height"], "confirmation: heights")
        need(len(roots) == later["exec_height"] - header["height"], "confirmation: later_outcome_roots")
        for i, outcome_root in enumerate(roots):
            results_root = tagged("galen/1 results", results_root + u64(header["height"] + 1 + i) + outcome_root)
        need(results_root == later["results_root"], "confirmation: results root")
        need(one(receipt, 15) == (b"" if roots else later["state_root"]), "state_root")
        need((3 in confirmation) != (5 in confirmation), "confirmation: one of COMMIT-QC and history path")
        if 5 in confirmation:
            history = message(one(confirmation, 5))
            need(one(history, 1, 0) == header["height"] and one(history, 2, 0) == later["history_size"],
                 "history_path: index and size")
            need(lead(leaf(header["digest"]), history) == later["history_root"], "history_path: root")
        else:
            self.check_commit(one(confirmation, 3), header, "block_commit_certificate")
        self.check_commit(one(confirmation, 2), later, "commit_certificate")


def check_values(chain):
    bulk, grant, batch = golden_hex("transaction_bulk.hex"), golden_hex("transaction_grant.hex"), golden_hex("batch_header.hex")
    header, register = golden_hex("header.hex"), golden_hex("transaction_register.hex")
    digests = golden_hex("block_skeleton.hex")[286 + 4:]
    zero = tagged("galen/1 header", chain.block_zero)
    path = tagged("galen/1 state path", b"\2" + h(b"pointer 1"))
    state_leaf = h(b"\0" + path + h(b"value"))
    computed = {
        "chain_id": chain.id,
        "members_hash": chain.members_hash,
        "block_zero_digest": zero,
        "transaction_bulk_hash": transaction_hash(bulk),
        "transaction_bulk_id": transaction_id(bulk),
        "transaction_grant_hash": transaction_hash(grant),
        "item_leaf_grant": item_leaf(grant, 1, golden_hex("authorization_grant.hex")),
        "batch_digest": tagged("galen/1 batch", batch),
        "items_root": root([item_leaf(bulk, 0, b""), item_leaf(register, 0, b"")]),
        "body_root": root([leaf(digests[i:i + 32]) for i in range(0, len(digests), 32)]),
        "header_digest": tagged("galen/1 header", header),
        "history_root": leaf(zero),
        "state_path_record": path,
        "state_leaf_record": state_leaf,
        "state_inner": h(b"\1" + state_leaf + bytes(32)),
        "access_hash_first": tagged("galen/1 access", bytes(32) + b"entry"),
    }
    frozen = json.loads((HERE / "values.json").read_text())
    for name, value in computed.items():
        need(frozen[name] == value.hex(), name)
    need(golden_hex("members.hex") == chain.members, "members.hex")
    need(golden_hex("block_zero_header.hex") == chain.block_zero, "block_zero_header.hex")
    return len(computed)


def reported_bytes(chain, report, value):
    """What a member signed, from the text of formats.md 6.2 alone."""
    kind, member, view, height = one(report, 3, 0), one(report, 2, 0) - 1, one(report, 4, 0) - 1, one(report, 5, 0)
    mark = one(value, 2)
    need(len(mark) == (33 if kind == 1 else 0), "report: justification")
    return chain.prefix(kind + 1, one(report, 1, 0)) + u16(member) + u64(view) + u64(height) + one(value, 1) + mark


def check_reports(chain):
    """Both golden reports prove the fault of member C; with the two digests exchanged they prove nothing."""
    for name in ("votes", "proposals"):
        report = message(message(message(golden_hex(f"transaction_report_{name}.hex"))[2][0])[26][0])
        first, second = message(one(report, 6)), message(one(report, 7))
        need(one(first, 1) < one(second, 1), f"report of {name}: two digests, the lower first")
        for value, other in ((first, second), (second, first)):
            key, signed, signature = chain.keys[one(report, 2) - 1], reported_bytes(chain, report, value), one(value, 3)
            verify_signature(key, signed, signature, f"report of {name}")
            try:
                verify_signature(key, reported_bytes(chain, report, {**value, 1: other[1]}), signature, "bad")
            except SystemExit:
                continue
            need(False, f"report of {name}: the signature covers no digest")
    proposal = message(message(message(golden_hex("transaction_report_proposals.hex"))[2][0])[26][0])
    need(reported_bytes(chain, proposal, message(one(proposal, 6))) == golden_hex("sign_bytes_pre_prepare.hex"),
         "sign_bytes_pre_prepare.hex")


def main():
    if len(sys.argv) == 3:
        Chain(pathlib.Path(sys.argv[2]).read_bytes()).check_receipt(pathlib.Path(sys.argv[1]).read_bytes())
        print("the receipt verifies")
        return
    chain = Chain((HERE / "genesis.json").read_bytes())
    values = check_values(chain)
    for name in ("receipt_executed.galen", "receipt_confirmed.galen"):
        chain.check_receipt((HERE / name).read_bytes())
    check_reports(chain)
    print(f"{values} values, 2 receipts and 2 reports verify")


if __name__ == "__main__":
    main()
