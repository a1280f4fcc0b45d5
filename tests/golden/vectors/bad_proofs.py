"""Transaction, state and consistency proofs that must be refused (docs/spec/evidence.md 3)."""

from sample_chain import Item, name32, outcome_leaf
import files as f
import state
from codec import read_message, uint, write_message
from editing import Editor, fewer, flip, flip_sibling, header_with, high_s_last, more, other_results
from suite import bit


def bad_transaction_proofs(v, c):
    cid = c.genesis.chain_id
    raw = f.write_txp(cid, f.block_at_once(c, 5), f.transaction_proof(c, 5, 0, 0, [0]))
    v.bad("transaction-magic", b"GALENTXQ" + raw[8:], "file", "MALFORMED", "an unknown magic")
    v.bad("transaction-version", flip(9, 3)(raw), "file", "MALFORMED", "version 2, without its links")
    v.bad("transaction-chain", flip(10)(raw), "chain_id", "WRONG_CHAIN", "one bit of the chain id")
    v.bad("transaction-cut", raw[:-1], "file", "MALFORMED", "the last byte is missing")
    v.bad("transaction-trailing", raw + b"\0", "file", "MALFORMED", "a byte too many")
    way = 42 + 286
    v.bad("transaction-way", flip(way, 2)(raw), "file", "MALFORMED", "way 3")
    v.bad("transaction-certificate-length", raw[:way + 1] + uint(8193, 4) + raw[way + 5:], "file", "MALFORMED",
          "a certificate of 8193 bytes announced")
    e = Editor(v, "transaction", lambda block, transaction: f.write_txp(cid, block, transaction),
               block=f.block_by_history(c, 5, 9, 12), transaction=f.transaction_proof(c, 5, 0, 0, [0]))
    bad_certified_blocks(e, c)
    e = Editor(v, "transaction", lambda block, transaction: f.write_txp(cid, block, transaction),
               block=f.block_at_once(c, 3), transaction=f.transaction_proof(c, 3, 0, 1, [1, 4]))
    bad_executed_blocks(e, c)
    t = "transaction"
    e("envelope-format", t + ".envelope", "UNSUPPORTED_VERSION", "format 3 of the envelope",
      ((t, "envelope"), flip(1, 2)))
    e("envelope-chain", t + ".envelope", "WRONG_CHAIN", "another chain in the envelope", ((t, "envelope"), flip(4)))
    e("envelope-request", t + ".envelope", "BAD_REQUEST_ID", "a request id that is no UUID of version 4",
      ((t, "envelope"), flip(78, 0x10)))
    e("envelope-trailing", t + ".envelope", "MALFORMED", "a byte too many", ((t, "envelope"), lambda x: x + b"\0"))
    e("envelope-unknown", t + ".envelope", "UNKNOWN_FIELD", "a field 6", ((t, "envelope"), lambda x: x + b"\x30\x01"))
    e("envelope-author", t + ".item_path", "BAD_PROOF", "another author", ((t, "envelope"), flip(40)))
    e("operation-bit", t + ".operations[4].path", "BAD_PROOF", "one bit of the second shown operation",
      ((t, "shown", 1, "operation"), flip(10)))
    e("operation-first-bit", t + ".operations[4].path", "BAD_PROOF", "one bit of the first one: the two do not meet",
      ((t, "shown", 0, "operation"), flip(10)))
    e("operation-unknown", t + ".operations[1]", "MALFORMED", "operation 22, empty",
      ((t, "shown", 0, "operation"), b"\xb2\x01\0"))
    e("operation-unknown-300", t + ".operations[1]", "UNKNOWN_FIELD", "operation 300, which nobody knows",
      ((t, "shown", 0, "operation"), b"\xe2\x12\0"))
    e("operation-wire", t + ".operations[4]", "MALFORMED", "another wire type", ((t, "shown", 1, "operation"), flip(0)))
    e("operation-path-long", t + ".operations[1].path", "BAD_PROOF", "a sibling too many",
      ((t, "shown", 0, "path"), more))
    e("operation-path-short", t + ".operations[1].path", "BAD_PROOF", "a sibling too few",
      ((t, "shown", 0, "path"), fewer))
    e("operation-index", t + ".operations[4].path", "BAD_PROOF",
      "the first told as its neighbour: the second does not meet it", ((t, "shown", 0, "index"), 2))
    e("operation-order", "file", "MALFORMED", "shown in descending order", ((t, "shown"), lambda x: x[::-1]))
    e("operation-twice", "file", "MALFORMED", "one operation shown twice", ((t, "shown"), lambda x: [x[0], x[0]]))
    e("operation-beyond", "file", "MALFORMED", "operation 5 of five", ((t, "shown", 1, "index"), 5))
    e("operations-none-shown", "file", "MALFORMED", "nothing is shown", ((t, "shown"), []))
    e("operations-count", t + ".operations[4].path", "BAD_PROOF", "six operations instead of five",
      ((t, "operations"), 6))
    e("operations-count-zero", "file", "MALFORMED", "no operation", ((t, "operations"), 0))
    e("operations-count-1001", "file", "MALFORMED", "1001 operations", ((t, "operations"), 1001))
    e("path-65", "file", "MALFORMED", "a path of 65 siblings", ((t, "shown", 0, "path"), [bytes(32)] * 65))
    e("scheme", t + ".authorization", "MALFORMED", "scheme 4", ((t, "scheme"), 4))
    e("authorization-data", t + ".authorization", "MALFORMED", "no scheme, but data", ((t, "authorization"), b"x"))
    e("authorization-long", "file", "MALFORMED", "1025 bytes", ((t, "authorization"), bytes(1025)))
    e("envelope-empty", "file", "MALFORMED", "no envelope", ((t, "envelope"), b""))
    e("batch-version", t + ".batch_header", "UNSUPPORTED_VERSION", "version 3", ((t, "batch_header"), flip(1, 2)))
    e("batch-chain", t + ".batch_header", "WRONG_CHAIN", "another chain", ((t, "batch_header"), flip(2)))
    e("batch-origin", t + ".batch_header", "MALFORMED", "origin 4", ((t, "batch_header"), flip(43, 4)))
    e("batch-valid-until", t + ".batch_path", "BAD_PROOF", "one bit", ((t, "batch_header"), flip(51)))
    e("item-index", t + ".item_path", "BAD_PROOF", "the neighbour's index", ((t, "item", "index"), 0))
    e("item-path", t + ".item_path", "BAD_PROOF", "one bit", ((t, "item", "path"), flip_sibling(1)))
    e("item-long", t + ".item_path", "BAD_PROOF", "a sibling too many", ((t, "item", "path"), more))
    e("batch-index", t + ".batch_path", "BAD_PROOF", "batch 1 of one", ((t, "batch", "index"), 1))
    e("batch-lone-long", t + ".batch_path", "BAD_PROOF", "a lone batch with a sibling", ((t, "batch", "path"), more))
    e("result-bit", t + ".operations[4].result_path", "BAD_PROOF", "a result where there was none",
      ((t, "shown", 0, "result"), b"x"))
    e("result-path", t + ".operations[1].result_path", "BAD_PROOF", "a sibling too many",
      ((t, "shown", 0, "result_path"), more))
    e("result-paths-agree", t + ".outcome_path", "BAD_PROOF", "all results with the same wrong sibling",
      ((t, "shown"), lambda x: [dict(x[0], result_path=flip_sibling(2)(x[0]["result_path"]))]))
    e("code", t + ".outcome_path", "BAD_PROOF", "told as refused", ((t, "code"), 300))
    e("outcome-index", t + ".outcome_path", "BAD_PROOF", "the neighbour's", ((t, "outcome", "index"), 2))
    e("outcome-path", t + ".outcome_path", "BAD_PROOF", "one bit", ((t, "outcome", "path"), flip_sibling(0)))
    e("previous-root", t + ".outcome_path", "BAD_PROOF", "one bit", ((t, "previous_results_root"), flip(0)))
    refused = Editor(v, "transaction", lambda block, transaction: f.write_txp(cid, block, transaction),
                     block=f.block_at_once(c, 5), transaction=f.transaction_proof(c, 5, 1, 0, [1]))
    refused("refused-as-executed", t + ".outcome_path", "BAD_PROOF", "a refused transaction told as executed",
            ((t, "code"), 0),
            ((t, "shown", 0), lambda s: dict(s, result=b"", result_path=[c.suite.leaf(b"")])))
    bad_decisions(v, c)


