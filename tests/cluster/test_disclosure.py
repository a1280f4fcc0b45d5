#!/usr/bin/env python3
"""What a service is shown (D14): its own member's and its own patients' detail, of all else headers. One patient of A, who lets
C see her record; B has no part in it. Each read is asked at all three, and no answer that B gets holds her pseudonym."""
import os

from bad_world import ANCHOR, World, anchor, item, source
from consortium import Consortium, check, main
from stock import decode, message, one, request_id

DENIED = "PERMISSION_DENIED NOT_YOURS_TO_READ"
DECIDE, CONSENTS, ACCESSES = "AccessService/Decide", "ConsentService/ListConsents", "AccessService/ListAccesses"


class Reader:
    """A service of one member, and a sum of all it was told."""

    def __init__(self, world, node):
        self.client, self.told = world.connect(node), b""

    def ask(self, method, *fields):
        done = self.client.call(method, message(*fields))
        self.told += done.body + done.text.encode() + b"".join(
            v if isinstance(v, bytes) else v.encode() for v in done.trailers.values())
        return done

    def ok(self, method, *fields):
        done = self.ask(method, *fields)
        check(done.code == "OK", f"{method}: {done} {done.text}")
        return decode(done.body)


def make(world):
    """A record of hers at A, one that follows it, and a question each by A and C."""
    pointers = []
    for content in (b"first", b"second"):
        done = world.client.call(ANCHOR, anchor(body=item(source(name="hers"), content, world.patient)))
        check(done.code == "OK", f"a record of hers: {done} {done.text}")
        pointers.append(one(decode(one(decode(done.body), 1)), 1))
    asked = {}
    for node in "AC":
        with world.connect(node) as client:
            rid = request_id()
            done = client.call(DECIDE, message((1, rid), (2, world.patient), (5, "TREAT")))
            check(done.code == "OK", f"{node} asks: {done} {done.text}")
            answer = decode(done.body)
            asked[node] = (rid, one(decode(one(answer, 6)), 1), one(answer, 4))
    return pointers, asked


def records(readers, world, pointers):
    full = {node: one(readers[node].ok("RecordService/GetRecord", (1, pointers[0])), 1) for node in "ABC"}
    states = {node: decode(one(decode(record), 2)) for node, record in full.items()}
    for node in "AC":
        check(one(states[node], 3) == world.patient and one(states[node], 10) == pointers[1] and one(states[node], 12, 0),
              f"{node} is not shown the whole record")
        check(not one(decode(full[node]), 3, 0), f"{node}'s record is called narrowed")
    check(one(decode(full["B"]), 3, 0) == 1, "B is not told that its record is narrowed")
    check(all(number not in states["B"] for number in (3, 6, 10, 12)), f"B is shown {sorted(states['B'])}")
    for number in (2, 4, 7):  # custodian, commitment, status
        check(one(states["B"], number) == one(states["A"], number), f"B is not shown field {number}")
    for method, extra in (("RecordService/GetRecord", (3, 1)), ("RecordService/ListRecordVersions", (9, 0))):
        check(str(readers["B"].ask(method, (1, pointers[0]), extra)) == DENIED, f"{method} at B")
        for node in "AC":
            readers[node].ok(method, (1, pointers[0]), extra)
    check(readers["B"].ask("RecordService/VerifyRecord", (1, pointers[0]), (3, b"first")).reason == "KEY_NOT_HERE",
          "B verifies")


