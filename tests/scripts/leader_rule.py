"""V6 of docs/spec/consensus.md 6, from the page alone: who leads a view, by the block it stands on."""
FAILURES_TO_SKIP = 2


def leader_of(members, skips, view, exec_height):
    out = {member for member, first, until, height in skips if height <= exec_height and first <= view < until}
    if view % members not in out:
        return view % members
    active = [member for member in range(members) if member not in out]
    return active[view % len(active)]


def after_block(members, before, parent, block):
    """Failures by member, and skip entries, after a block; `parent` is None where it is the epoch's base."""
    failures, skips = list(before[0]), list(before[1])
    first, length = block["view"] + 2, 8 * members

    def failed(member):
        standing = [skip for skip in skips if skip[2] > first]
        if any(skip[0] == member for skip in standing):
            return
        failures[member] = min(failures[member] + 1, FAILURES_TO_SKIP)
        if failures[member] == FAILURES_TO_SKIP and len(standing) < (members - 1) // 3:
            skips.append((member, first, first + length, block["height"]))
            failures[member] = FAILURES_TO_SKIP - 1

    if parent is None or block["view"] > parent["view"]:
        if parent and not parent["tenure_end"]:
            failed(parent["proposer"])
        for view in range(max(parent["view"] + 1 if parent else 0, block["view"] - length), block["view"]):
            failed(leader_of(members, skips, view, parent["exec_height"] if parent else 0))
    if block["tenure_end"]:
        failures[block["proposer"]] = 0
    return failures, [skip for skip in skips if skip[2] > block["view"]]


class Leaders:
    """Of one epoch. `blocks` by digest, as they become known; `is_base` says of a digest whether the epoch stands on it."""

    def __init__(self, members, blocks, is_base):
        self.members, self.blocks, self.is_base, self.after = members, blocks, is_base, {}

    def state_after(self, digest):
        """None while a block below is not known."""
        way = []
        while digest not in self.after and not self.is_base(digest):
            if digest not in self.blocks:
                return None
            way.append(digest)
            digest = self.blocks[digest]["parent"]
        state = self.after.get(digest, ([0] * self.members, []))
        for at in reversed(way):
            block = self.blocks[at]
            parent = None if self.is_base(block["parent"]) else self.blocks[block["parent"]]
            state = self.after[at] = after_block(self.members, state, parent, block)
        return state

    def leader(self, view, digest):
        """Of a view in which that block is proposed; None while it cannot be told."""
        while digest in self.blocks and self.blocks[digest]["view"] == view:
            digest = self.blocks[digest]["parent"]
        state = self.state_after(digest)
        if state is None:
            return None
        return leader_of(self.members, state[1], view, self.blocks[digest]["exec_height"] if digest in self.blocks else 0)
