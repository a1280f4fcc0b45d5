"""What the rows of bad input have in common: a consortium with a patient, her key, a record and a consent, and the
shortest ways to say something wrong to it. All that is good is made first: no row is refused for its absence."""
import json
import os
import pathlib
import random

from consortium import SEED, check
from stock import Client, Key, Pki, decode, envelope, field, fixed64, message, one, request_id, transaction

MIB = 1 << 20
RNG = random.Random(SEED)
ANCHOR, BATCH = "RecordService/AnchorRecord", "RecordService/AnchorRecordBatch"
SUBMIT = "LedgerService/SubmitTransaction"
REGISTER, STATUS = "PatientService/RegisterPatient", "NodeService/GetStatus"


def source(system="urn:test", kind="Observation", name="refused"):
    return message((1, system), (2, kind), (3, name))


def item(src=None, content=b"content", subject=b""):
    return message((1, source() if src is None else src), (2, subject), (3, content))


def anchor(rid=None, body=None):
    return message((1, request_id() if rid is None else rid), (2, item() if body is None else body))


class World:
    """The consortium and everything the rows need of it."""

    def __init__(self, consortium):
        self.consortium = consortium
        self.pki = Pki(consortium)
        layout = json.loads((pathlib.Path(consortium.dir) / "dev.json").read_text())
        self.api = {n["name"]: n["api_port"] for n in layout["nodes"]}
        self.peer = {n["name"]: n["peer_port"] for n in layout["nodes"]}
        self.me = self.pki.principal(self.pki.client("A")[0])
        self.members = {n: self.pki.principal(self.pki.node(n)[0]) for n in consortium.names}
        self.client = self.connect("A")
        self.chain = bytes.fromhex(consortium.status("A")["chain_id"])
        self.key, self.foreign = Key(self.pki.work / "patient.key"), Key(self.pki.work / "foreign.key")
        self.patient, self.keyless = os.urandom(32), os.urandom(32)
        for pseudonym, key in ((self.patient, self.key.public), (self.keyless, b"")):
            done = self.client.call(REGISTER, message((1, request_id()), (2, pseudonym), (3, key)))
            check(done.code == "OK", f"a patient could not be registered: {done} {done.text}")
        self.request_id = request_id()
        done = self.client.call(ANCHOR, anchor(self.request_id, item(source(name="good"))))
        check(done.code == "OK", f"a good record was refused: {done} {done.text}")
        self.pointer = one(decode(one(decode(done.body), 1)), 1)
        done = self.submit(self.signed(self.grant()))
        check(done.code == "OK", f"a good consent was refused: {done} {done.text}")

    def connect(self, node, certificate=None, name="galenctl"):
        return Client(f"127.0.0.1:{self.api[node]}", self.pki.ca(node), certificate or self.pki.client(node, name))

    def with_certificate(self, *sans):
        """The status, asked with a certificate of A's own CA that names what is given."""
        with self.connect("A", self.pki.issue("A", sans)) as client:
            return client.call(STATUS)

    # What a patient signs.
    def grant(self, patient=None, grantee=None, purposes=1 << 58, begin=0, end=0, more=b""):
        body = message((1, os.urandom(32)), (2, patient or self.patient), (3, grantee or self.members["C"]))
        return field(19, body + fixed64(4, purposes) + message((5, begin), (6, end)) + more)

    def envelope(self, author=None, **options):
        return envelope(options.pop("chain", self.chain), author or self.patient, **options)

    def signed(self, *operations, **options):
        return transaction(self.envelope(**options), *operations)

    def submit(self, tx, key=None, authorization=None, scheme=1):
        if authorization is None:
            authorization = (key or self.key).authorize(self.chain, tx)
        return self.client.call(SUBMIT, message((1, tx), (2, scheme), (3, authorization)))

    def scan(self, tx):
        """Bytes that no signature makes good: whatever can be signed of them is signed."""
        return self.client.call(SUBMIT, message((1, tx), (2, 1), (3, self.key.public + bytes(63) + b"\1")))

    def own(self, operation):
        """An operation of our own, unsigned: the member vouches for it."""
        return self.submit(transaction(self.envelope(author=self.me), operation), authorization=b"", scheme=0)


def anchor_operation(world, pointer=None, custodian=None, supersedes=None, subject=None):
    return field(17, message((1, pointer or os.urandom(32)), (2, custodian or world.members["A"]), (3, subject),
                             (4, os.urandom(32)), (5, 1), (6, supersedes), (7, 1), (8, 1), (9, 1)))


def status_operation(pointer, status, successor=None):
    return field(18, message((1, pointer), (2, status), (3, successor)))
