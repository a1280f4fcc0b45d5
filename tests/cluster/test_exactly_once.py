#!/usr/bin/env python3
"""Exactly once (D12): retries get the first outcome and a byte-equal receipt, another body under the same request_id gets the
first outcome and the mismatch, also when two nodes are asked at once; every node says the same of a request_id, and never
anything else once it is final."""
import concurrent.futures
import os
import time

from bad_world import ANCHOR, BATCH, REGISTER, SUBMIT, World, anchor, item, source
from consortium import Consortium, check, main
from stock import decode, envelope, field, message, now_ms, one, request_id, transaction

GET, RECEIPT, DECIDE = "LedgerService/GetTransaction", "LedgerService/GetReceipt", "AccessService/Decide"
COMMITTED, REJECTED, EXPIRED, UNKNOWN = 1, 2, 3, 4
CERTIFICATE_FIELDS = {15, 16, 17}  # of a receipt: it proves the same with either certificate
OUTCOME_STATE, OUTCOME_HEIGHT, OUTCOME_REASON, OUTCOME_DUPLICATE = 2, 3, 5, 6


def first_of(answer):
    """The details of a refusal: google.rpc.Status, of its Any values the ErrorInfo, of that the metadata."""
    out = {}
    for packed in decode(answer.trailers["grpc-status-details-bin"]).get(3, []):
        packed = decode(packed)
        if one(packed, 1).endswith(b"ErrorInfo"):
            for entry in decode(one(packed, 2)).get(3, []):
                out[one(decode(entry), 1).decode()] = one(decode(entry), 2).decode()
    return out


def check_mismatch(answer, state, text):
    check(answer.reason == "REQUEST_ID_REUSED", f"{text}: {answer} {answer.text}")
    first = first_of(answer)
    check(first.get("first_state") == state and int(first["first_height"]) > 0 and len(first["first_transaction_id"]) == 64,
          f"{text}: the first outcome is missing: {first}")
    return first


def outcome(body, number):
    return decode(one(decode(body), number))


class Asker:
    """GetTransaction and GetReceipt on every node."""

    def __init__(self, world):
        self.world = world
        self.clients = {name: world.connect(name) for name in world.consortium.names}

    def states(self, rid, author=None, valid_until_ms=0):
        """{node: (state, height)}"""
        request = message((2, author or self.world.me), (3, rid), (4, valid_until_ms))
        out = {}
        for name, client in self.clients.items():
            answer = client.call(GET, request)
            check(answer.code == "OK", f"GetTransaction on {name}: {answer}")
            told = outcome(answer.body, 1)
            out[name] = (one(told, OUTCOME_STATE, 0), one(told, OUTCOME_HEIGHT, 0))
        return out

    def agreed(self, rid, wanted, timeout=60, **options):
        """Waits until every node says `wanted`; nobody may say another final state meanwhile."""
        until = time.monotonic() + timeout
        while True:
            seen = self.states(rid, **options)
            check({s for s, _ in seen.values()} <= {wanted, UNKNOWN}, f"wanted {wanted}: {seen}")
            if len(set(seen.values())) == 1 and seen["A"][0] == wanted:
                return seen["A"][1]
            check(time.monotonic() < until, f"not everywhere {wanted}: {seen}")
            time.sleep(0.2)

    def receipt(self, node, rid, author=None):
        """Without its certificate, which two readers may get in different forms."""
        answer = self.clients[node].call(RECEIPT, message((2, author or self.world.me), (3, rid)))
        check(answer.code == "OK", f"GetReceipt on {node}: {answer}")
        parts = decode(one(decode(answer.body), 1))
        return {number: values for number, values in parts.items() if number not in CERTIFICATE_FIELDS}


