"""Member sets from genesis over the links between epochs (docs/spec/formats.md 6.1, 6.3 and 6.6)."""

from chain import Header, check_commit
from codec import Bad, Failure, Reader, part, uint

LINKS_MAX = 1024


class Members:
    """The members of one epoch, their quorum, and what begins everything that they sign."""

    def __init__(self, genesis, epoch, member_set, first_height):
        reader = Reader(member_set)
        reader.take(2)
        self.n = reader.uint(2)
        self.ids, self.keys = [], []
        for _ in range(self.n):
            self.ids.append(reader.take(32))
            self.keys.append(reader.take(65))
            reader.take(32)
        self.genesis = genesis
        self.suite = genesis.suite
        self.epoch = epoch
        self.members_hash = genesis.suite.tagged("galen/1 members", member_set)
        self.first_height = first_height
        self.faults = (self.n - 1) // 3
        self.q = (self.n + self.faults) // 2 + 1

    def prefix(self, kind):
        return self.genesis.prefix(kind, self.epoch, self.members_hash)


def check_member_set(data):
    """6.1: the layout, and that ids and keys are distinct."""
    reader = Reader(data)
    version, count = reader.uint(2), reader.uint(2)
    if version != 1:
        raise Bad("UNSUPPORTED_VERSION", "another version of a member set")
    if not 1 <= count <= 100 or reader.left() != count * 129:
        raise Bad("MALFORMED", "no set of 1 to 100 members")
    members = [data[at:at + 129] for at in range(4, len(data), 129)]
    if len({m[:32] for m in members}) != count or len({m[32:97] for m in members}) != count:
        raise Bad("MALFORMED", "an id or a key stands twice")


def changed_identities(old, new):
    """Ids in one set only, and ids with another key in the second (6.6)."""
    before, after = dict(zip(old.ids, old.keys)), dict(zip(new.ids, new.keys))
    return (len(before.keys() ^ after.keys())
            + sum(before[ident] != after[ident] for ident in before.keys() & after.keys()))


class Epochs:
    """The members of every epoch that the links lead to; [epoch] gives them."""

    def __init__(self, genesis):
        self.genesis = genesis
        self.sets = [Members(genesis, 1, genesis.member_set, 0)]

    def __getitem__(self, epoch):
        return self.sets[epoch - 1]

    def header(self, data):
        """A header whose epoch is one of these, within its heights."""
        header = Header(data, self.genesis)
        if not 1 <= header.epoch <= len(self.sets):
            raise Bad("BAD_PROOF", "no link leads to the members of epoch %d" % header.epoch)
        over = header.epoch < len(self.sets) and header.height >= self[header.epoch + 1].first_height
        if header.height < self[header.epoch].first_height or over:
            raise Bad("BAD_PROOF", "its height is not one of its epoch")
        return header

    def add(self, name, link):
        old = self.sets[-1]
        with part(name + ".header"):
            header = Header(link["header"], self.genesis)
            if header.epoch != old.epoch or not header.ends_epoch():
                raise Bad("BAD_PROOF", "it does not end epoch %d" % old.epoch)
            if header.height < old.first_height:
                raise Bad("BAD_PROOF", "its height is not above that of the link before")
            if header.height == 2**64 - 1:
                raise Bad("BAD_PROOF", "no height is above it")
        with part(name + ".next_members"):
            data = link["next_members"]
            if self.genesis.suite.tagged("galen/1 members", data) != header.next_members:
                raise Bad("BAD_PROOF", "they are not those the header names")
            check_member_set(data)
            new = Members(self.genesis, old.epoch + 1, data, header.height + 1)
            if new.n < 4:
                raise Bad("MALFORMED", "fewer than 4 members")
            if bytes(32) in new.ids or not all(self.genesis.suite.curve.point(key) for key in new.keys):
                raise Bad("MALFORMED", "an id is zero, or a key is no point of the curve")
            if changed_identities(old, new) > old.faults:
                raise Bad("BAD_PROOF", "more than %d of %d change at once" % (old.faults, old.n))
        with part(name + ".commit_certificate"):
            check_commit(old, link["commit_certificate"], header)
        self.sets.append(new)


def follow(genesis, links):
    """The chain that the links of a file make."""
    if len(links) > LINKS_MAX:
        raise Failure("epochs", "TOO_LARGE", "more than %d links" % LINKS_MAX)
    epochs = Epochs(genesis)
    for i, link in enumerate(links):
        epochs.add("epochs[%d]" % i, link)
    return epochs


def read_link(reader, sized):
    """A link in a fixed layout; `sized` reads bytes behind their length."""
    return {"header": reader.take(286), "next_members": sized(reader, 4, 0, 65536),
            "commit_certificate": sized(reader, 4, 0, 8192)}


def write_link(link):
    return (link["header"] + uint(len(link["next_members"]), 4) + link["next_members"]
            + uint(len(link["commit_certificate"]), 4) + link["commit_certificate"])
