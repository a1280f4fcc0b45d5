"""Transactions: the scanner (docs/spec/formats.md 4.2), hashes and the author's signature (4.3, 5)."""

from codec import Bad, read_varint, uint

V, F64, BYTES = 0, 1, 2
U32, U64 = 2**32 - 1, 2**64 - 1


class Row:
    """One row of the table of 4.2. Bytes: low to high lengths, or one exact length (low == high)."""

    def __init__(self, name, wire, low, high, needed=False, repeated=0):
        self.name = name
        self.wire = wire
        self.low = low
        self.high = high
        self.needed = needed
        self.repeated = repeated


def id32(name, needed=True):
    return Row(name, BYTES, 32, 32, needed)


TRANSACTION = {1: Row("envelope", BYTES, 1, 256, True), 2: Row("operations", BYTES, 1, 1024, True, 1000)}
ENVELOPE = {1: Row("format", V, 1, U32, True), 2: id32("chain_id"), 3: id32("author"),
            4: Row("request_id", BYTES, 1, 64),
            5: Row("valid_until_ms", V, 1, U64, True)}
OPERATION = {16: "register_principal", 17: "anchor_record", 18: "set_record_status", 19: "grant_consent",
             20: "revoke_consent", 21: "decide", 22: "propose_members", 23: "vote_members", 24: "learner_ready",
             25: "set_admin_key", 26: "report_equivocation"}
CHANGE = {16: "add_learner", 17: "promote", 18: "remove", 19: "rotate_key", 20: "pin_ca"}
CHANGES = {
    16: {1: id32("member"), 2: Row("consensus_key", BYTES, 65, 65, True), 3: id32("tls_ca"), 4: id32("admin"),
         5: Row("admin_key", BYTES, 65, 65, True), 6: Row("name", BYTES, 1, 128, True),
         7: Row("proof", BYTES, 64, 64, True)},
    17: {1: id32("member")},
    18: {1: id32("member")},
    19: {1: id32("member"), 2: Row("consensus_key", BYTES, 65, 65, True), 3: Row("proof", BYTES, 64, 64, True)},
    20: {1: id32("member"), 2: id32("tls_ca")},
}
SIGNED_VALUE = {1: id32("digest"), 2: Row("justification", BYTES, 33, 33), 3: Row("signature", BYTES, 64, 64, True)}
MESSAGES = {
    16: {1: id32("id"), 2: Row("kind", V, 1, 4, True), 3: Row("key", BYTES, 65, 65)},
    17: {1: id32("pointer_id"), 2: id32("custodian"), 3: id32("subject", False), 4: id32("commitment"),
         5: Row("canon", V, 1, 2, True), 6: id32("supersedes", False), 7: Row("status", V, 1, 3, True),
         8: Row("class", V, 1, 3, True), 9: Row("retention", V, 1, 3, True)},
    18: {1: id32("pointer_id"), 2: Row("status", V, 1, 3, True), 3: id32("superseded_by", False)},
    19: {1: id32("consent_id"), 2: id32("patient"), 3: id32("grantee"), 4: Row("purposes", F64, 1, U64, True),
         5: Row("not_before_ms", V, 1, U64), 6: Row("not_after_ms", V, 1, U64)},
    20: {1: id32("consent_id")},
    21: {1: id32("patient"), 2: id32("requester"), 3: Row("purpose", V, 1, U32, True), 4: id32("pointer_id", False)},
    22: {1: id32("proposal_id"), 2: Row("change", BYTES, 0, 1024, True)},
    23: {1: id32("proposal_id"), 2: Row("vote", V, 1, 2, True)},
    24: {1: id32("member"), 2: Row("height", V, 1, U64, True), 3: id32("state_root"),
         4: Row("signature", BYTES, 64, 64, True)},
    25: {1: Row("key", BYTES, 65, 65, True), 2: Row("proof", BYTES, 64, 64, True)},
    26: {1: Row("epoch", V, 1, U64, True), 2: Row("member", V, 1, U32, True), 3: Row("kind", V, 1, 3, True),
         4: Row("view", V, 1, U64, True), 5: Row("height", V, 1, U64, True), 6: Row("first", BYTES, 0, 1024, True),
         7: Row("second", BYTES, 0, 1024, True)},
}


def scan(data, table, after=None):
    """Fields by name; absent ones are missing, repeated ones a list. `after(row, value)` looks at each value when it
    is read."""
    out, at, last = {}, 0, 0
    while at < len(data):
        tag, at = read_varint(data, at)
        number, wire = tag >> 3, tag & 7
        if tag > U32 or number == 0:
            raise Bad("MALFORMED", "a bad tag")
        row = table.get(number)
        if row is None:
            raise Bad("UNKNOWN_FIELD", "field %d is unknown" % number)
        if number < last or (number == last and not row.repeated):
            raise Bad("MALFORMED", "fields that do not ascend")
        last = number
        if wire != row.wire:
            raise Bad("MALFORMED", row.name + ": wrong wire type")
        if row.repeated and len(out.get(row.name, ())) == row.repeated:
            raise Bad("TOO_LARGE", "too many " + row.name)
        value, at = scan_value(data, at, row)
        if after:
            after(row, value)
        if row.repeated:
            out.setdefault(row.name, []).append(value)
        else:
            out[row.name] = value
    for row in table.values():
        if row.needed and row.name not in out:
            raise Bad("MALFORMED", row.name + " is missing")
    return out