def bad_decisions(v, c):
    """Certified answers that are no answers to the question: a quorum signed nonsense, and the verifier still says
    so."""
    cid = c.genesis.chain_id
    block, item = c.blocks[5], c.blocks[5].batches[0].items[0]
    table = state.ACCESS_ENTRY
    entry = read_message(table, item.results[0])
    for name, result in (("height", dict(entry, height=4)), ("time", dict(entry, time_ms=1)),
                         ("format", dict(entry, format=2)),
                         ("transaction", dict(entry, transaction_id=name32("other"))),
                         ("operation", dict(entry, operation=1)),
                         ("patient", dict(entry, patient=name32("other"))),
                         ("requester", dict(entry, requester=name32("other"))),
                         ("author", dict(entry, author=name32("other"))), ("purpose", dict(entry, purpose=1)),
                         ("pointer", dict(entry, pointer_id=b"")), ("reason", dict(entry, reason=8)),
                         ("no-reason", dict(entry, reason=0)), ("permit", dict(entry, permit=0)),
                         ("deny-as-permit", dict(entry, reason=4)), ("empty", b""),
                         ("unknown-field", item.results[0] + b"\x78\x01")):
        raw = result if isinstance(result, bytes) else write_message(table, result)
        changed = header_with(block)
        others = [Item.__new__(Item) for _ in block.items]
        for copy_of, one in zip(others, block.items):
            copy_of.__dict__.update(one.__dict__)
        others[0].results = [raw]
        changed.outcomes = [outcome_leaf(i, one) for i, one in enumerate(others)]
        changed.results_root = c.suite.tagged("galen/1 results", c.blocks[4].results_root + uint(5, 8)
                                      + c.suite.tree_root(changed.outcomes))
        proof = f.transaction_proof(c, 5, 0, 0, [0])
        proof["shown"][0]["result"] = raw
        proof["outcome"]["path"] = f.merkle(c.suite, changed.outcomes, 0)["siblings"]
        certified = dict(f.block_at_once(c, 5), executed_certificate=c.executed(changed))
        v.bad("transaction-answer-" + name, f.write_txp(cid, certified, proof), "transaction.operations[0].result",
              "MALFORMED",
              "a certified answer that does not fit its question: " + name)


