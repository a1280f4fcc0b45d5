"""Files that span ends of epochs and must be refused (docs/spec/formats.md 6.6)."""

import copy

import files as f
from codec import uint
from editing import Editor, batch_with, flip, header_with
from epoch_sample import made_member, member_set, several_epochs


def changed(links, index, **changes):
    """The links with other fields in one of them."""
    out = copy.deepcopy(links)
    for name, value in changes.items():
        out[index][name] = value(out[index][name]) if callable(value) else value
    return out


def bad_epochs(v, c):
    bad_order(v, c)
    bad_link_headers(v, c)
    bad_next_members(v, c)
    bad_link_certificates(v, c)
    bad_memberships(v, c)
    bad_files(v, c)


def bad_order(v, c):
    at_once = f.receipt(c, 9, 0, 0)
    first, second, third = c.links

    def r(name, part, reason, what, epochs):
        v.receipt("epochs-" + name, at_once, part, reason, what, epochs=epochs)

    r("none", "header", "BAD_PROOF", "a block of epoch 4 and no link", [])
    r("last-missing", "header", "BAD_PROOF", "the last of three links is missing", [first, second])
    r("first-missing", "epochs[0].header", "BAD_PROOF", "the first of three links is missing", [second, third])
    r("middle-missing", "epochs[1].header", "BAD_PROOF", "the second of three links is missing", [first, third])
    r("swapped", "epochs[0].header", "BAD_PROOF", "the first two links in each other's place", [second, first, third])
    r("twice", "epochs[1].header", "BAD_PROOF", "the first link twice", [first, *c.links])
    r("1025", "epochs", "TOO_LARGE", "1025 links",
      [{"header": b"", "next_members": b"", "commit_certificate": b""}] * 1025)


def bad_link_headers(v, c):
    at_once = f.receipt(c, 9, 0, 0)
    end = c.blocks[3]

    def r(name, part, reason, what, links):
        v.receipt("epochs-header-" + name, at_once, part, reason, what, epochs=links)

    def signed(name, part, reason, what, block=end, index=0, **values):
        """A quorum signed a header like that."""
        other = header_with(block, **values)
        r(name, part, reason, what + ", signed by a quorum",
          changed(c.links, index, header=other.header, commit_certificate=c.commit(other, of=index + 1)))

    name = "epochs[0].header"
    r("short", name, "MALFORMED", "a header of 285 bytes", changed(c.links, 0, header=lambda x: x[:-1]))
    r("version", name, "UNSUPPORTED_VERSION", "version 3", changed(c.links, 0, header=flip(1, 2)))
    r("chain", name, "WRONG_CHAIN", "another chain", changed(c.links, 0, header=flip(4)))
    signed("epoch", name, "BAD_PROOF", "epoch 2 where epoch 1 ends", epoch=2)
    signed("epoch-zero", name, "BAD_PROOF", "epoch 0", epoch=0)
    signed("no-end", name, "BAD_PROOF", "no epoch_end", flags=0)
    signed("tenure-end", name, "BAD_PROOF", "tenure_end in place of epoch_end", flags=1)
    signed("both-ends", name, "MALFORMED", "both end flags", flags=3)
    signed("no-next", name, "MALFORMED", "next members hash zero", next_members=bytes(32))
    signed("zero", name, "MALFORMED", "height 0", height=0)
    signed("height", "epochs[1].header", "BAD_PROOF", "the height at which the epoch before ended", c.blocks[6], 1,
           height=3)
    signed("height-last", name, "BAD_PROOF", "height 2^64-1, above which no epoch can begin", height=2**64 - 1,
           history_size=2**64 - 1)
    r("bit", "epochs[0].commit_certificate", "BAD_PROOF", "one bit of its time", changed(c.links, 0, header=flip(99)))
    last = header_with(end, height=2**64 - 1, history_size=2**64 - 1)
    v.receipt("epochs-header-height-last-alone", f.receipt(c, 2, 0, 0), name, "BAD_PROOF",
              "the same, in a receipt of epoch 1, which needs no link",
              epochs=changed(c.links[:1], 0, header=last.header, commit_certificate=c.commit(last)))


