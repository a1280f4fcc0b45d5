"""Receipts (docs/spec/formats.md 8): reading the file, and the checks in the order of evidence.md 4."""

from chain import BatchHeader, Certificate, about, check_commit, next_results
from codec import Bad, Failure, Field, part, read_message, uint, write_message
from epochs import follow
from transaction import Transaction, authorization_leaf, check_authorization

U32, U64 = 2**32 - 1, 2**64 - 1
MAGIC = b"GALENRCP"
PATH = {1: Field("index", "uint", U64), 2: Field("size", "uint", U64), 3: Field("siblings", "bytes", repeated=True)}
EPOCH = {1: Field("header", "bytes"), 2: Field("next_members", "bytes"), 3: Field("commit_certificate", "bytes")}
CONFIRMATION = {1: Field("header", "bytes"), 2: Field("commit_certificate", "bytes"),
                3: Field("block_commit_certificate", "bytes"), 4: Field("later_outcome_roots", "bytes", repeated=True),
                5: Field("history_path", "message", sub=PATH)}
RECEIPT = {
    1: Field("format", "uint", U32), 2: Field("chain_id", "bytes"),
           3: Field("epochs", "message", repeated=True, sub=EPOCH),
    4: Field("header", "bytes"), 5: Field("transaction", "bytes"), 6: Field("scheme", "uint", U32),
    7: Field("authorization", "bytes"), 8: Field("item_path", "message", sub=PATH), 9: Field("batch_header", "bytes"),
    10: Field("batch_path", "message", sub=PATH), 11: Field("code", "uint", U32),
    12: Field("results", "bytes", repeated=True), 13: Field("outcome_path", "message", sub=PATH),
    14: Field("previous_results_root", "bytes"), 15: Field("state_root", "bytes"),
    16: Field("executed_certificate", "bytes"), 17: Field("confirmation", "message", sub=CONFIRMATION),
}
NO_PATH = {"index": 0, "size": 0, "siblings": []}


def read(data):
    """The fields of a receipt file."""
    with part("file"):
        if data[:8] != MAGIC:
            raise Bad("MALFORMED", "the file does not begin with GALENRCP")
        if len(data) < 10:
            raise Bad("MALFORMED", "the file is cut short")
        if data[8:10] != b"\0\1":
            raise Bad("UNSUPPORTED_VERSION", "another version of the file")
        if len(data) - 10 > 8 << 20:
            raise Bad("TOO_LARGE", "longer than 8 MiB")
        return read_message(RECEIPT, data[10:])


def write(fields):
    return MAGIC + b"\0\1" + write_message(RECEIPT, fields)


def refuse(where, reason, message):
    raise Failure(where, reason, message)


def verify(genesis, data):
    """Every check; returns what the report tells."""
    r = read(data)
    if r["format"] != 1:
        refuse("format", "UNSUPPORTED_VERSION", "format %d" % r["format"])
    if len(r["chain_id"]) != 32:
        refuse("chain_id", "MALFORMED", "a chain id has 32 bytes")
    if r["chain_id"] != genesis.chain_id:
        refuse("chain_id", "WRONG_CHAIN", "it is not the one of this genesis.json")
    if bool(r["executed_certificate"]) == (r["confirmation"] is not None):
        refuse("certificate", "MALFORMED", "not exactly one of executed_certificate and confirmation")
    epochs = follow(genesis, r["epochs"])
    with part("header"):
        header = epochs.header(r["header"])
    members = epochs[header.epoch]
    with part("transaction"):
        transaction = Transaction(r["transaction"], genesis)
    if r["scheme"] > 3:
        refuse("scheme", "MALFORMED", "there is no scheme %d" % r["scheme"])
    with part("authorization"):
        if len(r["authorization"]) > 1024:
            raise Bad("MALFORMED", "more than 1024 bytes")
        assurance = check_authorization(genesis, transaction, r["scheme"], r["authorization"])
    batch, least, exact = verify_place(genesis, members, r, header, transaction)
    results_root = verify_outcome(genesis.suite, r, header, transaction, least, exact)
    if r["confirmation"] is None:
        signers = verify_executed(members, r, header, results_root)
    else:
        signers = verify_confirmation(epochs, r, header, results_root)
    return {"header": header, "transaction": transaction, "assurance": assurance, "batch": batch, "code": r["code"],
            "signers": signers, "results": dict(enumerate(r["results"])),
            "operations": dict(enumerate(transaction.operations))}


def path_of(r, name):
    return path_fields(r[name] or NO_PATH, name)


def path_fields(path, name):
    if len(path["siblings"]) > 64 or any(len(sibling) != 32 for sibling in path["siblings"]):
        refuse(name, "MALFORMED", "at most 64 siblings, each of 32 bytes")
    return path["index"], path["size"], path["siblings"]


