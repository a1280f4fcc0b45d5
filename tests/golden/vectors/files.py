"""Files cut from the sample chain, first as dicts of fields that can be changed, then as bytes (docs/spec/formats.md
8, evidence.md 1, 2)."""

from sample_chain import audit_path, consistency_path  # first: it says where the modules of the verifier are
import framing
import receipt as receipts
from codec import uint
from epochs import write_link


def merkle(suite, entries, index):
    return {"index": index, "size": len(entries), "siblings": audit_path(suite, entries, index)}


def history_path(chain, height, size):
    return audit_path(chain.suite, [b.digest for b in chain.blocks[:size]], height)


def merkle_in_history(chain, height, size):
    return merkle(chain.suite, [b.digest for b in chain.blocks[:size]], height)


def receipt(chain, height, batch, item, confirmed_by=None, by_history=False, **certificate):
    """Fields of a receipt; at once, or confirmed by the block of that height, in whose history it may stand in place
    of having a COMMIT-QC of its own."""
    block = chain.blocks[height]
    b, one = block.batches[batch], block.batches[batch].items[item]
    place = sum(len(x.items) for x in block.batches[:batch]) + item
    out = {"format": 1, "chain_id": chain.genesis.chain_id,
           "epochs": chain.links_to(chain.blocks[confirmed_by or height]), "header": block.header,
           "transaction": one.transaction,
           "scheme": one.scheme, "authorization": one.authorization,
           "item_path": merkle(chain.suite, [x.leaf() for x in b.items], item),
           "batch_header": b.header, "batch_path": merkle(chain.suite, [x.digest for x in block.batches], batch),
           "code": one.code,
           "results": list(one.results), "outcome_path": merkle(chain.suite, block.outcomes, place),
           "previous_results_root": chain.blocks[height - 1].results_root, "state_root": block.state_root,
           "executed_certificate": b"", "confirmation": None}
    if confirmed_by is None:
        out["executed_certificate"] = chain.executed(block, **certificate)
        return out
    later = chain.blocks[confirmed_by]
    until = later.values["exec_height"]
    out["state_root"] = block.state_root if until == height else b""
    out["confirmation"] = {"header": later.header, "commit_certificate": chain.commit(later),
                           "block_commit_certificate": b"" if by_history else chain.commit_of_block(block),
                           "later_outcome_roots": outcome_roots(chain, height, until),
                           "history_path": merkle_in_history(chain, height, confirmed_by) if by_history else None}
    return out


def outcome_roots(chain, height, until):
    return [chain.suite.tree_root(b.outcomes) for b in chain.blocks[height + 1:until + 1]]


def certified_header(chain, height, link=None):
    block = chain.blocks[height]
    out = {"header": block.header, "later": None, "commit_certificate": chain.commit(chain.blocks[height if link is None
                                                                                                  else link])}
    if link is not None:
        out["later"] = {"header": chain.blocks[link].header, "path": history_path(chain, height, link)}
    return out


def block_at_once(chain, height):
    block = chain.blocks[height]
    return {"header": block.header, "way": 1, "executed_certificate": chain.executed(block)}


def block_by_history(chain, height, confirming, link=None):
    until = chain.blocks[confirming].values["exec_height"]
    return {"header": chain.blocks[height].header, "way": 2, "path": history_path(chain, height, confirming),
            "confirming": certified_header(chain, confirming, link),
            "later_outcome_roots": outcome_roots(chain, height, until)}


def transaction_proof(chain, height, batch, item, shown):
    block = chain.blocks[height]
    r = receipt(chain, height, batch, item)
    one = block.batches[batch].items[item]
    out = {"scheme": one.scheme, "authorization": one.authorization, "envelope": one.envelope,
           "operations": len(one.operations),
           "code": one.code, "shown": [], "item": {"index": item, "path": r["item_path"]["siblings"]},
           "batch_header": r["batch_header"], "batch": {"index": batch, "path": r["batch_path"]["siblings"]},
           "outcome": {"index": r["outcome_path"]["index"], "size": r["outcome_path"]["size"],
                       "path": r["outcome_path"]["siblings"]},
           "previous_results_root": r["previous_results_root"]}
    for index in shown:
        s = {"index": index, "operation": one.operations[index], "path": audit_path(chain.suite, one.operations, index)}
        if one.code == 0:
            s.update(result=one.results[index], result_path=audit_path(chain.suite, one.results, index))
        out["shown"].append(s)
    return out


def state_proof(chain, height, kind, key):
    tree = chain.blocks[height].state
    siblings, end = tree.proof(kind, key)
    value = tree.rows.get((kind, key))
    return {"kind": kind, "key": key, "present": 0 if value is None else 1, "value": value,
            "proof": write_state_tree_proof(siblings, end)}


def write_state_tree_proof(siblings, end):
    return uint(len(siblings), 2) + b"".join(siblings) + (b"\0" if end is None else b"\1" + end[0] + end[1])


def consistency(chain, old, new, link=None):
    digests = [b.digest for b in chain.blocks[:new]]
    return {"old_header": chain.blocks[old].header, "consistency_path": consistency_path(chain.suite, digests, old),
            "path": audit_path(chain.suite, digests, old), "new": certified_header(chain, new, link)}


