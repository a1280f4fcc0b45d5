"""Rows of the state and entries of access lists (docs/spec/formats.md 5.1, 5.2 and 5.7), and opening a commitment."""

from codec import Bad, Field, read_message, uint

U32, U64 = 2**32 - 1, 2**64 - 1


def number(name, limit=U64):
    return Field(name, "uint", limit)


def data(name):
    return Field(name, "bytes")


ROWS = {
    1: ("principal", 32, {1: number("format", U32), 2: number("kind", U32), 3: data("home_member"), 4: data("key"),
                          5: number("key_version", U32), 6: number("status", U32), 7: number("registered_height")}),
    2: ("record", 32, {1: number("format", U32), 2: data("custodian"), 3: data("subject"), 4: data("commitment"),
                       5: number("canon", U32), 6: data("supersedes"), 7: number("status", U32),
                       8: number("class", U32),
                       9: number("retention", U32), 10: data("superseded_by"), 11: number("period"),
                       12: number("height")}),
    3: ("consent", 32, {1: number("format", U32), 2: data("patient"), 3: data("grantee"), 4: Field("purposes",
                                                                                                   "fixed64"),
                        5: number("not_before_ms"), 6: number("not_after_ms"), 7: number("revoked", 1),
                        8: number("granted_height"), 9: number("revoked_height")}),
    4: ("grant_index", 64, {1: number("format", U32), 2: Field("consent_ids", "bytes", repeated=True)}),
    5: ("access_head", 36, {1: number("format", U32), 2: number("count"), 3: data("running_hash")}),
    6: ("parameters", 0, {1: number("format", U32), 2: number("rules_version", U32)}),
}
ACCESS_ENTRY = {
    1: number("format", U32), 2: number("sequence"), 3: number("height"), 4: number("time_ms"),
                5: data("transaction_id"),
    6: number("operation", U32), 7: data("patient"), 8: data("requester"), 9: data("author"),
                10: number("purpose", U32),
    11: data("pointer_id"), 12: number("permit", 1), 13: number("reason", U32), 14: data("consent_id"),
}
REASONS = {1: "CONSENT", 2: "OWN_PATIENT", 3: "NO_CONSENT", 4: "REVOKED", 5: "EXPIRED", 6: "NOT_YET_VALID",
           7: "PURPOSE"}


def row(kind, value):
    """The fields of a row's value, or None if it does not read as one: the proof is about its bytes."""
    try:
        return read_message(ROWS[kind][2], value)
    except Bad:
        return None


def decision(result, header, transaction, index, operation):
    """The AccessEntry that a Decide gave, compared with what is proved around it."""
    entry = read_message(ACCESS_ENTRY, result)
    wanted = {"format": 1, "height": header.height, "time_ms": header.time_ms, "transaction_id": transaction.id,
              "operation": index, "patient": operation["patient"], "requester": operation["requester"],
              "author": transaction.author, "purpose": operation["purpose"],
              "pointer_id": operation.get("pointer_id", b"")}
    for name, value in wanted.items():
        if entry[name] != value:
            raise Bad("MALFORMED", "its %s is not that of the operation" % name)
    if entry["reason"] not in REASONS or entry["permit"] != (entry["reason"] <= 2):
        raise Bad("MALFORMED", "permit and reason do not fit")
    return entry


def commitment(suite, key, canon, document):
    """commitments.md 1."""
    return suite.hmac(key, b"galen1" + uint(canon, 1) + uint(len(document), 8) + document)
