"""The sample chain of the vectors, and the files that must be found valid."""

import copy

from sample_chain import Batch, Item, SampleChain, StateTree, anchor, decide, grant, name32, register
import files as f
import state
from codec import read_message, uint, write_message
from editing import header_with
from receipt import write as write_receipt
from signing import private_key, public_key

TREAT = 59
DOCUMENT = b'{"resourceType":"Observation","status":"final","valueString":"a sample"}'
KEY = name32("record key")


def build(folder):
    """The sample chain: 12 blocks, with bulk, refused, repeated and decided transactions, and one header that lags."""
    chain = SampleChain(folder)
    members = [bytes.fromhex(m["id"]) for m in chain.genesis.members]
    admins = [bytes.fromhex(m["admin"]) for m in chain.genesis.members]
    chain.patient = name32("patient")
    chain.patient_secret = private_key(folder / "patient.key.pem")
    chain.services = [name32("service %d" % i) for i in range(4)]
    pointers = chain.pointers = [name32("pointer %d" % i) for i in range(9)]
    commitments = [state.commitment(chain.suite, KEY, 1, DOCUMENT)] + [name32("commitment %d" % i) for i in range(1, 9)]

    def anchors(first, last):
        return [anchor(pointers[i], members[0], chain.patient, commitments[i]) for i in range(first, last)]

    registers = [Item(chain, admins[i], "register %d" % i, [register(chain.services[i], 3)]) for i in range(4)]
    patient = Item(chain, admins[0], "patient",
                   [register(chain.patient, 4, public_key(chain.suite, chain.patient_secret))])
    chain.add([Batch(chain, 0, [registers[0], patient]), Batch(chain, 1, [registers[1]]),
               Batch(chain, 2, registers[2:3]),
               Batch(chain, 3, registers[3:])])
    chain.add([Batch(chain, 0, [Item(chain, chain.services[0], "one", anchors(0, 1))])])
    consent = Item(chain, chain.patient, "grant", [grant(name32("consent"), chain.patient, members[2],
                                                         1 << (TREAT - 1))],
                   chain.patient_secret)
    chain.bulk = Item(chain, chain.services[0], "bulk", anchors(1, 6))
    chain.add([Batch(chain, 0, [Item(chain, chain.services[0], "pair", anchors(6, 8)), chain.bulk, consent])])
    chain.add([])
    asked = [Item(chain, chain.services[2], "permit", [decide(chain.patient, members[2], TREAT, pointers[1])]),
             Item(chain, chain.services[2], "deny", [decide(chain.patient, members[2], 1)])]
    refused = Item(chain, chain.services[0], "again", anchors(8, 9) + anchors(0, 1))
    mixed = Item(chain, chain.services[1], "mixed", [decide(chain.patient, members[1], TREAT),
                                                     anchor(name32("b"), members[1], b"", name32("c"))])
    chain.add([Batch(chain, 2, asked), Batch(chain, 0, [refused]), Batch(chain, 1, [mixed])], view=1)
    chain.add([], view=1)
    chain.add([Batch(chain, 3, [Item(chain, chain.services[3], "late", [register(name32("last"), 4)])])], exec_height=5,
              view=1)
    chain.add([], exec_height=5, view=1)
    chain.add([], exec_height=8, view=5)
    for _ in range(3):
        chain.add([], view=5)
    return chain


