"""Receipts that must be refused, each with its part and reason (docs/spec/evidence.md 4)."""

from sample_chain import name32, signer_set
import files as f
import signature
from codec import uint
from editing import batch_with, flip, flip_sibling, header_with, high_s_last
from receipt import write as write_receipt
from signing import public_key, sign, sign_digest
from transaction import Transaction


def bad_receipts(v, c):
    at_once, confirmed, later = f.receipt(c, 3, 0, 2), f.receipt(c, 3, 0, 1, 4), f.receipt(c, 5, 1, 0, 9)
    other = f.receipt(c, 5, 0, 0)
    good = write_receipt(at_once)
    block = c.blocks[3]
    r = v.receipt
    v.bad("receipt-magic", flip(0)(good), "file", "MALFORMED", "another magic")
    v.bad("receipt-version", flip(9, 3)(good), "file", "UNSUPPORTED_VERSION", "version 2 of the file")
    v.bad("receipt-empty", b"", "file", "MALFORMED", "no byte at all")
    v.bad("receipt-cut", good[:-1], "file", "MALFORMED", "the last byte is missing")
    v.bad("receipt-trailing", good + b"\0", "file", "MALFORMED", "a byte too many")
    v.bad("receipt-unknown-field", good + b"\x92\x01\x01x", "file", "MALFORMED",
          "an unknown field 18 behind the last one")
    v.bad("receipt-field-order", good[:10] + good[12:46] + good[10:12] + good[46:], "file", "MALFORMED",
          "field 2 before field 1")
    v.bad("receipt-long-varint", good[:11] + b"\x81\0" + good[12:], "file", "MALFORMED", "format 1 in two bytes")
    v.bad("receipt-default", good[:-len(at_once["executed_certificate"]) - 4] + b"\x7a\0"
          + good[-len(at_once["executed_certificate"]) - 4:],
          "file", "MALFORMED", "an empty field that should have been left out")
    r("format", at_once, "format", "UNSUPPORTED_VERSION", "format 2", format=2)
    r("chain-length", at_once, "chain_id", "MALFORMED", "a chain id of 31 bytes", chain_id=lambda x: x[:31])
    r("chain", at_once, "chain_id", "WRONG_CHAIN", "one bit of the chain id", chain_id=flip(31))
    r("epochs", at_once, "epochs[0].header", "BAD_PROOF", "a link whose header ends no epoch", epochs=[
        {"header": block.header, "next_members": b"x", "commit_certificate": b"x"}])
    r("no-certificate", at_once, "certificate", "MALFORMED", "neither certificate nor confirmation",
      executed_certificate=b"")
    r("two-certificates", at_once, "certificate", "MALFORMED", "both", confirmation=confirmed["confirmation"])
    r("header-short", at_once, "header", "MALFORMED", "a header of 285 bytes", header=lambda x: x[:-1])
    r("header-version", at_once, "header", "UNSUPPORTED_VERSION", "version 3 of the header", header=flip(1, 2))
    r("header-flags", at_once, "header", "MALFORMED", "an unknown flag", header=flip(3, 4))
    r("header-chain", at_once, "header", "WRONG_CHAIN", "the header of another chain", header=flip(4))
    for name, values, part, reason in (("epoch", {"epoch": 2}, "header", "BAD_PROOF"),
                                       ("epoch-end", {"flags": 2}, "header", "MALFORMED"),
                                       ("height-zero", {"height": 0}, "header", "MALFORMED")):
        changed = header_with(block, **values)
        r("header-" + name, at_once, part, reason, "a header with %s, signed by a quorum" % values,
          header=changed.header,
          executed_certificate=c.executed(changed))
    for name, at in (("view", 51), ("height", 59), ("parent", 60), ("time", 99), ("exec-height", 107),
                     ("state-root", 108),
                     ("results-root", 140), ("history-size", 215), ("history-root", 216), ("rules", 251),
                     ("proposer", 253),
                     ("next-members", 254)):
        r("header-%s-bit" % name, at_once, "executed_certificate", "BAD_PROOF", "one bit of the header's " + name,
          header=flip(at))
    r("header-body-bit", at_once, "batch_path", "BAD_PROOF", "one bit of the header's body root", header=flip(172))
    r("header-count-bit", at_once, "batch_path", "BAD_PROOF", "one bit of the header's batch count",
      header=flip(207, 2))
    bad_transactions(v, c, at_once, confirmed)
    bad_places(v, c, at_once, confirmed, other)
    bad_certificates(v, c, at_once)
    bad_confirmations(v, c, confirmed, later)
    bad_histories(v, c)