def check_anchors(world, asker):
    rid, body = request_id(), item(source(name="once"), b"once")
    first = world.client.call(ANCHOR, anchor(rid, body))
    check(first.code == "OK", f"anchor: {first}")
    again = world.client.call(ANCHOR, anchor(rid, body))
    check(one(decode(one(decode(again.body), 1)), 1) == one(decode(one(decode(first.body), 1)), 1), "another pointer on retry")
    check(one(outcome(again.body, 2), OUTCOME_HEIGHT) == one(outcome(first.body, 2), OUTCOME_HEIGHT) and
          one(outcome(again.body, 2), OUTCOME_DUPLICATE), f"retry: {outcome(again.body, 2)}")
    height = asker.agreed(rid, COMMITTED)
    receipts = [asker.receipt("A", rid) for _ in range(3)]
    check(all(r == receipts[0] for r in receipts), "receipts differ")
    for other, text in ((item(source(name="once"), b"twice"), "other bytes"), (item(source(name="other"), b"once"), "other source")):
        found = check_mismatch(world.client.call(ANCHOR, anchor(rid, other)), "COMMITTED", text)
        check(int(found["first_height"]) == height, f"{found}")
    # What another request anchored is another body too, though it plans nothing.
    check(world.client.call(ANCHOR, anchor(None, item(source(name="else"), b"else"))).code == "OK", "anchor")
    check_mismatch(world.client.call(ANCHOR, anchor(rid, item(source(name="else"), b"else"))), "COMMITTED", "another's record")
    pair = message((1, request_id())) + field(2, item(source(name="p1"), b"1")) + field(2, item(source(name="p2"), b"2"))
    check(world.client.call(BATCH, pair).code == "OK", "a batch of two")
    check(world.client.call(BATCH, pair).code == "OK", "the same batch again")
    part = field(1, one(decode(pair), 1)) + field(2, item(source(name="p1"), b"1"))
    check_mismatch(world.client.call(BATCH, part), "COMMITTED", "a part of the batch")
    asker.agreed(rid, COMMITTED)


def check_rejected(world, asker):
    """A refusal by the members is final too, and a retry hears the same."""
    rid, stranger = request_id(), os.urandom(32)
    body = item(source(name="rejected"), b"x", stranger)
    answers = [world.client.call(ANCHOR, anchor(rid, body)) for _ in range(2)]
    check([a.reason for a in answers] == ["SUBJECT_UNKNOWN"] * 2, f"{[str(a) for a in answers]}")
    state = asker.states(rid)["A"][0]
    if state == REJECTED:  # ordered, not only refused at the door
        asker.agreed(rid, REJECTED)
        check_mismatch(world.client.call(ANCHOR, anchor(rid, item(source(name="rejected"), b"x"))), "REJECTED", "after a refusal")


def check_registrations(world):
    rid = request_id()
    done = [world.client.call(REGISTER, message((1, rid), (3, world.foreign.public))) for _ in range(2)]
    check([d.code for d in done] == ["OK", "OK"], f"{[str(d) for d in done]}")
    check(one(decode(done[0].body), 1) == one(decode(done[1].body), 1), "a retry drew another pseudonym")
    check_mismatch(world.client.call(REGISTER, message((1, rid))), "COMMITTED", "registered without a key")
    rid = request_id()
    ask = lambda purpose: world.client.call(DECIDE, message((1, rid), (2, world.patient), (5, purpose)))
    done = [ask("TREAT"), ask("TREAT")]
    check(done[0].code == done[1].code == "OK" and one(outcome(done[1].body, 6), OUTCOME_DUPLICATE), f"{[str(d) for d in done]}")
    check_mismatch(ask("HPAYMT"), "COMMITTED", "another purpose")


def check_crowd(world, asker):
    """32 at once with one id, half of them with another body: one is executed."""
    rid, clients = request_id(), [world.connect("A") for _ in range(8)]
    bodies = [item(source(name="crowd"), b"even"), item(source(name="crowd"), b"odd")]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda i: clients[i % 8].call(ANCHOR, anchor(rid, bodies[i % 2])), range(32)))
    kinds = [{str(a) for a in answers[i::2]} for i in (0, 1)]
    check(sorted(map(sorted, kinds)) == [["ALREADY_EXISTS REQUEST_ID_REUSED"], ["OK"]], f"{kinds}")
    winners = answers[0 if kinds[0] == {"OK"} else 1::2]
    check(len({one(decode(one(decode(a.body), 1)), 1) for a in winners}) == 1, "several pointers")
    check(len({one(outcome(a.body, 2), OUTCOME_HEIGHT) for a in winners}) == 1, "several heights")
    for answer in answers[1 if kinds[0] == {"OK"} else 0::2]:
        check_mismatch(answer, "COMMITTED", "in the crowd")
    asker.agreed(rid, COMMITTED)
    for client in clients:
        client.channel.close()


