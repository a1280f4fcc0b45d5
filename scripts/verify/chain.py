"""Headers, batch headers and certificates (docs/spec/formats.md 5, 6 and 7), as much of them as a verifier needs."""

from codec import Bad, Reader, uint

PREPARE, COMMIT = 1, 2


def version(reader):
    if reader.uint(2) != 1:
        raise Bad("UNSUPPORTED_VERSION", "another version")


TENURE_END, EPOCH_END = 1, 2


class Header:
    """7.1, and what 6.6 asks of a header by itself."""

    LENGTH = 286

    def __init__(self, data, genesis):
        if len(data) != self.LENGTH:
            raise Bad("MALFORMED", "a header has 286 bytes")
        reader = Reader(data)
        version(reader)
        self.flags = reader.uint(2)
        if self.flags & ~3:
            raise Bad("MALFORMED", "unknown flags")
        chain_id = reader.take(32)
        self.epoch = reader.uint(8)
        self.view = reader.uint(8)
        self.height = reader.uint(8)
        self.parent = reader.take(32)
        self.time_ms = reader.uint(8)
        self.exec_height = reader.uint(8)
        self.state_root = reader.take(32)
        self.results_root = reader.take(32)
        self.body_root = reader.take(32)
        self.batches = reader.uint(4)
        self.history_size = reader.uint(8)
        self.history_root = reader.take(32)
        self.rules_version = reader.uint(4)
        self.proposer = reader.uint(2)
        self.next_members = reader.take(32)
        self.digest = genesis.suite.tagged("galen/1 header", data)
        if chain_id != genesis.chain_id:
            raise Bad("WRONG_CHAIN", "it belongs to another chain")
        if self.height == 0:
            raise Bad("MALFORMED", "block 0 is virtual")
        if self.flags == TENURE_END | EPOCH_END:
            raise Bad("MALFORMED", "it has both end flags")
        if self.ends_epoch() and self.next_members == bytes(32):
            raise Bad("MALFORMED", "it ends an epoch and names no next members")

    def ends_epoch(self):
        return bool(self.flags & EPOCH_END)


class BatchHeader:
    """5, the 92 bytes."""

    LENGTH = 92

    def __init__(self, data, genesis, members):
        """`members`: those of the epoch that the block is of."""
        if len(data) != self.LENGTH:
            raise Bad("MALFORMED", "a batch header has 92 bytes")
        reader = Reader(data)
        version(reader)
        chain_id = reader.take(32)
        epoch = reader.uint(8)
        self.origin = reader.uint(2)
        self.valid_until_ms = reader.uint(8)
        self.items = reader.uint(4)
        self.items_bytes = reader.uint(4)
        self.items_root = reader.take(32)
        self.digest = genesis.suite.tagged("galen/1 batch", data)
        if chain_id != genesis.chain_id:
            raise Bad("WRONG_CHAIN", "it belongs to another chain")
        if epoch != members.epoch:
            raise Bad("MALFORMED", "another epoch")
        if self.origin >= members.n:
            raise Bad("MALFORMED", "its origin is no member")
        self.origin_id = members.ids[self.origin]


class Certificate:
    """6.4. `about` holds the fields that the signatures cover."""

    def __init__(self, data, executed):
        reader = Reader(data)
        version(reader)
        self.executed = executed
        if executed:
            self.height = reader.uint(8)
        else:
            self.phase = reader.uint(1)
            if self.phase not in (PREPARE, COMMIT):
                raise Bad("MALFORMED", "a phase that does not exist")
            self.view = reader.uint(8)
            self.height = reader.uint(8)
        self.digest = reader.take(32)
        if executed:
            self.state_root = reader.take(32)
            self.results_root = reader.take(32)
        self.n = reader.uint(2)
        if not 1 <= self.n <= 100:
            raise Bad("MALFORMED", "a signer set of 1 to 100 members")
        bitmap = int.from_bytes(reader.take((self.n + 7) // 8), "little")
        if bitmap >> self.n:
            raise Bad("MALFORMED", "bits behind the last member")
        self.signers = [i for i in range(self.n) if bitmap >> i & 1]
        if reader.left() != 64 * len(self.signers):
            raise Bad("MALFORMED", "not one signature for each signer")
        self.signatures = [reader.take(64) for _ in self.signers]

    def subject(self, members, sender):
        """Sign-bytes of one member's vote (6.2)."""
        if self.executed:
            return (members.prefix(7) + uint(sender, 2) + uint(self.height, 8) + self.digest + self.state_root
                    + self.results_root)
        return (members.prefix(3 if self.phase == PREPARE else 4) + uint(sender, 2) + uint(self.view, 8)
                + uint(self.height, 8) + self.digest)

    def holds(self, members):
        """Gives who signed."""
        if self.n != members.n:
            raise Bad("BAD_CERTIFICATE", "a certificate of %d members, the epoch has %d" % (self.n, members.n))
        if len(self.signers) < members.q:
            raise Bad("BAD_CERTIFICATE", "%d signatures, a quorum is %d" % (len(self.signers), members.q))
        for sender, signature in zip(self.signers, self.signatures):
            if not members.suite.verify(members.keys[sender], self.subject(members, sender), signature):
                raise Bad("BAD_CERTIFICATE", "signature of member %d" % sender)
        return Signers(members, [members.ids[i] for i in self.signers])


class Signers:
    """Who signed, of which members."""

    def __init__(self, members, ids):
        self.members = members
        self.ids = ids


def check_commit(members, data, header):
    """A COMMIT-QC of this header by the members of its epoch."""
    certificate = Certificate(data, executed=False)
    if certificate.phase != COMMIT:
        raise Bad("BAD_CERTIFICATE", "it is no COMMIT certificate")
    if certificate.height != header.height or certificate.digest != header.digest or certificate.view < header.view:
        raise Bad("BAD_PROOF", "it is about another block")
    return certificate.holds(members)


def check_executed(members, data, header):
    """An EXECUTED certificate of this header: what it says, and who signed."""
    certificate = Certificate(data, executed=True)
    about(certificate, header)
    return certificate, certificate.holds(members)


def about(certificate, header):
    if certificate.height != header.height or certificate.digest != header.digest:
        raise Bad("BAD_PROOF", "it is about another block")


def next_results(suite, previous, height, outcome_root):
    """The chain of results roots (7.3)."""
    return suite.tagged("galen/1 results", previous + uint(height, 8) + outcome_root)