def bad_transactions(v, c, at_once, confirmed):
    r = v.receipt
    raw = at_once["transaction"]
    one = bytes([1]) * 32
    revoke = b"\xa2\x01\x22\x0a\x20" + one
    decide = b"\xaa\x01\x46\x0a\x20" + one + b"\x12\x20" + one + b"\x18\x01"
    # Where things stand: tag and length of the envelope 2, format 2, chain id 34, author 34, request id 18,
    # valid_until 7.
    r("transaction-chain", at_once, "transaction", "WRONG_CHAIN", "one bit of the envelope's chain id",
      transaction=flip(6))
    r("transaction-format", at_once, "transaction", "UNSUPPORTED_VERSION", "format 3 in the envelope",
      transaction=flip(3, 2))
    r("transaction-request", at_once, "transaction", "BAD_REQUEST_ID", "a request id of UUID version 5",
      transaction=flip(2 + 2 + 34 + 34 + 2 + 6, 0x10))
    r("transaction-author", at_once, "authorization", "BAD_SIGNATURE", "another author",
      transaction=flip(2 + 2 + 34 + 2))
    r("transaction-time", at_once, "authorization", "BAD_SIGNATURE", "another valid_until",
      transaction=flip(2 + 2 + 34 + 34 + 18 + 2))
    r("transaction-operation", at_once, "authorization", "BAD_SIGNATURE", "one bit of the consent id",
      transaction=flip(2 + 95 + 2 + 3 + 4))
    r("transaction-unsigned-bit", confirmed, "item_path", "BAD_PROOF",
      "one bit of a transaction that its author did not sign",
      transaction=flip(2 + 2 + 34 + 2))
    r("transaction-empty", at_once, "transaction", "MALFORMED", "no transaction", transaction=b"")
    r("transaction-trailing", at_once, "transaction", "MALFORMED", "a byte behind the transaction",
      transaction=lambda x: x + b"\0")
    r("transaction-unknown", at_once, "transaction", "UNKNOWN_FIELD", "a field 3 behind the operations",
      transaction=lambda x: x + b"\x1a\x01x")
    r("transaction-operation-unknown", at_once, "transaction", "MALFORMED", "operation 22, empty",
      transaction=lambda x: x[:97] + b"\x12\x03\xb2\x01\x00")
    r("transaction-operation-unknown-300", at_once, "transaction", "UNKNOWN_FIELD", "operation 300, which nobody knows",
      transaction=lambda x: x[:97] + b"\x12\x03\xe2\x12\x00")
    r("transaction-no-operation", at_once, "transaction", "MALFORMED", "an envelope and nothing to do",
      transaction=lambda x: x[:97])
    r("transaction-many", confirmed, "transaction", "TOO_LARGE", "1001 operations", transaction=lambda x: x
      + x[97:248] * 996)
    r("transaction-many-broken", at_once, "transaction", "TOO_LARGE", "1001 operations, the last one broken",
      transaction=lambda x: x[:97] + (b"\x12\x25" + revoke) * 1000 + b"\x12\x01\0")
    r("transaction-two-and-unknown", at_once, "transaction", "MALFORMED", "an operation that holds three messages, the last one empty",
      transaction=lambda x: x[:97] + b"\x12\x71" + revoke + decide + b"\xb2\x01\0")
    r("transaction-two-and-unknown-300", at_once, "transaction", "UNKNOWN_FIELD",
      "an operation that holds two messages and a field 300: that there are two is found at its end",
      transaction=lambda x: x[:97] + b"\x12\x71" + revoke + decide + b"\xe2\x12\0")
    r("transaction-long-operation", at_once, "transaction", "TOO_LARGE", "an operation of 1025 bytes",
      transaction=lambda x: x[:97] + b"\x12\x81\x08" + bytes(1025))
    r("transaction-varint", at_once, "transaction", "MALFORMED", "a length that is not the shortest varint",
      transaction=lambda x: x[:1] + bytes([x[1] | 0x80, 0]) + x[2:])
    r("scheme", at_once, "scheme", "MALFORMED", "a scheme that nobody knows", scheme=4)
    r("scheme-webauthn", at_once, "authorization", "MALFORMED", "webauthn-es256, which this release refuses", scheme=2)
    r("scheme-other-suite", at_once, "authorization", "MALFORMED", "the scheme of the other suite's authors",
      scheme=lambda x: 4 - x)
    r("scheme-none-with-data", at_once, "authorization", "MALFORMED", "no scheme, but data", scheme=0)
    r("scheme-dropped", at_once, "item_path", "BAD_PROOF", "the author's signature taken away", scheme=0,
      authorization=b"")
    r("authorization-short", at_once, "authorization", "MALFORMED", "128 bytes", authorization=lambda x: x[:-1])
    r("authorization-long", at_once, "authorization", "MALFORMED", "1025 bytes", authorization=lambda x: x
      + bytes(1025 - 129))
    r("authorization-key-bit", at_once, "authorization", "BAD_SIGNATURE", "a key that is no point",
      authorization=flip(64))
    r("authorization-r-bit", at_once, "authorization", "BAD_SIGNATURE", "one bit of r", authorization=flip(65))
    r("authorization-high-s", at_once, "authorization", "BAD_SIGNATURE", "s replaced by n - s",
      authorization=high_s_last(c.suite))
    secret = int.from_bytes(name32("another patient"), "big") % c.suite.curve.n
    signed = c.genesis.prefix(8, epoch=0, members_hash=bytes(32)) + Transaction(raw, c.genesis).hash
    r("authorization-other-key", at_once, "item_path", "BAD_PROOF", "signed well, with a key that was not in the batch",
      authorization=public_key(c.suite, secret) + sign(c.suite, secret, signed))
    wrong = c.genesis.prefix(8) + signed[82:]
    r("authorization-prefix", at_once, "authorization", "BAD_SIGNATURE",
      "signed with epoch 1 and the members hash in the prefix",
      authorization=public_key(c.suite, c.patient_secret) + sign(c.suite, c.patient_secret, wrong))