def check_two_nodes(world, asker, rounds):
    """One id, two bodies, brought to two nodes at the same moment by the patient herself."""
    refused = 0
    for number in range(rounds):
        rid = request_id()
        grantee = world.members["ABCD"[number % 4]]  # one patient may give an organisation so many consents only
        bodies = [transaction(envelope(world.chain, world.patient, rid=rid), world.grant(grantee=grantee)) for _ in range(2)]
        requests = [message((1, tx), (2, 1), (3, world.key.authorize(world.chain, tx))) for tx in bodies]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda i: asker.clients["AB"[i]].call(SUBMIT, requests[i]), (0, 1)))
        check(sorted(a.code for a in answers) == ["ALREADY_EXISTS", "OK"], f"{[str(a) + a.text for a in answers]}")
        loser = next(a for a in answers if a.code != "OK")
        check_mismatch(loser, "COMMITTED", "two nodes")
        refused += 1
        height = asker.agreed(rid, COMMITTED, author=world.patient)
        winner = next(i for i, a in enumerate(answers) if a.code == "OK")
        for node in world.consortium.names:  # also to nodes that never saw the other
            check(asker.clients[node].call(SUBMIT, requests[winner]).code == "OK", f"retry on {node}")
            found = check_mismatch(asker.clients[node].call(SUBMIT, requests[1 - winner]), "COMMITTED", f"loser on {node}")
            check(int(found["first_height"]) == height, f"{node}: {found}")
        # Signed anew with a later valid_until: the same body.
        later = transaction(envelope(world.chain, world.patient, now_ms() + 90_000, rid), decode(bodies[winner])[2][0])
        again = world.submit(later)
        check(again.code == "OK" and one(outcome(again.body, 1), OUTCOME_DUPLICATE), f"signed anew: {again} {again.text}")
    return refused


def check_expiry(world, asker):
    """EXPIRED comes when block time has passed valid_until, not before, and stays although the id is used later."""
    rid, until = request_id(), now_ms() + 2_000
    seen = asker.states(rid, author=world.patient, valid_until_ms=until)
    check({s for s, _ in seen.values()} == {UNKNOWN}, f"before its end: {seen}")
    while now_ms() <= until + 200:
        time.sleep(0.1)
    check(world.client.call(ANCHOR, anchor(None, item(source(name="clock"), b"tick"))).code == "OK", "a block with a later time")
    asker.agreed(rid, EXPIRED, author=world.patient, valid_until_ms=until)
    check({s for s, _ in asker.states(rid, author=world.patient).values()} == {UNKNOWN}, "EXPIRED without a valid_until to judge by")
    late = transaction(envelope(world.chain, world.patient, until, rid), world.grant())
    check(world.submit(late).reason == "EXPIRED", "it is taken after its end")
    fresh = transaction(envelope(world.chain, world.patient, now_ms() + 60_000, rid), world.grant())
    check(world.submit(fresh).code == "OK", "the id, used anew")
    asker.agreed(rid, COMMITTED, author=world.patient)
    asker.agreed(rid, COMMITTED, author=world.patient, valid_until_ms=now_ms() + 600_000)
    check({s for s, _ in asker.states(rid, author=world.patient, valid_until_ms=until).values()} == {EXPIRED},
          "a final answer changed")


def test():
    with Consortium() as consortium:
        world = World(consortium)
        asker = Asker(world)
        check_anchors(world, asker)
        check_rejected(world, asker)
        check_registrations(world)
        check_crowd(world, asker)
        rounds = check_two_nodes(world, asker, 20 if os.environ.get("GALEN_FULL") == "1" else 3)
        check_expiry(world, asker)
        rid = request_id()
        check(world.client.call(ANCHOR, anchor(rid, item(source(name="kept"), b"kept"))).code == "OK", "anchor")
        before = asker.agreed(rid, COMMITTED)
        for name in consortium.names:
            consortium.kill(name)
        consortium.ctl("dev", "up", "--wait", "90", timeout=120)
        asker = Asker(world)
        check(asker.agreed(rid, COMMITTED) == before, "another answer after all nodes were killed")
        again = world.connect("A").call(ANCHOR, anchor(rid, item(source(name="kept"), b"kept")))
        check(again.code == "OK" and one(outcome(again.body, 2), OUTCOME_HEIGHT) == before, f"retry after the restart: {again}")
        print(f"retries, other bodies (one crowd of 32, {rounds} times two nodes at once), refusals, expiry, a restart of all: "
              f"one answer each, on all nodes")


main(test)