def bad_executed_blocks(e, c):
    b, q = "block", "block.executed_certificate"
    e("header-version", "block.header", "UNSUPPORTED_VERSION", "version 3", ((b, "header"), flip(1, 2)))
    e("header-flags", "block.header", "MALFORMED", "an unknown flag", ((b, "header"), flip(3, 8)))
    e("header-history-size", "block.header", "MALFORMED", "a history size that is not the height",
      ((b, "header"), flip(215)))
    e("header-time", q, "BAD_PROOF", "one bit of the time", ((b, "header"), flip(99)))
    e("executed-q-1", q, "BAD_CERTIFICATE", "two signatures",
      ((b, "executed_certificate"), c.executed(c.blocks[3], signers=(0, 1))))
    e("executed-signature", q, "BAD_CERTIFICATE", "one bit of a signature", ((b, "executed_certificate"), flip(-5)))
    e("executed-high-s", q, "BAD_CERTIFICATE", "n - s", ((b, "executed_certificate"), high_s_last(c.suite)))
    e("executed-root", q, "BAD_CERTIFICATE", "one bit of the certified results root",
      ((b, "executed_certificate"), flip(80)))
    e("executed-padding", q, "MALFORMED", "a bit behind the last member",
      ((b, "executed_certificate"), flip(108, 0x20)))
    e("executed-other", "transaction.outcome_path", "BAD_PROOF",
      "a certificate over another results root, signed by a quorum",
      ((b, "executed_certificate"), c.executed(other_results(c.blocks[3]))))
    e("executed-empty", q, "MALFORMED", "no certificate", ((b, "executed_certificate"), b""))