def bad_places(v, c, at_once, confirmed, other):
    r = v.receipt
    batch = c.blocks[3].batches[0]
    r("batch-short", at_once, "batch_header", "MALFORMED", "a batch header of 91 bytes", batch_header=lambda x: x[:-1])
    r("batch-version", at_once, "batch_header", "UNSUPPORTED_VERSION", "version 3", batch_header=flip(1, 2))
    r("batch-chain", at_once, "batch_header", "WRONG_CHAIN", "another chain", batch_header=flip(2))
    r("batch-epoch", at_once, "batch_header", "MALFORMED", "epoch 2", batch_header=batch_with(batch, epoch=2))
    r("batch-origin", at_once, "batch_header", "MALFORMED", "origin 4 of four members",
      batch_header=batch_with(batch, origin=4))
    r("batch-origin-swapped", at_once, "batch_path", "BAD_PROOF", "another member as origin",
      batch_header=batch_with(batch, origin=1))
    r("batch-valid-until", at_once, "batch_path", "BAD_PROOF", "one bit of the batch's valid_until",
      batch_header=flip(51))
    r("batch-items", at_once, "item_path", "BAD_PROOF", "another item count", batch_header=batch_with(batch, items=4))
    r("batch-items-bytes", at_once, "batch_path", "BAD_PROOF", "another length of the items", batch_header=flip(59))
    r("batch-items-root", at_once, "item_path", "BAD_PROOF", "one bit of the items root", batch_header=flip(60))
    r("item-index", confirmed, "item_path", "BAD_PROOF", "the neighbour's index", item_path__index=0)
    r("item-index-beyond", confirmed, "item_path", "BAD_PROOF", "an index that is the size", item_path__index=3)
    r("item-size", confirmed, "item_path", "BAD_PROOF", "size 4 in place of 3: a path of the same length",
      item_path__size=4)
    r("item-sibling", confirmed, "item_path", "BAD_PROOF", "one bit of a sibling", item_path__siblings=flip_sibling(0))
    r("item-order", confirmed, "item_path", "BAD_PROOF", "siblings in the other order",
      item_path__siblings=lambda x: x[::-1])
    r("item-long", confirmed, "item_path", "BAD_PROOF", "a sibling too many", item_path__siblings=lambda x: x
      + [bytes(32)])
    r("item-short", confirmed, "item_path", "BAD_PROOF", "a sibling too few", item_path__siblings=lambda x: x[:-1])
    r("item-65", confirmed, "item_path", "MALFORMED", "65 siblings", item_path__siblings=[bytes(32)] * 65)
    r("item-sibling-length", confirmed, "item_path", "MALFORMED", "a sibling of 33 bytes",
      item_path__siblings=lambda x: [x[0] + b"\0"] + x[1:])
    r("item-absent", confirmed, "item_path", "BAD_PROOF", "no path", item_path=None)
    lone = f.receipt(c, 2, 0, 0)
    r("lone-item-long", lone, "item_path", "BAD_PROOF", "a lone leaf with a sibling", item_path__siblings=[bytes(32)])
    r("lone-item-index", lone, "item_path", "BAD_PROOF", "a lone leaf with index 1", item_path__index=1)
    # The inner node over both leaves is offered as a leaf: leaf and node hashes differ in their first byte, so it
    # fails.
    r("inner-as-leaf", other, "item_path", "BAD_PROOF",
      "a batch of two told as a batch of one: an inner node is no leaf",
      item_path={"index": 0, "size": 1, "siblings": []}, batch_header=batch_with(c.blocks[5].batches[0], items=1))
    r("batch-index", other, "batch_path", "BAD_PROOF", "another batch's index", batch_path__index=1)
    r("batch-size", other, "batch_path", "BAD_PROOF", "size 4 in place of 3", batch_path__size=4)
    r("batch-sibling", other, "batch_path", "BAD_PROOF", "one bit of a sibling", batch_path__siblings=flip_sibling(1))
    r("code", other, "results", "MALFORMED", "the outcome changed to a refusal, with the results left", code=300)
    r("code-swapped", other, "outcome_path", "BAD_PROOF", "the outcome changed to a refusal", code=300, results=[])
    r("code-large", other, "code", "MALFORMED", "code 65536", code=65536)
    r("refusal-as-success", f.receipt(c, 5, 1, 0), "outcome_path", "BAD_PROOF",
      "a refused transaction told as executed", code=0,
      results=[b"", b""])
    r("results-missing", other, "results", "MALFORMED", "no result for one operation", results=[])
    r("results-more", other, "results", "MALFORMED", "two results for one operation", results=lambda x: x + [b""])
    r("result-bit", other, "outcome_path", "BAD_PROOF", "one bit of the result", results=lambda x: [flip(5)(x[0])])
    r("result-swapped", other, "outcome_path", "BAD_PROOF", "the result of the other question",
      results=f.receipt(c, 5, 0, 1)["results"])
    r("outcome-index", confirmed, "outcome_path", "BAD_PROOF", "the neighbour's outcome index", outcome_path__index=0)
    r("outcome-index-low", f.receipt(c, 5, 2, 0), "outcome_path", "BAD_PROOF", "an index below item and batch index",
      outcome_path__index=1)
    r("outcome-index-exact", f.receipt(c, 5, 0, 0), "outcome_path", "BAD_PROOF",
      "in the first batch the index is the item's", outcome_path__index=1)
    r("outcome-sibling", confirmed, "outcome_path", "BAD_PROOF", "one bit of a sibling",
      outcome_path__siblings=flip_sibling(1))
    r("outcome-long", confirmed, "outcome_path", "BAD_PROOF", "a sibling too many", outcome_path__siblings=lambda x: x
      + [bytes(32)])
    r("outcome-65", confirmed, "outcome_path", "MALFORMED", "65 siblings", outcome_path__siblings=[bytes(32)] * 65)
    r("previous-root", confirmed, "outcome_path", "BAD_PROOF", "one bit of the results root before",
      previous_results_root=flip(0))
    r("previous-root-length", confirmed, "previous_results_root", "MALFORMED", "a root of 31 bytes",
      previous_results_root=lambda x: x[:-1])
    r("previous-root-absent", confirmed, "previous_results_root", "MALFORMED", "no root", previous_results_root=b"")


