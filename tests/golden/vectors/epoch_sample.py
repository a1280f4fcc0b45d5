"""A chain of four epochs, whose members change three times, and the files cut from it that must be found valid.

Epoch 1 has the members of genesis; a fifth joins, the second rotates its key, the fourth leaves. Blocks 3, 6 and 8 end
their epochs.
"""

from sample_chain import Batch, Item, SampleChain, anchor, name32, register, signer_set
import files as f
from codec import uint
from receipt import write as write_receipt
from signing import public_key, sign


class Member:
    """As it stands in a member set, with the key that signs for it."""

    def __init__(self, suite, ident, secret, ca):
        self.suite, self.id, self.secret, self.ca = suite, ident, secret, ca

    def encode(self):
        return self.id + public_key(self.suite, self.secret) + self.ca


def made_member(suite, name, ident=None):
    """A member, or a key of one, that is in no genesis.json."""
    secret = int.from_bytes(name32("key " + name), "big") % suite.curve.n
    return Member(suite, ident or name32("member " + name), secret, name32("ca " + name))


def member_set(members):
    return uint(1, 2) + uint(len(members), 2) + b"".join(member.encode() for member in members)


def quorum(members):
    return (len(members) + (len(members) - 1) // 3) // 2 + 1


class EpochSample(SampleChain):
    def __init__(self, folder):
        super().__init__(folder)
        self.sets = [[Member(self.suite, bytes.fromhex(m["id"]), secret, m["ca_fingerprint"])
                      for m, secret in zip(self.genesis.members, self.secrets)]]
        self.links = []

    def links_to(self, block):
        return self.links[:block.values["epoch"] - 1]

    def add(self, batches, **others):
        return super().add(batches, **dict({"epoch": self.epoch}, **others))

    def end(self, batches, members, view=0):
        """Ends the epoch with a block; the next one has these members."""
        block = self.add(batches, flags=2, view=view, next_members=self.members_hash(members))
        self.links.append(self.link(block, members))
        self.sets.append(members)
        self.epoch += 1
        return block

    def members_hash(self, members):
        return self.suite.tagged("galen/1 members", member_set(members))

    def link(self, block, members, **certificate):
        return {"header": block.header, "next_members": member_set(members),
                "commit_certificate": self.commit(block, **certificate)}

    # Certificates: `of` is the epoch whose members sign, that of the block unless said otherwise; prefix_epoch what
    # their prefix says.

    def commit_of_block(self, block):
        members = self.sets[block.values["epoch"] - 1]
        return self.commit(block, signers=range(len(members) - quorum(members), len(members)))

    def votes(self, block, kind, subject, signers, of, prefix_epoch):
        of = of or block.values["epoch"]
        members = self.sets[of - 1]
        signers = list(range(quorum(members)) if signers is None else signers)
        prefix = self.genesis.prefix(kind, prefix_epoch or of, self.members_hash(members))
        return signer_set(len(members), signers, [sign(self.suite, members[i].secret, prefix + uint(i, 2) + subject)
                                                  for i in signers])

    def commit(self, block, view=None, signers=None, phase=2, of=None, prefix_epoch=None):
        view = block.values["view"] if view is None else view
        subject = uint(view, 8) + uint(block.values["height"], 8) + block.digest
        return (uint(1, 2) + uint(phase, 1) + subject
                + self.votes(block, 3 if phase == 1 else 4, subject, signers, of, prefix_epoch))

    def executed(self, block, signers=None, of=None, prefix_epoch=None):
        subject = uint(block.values["height"], 8) + block.digest + block.state_root + block.results_root
        return uint(1, 2) + subject + self.votes(block, 7, subject, signers, of, prefix_epoch)


def build_epochs(folder):
    c = EpochSample(folder)
    a, b, third, d = c.sets[0]
    fifth = c.fifth = made_member(c.suite, "E")
    b_again = made_member(c.suite, "B again", b.id)
    service = name32("service of the first")
    admin = bytes.fromhex(c.genesis.members[0]["admin"])

    def one(name, origin=0, author=service):
        return [Batch(c, origin, [Item(c, author, name, [anchor(name32("pointer " + name), a.id, b"",
                                                                name32("commitment " + name))])])]

    c.add([Batch(c, 0, [Item(c, admin, "the service", [register(service, 3)])])])
    c.add(one("in epoch 1"))
    c.end(one("at the end of epoch 1"), [a, b, third, d, fifth])
    c.add(one("first in epoch 2"))
    c.add(one("by the fifth", 4, name32("service of the fifth")))
    c.end([], [a, b_again, third, d, fifth], view=1)
    c.add(one("in epoch 3", 1))
    c.end([], [a, b_again, third, fifth])
    c.add(one("in epoch 4", 3, name32("service of the fifth")))
    for _ in range(3):
        c.add([], view=2)
    return c


def good_epochs(v, c):
    cid = c.genesis.chain_id

    def receipt(name, what, *place, by_history=False, **more):
        v.good("receipt-" + name, write_receipt(dict(f.receipt(c, *place, by_history=by_history), **more)), what)

    receipt("epoch-end", "a record in the block that ends epoch 1, by its own members: no link is needed", 3, 0, 0)
    receipt("epoch-end-confirmed", "the same, confirmed by the first header of epoch 2", 3, 0, 0, 4)
    receipt("epoch-end-history", "the same, in the history of the first header of epoch 2 and without a COMMIT-QC of its "
            "own", 3, 0, 0, 4, by_history=True)
    receipt("epoch-2", "the first block of epoch 2, over one link: a member was added", 4, 0, 0)
    receipt("epoch-2-confirmed", "vouched for by the member that was added, confirmed by the end of epoch 2",
            5, 0, 0, 6)
    receipt("epoch-4", "over three links: a member added, a key rotated, a member removed", 9, 0, 0)
    receipt("epoch-links-more", "in epoch 1, with links that no header needs", 2, 0, 0, epochs=c.links)
    v.good("transaction-epochs-history", f.write_txp(cid, f.block_by_history(c, 2, 3, 12), f.transaction_proof(
        c, 2, 0, 0, [0]), c.links), "the short form: a block of epoch 1 through the history of a header of epoch 4")
    v.good("transaction-epochs-at-once", f.write_txp(cid, f.block_at_once(c, 7), f.transaction_proof(c, 7, 0, 0, [0]),
                                                     c.links[:2]), "in epoch 3, at once")
    v.good("state-epochs", f.write_stp(cid, f.block_by_history(c, 6, 7), f.state_proof(c, 6, 6, b""), c.links[:2]),
           "a row after the block that ends epoch 2, confirmed in epoch 3")
    v.good("consistency-epochs", f.write_con(cid, f.consistency(c, 2, 9, 12), c.links),
           "the chain up to a block of epoch 1 is the beginning of that up to one of epoch 4")
    v.good("evidence-epochs", f.write_bundle(several_epochs(c)), "a bundle that spans three ends of epochs")


def several_epochs(c):
    return dict(f.bundle(c, [f.block_at_once(c, 3), f.block_by_history(c, 4, 5, 11), f.block_at_once(c, 9)],
                         [(0, f.transaction_proof(c, 3, 0, 0, [0])), (1, f.transaction_proof(c, 4, 0, 0, [0])),
                          (2, f.transaction_proof(c, 9, 0, 0, [0]))],
                         [(2, f.state_proof(c, 9, 2, name32("pointer in epoch 3")))], [f.consistency(c, 3, 9, 12)]),
                epochs=c.links)