# Bytes

def sized(size, data):
    return uint(len(data), size) + data


def path(siblings):
    return uint(len(siblings), 1) + b"".join(siblings)


def write_certified_header(c):
    later = b"\0" if c["later"] is None else b"\1" + c["later"]["header"] + path(c["later"]["path"])
    return c["header"] + later + sized(4, c["commit_certificate"])


def write_block(b):
    out = b["header"] + uint(b["way"], 1)
    if b["way"] == 1:
        return out + sized(4, b["executed_certificate"])
    roots = b["later_outcome_roots"]
    return out + path(b["path"]) + write_certified_header(b["confirming"]) + uint(len(roots), 2) + b"".join(roots)


def write_transaction(t):
    out = (uint(t["scheme"], 1) + sized(2, t["authorization"]) + sized(2, t["envelope"]) + uint(t["operations"], 2)
           + uint(t["code"], 2) + uint(len(t["shown"]), 2))
    for s in t["shown"]:
        out += uint(s["index"], 2) + sized(2, s["operation"]) + path(s["path"])
        if t["code"] == 0:
            out += sized(4, s["result"]) + path(s["result_path"])
    out += uint(t["item"]["index"], 4) + path(t["item"]["path"]) + t["batch_header"]
    out += uint(t["batch"]["index"], 4) + path(t["batch"]["path"])
    out += uint(t["outcome"]["index"], 4) + uint(t["outcome"]["size"], 4) + path(t["outcome"]["path"])
    return out + t["previous_results_root"]


def write_state(s):
    value = sized(4, s["value"] or b"") if s["present"] else b""
    return uint(s["kind"], 1) + sized(1, s["key"]) + uint(s["present"], 1) + value + sized(4, s["proof"])


def write_consistency(c):
    return c["old_header"] + path(c["consistency_path"]) + path(c["path"]) + write_certified_header(c["new"])


def head(magic, chain_id, epochs=()):
    if not epochs:
        return magic + uint(1, 2) + chain_id
    return magic + uint(2, 2) + chain_id + uint(len(epochs), 2) + b"".join(write_link(link) for link in epochs)


def write_txp(chain_id, block, transaction, epochs=()):
    return head(b"GALENTXP", chain_id, epochs) + write_block(block) + write_transaction(transaction)


def write_stp(chain_id, block, state, epochs=()):
    return head(b"GALENSTP", chain_id, epochs) + write_block(block) + write_state(state)


def write_con(chain_id, proof, epochs=()):
    return head(b"GALENCON", chain_id, epochs) + write_consistency(proof)


def bundle(chain, blocks, transactions=(), states=(), consistencies=(), openings=()):
    """Transactions and states as (block number, part), openings as (state number, key, document)."""
    return {"chain_id": chain.genesis.chain_id,
            "summary": "An example for verifiers.\nIt proves nothing: check the file.\n".encode(),
            "epochs": [], "genesis": chain.genesis_bytes, "sets": 1, "epoch": 1, "members": chain.genesis.member_set,
            "blocks": list(blocks),
            "transactions": list(transactions), "states": list(states), "consistency": list(consistencies),
            "openings": list(openings)}


def write_bundle(b):
    out = head(b"GALENEVD", b["chain_id"], b["epochs"]) + sized(4, b["summary"]) + sized(4, b["genesis"])
    out += uint(b["sets"], 2) + uint(b["epoch"], 8) + sized(4, b["members"])
    out += uint(len(b["blocks"]), 2) + b"".join(sized(4, write_block(x)) for x in b["blocks"])
    for name, write in (("transactions", write_transaction), ("states", write_state)):
        out += uint(len(b[name]), 2) + b"".join(uint(n, 2) + sized(4, write(x)) for n, x in b[name])
    out += uint(len(b["consistency"]), 2) + b"".join(sized(4, write_consistency(x)) for x in b["consistency"])
    out += uint(len(b["openings"]), 2)
    return out + b"".join(uint(n, 2) + key + sized(4, document) for n, key, document in b["openings"])


# Any file as one tree of dicts and lists, and back

def parse(data):
    """Fields of a file that reads; receipts have a "format", the others a "kind"."""
    return receipts.read(data) if data[:8] == receipts.MAGIC else framing.read(data)


def write(tree):
    if "kind" not in tree:
        return receipts.write(tree)
    chain_id = tree["chain_id"]
    if tree["kind"] == "transaction proof":
        return write_txp(chain_id, tree["block"], tree["transaction"], tree["epochs"])
    if tree["kind"] == "state proof":
        return write_stp(chain_id, tree["block"], tree["state"], tree["epochs"])
    if tree["kind"] == "consistency proof":
        return write_con(chain_id, tree["consistency"], tree["epochs"])
    numbered = {name: [(part["block"], part) for part in tree[name]] for name in ("transactions", "states")}
    return write_bundle(dict(tree, sets=1, openings=[(o["state"], o["key"], o["document"]) for o in tree["openings"]],
                             **numbered))
