"""A small chain of the golden consortium of either suite, made in Python from docs/spec, so that vectors can be cut
from it and signed anew.

Everything is derived from fixed texts and the golden keys, and signatures are deterministic (signing.py): the same
bytes each time. The executor knows just what these blocks need.
"""

import hashlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent
sys.path.insert(0, str(GOLDEN.parent.parent / "scripts" / "verify"))
import state
import suite as suites
from codec import absent, uint, write_message, write_varint
from genesis import Genesis
from signing import private_key, public_key, sign


def name32(text):
    """The 32 bytes that stand for a random id here."""
    return hashlib.sha256(b"galen vector " + text.encode()).digest()


# Trees

def audit_path(suite, entries, index):
    """RFC 9162 2.1.3.1."""
    if len(entries) <= 1:
        return []
    split = 1 << (len(entries) - 1).bit_length() - 1
    if index < split:
        return audit_path(suite, entries[:split], index) + [suite.tree_root(entries[split:])]
    return audit_path(suite, entries[split:], index - split) + [suite.tree_root(entries[:split])]


def consistency_path(suite, entries, old, whole=True):
    """RFC 9162 2.1.4.1."""
    if old == len(entries):
        return [] if whole else [suite.tree_root(entries)]
    split = 1 << (len(entries) - 1).bit_length() - 1
    if old <= split:
        return consistency_path(suite, entries[:split], old, whole) + [suite.tree_root(entries[split:])]
    return consistency_path(suite, entries[split:], old - split, False) + [suite.tree_root(entries[:split])]


class StateTree:
    """Rows by (kind, key), and the tree of 3.3 over them."""

    def __init__(self, suite, rows):
        self.suite = suite
        self.rows = dict(rows)
        self.leaves = {suite.state_path(kind, key): suite.h(value) for (kind, key), value in self.rows.items()}

    def root(self, paths=None, depth=0):
        paths = sorted(self.leaves) if paths is None else paths
        if not paths:
            return bytes(32)
        if len(paths) == 1:
            return self.suite.h(b"\0" + paths[0] + self.leaves[paths[0]])
        left = [p for p in paths if not suites.bit(p, depth)]
        right = [p for p in paths if suites.bit(p, depth)]
        return self.suite.node(self.root(left, depth + 1), self.root(right, depth + 1))

    def proof(self, kind, key):
        """Siblings from the root downwards, and the leaf at the end or None."""
        wanted, paths, siblings = self.suite.state_path(kind, key), sorted(self.leaves), []
        while len(paths) > 1:
            depth = len(siblings)
            same = [p for p in paths if suites.bit(p, depth) == suites.bit(wanted, depth)]
            siblings.append(self.root([p for p in paths if p not in same], depth + 1))
            paths = same
        return siblings, (paths[0], self.leaves[paths[0]]) if paths else None


# Transactions

def field(number, value):
    if isinstance(value, int):
        return write_varint(number << 3) + write_varint(value) if value else b""
    return write_varint(number << 3 | 2) + write_varint(len(value)) + value if value else b""


def fixed64(number, value):
    return write_varint(number << 3 | 1) + value.to_bytes(8, "little")


def operation(number, body):
    return write_varint(number << 3 | 2) + write_varint(len(body)) + body


def request_id(text):
    raw = bytearray(name32("request " + text)[:16])
    raw[6], raw[8] = raw[6] & 15 | 0x40, raw[8] & 63 | 0x80
    return bytes(raw)


def envelope(chain_id, author, request, valid_until_ms):
    return field(1, 1) + field(2, chain_id) + field(3, author) + field(4, request) + field(5, valid_until_ms)


class Item:
    """One transaction with its authorization; `values` are the operations as (number, dict) for the executor."""

    def __init__(self, chain, author, request, operations, secret=None):
        suite = self.suite = chain.suite
        self.author, self.values = author, [value for value, _ in operations]
        self.operations = [raw for _, raw in operations]
        self.request = request_id(request)
        self.envelope = envelope(chain.genesis.chain_id, author, self.request, chain.genesis.created_ms + 600000)
        self.transaction = field(1, self.envelope) + b"".join(operation(2, raw) for raw in self.operations)
        self.id = suite.tagged("galen/1 transaction id", author + self.request)
        self.hash = suite.tagged("galen/1 transaction", suite.h(self.envelope) + uint(len(self.operations), 4)
                                 + suite.tree_root(self.operations))
        self.scheme, self.authorization = 0, b""
        if secret is not None:
            signed = chain.genesis.prefix(8, epoch=0, members_hash=bytes(32)) + self.hash
            self.scheme = suite.author_scheme
            self.authorization = public_key(suite, secret) + sign(suite, secret, signed)
        self.code, self.results = 0, []

    def leaf(self):
        return self.hash + self.suite.tagged("galen/1 authorization", uint(self.scheme, 1) + self.authorization)