def bad_certified_blocks(e, c):
    b, q = "block", "block.confirming"
    e("path", "block.path", "BAD_PROOF", "one bit", ((b, "path"), flip_sibling(0)))
    e("path-long", "block.path", "BAD_PROOF", "a sibling too many", ((b, "path"), more))
    e("confirming-chain", q + ".header", "WRONG_CHAIN", "another chain", ((b, "confirming", "header"), flip(4)))
    e("confirming-bit", q + ".later_path", "BAD_PROOF", "one bit of the time", ((b, "confirming", "header"), flip(99)))
    e("confirming-early", q + ".header", "BAD_PROOF", "a header that confirms another height",
      ((b, "confirming"), f.certified_header(c, 4)))
    e("later-header", q + ".later_header", "BAD_PROOF", "epoch 2, to which no link leads",
      ((b, "confirming", "later", "header"), flip(43, 3)))
    e("later-path", q + ".later_path", "BAD_PROOF", "one bit", ((b, "confirming", "later", "path"), flip_sibling(1)))
    e("later-not-later", q + ".later_path", "BAD_PROOF", "the link leads to the header itself",
      ((b, "confirming", "later"), {"header": c.blocks[9].header, "path": []}),
      ((b, "confirming", "commit_certificate"), c.commit(c.blocks[9])))
    e("later-earlier", q + ".later_path", "BAD_PROOF", "the link leads to an earlier header",
      ((b, "confirming", "later"), {"header": c.blocks[8].header, "path": []}),
      ((b, "confirming", "commit_certificate"), c.commit(c.blocks[8])))
    e("commit-of-first", q + ".commit_certificate", "BAD_PROOF",
      "with a link, the certificate must be the later header's",
      ((b, "confirming", "commit_certificate"), c.commit(c.blocks[9])))
    e("commit-prepare", q + ".commit_certificate", "BAD_CERTIFICATE", "a PREPARE certificate",
      ((b, "confirming", "commit_certificate"), c.commit(c.blocks[12], phase=1)))
    e("commit-q-1", q + ".commit_certificate", "BAD_CERTIFICATE", "two signatures",
      ((b, "confirming", "commit_certificate"), c.commit(c.blocks[12], signers=(2, 3))))
    e("commit-view", q + ".commit_certificate", "BAD_PROOF", "a view below the header's, signed by a quorum",
      ((b, "confirming", "commit_certificate"), c.commit(c.blocks[12], view=4)))
    e("outcome-roots", "block.later_outcome_roots", "BAD_PROOF", "one too few", ((b, "later_outcome_roots"), fewer))
    e("outcome-roots-more", "block.later_outcome_roots", "BAD_PROOF", "one too many",
      ((b, "later_outcome_roots"), more))
    e("outcome-root-bit", "transaction.outcome_path", "BAD_PROOF", "one bit",
      ((b, "later_outcome_roots"), flip_sibling(2)))


def bad_state_proofs(v, c):
    cid = c.genesis.chain_id
    e = Editor(v, "state", lambda block, state: f.write_stp(cid, block, state), block=f.block_at_once(c, 3),
               state=f.state_proof(c, 3, 2, c.pointers[1]))
    s = "state"
    e("value", s + ".value", "BAD_PROOF", "one bit of the value", ((s, "value"), flip(20)))
    e("value-empty", s + ".value", "BAD_PROOF", "no value", ((s, "value"), b""))
    e("key", s + ".proof", "BAD_PROOF", "another key", ((s, "key"), flip(0)))
    e("key-short", s + ".key", "MALFORMED", "a key of 31 bytes", ((s, "key"), lambda x: x[:-1]))
    e("key-65", "file", "MALFORMED", "a key of 65 bytes", ((s, "key"), bytes(65)))
    e("kind-0", s + ".key", "MALFORMED", "kind 0", ((s, "kind"), 0))
    e("kind-7", s + ".key", "MALFORMED", "kind 7", ((s, "kind"), 7))
    e("kind-other", s + ".proof", "BAD_PROOF", "told as a consent", ((s, "kind"), 3))
    e("absence-of-present", s + ".proof", "BAD_PROOF", "absence of a row that is there", ((s, "present"), 0))
    e("present-flag", "file", "MALFORMED", "a flag of 2", ((s, "present"), 2))
    siblings, end = c.blocks[3].state.proof(2, c.pointers[1])
    write = f.write_state_tree_proof
    e("sibling", s + ".proof", "BAD_PROOF", "one bit of a sibling",
      ((s, "proof"), write(flip_sibling(1)(siblings), end)))
    e("siblings-reversed", s + ".proof", "BAD_PROOF", "from the leaf upwards",
      ((s, "proof"), write(siblings[::-1], end)))
    e("siblings-fewer", s + ".proof", "BAD_PROOF", "one too few", ((s, "proof"), write(siblings[:-1], end)))
    e("siblings-257", s + ".proof", "MALFORMED", "257 siblings", ((s, "proof"), write([bytes(32)] * 257, end)))
    e("lone-leaf", s + ".proof", "BAD_PROOF", "a tree of one row", ((s, "proof"), write([], end)))
    e("terminal", s + ".proof", "MALFORMED", "a terminal 2", ((s, "proof"), lambda x: x[:-65] + b"\2" + x[-64:]))
    e("proof-trailing", s + ".proof", "MALFORMED", "a byte too many", ((s, "proof"), lambda x: x + b"\0"))
    e("proof-cut", s + ".proof", "MALFORMED", "a byte too few", ((s, "proof"), lambda x: x[:-1]))
    e("proof-empty", s + ".proof", "MALFORMED", "no proof", ((s, "proof"), b""))
    e("value-hash", s + ".proof", "BAD_PROOF", "the hash of another value", ((s, "proof"), flip(-1)),
      ((s, "value"), b"x"))
    absent, other = f.state_proof(c, 2, 2, c.pointers[1]), c.blocks[2].state.proof(2, c.pointers[1])
    a = Editor(v, "state", lambda block, state: f.write_stp(cid, block, state), block=f.block_at_once(c, 2),
               state=absent)
    a("presence-of-absent", s + ".proof", "BAD_PROOF",
      "presence of a row that is not there, with the neighbour's value",
      ((s, "present"), 1), ((s, "value"), b"x"))
    leaves = c.blocks[2].state.leaves
    far = next(p for p in sorted(leaves) if bit(p, 0) != bit(c.suite.state_path(2, c.pointers[1]), 0))
    a("absence-by-other-leaf", s + ".proof", "BAD_PROOF", "the leaf at the end lies in another part of the tree",
      ((s, "proof"), write(other[0], (far, leaves[far]))))
    a("absence-by-empty", s + ".proof", "BAD_PROOF", "an empty end where a leaf is",
      ((s, "proof"), write(other[0], None)))
    n = Editor(v, "state", lambda block, state: f.write_stp(cid, block, state), block=f.block_by_history(c, 5, 9),
               state=f.state_proof(c, 5, 6, b""))
    n("no-root", s + ".block", "BAD_PROOF", "the confirming header is of a later state", ((s, "present"), 1))
    n("header-zero", "block.header", "MALFORMED", "block 0", (("block", "header"), c.blocks[0].header))