def bad_next_members(v, c):
    at_once = f.receipt(c, 9, 0, 0)
    a, b, third, d, fifth = c.sets[1]
    sixth, seventh = made_member(c.suite, "F"), made_member(c.suite, "G")
    b_again, d_again = made_member(c.suite, "B again", b.id), made_member(c.suite, "D again", d.id)
    name = "epochs[0].next_members"

    def r(what, reason, sentence, value):
        v.receipt("epochs-members-" + what, at_once, name, reason, sentence,
                  epochs=changed(c.links, 0, next_members=value))

    def named(what, reason, sentence, data):
        """A quorum ended epoch 1 with these members."""
        end = header_with(c.blocks[3], next_members=c.suite.tagged("galen/1 members", data))
        v.receipt("epochs-members-" + what, at_once, name, reason, sentence + ", signed by a quorum", epochs=changed(
            c.links, 0, header=end.header, next_members=data, commit_certificate=c.commit(end)))

    r("bit", "BAD_PROOF", "one bit of a member's id", flip(40))
    r("key-bit", "BAD_PROOF", "one bit of the new member's key", flip(4 + 4 * 129 + 60))
    r("ca-bit", "BAD_PROOF", "one bit of the last CA fingerprint", flip(-1))
    r("order", "BAD_PROOF", "the members in another order", member_set([b, a, third, d, fifth]))
    r("old", "BAD_PROOF", "the members of the epoch that ends", member_set(c.sets[0]))
    r("none", "BAD_PROOF", "no member set", b"")
    good = member_set(c.sets[1])
    named("version", "UNSUPPORTED_VERSION", "version 2 of a member set", uint(2, 2) + good[2:])
    named("empty", "MALFORMED", "no bytes as a member set", b"")
    named("short", "MALFORMED", "a byte too few", good[:-1])
    named("trailing", "MALFORMED", "a byte too many", good + b"\0")
    named("zero", "MALFORMED", "no member", uint(1, 2) + uint(0, 2))
    named("three", "MALFORMED", "three members", member_set([a, b, third]))
    named("id-twice", "MALFORMED", "one id twice", member_set([a, b, third, d, made_member(c.suite, "E", a.id)]))
    named("key-twice", "MALFORMED", "one key twice", good[:4 + 4 * 129 + 32] + good[36:101] + good[4 + 4 * 129 + 97:])
    named("id-zero", "MALFORMED", "an id of zeros", member_set([a, b, third, d, made_member(c.suite, "E", bytes(32))]))
    named("no-point", "MALFORMED", "a key that is no point of the curve", flip(4 + 4 * 129 + 96)(good))
    named("replaced", "BAD_PROOF", "one member in another's place: two identities of four change",
          member_set([a, b, third, fifth]))
    named("two-added", "BAD_PROOF", "two members added to four", member_set([a, b, third, d, fifth, sixth]))
    named("two-rotated", "BAD_PROOF", "two keys of four rotated", member_set([a, b_again, third, d_again]))
    named("added-and-rotated", "BAD_PROOF", "one member added and one key rotated",
          member_set([a, b_again, third, d, fifth]))
    named("keys-swapped", "BAD_PROOF", "two members with each other's key", member_set([
        a, b, made_member_with(third, d), made_member_with(d, third)]))
    named("all-others", "BAD_PROOF", "four others", member_set([fifth, sixth, seventh, b_again]))


def made_member_with(member, key_of):
    """The member with another's key."""
    out = copy.copy(member)
    out.secret = key_of.secret
    return out


def bad_link_certificates(v, c):
    at_once = f.receipt(c, 9, 0, 0)

    def r(name, reason, what, value, index=0):
        v.receipt("epochs-commit-" + name, at_once, "epochs[%d].commit_certificate" % index, reason, what,
                  epochs=changed(c.links, index, commit_certificate=value))

    end, second = c.blocks[3], c.blocks[6]
    r("none", "MALFORMED", "no certificate", b"")
    r("short", "MALFORMED", "cut short", lambda x: x[:-1])
    r("version", "UNSUPPORTED_VERSION", "version 3", flip(1, 2))
    r("prepare", "BAD_CERTIFICATE", "a PREPARE certificate", c.commit(end, phase=1))
    r("other-block", "BAD_PROOF", "that of the block before", c.commit(c.blocks[2]))
    r("view", "BAD_PROOF", "of a view before the block was born", c.commit(second, view=0), 1)
    r("q-1", "BAD_CERTIFICATE", "two signatures where three are needed", c.commit(end, signers=(0, 1)))
    r("q-1-of-5", "BAD_CERTIFICATE", "three signatures where four are needed", c.commit(second, signers=(0, 1, 2)), 1)
    r("new-set", "BAD_CERTIFICATE", "signed by the members of the next epoch", c.commit(end, of=2))
    r("new-set-of-equal-size", "BAD_CERTIFICATE", "signed by the members of the next epoch, as many as the old ones",
      c.commit(second, of=3), 1)
    r("next-epoch", "BAD_CERTIFICATE", "signed by the old members for the next epoch", c.commit(end, prefix_epoch=2))
    r("bit", "BAD_CERTIFICATE", "one bit of a signature", flip(-1), 2)