def register(ident, kind, key=b""):
    value = {"id": ident, "kind": kind, "key": key}
    return (16, value), operation(16, field(1, ident) + field(2, kind) + field(3, key))


def anchor(pointer, custodian, subject, commitment):
    value = {"pointer_id": pointer, "custodian": custodian, "subject": subject, "commitment": commitment}
    return (17, value), operation(17, field(1, pointer) + field(2, custodian) + field(3, subject) + field(4, commitment)
                                  + field(5, 1) + field(7, 1) + field(8, 2) + field(9, 2))


def grant(consent, patient, grantee, purposes):
    value = {"consent_id": consent, "patient": patient, "grantee": grantee, "purposes": purposes}
    return (19, value), operation(19, field(1, consent) + field(2, patient) + field(3, grantee) + fixed64(4, purposes))


def decide(patient, requester, purpose, pointer=b""):
    value = {"patient": patient, "requester": requester, "purpose": purpose, "pointer_id": pointer}
    return (21, value), operation(21, field(1, patient) + field(2, requester) + field(3, purpose) + field(4, pointer))


# Blocks

HEADER = (("version", 2), ("flags", 2), ("chain_id", 32), ("epoch", 8), ("view", 8), ("height", 8), ("parent", 32),
          ("time_ms", 8),
          ("exec_height", 8), ("state_root", 32), ("results_root", 32), ("body_root", 32), ("batches", 4),
          ("history_size", 8),
          ("history_root", 32), ("rules_version", 4), ("proposer", 2), ("next_members", 32))
BATCH = (("version", 2), ("chain_id", 32), ("epoch", 8), ("origin", 2), ("valid_until_ms", 8), ("items", 4),
         ("items_bytes", 4),
         ("items_root", 32))


def lay_out(table, values):
    return b"".join(values[name] if isinstance(values[name], bytes) else uint(values[name], size) for name,
                    size in table)


class Batch:
    def __init__(self, chain, origin, items):
        self.items = items
        size = sum(7 + len(item.authorization) + len(item.transaction) for item in items)
        self.values = {"version": 1, "chain_id": chain.genesis.chain_id, "epoch": chain.epoch, "origin": origin,
                       "valid_until_ms": chain.genesis.created_ms + 600000, "items": len(items), "items_bytes": size,
                       "items_root": chain.suite.tree_root([item.leaf() for item in items])}
        self.header = lay_out(BATCH, self.values)
        self.digest = chain.suite.tagged("galen/1 batch", self.header)


class Block:
    """A block with its batches, and what executing it gave."""

    def __init__(self, suite):
        self.suite = suite