def bad_consistencies(v, c):
    cid = c.genesis.chain_id
    e = Editor(v, "consistency", lambda consistency: f.write_con(cid, consistency),
               consistency=f.consistency(c, 7, 11, 12))
    p = "consistency"
    e("old-bit", p + ".path", "BAD_PROOF", "one bit of the old header's time", ((p, "old_header"), flip(99)))
    e("old-root", p + ".consistency_path", "BAD_PROOF", "one bit of the old history root",
      ((p, "old_header"), flip(216)))
    e("old-version", p + ".old_header", "UNSUPPORTED_VERSION", "version 3", ((p, "old_header"), flip(1, 2)))
    e("old-zero", p + ".old_header", "MALFORMED", "block 0", ((p, "old_header"), c.blocks[0].header))
    e("new-bit", p + ".new.later_path", "BAD_PROOF", "one bit of the new header's time",
      ((p, "new", "header"), flip(99)))
    e("new-later", p + ".new.later_header", "WRONG_CHAIN", "another chain", ((p, "new", "later", "header"), flip(4)))
    e("certificate", p + ".new.commit_certificate", "BAD_CERTIFICATE", "one bit of a signature",
      ((p, "new", "commit_certificate"), flip(-1)))
    e("certificate-absent", p + ".new.commit_certificate", "MALFORMED", "no certificate",
      ((p, "new", "commit_certificate"), b""))
    e("path-bit", p + ".consistency_path", "BAD_PROOF", "one bit", ((p, "consistency_path"), flip_sibling(0)))
    e("path-long", p + ".consistency_path", "BAD_PROOF", "a hash too many", ((p, "consistency_path"), more))
    e("path-short", p + ".consistency_path", "BAD_PROOF", "a hash too few", ((p, "consistency_path"), fewer))
    e("path-empty", p + ".consistency_path", "BAD_PROOF", "no hash", ((p, "consistency_path"), []))
    e("inclusion-bit", p + ".path", "BAD_PROOF", "one bit", ((p, "path"), flip_sibling(0)))
    e("inclusion-short", p + ".path", "BAD_PROOF", "a hash too few", ((p, "path"), fewer))
    same = f.consistency(c, 7, 8)
    e("same-height", p + ".consistency_path", "BAD_PROOF", "both heights are one",
      ((p, "new"), f.certified_header(c, 7)),
      ((p, "consistency_path"), []))
    e("backwards", p + ".consistency_path", "BAD_PROOF", "the new height is the lower one",
      ((p, "new"), f.certified_header(c, 6)))
    raw = f.write_con(cid, same)
    at = len(raw) - len(same["new"]["commit_certificate"]) - 5
    v.bad("consistency-links", flip(at, 2)(raw), "file", "MALFORMED", "two links announced")
    fork = header_with(c.blocks[7], time_ms=1)
    e("fork", p + ".path", "BAD_PROOF", "another block at that height over the same history",
      ((p, "old_header"), fork.header))