def bad_certificates(v, c, at_once):
    r = v.receipt
    block = c.blocks[3]

    def executed(name, data, reason, what, part="executed_certificate"):
        r("executed-" + name, at_once, part, reason, what, executed_certificate=data)

    votes = at_once["executed_certificate"]
    subject = votes[:106]
    signatures = [sign(c.suite, c.secrets[i], c.genesis.prefix(7) + uint(i, 2) + subject[2:]) for i in range(4)]
    executed("version", flip(1, 2)(votes), "UNSUPPORTED_VERSION", "version 3")
    executed("height", flip(9)(votes), "BAD_PROOF", "one bit of the height")
    executed("digest", flip(10)(votes), "BAD_PROOF", "one bit of the digest")
    executed("state-root", flip(42)(votes), "BAD_PROOF", "one bit of the state root", "state_root")
    executed("results-root", flip(74)(votes), "BAD_PROOF", "one bit of the results root", "outcome_path")
    executed("padding", flip(108, 0x10)(votes), "MALFORMED", "a bit for a fifth of four members")
    executed("padding-and-signature", votes[:108] + bytes([votes[108] | 0x80]) + votes[109:] + bytes(64), "MALFORMED",
             "the same, with a signature for it")
    executed("n-zero", subject + uint(0, 2), "MALFORMED", "a signer set of no members")
    executed("n-101", subject + signer_set(101, (0, 1, 2), signatures[:3]), "MALFORMED", "a signer set of 101 members")
    executed("n-five", subject + signer_set(5, (0, 1, 2), signatures[:3]), "BAD_CERTIFICATE",
             "a signer set of five members")
    executed("n-three", subject + signer_set(3, (0, 1, 2), signatures[:3]), "BAD_CERTIFICATE",
             "a signer set of three members")
    executed("q-1", subject + signer_set(4, (0, 1), signatures[:2]), "BAD_CERTIFICATE",
             "two signatures where three are needed")
    executed("nobody", subject + signer_set(4, (), []), "BAD_CERTIFICATE", "no signature")
    executed("missing-signature", subject + signer_set(4, (0, 1, 2), signatures[:2]), "MALFORMED",
             "three bits, two signatures")
    executed("extra-signature", subject + signer_set(4, (0, 1, 2), signatures), "MALFORMED",
             "three bits, four signatures")
    executed("duplicate", subject + signer_set(4, (0, 1, 2), signatures[:1] * 3), "BAD_CERTIFICATE",
             "one member's signature three times")
    executed("unordered", subject + signer_set(4, (0, 1, 2), signatures[2::-1]), "BAD_CERTIFICATE",
             "signatures in descending order")
    executed("other-signer", subject + signer_set(4, (0, 1, 2), [signatures[0], signatures[1], signatures[3]]),
             "BAD_CERTIFICATE",
             "member 3 signed, the bit says member 2")
    for i, name in enumerate(("first", "second", "third")):
        executed("signature-%s" % name, flip(109 + 64 * i + 40)(votes), "BAD_CERTIFICATE",
                 "one bit of the %s signature" % name)
    executed("high-s", high_s_last(c.suite)(votes), "BAD_CERTIFICATE",
             "s replaced by n - s; under p256-sha256 openssl accepts it, this format does not")
    executed("r-zero", votes[:109] + bytes(32) + votes[141:], "BAD_CERTIFICATE", "r is 0")
    executed("s-zero", votes[:-32] + bytes(32), "BAD_CERTIFICATE", "s is 0")
    executed("r-n", votes[:109] + uint(c.suite.curve.n, 32) + votes[141:], "BAD_CERTIFICATE",
             "r is the order of the curve")
    if c.suite.scheme is signature.Sm2:
        t_zero = uint(c.suite.curve.n - int.from_bytes(votes[-64:-32], "big"), 32)
        executed("t-zero", votes[:-32] + t_zero, "BAD_CERTIFICATE", "r + s is the order of the curve")
        strange = [sign_digest(c.suite, c.secrets[i], signature.Sm2.digest(
            bytes.fromhex(c.genesis.members[i]["consensus_key"]), c.genesis.prefix(7) + uint(i, 2) + subject[2:],
            b"ALICE123@YAHOO.COM")) for i in range(3)]
        executed("identity", subject + signer_set(4, (0, 1, 2), strange), "BAD_CERTIFICATE",
                 "signed with another identity than the one of formats.md 2")
    executed("epoch", c.executed(block, epoch=2), "BAD_CERTIFICATE", "signed for epoch 2")
    executed("members", c.executed(block, members_hash=name32("others")), "BAD_CERTIFICATE",
             "signed for another member set")
    executed("type", subject + signer_set(4, (0, 1, 2), [sign(c.suite, c.secrets[i], c.genesis.prefix(4) + uint(i, 2)
                                                              + subject[2:]) for i in
                                                        range(3)]), "BAD_CERTIFICATE",
             "signed as another type of message")
    executed("other-block", c.executed(c.blocks[5]), "BAD_PROOF", "the certificate of another block")
    executed("commit", c.commit(block), "MALFORMED", "a COMMIT certificate in its place")
    executed("short", votes[:50], "MALFORMED", "cut short")
    r("state-root", at_once, "state_root", "BAD_PROOF", "one bit of the state root", state_root=flip(0))
    r("state-root-length", at_once, "state_root", "MALFORMED", "a state root of 33 bytes", state_root=lambda x: x
      + b"\0")
    r("state-root-absent", at_once, "state_root", "MALFORMED", "no state root", state_root=b"")