def bad_memberships(v, c):
    """Links are right; what they lead to is used for the wrong epoch."""
    r = v.receipt
    end, first, fourth = f.receipt(c, 3, 0, 0, 4), f.receipt(c, 4, 0, 0), f.receipt(c, 9, 0, 0)
    later = f.receipt(c, 5, 0, 0, 6)
    r("epoch-executed-next", f.receipt(c, 3, 0, 0), "executed_certificate", "BAD_CERTIFICATE",
      "a block of epoch 1 certified by the members of epoch 2", epochs=c.links[:1],
      executed_certificate=c.executed(c.blocks[3], of=2))
    r("epoch-executed-before", first, "executed_certificate", "BAD_CERTIFICATE",
      "a block of epoch 2 certified by the members of epoch 1", executed_certificate=c.executed(c.blocks[4], of=1))
    r("epoch-executed-prefix", f.receipt(c, 7, 0, 0), "executed_certificate", "BAD_CERTIFICATE",
      "signed by the members of epoch 3 for epoch 2", executed_certificate=c.executed(c.blocks[7], prefix_epoch=2))
    r("epoch-block-commit-next", end, "confirmation.block_commit_certificate", "BAD_CERTIFICATE",
      "the end of epoch 1 committed by the members of epoch 2",
      confirmation__block_commit_certificate=c.commit(c.blocks[3], of=2))
    r("epoch-commit-before", end, "confirmation.commit_certificate", "BAD_CERTIFICATE",
      "the confirming header of epoch 2 committed by the members of epoch 1",
      confirmation__commit_certificate=c.commit(c.blocks[4], of=1))
    r("epoch-confirming-no-link", end, "confirmation.header", "BAD_PROOF",
      "a block of epoch 1 confirmed in epoch 2, and no link", epochs=[])
    history = f.receipt(c, 3, 0, 0, 4, by_history=True)
    r("epoch-history-no-link", history, "confirmation.header", "BAD_PROOF",
      "a block of epoch 1 in the history of a header of epoch 2, and no link", epochs=[])
    r("epoch-history-commit-before", history, "confirmation.commit_certificate", "BAD_CERTIFICATE",
      "the confirming header of epoch 2, in whose history the block stands, committed by the members of epoch 1",
      confirmation__commit_certificate=c.commit(c.blocks[4], of=1))
    for name, height in (("above", 4), ("far-above", 7)):
        old = header_with(c.blocks[3], height=height, flags=0, next_members=bytes(32))
        r("epoch-height-" + name, f.receipt(c, 3, 0, 0), "header", "BAD_PROOF",
          "keys of epoch 1 sign for height %d, above its end" % height, epochs=c.links, header=old.header,
          executed_certificate=c.executed(old))
    early = header_with(c.blocks[4], height=3)
    r("epoch-height-below", first, "header", "BAD_PROOF", "epoch 2 at the height that ended epoch 1",
      header=early.header, executed_certificate=c.executed(early))
    r("epoch-zero", first, "header", "BAD_PROOF", "epoch 0", header=header_with(c.blocks[4], epoch=0).header)
    both = header_with(c.blocks[3], flags=3)
    r("epoch-both-ends", f.receipt(c, 3, 0, 0), "header", "MALFORMED", "a block with both end flags",
      header=both.header, executed_certificate=c.executed(both))
    r("epoch-batch", first, "batch_header", "MALFORMED", "a batch of epoch 1 in a block of epoch 2",
      batch_header=batch_with(c.blocks[4].batches[0], epoch=1))
    r("epoch-batch-origin", fourth, "batch_header", "MALFORMED", "origin 4 of four members, as there was in epoch 3",
      batch_header=batch_with(c.blocks[9].batches[0], origin=4))
    r("epoch-batch-origin-5", later, "batch_header", "MALFORMED", "origin 5 of five members",
      batch_header=batch_with(c.blocks[5].batches[0], origin=5))