def people(readers, world):
    lists = {node: readers[node].ok(CONSENTS, (1, world.patient)) for node in "ABC"}
    check([len(lists[node].get(1, [])) for node in "ABC"] == [1, 0, 1], "consents shown")
    check([one(lists[node], 4, 0) for node in "ABC"] == [0, 1, 1], "consents narrowed")
    consent = one(decode(lists["A"][1][0]), 1)
    check(str(readers["B"].ask("ConsentService/GetConsent", (1, consent))) == DENIED, "GetConsent at B")
    for node in "AC":
        readers[node].ok("ConsentService/GetConsent", (1, consent))

    lists = {node: readers[node].ok(ACCESSES, (1, world.patient)) for node in "ABC"}
    requesters = {node: [one(decode(entry), 8) for entry in lists[node].get(1, [])] for node in "ABC"}
    a, c = world.members["A"], world.members["C"]
    check(requesters == {"A": [a, c], "B": [], "C": [c]}, f"questions shown: {[len(r) for r in requesters.values()]}")
    check([3 in lists[node] for node in "ABC"] == [True, False, False], "who is shown the head of her list")
    check([one(lists[node], 5, 0) for node in "ABC"] == [0, 1, 1], "accesses narrowed")

    seen = {node: readers[node].ok("PatientService/GetPrincipal", (1, world.patient)) for node in "AC"}
    check(all(one(decode(one(seen[node], 2)), 4) == world.key.public for node in "AC"), "her key")
    # B asks by the pseudonym itself, so the answer repeats it: this one is kept out of the sum.
    with world.connect("B") as client:
        at_b = decode(client.call("PatientService/GetPrincipal", message((1, world.patient))).body)
    check(one(at_b, 4, 0) == 1 and sorted(decode(one(at_b, 2))) == [1, 2, 3, 6], "B is shown her key, or when she came")


def ledger(readers, world, asked):
    _, transaction, height = asked["C"]
    for node, results, narrowed in (("A", 1, 0), ("B", 0, 1), ("C", 1, 0)):
        told = readers[node].ok("LedgerService/GetTransaction", (1, transaction))
        outcome = decode(one(told, 1))
        check(one(outcome, 2) == 1 and one(outcome, 3) == height, f"{node} does not know what became of it")
        check(len(outcome.get(7, [])) == results and one(told, 3, 0) == narrowed, f"{node}: results of another's question")
    check(str(readers["B"].ask("LedgerService/GetReceipt", (1, transaction))) == DENIED, "GetReceipt at B")
    for node in "AC":
        readers[node].ok("LedgerService/GetReceipt", (1, transaction))

    for node in "ABC":
        block = readers[node].ok("LedgerService/GetBlock", (1, height))
        own = [one(decode(part), 3) for part in block.get(8, [])]
        whole, narrowed, count = one(block, 3), one(block, 7, 0), one(block, 5)
        check(len(one(block, 1)) == 286, f"{node}: the header is for all")
        check(bool(whole) != bool(narrowed), f"{node}: the whole block, or told that it is not")
        check(count > len(own), f"{node}: {len(own)} of {count} transactions beside a narrowed block")
        shown = world.patient in whole or any(world.patient in transaction for transaction in own)
        check(shown == (node != "B"), f"{node}: the question in its block is shown: {shown}")
    # Every block since the first: B's part never holds her.
    top = one(readers["B"].ok("LedgerService/GetHead"), 2)
    for at in range(1, top + 1):
        readers["B"].ok("LedgerService/GetBlock", (1, at))


def test():
    with Consortium() as consortium:
        world = World(consortium)
        pointers, asked = make(world)
        consortium.agree()
        readers = {node: Reader(world, node) for node in "ABC"}
        records(readers, world, pointers)
        people(readers, world)
        ledger(readers, world, asked)
        for hidden in (world.patient, pointers[1], world.key.public):
            check(hidden in readers["A"].told, "the test looks for what nobody is told")
            check(hidden not in readers["B"].told, "B was told what does not concern it")
        check(readers["B"].ask("RecordService/GetRecord", (1, os.urandom(32))).reason == "RECORD_NOT_FOUND", "a guess")
        print(f"three members asked; B was told {len(readers['B'].told):,} bytes, A {len(readers['A'].told):,}, "
              f"C {len(readers['C'].told):,}")


main(test)