def bad_confirmations(v, c, confirmed, later):
    r = v.receipt
    block, by = c.blocks[3], c.blocks[4]
    name = "confirmation.header"
    r("confirming-version", confirmed, name, "UNSUPPORTED_VERSION", "version 3", confirmation__header=flip(1, 2))
    r("confirming-chain", confirmed, name, "WRONG_CHAIN", "another chain", confirmation__header=flip(4))
    r("confirming-epoch", confirmed, name, "BAD_PROOF", "epoch 2, to which no link leads",
      confirmation__header=flip(43, 3))
    r("confirming-itself", confirmed, name, "BAD_PROOF", "the block's own header confirms only what was before",
      confirmation__header=block.header, confirmation__commit_certificate=c.commit(block))
    r("confirming-too-early", later, name, "BAD_PROOF", "a later header whose exec_height is below the block's",
      confirmation__header=
      header_with(c.blocks[6], exec_height=4).header)
    high = header_with(by, exec_height=4)
    r("confirming-future", confirmed, name, "BAD_PROOF",
      "a header that claims to have executed itself, signed by a quorum",
      confirmation__header=high.header, confirmation__commit_certificate=c.commit(high))
    other = header_with(by, results_root=name32("other root"))
    r("confirming-root", confirmed, "outcome_path", "BAD_PROOF",
      "a header with another results root, signed by a quorum",
      confirmation__header=other.header, confirmation__commit_certificate=c.commit(other))
    r("confirming-state-root", confirmed, "state_root", "BAD_PROOF", "one bit of the header's state root",
      confirmation__header=flip(108))
    r("confirming-bit", confirmed, "confirmation.commit_certificate", "BAD_PROOF", "one bit of the header's time",
      confirmation__header=flip(99))
    roots = "confirmation.later_outcome_roots"
    r("later-roots-missing", later, roots, "BAD_PROOF", "an outcome root too few",
      confirmation__later_outcome_roots=lambda x: x[:-1])
    r("later-roots-more", confirmed, roots, "BAD_PROOF", "an outcome root where none is needed",
      confirmation__later_outcome_roots=[bytes(32)])
    r("later-roots-length", later, roots, "MALFORMED", "an outcome root of 31 bytes",
      confirmation__later_outcome_roots=lambda x: [x[0][:31]] + x[1:])
    r("later-roots-bit", later, "outcome_path", "BAD_PROOF", "one bit of a later outcome root",
      confirmation__later_outcome_roots=flip_sibling(1))
    r("later-roots-order", later, "outcome_path", "BAD_PROOF", "later outcome roots in another order",
      confirmation__later_outcome_roots=lambda x: x[1:] + x[:1])
    r("later-state-root", later, "state_root", "BAD_PROOF", "a state root that the confirming header does not give",
      state_root=name32("x"))
    r("confirmed-state-root-absent", confirmed, "state_root", "BAD_PROOF", "no state root though the header gives one",
      state_root=b"")
    for field, key, good in (("confirmation.block_commit_certificate", "confirmation__block_commit_certificate", block),
                             ("confirmation.commit_certificate", "confirmation__commit_certificate", by)):
        short = "block" if good is block else "later"

        def commit(what, reason, data, sentence, field=field, key=key, short=short):
            v.receipt("%s-commit-%s" % (short, what), confirmed, field, reason, sentence, **{key: data})

        commit("absent", "MALFORMED", b"", "no certificate")
        commit("version", "UNSUPPORTED_VERSION", flip(1, 2), "version 3")
        commit("phase", "MALFORMED", flip(2, 1), "a phase that does not exist")
        commit("prepare", "BAD_CERTIFICATE", c.commit(good, phase=1), "a PREPARE certificate")
        commit("view-bit", "BAD_CERTIFICATE", flip(10), "one bit of the view")
        commit("height", "BAD_PROOF", flip(18), "one bit of the height")
        commit("digest", "BAD_PROOF", flip(19), "one bit of the digest")
        commit("q-1", "BAD_CERTIFICATE", c.commit(good, signers=(1, 3)), "two signatures where three are needed")
        commit("high-s", "BAD_CERTIFICATE", high_s_last(c.suite), "s replaced by n - s")
        commit("epoch", "BAD_CERTIFICATE", c.commit(good, epoch=2), "signed for epoch 2")
    r("view-below", f.receipt(c, 5, 0, 1, 6), "confirmation.block_commit_certificate", "BAD_PROOF",
      "committed in a view before the block was born, signed by a quorum",
      confirmation__block_commit_certificate=c.commit(c.blocks[5], view=0))
    r("certificates-swapped", confirmed, "confirmation.block_commit_certificate", "BAD_PROOF",
      "each certificate in the other's place",
      confirmation__block_commit_certificate=confirmed["confirmation"]["commit_certificate"],
      confirmation__commit_certificate=confirmed["confirmation"]["block_commit_certificate"])


