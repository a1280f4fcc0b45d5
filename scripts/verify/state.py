"""Rows of the state and entries of access lists (docs/spec/formats.md 5.1, 5.2 and 5.7), and opening a commitment."""

from codec import Bad, Field, read_message, uint

U32, U64 = 2**32 - 1, 2**64 - 1


def number(name, limit=U64):
    return Field(name, "uint", limit)


def data(name):
    return Field(name, "bytes")


def several(name):
    return Field(name, "bytes", repeated=True)


CERTIFIED_ROOT = {1: number("height"), 2: number("time_ms"), 3: data("state_root")}
LEADER_SKIP = {1: number("member", U32), 2: number("from_view"), 3: number("until_view"), 4: number("height")}
# Name, length of the key, fields of the value.
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
    4: ("grant_index", 64, {1: number("format", U32), 2: several("consent_ids")}),
    5: ("access_head", 36, {1: number("format", U32), 2: number("count"), 3: data("running_hash")}),
    6: ("parameters", 0, {1: number("format", U32), 2: number("rules_version", U32)}),
    7: ("membership", 0, {1: number("format", U32), 2: number("epoch"), 3: data("next_members"),
                          4: data("next_proposal"), 5: number("next_height"), 6: several("learners")}),
    8: ("epoch", 8, {1: number("format", U32), 2: number("first_height"), 3: data("members"), 4: data("proposal")}),
    9: ("member", 32, {1: number("format", U32), 2: number("status", U32), 3: data("name"), 4: data("consensus_key"),
                       5: data("tls_ca"), 6: data("admin"), 7: number("ready_height"), 8: number("ready_time_ms"),
                       9: several("open_proposals")}),
    10: ("member_claim", 32, {1: number("format", U32), 2: data("member"), 3: number("height")}),
    11: ("proposal", 32, {1: number("format", U32), 2: data("proposer"), 3: data("author"), 4: data("change"),
                          5: number("status", U32), 6: number("proposed_height"), 7: number("expires_ms"),
                          8: several("approvals"), 9: several("rejections"), 10: number("decided_height")}),
    12: ("certified_roots", 0, {1: number("format", U32), 2: Field("roots", "message", repeated=True,
                                                                   sub=CERTIFIED_ROOT)}),
    13: ("equivocation", 40, {1: number("format", U32), 2: number("kind", U32), 3: number("view"), 4: number("place"),
                              5: data("transaction_id"), 6: data("reporter"), 7: number("height"),
                              8: number("time_ms")}),
    14: ("leadership", 0, {1: number("format", U32), 2: Field("failures", "packed", U32),
                           3: Field("skips", "message", repeated=True, sub=LEADER_SKIP)}),
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
