"""Proofs and evidence bundles: the checks of docs/spec/evidence.md 3, in their order. `P` is the name of a part
there."""

import framing
from chain import BatchHeader, check_commit, check_executed, next_results
from codec import Bad, Failure, Reader, part, uint
from epochs import follow
from genesis import Genesis
from state import ROWS, commitment, decision, row
from transaction import (Author, authorization_leaf, check_authorization, check_envelope, scan_envelope, scan_operation)


def a_header(data, epochs):
    header = epochs.header(data)
    if header.history_size != header.height:
        raise Bad("MALFORMED", "its history size is not its height")
    return header


def leads(suite, data, index, size, siblings, root):
    if suite.path_root(data, index, size, siblings) != root:
        raise Bad("BAD_PROOF", "the path does not lead there")


def certified_header(epochs, name, c):
    """Gives the header and who signed."""
    with part(name + ".header"):
        header = last = a_header(c["header"], epochs)
    if c["later"]:
        with part(name + ".later_header"):
            last = a_header(c["later"]["header"], epochs)
        with part(name + ".later_path"):
            if last.height <= header.height:
                raise Bad("BAD_PROOF", "the later header is not later")
            leads(epochs.genesis.suite, header.digest, header.height, last.history_size, c["later"]["path"],
                  last.history_root)
    with part(name + ".commit_certificate"):
        signers = check_commit(epochs[last.epoch], c["commit_certificate"], last)
    return header, signers


class Block:
    """A certified block: its header, who signed, its state root if it gives one, and whether a results root is
    right."""

    def __init__(self, epochs, name, b):
        self.suite = epochs.genesis.suite
        self.later = []
        with part(name + ".header"):
            self.header = a_header(b["header"], epochs)
        self.members = epochs[self.header.epoch]
        if b["way"] == 1:
            with part(name + ".executed_certificate"):
                certificate, self.signers = check_executed(self.members, b["executed_certificate"], self.header)
            self.state_root = certificate.state_root
            self.results_root = certificate.results_root
            return
        confirming, self.signers = certified_header(epochs, name + ".confirming", b["confirming"])
        with part(name + ".confirming.header"):
            if not self.header.height <= confirming.exec_height < confirming.height:
                raise Bad("BAD_PROOF", "it does not confirm this height")
        with part(name + ".path"):
            leads(self.suite, self.header.digest, self.header.height, confirming.history_size, b["path"],
                  confirming.history_root)
        self.later = b["later_outcome_roots"]
        with part(name + ".later_outcome_roots"):
            if len(self.later) != confirming.exec_height - self.header.height:
                raise Bad("BAD_PROOF", "not one for every height between")
        self.state_root = None if self.later else confirming.state_root
        self.results_root = confirming.results_root

    def is_right(self, results_root):
        for height, outcome_root in enumerate(self.later, self.header.height + 1):
            results_root = next_results(self.suite, results_root, height, outcome_root)
        return results_root == self.results_root


class SameRoot:
    """The root that several leaves of one tree must lead to."""

    def __init__(self, suite, size):
        self.suite = suite
        self.size = size
        self.root = None

    def add(self, data, index, siblings):
        root = self.suite.path_root(data, index, self.size, siblings)
        if self.root not in (None, root):
            raise Bad("BAD_PROOF", "it leads to another root than the one before")
        self.root = root


def transaction_proof(genesis, name, t, block):
    suite = genesis.suite
    with part(name + ".envelope"):
        envelope = scan_envelope(t["envelope"])
        check_envelope(envelope, genesis.chain_id)
    operations = {}
    operations_tree, results_tree = SameRoot(suite, t["operations"]), SameRoot(suite, t["operations"])
    for s in t["shown"]:
        where = "%s.operations[%d]" % (name, s["index"])
        with part(where):
            operations[s["index"]] = scan_operation(s["operation"])
        with part(where + ".path"):
            operations_tree.add(s["operation"], s["index"], s["path"])
    transaction = Author(suite, t["envelope"], envelope, t["operations"], operations_tree.root)
    with part(name + ".authorization"):
        assurance = check_authorization(genesis, transaction, t["scheme"], t["authorization"])
    with part(name + ".batch_header"):
        batch = BatchHeader(t["batch_header"], genesis, block.members)
    with part(name + ".item_path"):
        item = transaction.hash + authorization_leaf(suite, t["scheme"], t["authorization"])
        leads(suite, item, t["item"]["index"], batch.items, t["item"]["path"], batch.items_root)
    with part(name + ".batch_path"):
        leads(suite, batch.digest, t["batch"]["index"], block.header.batches, t["batch"]["path"],
              block.header.body_root)
    if t["code"] == 0:
        for s in t["shown"]:
            with part("%s.operations[%d].result_path" % (name, s["index"])):
                results_tree.add(s["result"], s["index"], s["result_path"])
    results = results_tree.root or suite.tree_root([])
    with part(name + ".outcome_path"):
        index, least = t["outcome"]["index"], t["item"]["index"] + t["batch"]["index"]
        if index < least or (index > least and t["batch"]["index"] == 0):
            raise Bad("BAD_PROOF", "its index does not fit the place in the block")
        leaf = uint(index, 4) + transaction.hash + transaction.id + uint(t["code"], 4) + results
        outcome_root = suite.path_root(leaf, index, t["outcome"]["size"], t["outcome"]["path"])
        if not block.is_right(next_results(suite, t["previous_results_root"], block.header.height, outcome_root)):
            raise Bad("BAD_PROOF", "code and results do not lead to the certified results root")
    if t["code"] == 0:
        for s in t["shown"]:
            number, fields = operations[s["index"]]
            if number == 21:
                with part("%s.operations[%d].result" % (name, s["index"])):
                    decision(s["result"], block.header, transaction, s["index"], fields)
    return {"header": block.header, "transaction": transaction, "assurance": assurance, "batch": batch,
            "code": t["code"],
            "signers": block.signers, "operations": operations, "count": t["operations"],
            "results": {s["index"]: s["result"] for s in t["shown"]} if t["code"] == 0 else {}}