def bad_files(v, c):
    cid = c.genesis.chain_id
    e = Editor(v, "evidence-epochs", lambda bundle: f.write_bundle(bundle), bundle=several_epochs(c))
    raw = f.write_bundle(several_epochs(c))
    b = "bundle"
    v.bad("evidence-epochs-version", flip(9, 1)(raw), "file", "UNSUPPORTED_VERSION", "version 3")
    v.bad("evidence-epochs-zero", raw[:42] + uint(0, 2) + raw[44:], "file", "MALFORMED", "version 2 with no link")
    v.bad("evidence-epochs-1025", raw[:42] + uint(1025, 2) + raw[44:], "file", "MALFORMED", "1025 links announced")
    v.bad("evidence-epochs-fewer", raw[:42] + uint(2, 2) + raw[44:], "file", "MALFORMED",
          "two links announced, three there")
    v.bad("evidence-epochs-cut", raw[:700], "file", "MALFORMED", "cut short within the links")
    e("length", "file", "MALFORMED", "a member set of more than 65536 bytes",
      ((b, "epochs", 1, "next_members"), bytes(65537)))
    e("none", "blocks[1].header", "BAD_PROOF", "no links", ((b, "epochs"), []))
    e("missing", "blocks[1].confirming.later_header", "BAD_PROOF", "the last link is missing",
      ((b, "epochs"), lambda x: x[:2]))
    e("order", "epochs[1].header", "BAD_PROOF", "the last two links in each other's place",
      ((b, "epochs"), lambda x: [x[0], x[2], x[1]]))
    e("members-bit", "epochs[1].next_members", "BAD_PROOF", "one bit of the rotated key",
      ((b, "epochs", 1, "next_members"), flip(4 + 129 + 50)))
    e("commit-bit", "epochs[2].commit_certificate", "BAD_CERTIFICATE", "one bit of a signature",
      ((b, "epochs", 2, "commit_certificate"), flip(-40)))
    e("genesis-members", "members", "BAD_PROOF", "the members of epoch 2 as those of genesis",
      ((b, "members"), member_set(c.sets[1])))
    e("block-certificate", "blocks[2].executed_certificate", "BAD_CERTIFICATE",
      "the third block certified by the members of epoch 1",
      ((b, "blocks", 2, "executed_certificate"), c.executed(c.blocks[9], of=1)))
    e("later-certificate", "blocks[1].confirming.commit_certificate", "BAD_CERTIFICATE",
      "a later header of epoch 4 committed by the members of the block's epoch",
      ((b, "blocks", 1, "confirming", "commit_certificate"), c.commit(c.blocks[11], of=2)))
    e("transaction", "transactions[2].batch_header", "MALFORMED", "a batch of epoch 3 in a block of epoch 4",
      ((b, "transactions", 2, 1, "batch_header"), batch_with(c.blocks[9].batches[0], epoch=3)))
    v.bad("transaction-epochs-none", f.write_txp(cid, f.block_at_once(c, 7), f.transaction_proof(c, 7, 0, 0, [0])),
          "block.header", "BAD_PROOF", "a block of epoch 3 in version 1 of the file")
    v.bad("transaction-epochs-later", f.write_txp(cid, f.block_by_history(c, 2, 3, 12), f.transaction_proof(
        c, 2, 0, 0, [0]), c.links[:2]), "block.confirming.later_header", "BAD_PROOF",
          "a later header of epoch 4, and links to epoch 3")
    v.bad("state-epochs-next", f.write_stp(cid, dict(f.block_at_once(c, 6), executed_certificate=c.executed(
        c.blocks[6], of=3)), f.state_proof(c, 6, 6, b""), c.links[:2]), "block.executed_certificate", "BAD_CERTIFICATE",
          "the end of epoch 2 certified by the members of epoch 3, as many")
    v.bad("consistency-epochs-none", f.write_con(cid, f.consistency(c, 2, 9, 12)), "consistency.new.header",
          "BAD_PROOF", "the new header is of epoch 4, and there is no link")
