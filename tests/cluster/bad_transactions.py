"""Transactions that a person signs: every rule of the scanner, of signatures and of the contracts, broken once."""
import os

from bad_world import RNG, SUBMIT, anchor_operation, status_operation
from stock import decode, field, message, now_ms, request_id, transaction, varint

def mutations(w):
    """Every change of one byte has to be refused, with a reason, by a rule."""
    tx = w.signed(w.grant())
    whole = message((1, tx), (2, 1), (3, w.key.authorize(w.chain, tx)))
    for _ in range(300):
        changed = bytearray(whole)
        changed[RNG.randrange(len(whole))] ^= RNG.randrange(1, 256)
        done = w.client.call(SUBMIT, bytes(changed))
        if done.code not in ("INVALID_ARGUMENT", "PERMISSION_DENIED", "FAILED_PRECONDITION") or not done.reason:
            return f"{done} for {bytes(changed).hex()}"
    return "refused"


def transaction_rows(w):
    good = w.signed(w.grant())
    env, grant = w.envelope(), w.grant()
    other_chain = os.urandom(32)
    submit, scan = lambda tx, **o: lambda: w.submit(tx, **o), lambda tx: lambda: w.scan(tx)
    flipped = bytearray(w.key.authorize(w.chain, good))
    flipped[-1] ^= 1
    altered = bytearray(good)
    altered[-1] ^= 1
    author = field(3, w.patient)
    inner = lambda more: field(19, decode(w.grant())[19][0] + more)
    return [
        ("empty transaction", scan(b""), "MALFORMED"),
        ("garbage for a transaction", scan(RNG.randbytes(300)), "MALFORMED|UNKNOWN_FIELD"),
        ("transaction cut in the middle", scan(good[:-5]), "MALFORMED"),
        ("bytes behind the end", scan(good + b"\0"), "MALFORMED"),
        ("unknown field of the transaction", scan(good + field(3, 1)), "UNKNOWN_FIELD"),
        ("unknown field of the envelope", scan(transaction(env + field(6, 1), grant)), "UNKNOWN_FIELD"),
        ("unknown operation", scan(transaction(env, field(27, b"x"))), "UNKNOWN_FIELD"),
        ("unknown field of an operation", scan(transaction(env, inner(field(7, 1)))), "UNKNOWN_FIELD"),
        ("two operations in one", scan(transaction(env, grant + field(20, field(1, os.urandom(32))))), "MALFORMED"),
        ("varint longer than need be, in a value", scan(transaction(b"\x08\x81\x00" + env[2:], grant)), "MALFORMED"),
        ("varint longer than need be, in a tag", scan(transaction(b"\x88\x00\x01" + env[2:], grant)), "MALFORMED"),
        ("varint longer than need be, in a length", scan(b"\x0a" + varint(len(env) | 0)[:-1] + bytes(
            [varint(len(env))[-1] | 0x80, 0]) + env + field(2, grant)), "MALFORMED"),
        ("varint of 11 bytes", scan(transaction(env[:-6] + b"\x28" + b"\xff" * 10 + b"\x01", grant)), "MALFORMED"),
        ("descending tags", scan(field(2, grant) + field(1, env)), "MALFORMED"),
        ("descending tags in the envelope", scan(transaction(author + env, grant)), "MALFORMED"),
        ("a field twice", scan(field(1, env) + field(1, env) + field(2, grant)), "MALFORMED"),
        ("a field twice in the envelope", scan(transaction(field(1, 1) + env, grant)), "MALFORMED"),
        ("a zero that should be left out", scan(transaction(b"\x08\x00" + env[2:], grant)), "MALFORMED"),
        ("another wire type", scan(transaction(b"\x0d\1\0\0\0" + env[2:], grant)), "MALFORMED"),
        ("no operation", scan(field(1, env)), "MALFORMED"),
        ("1,001 operations", scan(transaction(env, *[field(20, field(1, os.urandom(32)))] * 1001)), "TOO_LARGE"),
        ("operation of 1,025 bytes", scan(transaction(env, field(19, bytes(1022)))), "TOO_LARGE"),
        ("envelope of 257 bytes", scan(transaction(env + bytes(257 - len(env)), grant)), "TOO_LARGE"),
        ("transaction of 512 KiB + 1", scan(bytes(512 * 1024 + 1)), "TOO_LARGE"),
        ("format 2", scan(transaction(b"\x08\x02" + env[2:], grant)), "UNSUPPORTED_VERSION"),
        ("author of 31 bytes", scan(w.signed(grant, author=w.patient[:31])), "MALFORMED"),
        ("request id of 15 bytes", submit(w.signed(grant, rid=request_id()[:15])), "BAD_REQUEST_ID"),
        ("request id of 17 bytes", submit(w.signed(grant, rid=request_id() + b"x")), "BAD_REQUEST_ID"),
        ("request id that is no version 4", submit(w.signed(grant, rid=bytes(range(16)))), "BAD_REQUEST_ID"),
        ("another chain's transaction", lambda: w.submit(
            (tx := w.signed(w.grant(), chain=other_chain)), authorization=w.key.authorize(other_chain, tx)),
         "WRONG_CHAIN"),
        ("signed for another chain", lambda: w.submit(
            (tx := w.signed(w.grant())), authorization=w.key.authorize(other_chain, tx)), "BAD_SIGNATURE"),
        ("valid_until a minute ago", submit(w.signed(grant, valid_until_ms=now_ms() - 60_000)), "EXPIRED"),
        ("valid_until too far ahead", submit(w.signed(grant, valid_until_ms=now_ms() + 3_600_000)),
         "VALID_UNTIL_TOO_FAR"),
        ("valid_until at the end of time", submit(w.signed(grant, valid_until_ms=(1 << 64) - 1)),
         "VALID_UNTIL_TOO_FAR"),
        ("signature with one bit changed", submit(good, authorization=bytes(flipped)), "BAD_SIGNATURE"),
        ("altered after signing", submit(bytes(altered), authorization=w.key.authorize(w.chain, good)),
         "BAD_SIGNATURE"),
        ("high s", submit(good, authorization=w.key.authorize(w.chain, good, low_s=False)), "BAD_SIGNATURE"),
        ("r and s zero", submit(good, authorization=w.key.public + bytes(64)), "BAD_SIGNATURE"),
        ("key that is no point", submit(good, authorization=b"\4" + b"\5" * 64 + w.key.sign(b"x")), "BAD_SIGNATURE"),
        ("authorization of 128 bytes", submit(good, authorization=bytes(128)), "MALFORMED"),
        ("no authorization", submit(good, authorization=b""), "MALFORMED"),
        ("scheme none with a signature", submit(good, scheme=0), "MALFORMED"),
        ("a scheme of a later release", submit(good, scheme=2), "UNSUPPORTED_VERSION"),
        ("a foreign key", submit(good, key=w.foreign), "WRONG_KEY"),
        ("a key for a patient who has none", submit(w.signed(w.grant(patient=w.keyless), author=w.keyless)),
         "PATIENT_HAS_NO_KEY"),
        ("an author nobody registered", submit(w.signed(w.grant(), author=os.urandom(32))), "UNKNOWN_PRINCIPAL"),
        ("a patient's consent without her signature", submit(w.signed(w.grant()), scheme=0, authorization=b""),
         "PERMISSION_DENIED"),
        ("a service grants", lambda: w.own(w.grant()), "NOT_THE_PATIENT"),
        ("a patient anchors", submit(w.signed(anchor_operation(w))), "PERMISSION_DENIED"),
        ("consent of another patient", submit(w.signed(w.grant(patient=w.keyless))), "NOT_THE_PATIENT"),
        ("consent with its end in the past", submit(w.signed(w.grant(end=now_ms() - 60_000))), "CONSENT_NOT_ACTIVE"),
        ("consent that ends before it begins", submit(w.signed(w.grant(begin=now_ms() + 9000, end=now_ms() + 5000))),
         "INVALID_ARGUMENT"),
        ("a purpose that does not exist", submit(w.signed(w.grant(purposes=1 << 60))), "BAD_PURPOSE"),
        ("no purpose", submit(w.signed(w.grant(purposes=0))), "MALFORMED"),
        ("consent for nobody", submit(w.signed(w.grant(grantee=os.urandom(32)))), "UNKNOWN_PRINCIPAL"),
        ("revoke what was never granted", submit(w.signed(field(20, field(1, os.urandom(32))))), "CONSENT_NOT_FOUND"),
        ("the second of two operations is wrong", submit(w.signed(w.grant(), w.grant(grantee=os.urandom(32)))),
         "UNKNOWN_PRINCIPAL"),
        ("new version of an unknown record", lambda: w.own(anchor_operation(w, supersedes=os.urandom(32))),
         "RECORD_NOT_FOUND"),
        ("pointer that is taken", lambda: w.own(anchor_operation(w, pointer=w.pointer)), "RECORD_EXISTS"),
        ("another member as custodian", lambda: w.own(anchor_operation(w, custodian=w.members["B"])), "NOT_CUSTODIAN"),
        ("300 changes of one byte of a signed transaction", lambda: mutations(w), "refused"),
        ("superseded by itself", lambda: w.own(status_operation(w.pointer, 2, w.pointer)), "INVALID_ARGUMENT"),
    ]
