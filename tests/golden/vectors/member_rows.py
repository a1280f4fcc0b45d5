"""Rows of the state that say who the members are and what they did (docs/spec/formats.md 5.1, kinds 7 to 14), in a chain of
their own, and the files about them. What is in the rows is made up: a proof is about bytes, not about how they came there.
"""

import files as f
import state
from codec import uint, write_message
from editing import Editor, flip
from epoch_sample import made_member, member_set
from sample_chain import SampleChain, field, name32, operation
from signing import public_key

FIRST, FULL = 1, 2  # blocks: before the rows and after


class MemberRows(SampleChain):
    """`named` holds kind, key and what is said of it, by the name of the row."""

    def row(self, name, kind, key, values, what):
        self.named[name] = (kind, key, what)
        self.put(kind, key, values)


def build_member_rows(folder):
    c = MemberRows(folder)
    c.named = {}
    c.add([])
    ids = [bytes.fromhex(m["id"]) for m in c.genesis.members]
    fifth = made_member(c.suite, "E")
    key, created_ms = public_key(c.suite, fifth.secret), c.genesis.created_ms
    made = [made_member(c.suite, "of %d" % i, ident) for i, ident in enumerate(ids)]
    proposal, learner_proposal = name32("proposal"), name32("proposal of a learner")
    c.row("membership", 7, b"", {"epoch": 2, "next_members": member_set([*made, fifth]), "next_proposal": proposal,
                                 "next_height": 2, "learners": [fifth.id, name32("another learner")]},
          "the epoch, the list that is to follow, and two learners")
    c.row("epoch", 8, uint(2, 8), {"first_height": 1, "members": member_set(made), "proposal": name32("proposal before")},
          "the members of epoch 2")
    c.row("member", 9, fifth.id, {"status": 1, "name": "Hôpital E".encode(), "consensus_key": key, "tls_ca": fifth.ca,
                                  "admin": name32("admin E"), "ready_height": 1, "ready_time_ms": created_ms + 1000,
                                  "open_proposals": [proposal, learner_proposal]}, "a learner")
    c.row("claim", 10, c.suite.tagged("galen/1 member key", key), {"member": fifth.id, "height": 2},
          "whose consensus key that is")
    c.row("claim-name", 10, c.suite.tagged("galen/1 member name", "Hôpital E".encode()), {"member": fifth.id, "height": 2},
          "whose name that is")
    c.row("proposal", 11, proposal, {"proposer": ids[0], "author": name32("admin A"), "change": operation(17, field(1, fifth.id)),
                                     "status": 2, "proposed_height": 1, "expires_ms": created_ms + 7 * 86400000,
                                     "approvals": ids[:3], "rejections": ids[3:], "decided_height": 2},
          "a change that was approved")
    c.row("certified-roots", 12, b"", {"roots": [{"height": h, "time_ms": created_ms + 10000 * h,
                                                  "state_root": name32("root %d" % h)} for h in range(1, 65)]},
          "as many roots as are kept")
    c.row("equivocation", 13, uint(2, 8) + ids[1], {"kind": 2, "view": 0, "place": 2, "transaction_id": name32("report"),
                                                    "reporter": ids[2], "height": 2, "time_ms": created_ms + 2000},
          "a member that signed two values for one place")
    c.row("leadership", 14, b"", {"failures": [0, 3, 0, 300], "skips": [
        {"member": 0, "from_view": 2**32, "until_view": 2**63, "height": 2},
        {"member": 3, "from_view": 0, "until_view": 5, "height": 1}]},
          "views that failed, and who is left out")
    c.odd = name32("no member")
    c.rows[9, c.odd] = b"\xff"
    for _ in range(3):
        c.add([])
    return c


def good_member_rows(v, c):
    cid = c.genesis.chain_id

    def one(name, what, kind, key, height=FULL, block=None):
        v.good("state-" + name, f.write_stp(cid, block or f.block_at_once(c, height), f.state_proof(c, height, kind, key)),
               what)

    for name, (kind, key, what) in c.named.items():
        one(name, what, kind, key)
    one("leadership-history", "the same, by history", 14, b"", 3, f.block_by_history(c, 3, 4))
    one("membership-absent", "before members first changed", 7, b"", FIRST)
    one("epoch-absent", "an epoch that has not come", 8, uint(3, 8))
    one("epoch-never", "an epoch that cannot be", 8, uint(0, 8))
    one("member-absent", "a member of genesis that nothing concerned", 9, bytes.fromhex(c.genesis.members[0]["id"]))
    one("equivocation-absent", "another epoch than the one of the fault", 13, uint(1, 8) + c.named["equivocation"][1][8:])
    one("leadership-absent", "before a view failed", 14, b"", FIRST)
    one("member-unreadable", "a value that is no message: its bytes are proved all the same", 9, c.odd)
    v.good("evidence-member-rows", f.write_bundle(every_row(c)), "a bundle of all of these")