def read_state_proof(data):
    """3.3: siblings, and the leaf at the end or None."""
    reader = Reader(data)
    count = reader.uint(2)
    if count > 256:
        raise Bad("MALFORMED", "more than 256 siblings")
    siblings = [reader.take(32) for _ in range(count)]
    terminal = reader.uint(1)
    if terminal > 1:
        raise Bad("MALFORMED", "a terminal that does not exist")
    end = (reader.take(32), reader.take(32)) if terminal else None
    reader.end()
    return siblings, end


def state_proof(suite, name, s, block):
    with part(name + ".block"):
        if block.state_root is None:
            raise Bad("BAD_PROOF", "the block gives no state root")
    with part(name + ".key"):
        if s["kind"] not in ROWS or len(s["key"]) != ROWS[s["kind"]][1]:
            raise Bad("MALFORMED", "no such kind, or a key of another length")
    path = suite.state_path(s["kind"], s["key"])
    with part(name + ".proof"):
        siblings, end = read_state_proof(s["proof"])
        if suite.state_root(path, siblings, end) != block.state_root:
            raise Bad("BAD_PROOF", "it does not lead to the state root")
        if (end is not None and end[0] == path) != bool(s["present"]):
            raise Bad("BAD_PROOF", "it shows presence for absence, or the reverse")
    with part(name + ".value"):
        if s["present"] and suite.h(s["value"]) != end[1]:
            raise Bad("BAD_PROOF", "it is not the value that was hashed")
    return {"header": block.header, "signers": block.signers, "kind": s["kind"], "key": s["key"], "value": s["value"],
            "row": row(s["kind"], s["value"]) if s["present"] else None}


def consistency_proof(epochs, name, c):
    suite = epochs.genesis.suite
    with part(name + ".old_header"):
        old = a_header(c["old_header"], epochs)
    new, signers = certified_header(epochs, name + ".new", c["new"])
    with part(name + ".consistency_path"):
        if old.height >= new.height:
            raise Bad("BAD_PROOF", "the old height is not below the new one")
        suite.consistent(old.history_size, old.history_root, new.history_size, new.history_root, c["consistency_path"])
    with part(name + ".path"):
        leads(suite, old.digest, old.height, new.history_size, c["path"], new.history_root)
    return {"old": old, "new": new, "signers": signers}


def opening(suite, name, o, state):
    with part(name + ".record"):
        record = state["row"] if state["kind"] == 2 else None
        if not record or record["canon"] > 255 or len(record["commitment"]) != 32:
            raise Bad("MALFORMED", "its state is no record that commits to a document")
    with part(name + ".document"):
        if commitment(suite, o["key"], record["canon"], o["document"]) != record["commitment"]:
            raise Bad("COMMITMENT_MISMATCH", "the record does not commit to this document")
    return {"pointer_id": state["key"], "document": o["document"]}


def check_summary(data):
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Bad("MALFORMED", "it is not UTF-8") from None
    for c in text:
        if (ord(c) < 0x20 and c != "\n") or 0x7f <= ord(c) <= 0x9f:
            raise Bad("MALFORMED", "a character that is not allowed")


def verify(genesis, genesis_bytes, data):
    """Every check; genesis is None where a bundle is to bring its own. Returns the genesis used and what was proved."""
    f = framing.read(data)
    bundle = f["kind"] == "evidence"
    if bundle:
        with part("summary"):
            check_summary(f["summary"])
        if genesis is None:
            genesis = Genesis(f["genesis"])
        elif f["genesis"] != genesis_bytes:
            raise Failure("genesis", "WRONG_CHAIN", "the bundle holds another genesis.json")
    if f["chain_id"] != genesis.chain_id:
        raise Failure("chain_id", "WRONG_CHAIN", "it is not the one of this genesis.json")
    out = {"transactions": [], "states": [], "consistency": [], "openings": []}
    if bundle:
        if f["epoch"] != 1 or f["members"] != genesis.member_set:
            raise Failure("members", "BAD_PROOF", "they are not those of genesis.json")
    epochs = follow(genesis, f["epochs"])
    if bundle:
        verify_bundle(epochs, f, out)
    elif f["kind"] == "consistency proof":
        out["consistency"].append(consistency_proof(epochs, "consistency", f["consistency"]))
    else:
        block = Block(epochs, "block", f["block"])
        if f["kind"] == "state proof":
            out["states"].append(state_proof(genesis.suite, "state", f["state"], block))
        else:
            out["transactions"].append(transaction_proof(genesis, "transaction", f["transaction"], block))
    return genesis, out


def verify_bundle(epochs, f, out):
    genesis = epochs.genesis
    blocks = [Block(epochs, "blocks[%d]" % i, b) for i, b in enumerate(f["blocks"])]
    for i, t in enumerate(f["transactions"]):
        out["transactions"].append(transaction_proof(genesis, "transactions[%d]" % i, t, blocks[t["block"]]))
    for i, s in enumerate(f["states"]):
        out["states"].append(state_proof(genesis.suite, "states[%d]" % i, s, blocks[s["block"]]))
    for i, c in enumerate(f["consistency"]):
        out["consistency"].append(consistency_proof(epochs, "consistency[%d]" % i, c))
    for i, o in enumerate(f["openings"]):
        out["openings"].append(opening(genesis.suite, "openings[%d]" % i, o, out["states"][o["state"]]))