class SampleChain:
    epoch = 1

    def links_to(self, _block):
        """The links between epochs that a proof with this newest block needs."""
        return []

    def __init__(self, folder):
        """`folder` holds genesis.json and the keys of the members."""
        self.genesis_bytes = (folder / "genesis.json").read_bytes()
        self.genesis = Genesis(self.genesis_bytes)
        self.suite = self.genesis.suite
        self.secrets = [private_key(folder / ("member-%d.key.pem" % i)) for i in range(4)]
        self.rows = {}
        zero = Block(self.suite)
        members = self.genesis.members
        for member in members:
            for ident, kind in ((member["id"], 1), (member["admin"], 2)):
                self.put(1, bytes.fromhex(ident), {"kind": kind, "home_member": bytes.fromhex(member["id"]),
                                                   "status": 1})
        self.put(6, b"", {"rules_version": 1})
        zero.values = {"version": 1, "flags": 0, "chain_id": self.genesis.chain_id, "epoch": 1, "view": 0, "height": 0,
                       "parent": bytes(32), "time_ms": self.genesis.created_ms, "exec_height": 0,
                       "state_root": bytes(32),
                       "results_root": bytes(32), "body_root": self.suite.h(b""), "batches": 0, "history_size": 0,
                       "history_root": self.suite.h(b""),
                       "rules_version": 1, "proposer": 0, "next_members": bytes(32)}
        zero.batches, zero.items, zero.outcomes = [], [], []
        self.blocks = []
        self.finish(zero, bytes(32))

    def put(self, kind, key, values):
        table = state.ROWS[kind][2]
        whole = {f.name: [] if f.repeated else absent(f) for f in table.values()}
        whole.update(values, format=1)
        self.rows[kind, key] = write_message(table, whole)

    def get(self, kind, key):
        return state.row(kind, self.rows[kind, key])

    def finish(self, block, results_root):
        block.header = lay_out(HEADER, block.values)
        block.digest = self.suite.tagged("galen/1 header", block.header)
        block.results_root = results_root
        block.state = StateTree(self.suite, self.rows)
        block.state_root = block.state.root()
        self.blocks.append(block)

    def add(self, batches, exec_height=None, view=0, **others):
        """Executes the batches as the next block. `others` overwrite fields of the header."""
        block = Block(self.suite)
        height = len(self.blocks)
        executed = self.blocks[height - 1 if exec_height is None else exec_height]
        block.batches = batches
        block.values = dict(self.blocks[0].values, view=view, height=height, parent=self.blocks[-1].digest,
                            time_ms=self.genesis.created_ms + 1000 * height, exec_height=len(self.blocks) - 1
                            if exec_height is None else exec_height, state_root=executed.state_root,
                            results_root=executed.results_root, body_root=self.suite.tree_root([b.digest for b in batches]),
                            batches=len(batches), history_size=height,
                            history_root=self.suite.tree_root([b.digest for b in self.blocks]), proposer=view % 4)
        block.values.update(others)
        block.items = [item for batch in batches for item in batch.items]
        for item in block.items:
            self.execute(item, height, block.values["time_ms"])
        block.outcomes = [outcome_leaf(i, item) for i, item in enumerate(block.items)]
        self.finish(block, self.suite.tagged("galen/1 results", self.blocks[-1].results_root + uint(height, 8)
                                             + self.suite.tree_root(block.outcomes)))
        return block

    def execute(self, item, height, time_ms):
        """As much of 5.4 to 5.6 as the sample needs: an anchor or consent that exists refuses the whole transaction."""
        before = dict(self.rows)
        for index, (number, v) in enumerate(item.values):
            result = b""
            if number == 16:
                home = self.get(1, item.author)["home_member"]
                self.put(1, v["id"], {"kind": v["kind"], "home_member": home, "key": v["key"], "status": 1,
                                      "key_version": 1 if v["key"] else 0, "registered_height": height})
            elif number == 17:
                if (2, v["pointer_id"]) in self.rows:
                    item.code, item.results, self.rows = 300, [], before
                    return
                self.put(2, v["pointer_id"], dict(v, canon=1, status=1, height=height, retention=2, **{"class": 2},
                                                  period=time_ms // self.genesis.period_ms))
            elif number == 19:
                self.put(3, v["consent_id"], dict({k: v[k] for k in ("patient", "grantee", "purposes")},
                                                  granted_height=height))
                self.put(4, v["patient"] + v["grantee"], {"consent_ids": [v["consent_id"]]})
            elif number == 21:
                result = self.decide(item, index, v, height, time_ms)
            item.results.append(result)

    def decide(self, item, index, v, height, time_ms):
        key = v["patient"] + bytes(4)
        head = self.get(5, key) if (5, key) in self.rows else {"count": 0, "running_hash": bytes(32)}
        consents = self.get(4, v["patient"] + v["requester"])["consent_ids"] if (4, v["patient"]
                                                                                 + v["requester"]) in self.rows \
            else []
        granted = [c for c in consents if self.get(3, c)["purposes"] >> (v["purpose"] - 1) & 1]
        entry = dict(v, format=1, sequence=head["count"] + 1, height=height, time_ms=time_ms, transaction_id=item.id,
                     operation=index, author=item.author, permit=1 if granted else 0,
                     reason=1 if granted else 7 if consents else 3, consent_id=(granted or consents or [b""])[0])
        raw = write_message(state.ACCESS_ENTRY, entry)
        self.put(5, key, {"count": head["count"] + 1, "running_hash":
                          self.suite.tagged("galen/1 access", head["running_hash"] + raw)})
        return raw

    # Certificates. `change` overwrites what is signed and said; `prefix` what is signed only.

    def vote(self, subject, kind, signers, epoch=1, members_hash=None):
        return [sign(self.suite, self.secrets[i], self.genesis.prefix(kind, epoch, members_hash) + uint(i, 2) + subject)
                for i in signers]

    def commit(self, block, view=None, signers=(0, 1, 2), phase=2, **prefix):
        view = block.values["view"] if view is None else view
        subject = uint(view, 8) + uint(block.values["height"], 8) + block.digest
        return (uint(1, 2) + uint(phase, 1) + subject
                + signer_set(4, signers, self.vote(subject, 3 if phase == 1 else 4, signers, **prefix)))

    def commit_of_block(self, block):
        """The one that a confirmed receipt has of its own block."""
        return self.commit(block, signers=(0, 2, 3))

    def executed(self, block, signers=(0, 1, 3), **prefix):
        subject = uint(block.values["height"], 8) + block.digest + block.state_root + block.results_root
        return uint(1, 2) + subject + signer_set(4, signers, self.vote(subject, 7, signers, **prefix))


def signer_set(n, signers, signatures):
    bitmap = sum(1 << i for i in signers)
    return uint(n, 2) + bitmap.to_bytes((n + 7) // 8, "little") + b"".join(signatures)


def outcome_leaf(index, item):
    return uint(index, 4) + item.hash + item.id + uint(item.code, 4) + item.suite.tree_root(item.results)