def good_vectors(v, c):
    cid = c.genesis.chain_id
    v.good("receipt-at-once", write_receipt(f.receipt(c, 3, 0, 2)),
           "a consent signed by the patient, certified by EXECUTED")
    v.good("receipt-confirmed", write_receipt(f.receipt(c, 3, 0, 1, 4)),
           "a bulk of five records, confirmed by the next header")
    v.good("receipt-confirmed-later", write_receipt(f.receipt(c, 5, 1, 0, 9)),
           "a refused transaction (RECORD_EXISTS), confirmed three heights later with their outcome roots")
    v.good("receipt-lone", write_receipt(f.receipt(c, 2, 0, 0)), "the only item of the only batch: all paths are empty")
    v.good("receipt-all-sign", write_receipt(f.receipt(c, 5, 0, 0, signers=(0, 1, 2, 3))),
           "four of four members signed")
    v.good("receipt-later-view", write_receipt(dict(f.receipt(c, 5, 0, 1, 6), confirmation=dict(
        f.receipt(c, 5, 0, 1, 6)["confirmation"], block_commit_certificate=c.commit(c.blocks[5], view=3)))),
        "the block was committed in a later view than it was born in")
    v.good("receipt-history", write_receipt(f.receipt(c, 3, 0, 1, 4, by_history=True)),
           "confirmed by the next header, in whose history the block stands: it has no COMMIT-QC of its own")
    v.good("receipt-history-later", write_receipt(f.receipt(c, 5, 1, 0, 9, by_history=True)),
           "the same, confirmed three heights later with their outcome roots")
    v.good("transaction-whole", f.write_txp(cid, f.block_at_once(c, 5), f.transaction_proof(c, 5, 0, 0, [0])),
           "a Decide answered PERMIT, at once")
    v.good("transaction-deny", f.write_txp(cid, f.block_by_history(c, 5, 6), f.transaction_proof(c, 5, 0, 1, [0])),
           "a Decide answered DENY, by history")
    v.good("transaction-part", f.write_txp(cid, f.block_by_history(c, 3, 4, 11), f.transaction_proof(c, 3, 0, 1, [1,
                                                                                                                  4])),
           "two of five operations, under a header that hangs on a later one")
    v.good("transaction-refused", f.write_txp(cid, f.block_by_history(c, 5, 9, 12), f.transaction_proof(c, 5, 1, 0,
                                                                                                        [1])),
           "one operation of a refused transaction, with later outcome roots")
    v.good("transaction-mixed", f.write_txp(cid, f.block_at_once(c, 5), f.transaction_proof(c, 5, 2, 0, [0, 1])),
           "a Decide without any consent, and a record")
    v.good("state-record", f.write_stp(cid, f.block_at_once(c, 3), f.state_proof(c, 3, 2, c.pointers[1])),
           "a record's row")
    v.good("state-parameters", f.write_stp(cid, f.block_by_history(c, 9, 10, 12), f.state_proof(c, 9, 6, b"")),
           "the parameters, by history")
    v.good("state-absent", f.write_stp(cid, f.block_at_once(c, 2), f.state_proof(c, 2, 2, c.pointers[1])),
           "a record before it was anchored")
    for kind, key, name in ((1, c.patient, "principal"), (3, name32("consent"), "consent"),
                            (4, c.patient + bytes.fromhex(c.genesis.members[2]["id"]), "grants"),
                            (5, c.patient + bytes(4), "head")):
        v.good("state-" + name, f.write_stp(cid, f.block_at_once(c, 5), f.state_proof(c, 5, kind, key)),
               "a row of kind %d" % kind)
    for old, new, link in ((1, 2, None), (4, 8, None), (3, 7, 12), (7, 12, None)):
        v.good("consistency-%d-%d" % (old, new), f.write_con(cid, f.consistency(c, old, new, link)),
               "the chain up to %d is the beginning of that up to %d" % (old, new))
    v.good("evidence", f.write_bundle(case(c)), "a bundle with everything in it")
    v.good("evidence-own-genesis", f.write_bundle(case(c)), "the same, with the genesis.json inside", genesis="")
    v.good("evidence-small", f.write_bundle(f.bundle(c, [f.block_at_once(c, 2)], states=[(0, f.state_proof(c, 2, 6,
                                                                                                           b""))])),
           "the smallest bundle: one state")
    last = header_with(c.blocks[3], height=2**64 - 1, history_size=2**64 - 1, exec_height=2**64 - 2, time_ms=2**64 - 1)
    last.results_root = c.suite.tagged("galen/1 results", c.blocks[2].results_root + uint(2**64 - 1, 8)
                                       + c.suite.tree_root(last.outcomes))
    v.good("receipt-height-last", write_receipt(dict(f.receipt(c, 3, 0, 0), header=last.header,
                                                     executed_certificate=c.executed(last))),
           "the greatest height and time there are")
    v.good("evidence-opening-canon-255", f.write_bundle(opening(c, record_row(
        c, canon=255, commitment=state.commitment(c.suite, KEY, 255, DOCUMENT)))),
        "an opening by a way of canonicalisation that no release knows yet: it stands in the commitment as a byte")
    v.good("evidence-opening-row-numbers", f.write_bundle(opening(c, record_row(
        c, status=2**31, retention=2**32 - 1, period=2**64 - 1))), "numbers in the row as great as the format lets them be")


def case(c):
    record = f.state_proof(c, 3, 2, c.pointers[0])
    return f.bundle(c, [f.block_at_once(c, 2), f.block_by_history(c, 3, 4, 11), f.block_by_history(c, 5, 9)],
                    [(0, f.transaction_proof(c, 2, 0, 0, [0])), (1, f.transaction_proof(c, 3, 0, 1, [2])),
                     (2, f.transaction_proof(c, 5, 1, 0, [0]))],
                    [(1, record), (1, f.state_proof(c, 3, 2, name32("nothing")))], [f.consistency(c, 3, 7, 12)],
                    [(0, KEY, DOCUMENT)])


def record_row(c, **changes):
    """The row of the record that the document of an opening was anchored as, with other values."""
    table = state.ROWS[2][2]
    return write_message(table, dict(read_message(table, c.blocks[3].state.rows[2, c.pointers[0]]), **changes))


def opening(c, row):
    """A bundle that opens this row. A quorum signed a state that holds it."""
    block = copy.copy(c.blocks[3])
    block.state = StateTree(c.suite, {**block.state.rows, (2, c.pointers[0]): row})
    block.state_root = block.state.root()
    chain = copy.copy(c)
    chain.blocks = [*c.blocks[:3], block, *c.blocks[4:]]
    return f.bundle(chain, [f.block_at_once(chain, 3)], states=[(0, f.state_proof(chain, 3, 2, c.pointers[0]))],
                    openings=[(0, KEY, DOCUMENT)])
