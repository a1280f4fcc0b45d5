#!/usr/bin/env python3
"""Holds the traces of galen-sim against the rules of voting as docs/spec/consensus.md 3 and 6 state them: R1 to R5, R7, V1
to V4, V6, of every honest member in every epoch. It shares nothing with the core or the simulator's checker: what it knows is what
members said, and of members that lie what somebody was told.

Usage: trace_rules.py GALEN_SIM [SEED ...]    without seeds: twenty, of all groups. GALEN_SIM may be a mutated one.
"""
import collections
import json
import subprocess
import sys

from leader_rule import Leaders

GROUPS = ("mixed", "crashes", "amnesia", "byzantine")
NO_CERTIFICATE = (0, 0)
ENTERED_AT_START = 3  # of the event view_entered
NEW_VIEW, TENURE_END = 1, 2  # reasons of a PRE-PREPARE


class Broken(Exception):
    pass


class EpochKnowledge:
    """All that was ever said in one epoch: a member can have acted on no more."""

    def __init__(self, members, before):
        n = len(members)
        self.faults = (n - 1) // 3
        self.quorum = (n + self.faults) // 2 + 1
        self.members = members
        self.blocks = {}  # digest -> block
        self.proposals = collections.defaultdict(set)  # (view, digest) -> senders
        self.reasons = collections.defaultdict(list)  # (view, digest) -> proposals that gave one
        self.votes = collections.defaultdict(set)  # (phase, view, height, digest) -> senders
        self.certified = set()  # the same, shown by a certificate
        self.asked = collections.defaultdict(set)  # target view -> senders
        self.before = before  # the epoch before, if any
        self.leaders = Leaders(n, self.blocks, self.is_base)

    def learn(self, line, sender):
        kind = line["message"]
        if kind == "PRE-PREPARE":
            self.blocks[line["block"]["digest"]] = line["block"]
            place = line["view"], line["block"]["digest"]
            self.proposals[place].add(line["sender"])
            if line["reason"] in (NEW_VIEW, TENURE_END):
                self.reasons[place].append(line)
        elif kind in ("PREPARE", "COMMIT"):
            self.votes[(kind, *line["subject"])].add(sender)
        for header in line.get("view_changes", ()):
            self.asked[header["target"]].add(header["sender"])
        for certificate in (line.get("certificate"), line.get("tip")):
            if certificate and len(set(certificate["signers"])) >= self.quorum:
                self.certified.add((certificate["phase"], *certificate["subject"]))

    def has_prepare_qc(self, view, height, digest):
        if ("COMMIT", view, height, digest) in self.certified:
            return True  # whoever COMMITted held it
        place = ("PREPARE", view, height, digest)
        return place in self.certified or len(self.votes[place]) >= self.quorum

    def certified_in(self, view):
        places = [place for place in list(self.votes) if place[0] == "PREPARE" and self.has_prepare_qc(*place[1:])]
        return [place for place in places + list(self.certified) if place[1] == view]

    def has_qc_in_view(self, view, digest):
        return any(place[3] == digest for place in self.certified_in(view))

    def holds(self, proposal):
        """Is the reason that a proposal gives one? V4: q VIEW-CHANGEs for its view, and it is their maximum or stands on it."""
        view, block = proposal["view"], proposal["block"]
        if proposal["reason"] == TENURE_END:
            parent = self.blocks.get(block["parent"])
            return bool(parent and parent["tenure_end"] and parent["view"] == view - 1 == block["view"] - 1
                        and self.has_prepare_qc(view - 1, parent["height"], block["parent"]))
        headers = proposal["view_changes"]
        if len({header["sender"] for header in headers}) != self.quorum or any(header["target"] != view for header in headers):
            return False
        high = max((tuple(header["high"]) for header in headers), key=lambda subject: subject[:2])
        if tuple(high[:2]) == NO_CERTIFICATE:
            return proposal["certificate"] is None and self.is_base(block["parent"])
        certificate = proposal["certificate"]
        return bool(certificate and tuple(certificate["subject"]) == high and high[2] in (block["digest"], block["parent"]))

    def asked_for_at_least(self, view):
        return set().union(*(senders for target, senders in self.asked.items() if target >= view))

    def is_base(self, digest):
        """Of the first epoch it is the parent of a block 1, of a later one an end of the one before."""
        if self.before:
            return self.before.blocks.get(digest, {}).get("epoch_end", False)
        return digest not in self.blocks and any(block["parent"] == digest and block["height"] == 1 for block in self.blocks.values())