def bad_histories(v, c):
    """Confirmations with a history_path in place of the block's own COMMIT-QC."""
    block, by = c.blocks[3], c.blocks[4]
    near, later = f.receipt(c, 3, 0, 1, 4, by_history=True), f.receipt(c, 5, 1, 0, 9, by_history=True)
    name = "confirmation.history_path"

    def r(what, fields, part, reason, sentence, **changes):
        changes = {"confirmation__" + key: value for key, value in changes.items()}
        v.receipt("history-" + what, fields, part, reason, sentence, **changes)

    def path(what, reason, sentence, fields=near, **changes):
        r(what, fields, name, reason, sentence, **{"history_path__" + key: value for key, value in changes.items()})

    r("both", near, name, "MALFORMED", "the block's own COMMIT-QC as well", block_commit_certificate=c.commit(block))
    r("neither", later, "confirmation.block_commit_certificate", "MALFORMED",
      "neither a history path nor the block's own COMMIT-QC", history_path=None)
    r("empty", near, name, "BAD_PROOF", "a path of index and size 0", history_path={"index": 0, "size": 0,
                                                                                   "siblings": []})
    path("index", "BAD_PROOF", "the index of the block before", index=2)
    path("size", "BAD_PROOF", "a tree of one leaf more", size=5)
    path("size-fewer", "BAD_PROOF", "a tree that ends below the block", size=3)
    path("size-same-shape", "BAD_PROOF", "a tree of one leaf more, in which the path has the same shape", later, size=10)
    path("sibling", "BAD_PROOF", "one bit of a sibling", siblings=flip_sibling(1))
    path("siblings-order", "BAD_PROOF", "siblings in another order", siblings=lambda x: x[::-1])
    path("short", "BAD_PROOF", "a sibling too few", siblings=lambda x: x[:-1])
    path("long", "BAD_PROOF", "a sibling too many", siblings=lambda x: x + [bytes(32)])
    path("sibling-length", "MALFORMED", "a sibling of 31 bytes", siblings=lambda x: [x[0][:31]] + x[1:])
    path("65", "MALFORMED", "65 siblings", siblings=[bytes(32)] * 65)
    r("other-height", near, name, "BAD_PROOF", "the path of the block before",
      history_path=f.merkle_in_history(c, 2, 4))
    r("other-tree", near, name, "BAD_PROOF", "the path in the history of the header after the confirming one",
      history_path=f.merkle_in_history(c, 3, 5))
    for what, height, sentence in (("itself", 3, "the block's own height"), ("below", 2, "the height below the block")):
        low = header_with(c.blocks[height], exec_height=3, results_root=by.values["results_root"])
        r(what, near, "confirmation.header", "BAD_PROOF",
          "a confirming header of %s that claims to confirm the block, signed by a quorum" % sentence,
          header=low.header, commit_certificate=c.commit(low), history_path=f.merkle_in_history(c, 2, 3))
    other = header_with(by, history_root=name32("other history"))
    r("root", near, name, "BAD_PROOF", "a confirming header with another history root, signed by a quorum",
      header=other.header, commit_certificate=c.commit(other))
    v.receipt("history-block", near, name, "BAD_PROOF", "another block of that height, with the same body",
              header=header_with(block, view=1).header)
    r("commit", near, "confirmation.commit_certificate", "BAD_CERTIFICATE",
      "two signatures under the confirming header where three are needed", commit_certificate=c.commit(by,
                                                                                                      signers=(0, 1)))
    r("commit-of-block", near, "confirmation.commit_certificate", "BAD_PROOF",
      "the block's own COMMIT-QC in place of the confirming header's", commit_certificate=c.commit(block))