def verify_place(genesis, members, r, header, transaction):
    """The item stands in the batch, the batch in the block. Gives the batch, and what the outcome's index may be."""
    with part("batch_header"):
        batch = BatchHeader(r["batch_header"], genesis, members)
    item_index, size, siblings = path_of(r, "item_path")
    with part("item_path"):
        item = transaction.hash + authorization_leaf(genesis.suite, r["scheme"], r["authorization"])
        if genesis.suite.path_root(item, item_index, size, siblings) != batch.items_root or size != batch.items:
            raise Bad("BAD_PROOF", "the transaction and its authorization do not lead to the items root")
    batch_index, size, siblings = path_of(r, "batch_path")
    with part("batch_path"):
        root = genesis.suite.path_root(batch.digest, batch_index, size, siblings)
        if root != header.body_root or size != header.batches:
            raise Bad("BAD_PROOF", "the batch header does not lead to the body root")
    return batch, item_index + batch_index, batch_index == 0


def verify_outcome(suite, r, header, transaction, least, exact):
    """The results root that this outcome gives."""
    if r["code"] > 65535:
        refuse("code", "MALFORMED", "there is no code %d" % r["code"])
    if len(r["results"]) != (0 if r["code"] else len(transaction.operations)):
        refuse("results", "MALFORMED", "not one result for each operation")
    path = r["outcome_path"] or NO_PATH
    if path["index"] < least or (exact and path["index"] != least) or path["index"] > U32:
        refuse("outcome_path", "BAD_PROOF", "its index does not fit the place in the block")
    index, size, siblings = path_of(r, "outcome_path")
    leaf = uint(index, 4) + transaction.hash + transaction.id + uint(r["code"], 4) + suite.tree_root(r["results"])
    with part("outcome_path"):
        outcome_root = suite.path_root(leaf, index, size, siblings)
    if len(r["previous_results_root"]) != 32:
        refuse("previous_results_root", "MALFORMED", "a root has 32 bytes")
    return next_results(suite, r["previous_results_root"], header.height, outcome_root)


def verify_executed(members, r, header, results_root):
    with part("executed_certificate"):
        certificate = Certificate(r["executed_certificate"], executed=True)
    if len(r["state_root"]) != 32:
        refuse("state_root", "MALFORMED", "a root has 32 bytes")
    with part("executed_certificate"):
        about(certificate, header)
    if certificate.results_root != results_root:
        refuse("outcome_path", "BAD_PROOF", "code and results do not lead to the certified results root")
    if certificate.state_root != r["state_root"]:
        refuse("state_root", "BAD_PROOF", "it is not the certified one")
    with part("executed_certificate"):
        return certificate.holds(members)


def verify_confirmation(epochs, r, header, results_root):
    c = r["confirmation"]
    roots = c["later_outcome_roots"]
    with part("confirmation.header"):
        confirming = epochs.header(c["header"])
        if not header.height <= confirming.exec_height < confirming.height:
            raise Bad("BAD_PROOF", "it does not confirm this height")
    if len(roots) != confirming.exec_height - header.height:
        refuse("confirmation.later_outcome_roots", "BAD_PROOF", "not one for every height between")
    if any(len(root) != 32 for root in roots):
        refuse("confirmation.later_outcome_roots", "MALFORMED", "a root has 32 bytes")
    for height, root in enumerate(roots, header.height + 1):
        results_root = next_results(epochs.genesis.suite, results_root, height, root)
    if results_root != confirming.results_root:
        refuse("outcome_path", "BAD_PROOF", "code and results do not lead to the confirmed results root")
    if r["state_root"] != (confirming.state_root if confirming.exec_height == header.height else b""):
        refuse("state_root", "BAD_PROOF", "it is not the confirmed one")
    if c["history_path"] is None:
        with part("confirmation.block_commit_certificate"):
            check_commit(epochs[header.epoch], c["block_commit_certificate"], header)
    else:
        verify_history(epochs.genesis.suite, c, header, confirming)
    with part("confirmation.commit_certificate"):
        return check_commit(epochs[confirming.epoch], c["commit_certificate"], confirming)


def verify_history(suite, c, header, confirming):
    """The block stands in the history of the confirming header."""
    name = "confirmation.history_path"
    if c["block_commit_certificate"]:
        refuse(name, "MALFORMED", "not exactly one of block_commit_certificate and history_path")
    index, size, siblings = path_fields(c["history_path"], name)
    with part(name):
        if index != header.height or size != confirming.history_size:
            raise Bad("BAD_PROOF", "it is of another height, or of a tree of another size")
        if suite.path_root(header.digest, index, size, siblings) != confirming.history_root:
            raise Bad("BAD_PROOF", "the block does not lead to the confirming header's history")