class Promises:
    """What one honest member has said in one epoch, and may not contradict."""

    def __init__(self):
        self.said = {}  # (kind, view, height) -> digest
        self.prepares = collections.defaultdict(dict)  # view -> height -> digest
        self.commits = set()  # (view, height)
        self.reports = {}  # target view -> (view, height)
        self.view = 0

    def forget(self):
        self.prepares.clear()
        self.commits, self.reports, self.view = set(), {}, 0


def require(holds, rule, text):
    if not holds:
        raise Broken(f"{rule}: {text}")


def check_prepare(epoch, mine, line):
    view, height, digest = line["subject"]
    require(all(target <= view for target in mine.reports), "R1", f"PREPARE in view {view} after a VIEW-CHANGE above it")
    leader = epoch.leaders.leader(view, digest)
    proposers = epoch.proposals[view, digest]
    require(proposers if leader is None else leader in proposers, "R1, V6",
            f"PREPARE of what {sorted(proposers)} proposed, while {leader} leads view {view}")
    block = epoch.blocks[digest]
    require(block["height"] == height, "R1", "PREPARE for another height than the block's")
    parent = epoch.blocks.get(block["parent"])
    if parent is not None:
        require(not parent["epoch_end"], "R4", f"PREPARE {view}/{height} on a block that ends the epoch")
        require(not (parent["tenure_end"] and parent["view"] == block["view"]), "R4",
                f"PREPARE {view}/{height} on a block that ends its tenure in this view")
    mine.prepares[view][height] = digest


def has_reason(epoch, view, digest):
    """R2 of a block or of what it stands on in the view: the vote for that may have been decided and never left."""
    while True:
        parent = epoch.blocks[digest]["parent"]
        if (view == 0 and epoch.is_base(parent)) or epoch.has_qc_in_view(view, parent):
            return True
        if any(epoch.holds(proposal) for proposal in epoch.reasons[view, digest]):
            return True
        if not epoch.proposals[view, parent]:
            return False
        digest = parent


def check_chain(epoch, mine):
    """R1 to R3 over all votes of each view: signatures are not made in the order of the decisions, so the votes leave in another."""
    for view, by_height in mine.prepares.items():
        heights = sorted(by_height)
        require(has_reason(epoch, view, by_height[heights[0]]), "R2, V4",
                f"the first PREPARE of view {view}, at height {heights[0]}, without a reason")
        for before, height in zip(heights, heights[1:]):
            parent = epoch.blocks[by_height[height]]["parent"]
            require(parent == by_height[before] or epoch.has_qc_in_view(view, parent), "R3",
                    f"PREPARE {view}/{height} is not on the vote before, and its parent has no PREPARE-QC in the view")


def check_commit(epoch, mine, line):
    view, height, digest = line["subject"]
    require(epoch.has_prepare_qc(view, height, digest), "R5", f"COMMIT {view}/{height} without a PREPARE-QC")
    for target, reported in mine.reports.items():
        require(target <= view or reported >= (view, height), "R5",
                f"COMMIT {view}/{height} after only {reported} was reported to view {target}")
    mine.commits.add((view, height))


def check_wish(epoch, mine, me, target):
    others = epoch.asked_for_at_least(target) - {me}
    require(target <= mine.view + 1 or len(others) > epoch.faults
            or len(epoch.asked_for_at_least(target - 1)) >= epoch.quorum, "V1, V2",
            f"asks for view {target} from view {mine.view}, and too few others do")


def check_view_change(mine, header):
    target, reported = header["target"], tuple(header["high"][:2])
    for place in mine.commits:
        require(place[0] >= target or place <= reported, "R7", f"{reported} was reported to view {target} after COMMIT {place}")
    require(mine.reports.get(target, reported) == reported, "R7", f"two reports to view {target}")
    mine.reports[target] = reported


