#!/usr/bin/env python3
"""Members change on a running consortium. Under a load of anchors C's consensus key is replaced by vote, and B is SIGKILLed
in the midst of it; then A's, while D is down. Each time the next epoch begins on all four nodes, nothing acknowledged is lost,
the roots agree, and receipts from before and after verify from genesis.json alone. A fourth of four cannot be removed."""
import pathlib
import subprocess
import time

from consortium import BIN, AnchorLoad, Consortium, check, main
from membership import approve, retried, wait_for_epoch

PATIENCE = 90


def prepare_rotation(consortium, member):
    """The next key lies beside the present one before anybody votes; the paper to vote on."""
    folder = consortium.folder(member)
    number = len(list(folder.glob("next-*.pem")))
    key, paper = folder / f"next-{number}.pem", folder / f"rotation-{number}.json"
    consortium.ctl("member", "keygen", "--out", key, node=member)
    config = folder / "node.toml"
    lines = [line for line in config.read_text().splitlines() if not line.startswith("consensus_next")]
    lines.insert(lines.index("[keys]") + 1, f'consensus_next = "{key}"')
    config.write_text("\n".join(lines) + "\n")
    consortium.ctl("member", "proof", "rotation", "--member", member, "--consensus-key", key, "--out", paper, node=member)
    return paper


def verify_receipts(consortium, transactions):
    for number, (node, transaction) in enumerate(transactions):
        file = pathlib.Path(consortium.dir) / f"receipt-{number}.galen"
        consortium.ctl("receipt", "get", "--tx", transaction, "--out", file, node=node)
        done = subprocess.run([BIN / "galen-verify", file, pathlib.Path(consortium.dir) / "genesis.json"], capture_output=True, text=True)
        check(done.returncode == 0, f"receipt of {transaction}: {done.stdout[-600:]}{done.stderr[-600:]}")
        file.unlink()


def few(entries):
    return entries[:: max(1, len(entries) // 4)]


def test():
    with Consortium() as consortium:
        for name in consortium.names:
            retried(consortium, "member", "admin-key", node=name)
        with AnchorLoad(consortium) as load:
            time.sleep(2)
            before = list(load.transactions)
            paper = prepare_rotation(consortium, "C")
            approve(consortium, "rotate-key", "--paper", paper, by=["A", "B", "D"])
            consortium.kill("B")
            time.sleep(1)
            consortium.start("B")
            wait_for_epoch(consortium, 2)
            second = len(load.transactions)
            consortium.kill("D")
            paper = prepare_rotation(consortium, "A")
            approve(consortium, "rotate-key", "--paper", paper, by=["A", "B", "C"])
            wait_for_epoch(consortium, 3, ["A", "B", "C"])
            time.sleep(2)
            consortium.start("D")
            wait_for_epoch(consortium, 3)
            third = len(load.transactions)
            time.sleep(3)
        height, root = consortium.agree(timeout=PATIENCE)
        check(before and load.transactions[third:], "nothing was acknowledged before, or nothing after")
        load.verify()
        verify_receipts(consortium, few(before) + few(load.transactions[second:third]) + few(load.transactions[third:]))
        refused = consortium.run("member", "propose", "remove", "--member", "D", "--dry-run", node="A")
        check(refused.returncode != 0 and "MEMBERS_LIMIT" in refused.stderr + refused.stdout, f"{refused.stdout}{refused.stderr}")
        print(f"three epochs; {len(load.acknowledged)} imports acknowledged, {load.refused} not, longest gap {load.longest_gap:.1f} s; "
              f"height {height}, root {root[:12]}")


main(test)