def scan_value(data, at, row):
    if row.wire == BYTES:
        size, at = read_varint(data, at)
        if size > row.high:
            raise Bad("MALFORMED" if row.low == row.high else "TOO_LARGE", row.name + ": too long")
        if size < row.low:
            raise Bad("MALFORMED", row.name + ": too short")
        if size > len(data) - at:
            raise Bad("MALFORMED", row.name + ": cut short")
        return data[at:at + size], at + size
    if row.wire == F64:
        if len(data) - at < 8:
            raise Bad("MALFORMED", row.name + ": cut short")
        value, at = int.from_bytes(data[at:at + 8], "little"), at + 8
    else:
        value, at = read_varint(data, at)
    if not row.low <= value <= row.high:
        raise Bad("MALFORMED", row.name + ": a value that is not allowed")
    return value, at


def scan_envelope(data):
    return scan(data, ENVELOPE)


def check_envelope(fields, chain_id):
    """What the table's "then" says, once the bytes have been scanned."""
    if fields["format"] != 1:
        raise Bad("UNSUPPORTED_VERSION", "format %d" % fields["format"])
    if fields["chain_id"] != chain_id:
        raise Bad("WRONG_CHAIN", "it belongs to another chain")
    request_id = fields.get("request_id", b"")
    if len(request_id) != 16 or request_id[6] >> 4 != 4 or request_id[8] >> 6 != 2:
        raise Bad("BAD_REQUEST_ID", "the request id is no UUID of version 4")


class Author:
    """What the envelope says, and the hashes it stands in."""

    def __init__(self, suite, envelope, fields, count, operations_root):
        self.author = fields["author"]
        self.valid_until_ms = fields["valid_until_ms"]
        self.id = suite.tagged("galen/1 transaction id", self.author + fields["request_id"])
        self.hash = suite.tagged("galen/1 transaction", suite.h(envelope) + uint(count, 4) + operations_root)


class Transaction(Author):
    """Scanned transaction bytes of this chain. `operations` holds (number, fields) of each."""

    def __init__(self, data, genesis):
        if len(data) > 524288:
            raise Bad("TOO_LARGE", "longer than 524288 bytes")
        self.operations = []
        envelope = []

        def look(row, value):
            if row.name == "envelope":
                envelope.append(scan_envelope(value))
            else:
                self.operations.append(scan_operation(value))

        fields = scan(data, TRANSACTION, look)
        check_envelope(envelope[0], genesis.chain_id)
        super().__init__(genesis.suite, fields["envelope"], envelope[0], len(fields["operations"]),
                         genesis.suite.tree_root(fields["operations"]))


def scan_operation(data):
    """Number and fields of the one message in an Operation."""
    return scan_one(data, OPERATION, MESSAGES)


def scan_one(data, names, messages):
    """Number and fields of the one message in a message that holds exactly one; a message within it likewise."""
    found = []

    def look(row, value):
        within = {}

        def inside(inner, bytes_of_it):
            if inner.name == "change":
                within["change"] = scan_one(bytes_of_it, CHANGE, CHANGES)
            elif inner.name in ("first", "second"):
                within[inner.name] = scan(bytes_of_it, SIGNED_VALUE)

        fields = scan(value, messages[row.number], inside)
        fields.update(within)
        found.append((row.number, fields))

    table = {}
    for number, name in names.items():
        table[number] = Row(name, BYTES, 0, 1024)
        table[number].number = number
    scan(data, table, look)
    if len(found) != 1:
        raise Bad("MALFORMED", "exactly one field must stand there")
    return found[0]


def authorization_leaf(suite, scheme, data):
    return suite.tagged("galen/1 authorization", uint(scheme, 1) + data)


def check_authorization(genesis, transaction, scheme, data):
    """4.3: the assurance, NODE or AUTHOR."""
    if scheme == 0:
        if data:
            raise Bad("MALFORMED", "scheme none with data")
        return "NODE"
    if scheme != genesis.suite.author_scheme:
        raise Bad("MALFORMED", "scheme %d is not one of this chain" % scheme)
    if len(data) != 129:
        raise Bad("MALFORMED", "an authorization of another length")
    signed = genesis.prefix(8, epoch=0, members_hash=bytes(32)) + transaction.hash
    if not genesis.suite.verify(data[:65], signed, data[65:]):
        raise Bad("BAD_SIGNATURE", "the author's signature does not fit the transaction")
    return "AUTHOR"
