"""Votes on who is a member, and waiting for the epoch that they lead to."""
import json
import re
import time

from consortium import check

PATIENCE = 90


def epochs(consortium, names=None):
    """Of each node the epoch that it went over to last, by its log."""
    return {name: max(map(int, re.findall(r" epoch=(\d+) members=\d+ role=voter", consortium.log(name))), default=0)
            for name in names or consortium.names}


def wait_for_epoch(consortium, epoch, names=None):
    until = time.monotonic() + PATIENCE
    while set(epochs(consortium, names).values()) != {epoch}:
        check(time.monotonic() < until, f"epoch {epoch} does not begin: {epochs(consortium)}")
        time.sleep(0.2)


def retried(consortium, *arguments, node):
    """A command of the administrator, who tries again while his node goes over to the next epoch."""
    until, again = time.monotonic() + PATIENCE, False
    while True:
        done = consortium.run("--json", "--as", "admin", *arguments, node=node, timeout=90)
        if done.returncode == 0:
            return json.loads(done.stdout.strip().splitlines()[-1])
        if again and "ALREADY_VOTED" in done.stdout + done.stderr:
            return {}  # the first time it was taken in, and the answer got lost
        again = True
        check(done.returncode == 4 and time.monotonic() < until, f"{arguments} at {node}: {done.stdout[-400:]}{done.stderr[-400:]}")
        time.sleep(0.5)


def name_keys(consortium, member, consensus=None, consensus_next=None):
    """Which files its node.toml names; keys/consensus.pem is the one of genesis."""
    config = consortium.folder(member) / "node.toml"
    lines = [line for line in config.read_text().splitlines() if not line.startswith(("consensus =", "consensus_next ="))]
    at = lines.index("[keys]") + 1
    lines.insert(at, f'consensus = "{consensus or "keys/consensus.pem"}"')
    if consensus_next:
        lines.insert(at + 1, f'consensus_next = "{consensus_next}"')
    config.write_text("\n".join(lines) + "\n")


def prepare_rotation(consortium, member, at=None):
    """(paper to vote on, key): the next key lies beside the present one before anybody votes."""
    folder = consortium.folder(member)
    number = len(list(folder.glob("next-*.pem")))
    key, paper = folder / f"next-{number}.pem", folder / f"rotation-{number}.json"
    consortium.ctl("member", "keygen", "--out", key, node=member)
    name_keys(consortium, member, folder / f"next-{number - 1}.pem" if number else None, key)
    consortium.ctl("member", "proof", "rotation", "--member", member, "--consensus-key", key, "--out", paper, node=at or member)
    return paper, key


def approve(consortium, *change, by):
    """Proposed by the first, approved by the others: with the last vote it is decided."""
    proposal = retried(consortium, "member", "propose", *change, node=by[0])["proposal_id"]
    for voter in by[1:]:
        retried(consortium, "member", "vote", proposal, "--approve", node=voter)