def check_entry(epoch, line):
    view = line["view"]
    if line["value"] == ENTERED_AT_START and view == 0:
        return
    by_new_view = len(epoch.asked[view]) >= epoch.quorum
    ends = [epoch.blocks.get(place[3]) for place in epoch.certified_in(view - 1)]
    by_tenure_end = any(block and block["tenure_end"] and block["view"] == view - 1 for block in ends)
    by_certificate = bool(epoch.certified_in(view))
    require(by_new_view or by_tenure_end or by_certificate, "V3", f"enters view {view} without a reason")


class Trace:
    def __init__(self):
        self.epochs, self.promises, self.checked = {}, collections.defaultdict(Promises), collections.Counter()

    def say(self, line, who):
        epoch, mine, kind = self.epochs[line["epoch"]], self.promises[line["epoch"], who], line["message"]
        me = epoch.members.index(who)
        own_header = line["view_changes"][0] if kind == "VIEW-CHANGE" else None
        if kind in ("PREPARE", "COMMIT"):
            view, height, digest = line["subject"]
            first = mine.said.setdefault((kind, view, height), digest)
            require(first == digest, "R1", f"two {kind}s for {view}/{height}")
            is_new = (kind, view, height, digest) not in mine.said
            mine.said[kind, view, height, digest] = digest
            if is_new:
                (check_prepare if kind == "PREPARE" else check_commit)(epoch, mine, line)
                self.checked[kind] += 1
        elif own_header and own_header["target"] not in mine.reports:
            check_view_change(mine, own_header)
            self.checked[kind] += 1
        elif own_header:
            require(mine.reports[own_header["target"]] == tuple(own_header["high"][:2]), "R7", "two reports to one view")
        epoch.learn(line, me)

    def happen(self, line, epoch, mine):
        if line["event"] == "view_change_sent":
            check_wish(epoch, mine, epoch.members.index(line["who"]), line["view"])
            self.checked["wish"] += 1
        elif line["event"] == "view_entered":
            check_entry(epoch, line)
            self.checked["view"] += 1
        if line["event"] in ("view_entered", "resumed"):
            mine.view = max(mine.view, line["view"])

    def close(self, only=None):
        """No more votes are to come."""
        for (number, who), mine in self.promises.items():
            if only is None or who == only:
                try:
                    check_chain(self.epochs[number], mine)
                except Broken as broken:
                    raise Broken(f"{broken} (votes of member {who})") from None

    def take(self, line):
        what = line["what"]
        if what == "epoch":
            self.epochs[line["epoch"]] = EpochKnowledge(line["members"], self.epochs.get(line["epoch"] - 1))
        elif what == "says":
            self.say(line, line["who"])
        elif what == "hears":
            epoch = self.epochs[line["epoch"]]
            epoch.learn(line, epoch.members.index(line["who"]))
        elif what == "forgets":
            self.close(line["who"])
            for (_, who), mine in self.promises.items():
                if who == line["who"]:
                    mine.forget()
        elif what == "event":
            self.happen(line, self.epochs[line["epoch"]], self.promises[line["epoch"], line["who"]])


def run(program, seed, group):
    """The counts of what was checked, and what was broken first."""
    command = [program, "replay", str(seed), "--group", group, "--trace", "--json"]
    process = subprocess.run(command, capture_output=True, text=True)
    trace, line = Trace(), {}
    try:
        for text in process.stdout.splitlines():
            line = json.loads(text)
            trace.take(line)
        trace.close()
    except Broken as broken:
        return trace.checked, f"seed {seed} of {group}, member {line.get('who')} at {line.get('ms')} ms: {broken}"
    if process.returncode not in (0, 1) or not trace.epochs:
        return trace.checked, f"seed {seed} of {group}: no trace: {process.stderr.strip()}"
    return trace.checked, None


def main():
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    seeds = [(int(seed), "mixed") for seed in sys.argv[2:]] or [(seed, GROUPS[seed % len(GROUPS)]) for seed in range(1, 21)]
    total, problems = collections.Counter(), []
    for seed, group in seeds:
        checked, problem = run(sys.argv[1], seed, group)
        total += checked
        if problem:
            problems.append(problem)
            print(problem)
    print(f"{len(seeds)} traces: " + ", ".join(f"{count} {kind}" for kind, count in sorted(total.items())) + f"; {len(problems)} broken")
    if not problems and not all(total[kind] for kind in ("PREPARE", "COMMIT", "VIEW-CHANGE", "view", "wish")):
        print("a kind was never checked")
        return 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
