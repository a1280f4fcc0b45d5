#!/usr/bin/env python3
"""Members change on a running consortium. Under a load of anchors C's consensus key is replaced by vote, and B is SIGKILLed
in the midst of it; then A's, while D is down. Each time the next epoch begins on all four nodes, nothing acknowledged is lost,
the roots agree, and receipts from before and after verify from genesis.json alone. A fourth of four cannot be removed. A node
whose node.toml lacks the key of its epoch follows and says so; with the newest alone it goes through the chain anew and votes at its end.
A new CA counts from the decision on."""
import pathlib
import signal
import subprocess
import time

from consortium import BIN, AnchorLoad, Consortium, check, main
from membership import approve, name_keys, prepare_rotation, retried, wait_for_epoch
from newcomer import make_ca

PATIENCE = 90


def verify_receipts(consortium, transactions):
    for number, (node, transaction) in enumerate(transactions):
        file = pathlib.Path(consortium.dir) / f"receipt-{number}.galen"
        consortium.ctl("receipt", "get", "--tx", transaction, "--out", file, node=node)
        done = subprocess.run([BIN / "galen-verify", file, pathlib.Path(consortium.dir) / "genesis.json"], capture_output=True, text=True)
        check(done.returncode == 0, f"receipt of {transaction}: {done.stdout[-600:]}{done.stderr[-600:]}")
        file.unlink()


def wait_for_mode(consortium, node, mode):
    until = time.monotonic() + PATIENCE
    while (status := consortium.status(node)) is None or status["mode"] != mode:
        check(time.monotonic() < until, f"{node} does not come to {mode}: {status and (status['mode'], status['mode_detail'])}")
        time.sleep(0.2)
    return status


def without_its_key(consortium, node, newest):
    """The node has the key of genesis alone, while the chain has another for its member; then the newest alone, and has to go through
    the chain from the beginning."""
    consortium.kill(node, signal.SIGTERM)
    name_keys(consortium, node)
    consortium.start(node)
    status = wait_for_mode(consortium, node, "RECOVERING")
    check("CANNOT_SIGN (617)" in status["mode_detail"], f"{status['mode_detail']}")
    refused = consortium.run("record", "import", "--retry-for", "0", consortium.documents(1, "keyless"), node=node)
    check(refused.returncode != 0 and "CANNOT_SIGN" in refused.stdout + refused.stderr, f"a write without a key: {refused.stdout}{refused.stderr}")
    consortium.json("record", "import", consortium.documents(1, "others"), node="A")
    consortium.agree(timeout=PATIENCE)

    consortium.kill(node, signal.SIGTERM)
    name_keys(consortium, node, newest)
    seen = len(consortium.log(node))
    made = subprocess.run([BIN / "galend", "repair", "--ledger", "--config", consortium.folder(node) / "node.toml"],
                          capture_output=True, text=True)
    check(made.returncode == 0, f"galend repair: {made.stdout}{made.stderr}")
    consortium.start(node)
    wait_for_mode(consortium, node, "VOTING")
    log = consortium.log(node)[seen:]
    # Where its own log holds the end of the first epoch as well, it is through that before it opens.
    opened_in_first = " epoch=1 members=" in log
    check(("reason=CANNOT_SIGN epoch=1" in log) == opened_in_first and "reason=CANNOT_SIGN epoch=2" not in log, f"{log[:2000]}")
    consortium.agree(timeout=PATIENCE)


def next_ca_counts_at_once(consortium, member, others):
    """Whoever is ahead shows its next CA while others have yet to hear of the epoch's end: they let it in from the decision on."""
    folder = pathlib.Path(consortium.dir) / "pki" / f"{member}-next"
    make_ca(folder, f"/CN=Hospital {member} next CA")
    seen = {name: len(consortium.log(name)) for name in others}
    approve(consortium, "pin-ca", "--member", member, "--tls-ca", folder / "ca.pem", by=others)
    wait_for_epoch(consortium, 4, others)
    for name in others:
        log = consortium.log(name)[seen[name]:]
        accepted, ended = log.find(f"the next CA is good beside the present one member={member} "), log.find("others take part from")
        check(0 <= accepted < ended, f"{name} does not accept the next CA of {member} before the epoch ends:\n{log[-2000:]}")


def few(entries):
    return entries[:: max(1, len(entries) // 4)]


def test():
    with Consortium() as consortium:
        for name in consortium.names:
            retried(consortium, "member", "admin-key", node=name)
        with AnchorLoad(consortium) as load:
            time.sleep(2)
            before = list(load.transactions)
            paper, key = prepare_rotation(consortium, "C")
            approve(consortium, "rotate-key", "--paper", paper, by=["A", "B", "D"])
            consortium.kill("B")
            time.sleep(1)
            consortium.start("B")
            wait_for_epoch(consortium, 2)
            second = len(load.transactions)
            consortium.kill("D")
            paper, _ = prepare_rotation(consortium, "A")
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
        without_its_key(consortium, "C", key)
        next_ca_counts_at_once(consortium, "D", ["A", "B", "C"])
        print(f"four epochs; {len(load.acknowledged)} imports acknowledged, {load.refused} not, longest gap {load.longest_gap:.1f} s; "
              f"height {height}, root {root[:12]}")


main(test)