def every_row(c):
    return f.bundle(c, [f.block_at_once(c, FULL)],
                    states=[(0, f.state_proof(c, FULL, kind, key)) for kind, key, _ in c.named.values()])


def bad_member_rows(v, c):
    cid = c.genesis.chain_id

    def editor(name):
        kind, key, _ = c.named[name]
        e = Editor(v, "state-" + name, lambda block, state: f.write_stp(cid, block, state), block=f.block_at_once(c, FULL),
                   state=f.state_proof(c, FULL, kind, key))
        return lambda what, part, reason, told, value: e(what, "state." + part, reason, told, (("state", FIELD[part]), value))

    # Of each kind a key that is too short or too long, a changed value, and its absence.
    for name, (kind, key, _) in c.named.items():
        e = editor(name)
        wrong = key + b"\0" if not key else key[:-1]
        e("key-length", "key", "MALFORMED", "a key of %d bytes" % len(wrong), wrong)
        e("bit", "value", "BAD_PROOF", "one bit of the value", flip(-1))
        e("denied", "proof", "BAD_PROOF", "absence of a row that is there", 0)
    more = Editor(v, "state", lambda block, state: f.write_stp(cid, block, state), block=f.block_at_once(c, FULL),
                  state=f.state_proof(c, FULL, 13, c.named["equivocation"][1]))
    k, p = "state.key", "state.proof"
    fault = c.named["equivocation"][1]
    more("equivocation-other-epoch", p, "BAD_PROOF", "another epoch", (("state", "key"), flip(7)))
    more("equivocation-other-member", p, "BAD_PROOF", "another member", (("state", "key"), flip(8)))
    more("equivocation-swapped", p, "BAD_PROOF", "the member before the epoch", (("state", "key"), fault[8:] + fault[:8]))
    more("equivocation-no-epoch", k, "MALFORMED", "the member alone", (("state", "key"), fault[8:]))
    more("kind-15", k, "MALFORMED", "kind 15, which no row has", (("state", "kind"), 15), (("state", "key"), b""))
    more("kind-255", k, "MALFORMED", "kind 255", (("state", "kind"), 255), (("state", "key"), bytes(32)))
    member = Editor(v, "state", lambda block, state: f.write_stp(cid, block, state), block=f.block_at_once(c, FULL),
                    state=f.state_proof(c, FULL, 9, c.named["member"][1]))
    member("member-as-claim", p, "BAD_PROOF", "a member's row told as a claim", (("state", "kind"), 10))
    member("member-as-fault", k, "MALFORMED", "a member's row told as a fault", (("state", "kind"), 13))
    lone = Editor(v, "state", lambda block, state: f.write_stp(cid, block, state), block=f.block_at_once(c, FULL),
                  state=f.state_proof(c, FULL, 14, b""))
    lone("leadership-as-membership", p, "BAD_PROOF", "one row without a key told as another", (("state", "kind"), 7))
    # The same list in the unpacked form says the same and is not the same.
    failures = b"".join(field(2, n) or b"\x10\0" for n in (0, 3, 0, 300))
    packed = write_message(state.ROWS[14][2], dict(state.row(14, c.rows[14, b""]), skips=[]))
    skips = c.rows[14, b""][len(packed):]
    lone("leadership-unpacked", "state.value", "BAD_PROOF", "failures one by one", (("state", "value"),
                                                                                 field(1, 1) + failures + skips))
    early = Editor(v, "state", lambda block, state: f.write_stp(cid, block, state), block=f.block_at_once(c, FIRST),
                   state=f.state_proof(c, FIRST, 14, b""))
    early("leadership-made-up", p, "BAD_PROOF", "presence of a row that is not there", (("state", "present"), 1),
          (("state", "value"), c.rows[14, b""]))
    bundle = Editor(v, "evidence-member-rows", lambda bundle: f.write_bundle(bundle), bundle=every_row(c))
    bundle("key", "states[1].key", "MALFORMED", "an epoch of 7 bytes",
           (("bundle", "states", 1, 1, "key"), lambda key: key[1:]))
    bundle("value", "states[7].value", "BAD_PROOF", "one bit of a member's fault",
           (("bundle", "states", 7, 1, "value"), flip(-1)))


FIELD = {"key": "key", "value": "value", "proof": "present"}
