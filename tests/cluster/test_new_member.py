#!/usr/bin/env python3
"""A hospital joins a running consortium and leaves it. E's node is made with nothing but genesis, its keys and a CA of its own; it
takes a snapshot and follows as a learner, shows that it does, is given a vote and takes part as the fifth; then it is removed, and its node, refused by
the others, goes on with what it has. All the time a load of anchors runs, and none that was acknowledged is lost."""
import json
import time

import stock
from consortium import AnchorLoad, Consortium, check, main
from membership import PATIENCE, approve, retried, wait_for_epoch
from newcomer import Newcomer

REFUSED = "reason=MEMBER_REMOVED"
LAG_MAX = 30  # blocks: those of half a second or so, on a busy machine


def follows(consortium):
    """What the learner does in ten seconds under load, once it has caught up: it asks four times a second, for all there is."""
    def behind():
        # Without a vote it ends with 4, as one that is not ready.
        learner = consortium.run("--json", "--as", "admin", "node", "status", node="E").stdout
        others = consortium.json("node", "status", node="A")["height"]
        return others - json.loads(learner.strip().splitlines()[-1])["height"], others
    deadline = time.monotonic() + PATIENCE
    while behind()[0] > LAG_MAX:
        check(time.monotonic() < deadline, f"the learner does not catch up with the others: {behind()[0]} blocks")
        time.sleep(0.2)
    began, lags = behind()[1], []
    for _ in range(20):
        time.sleep(0.5)
        lags.append(behind())
    check(max(lag for lag, _ in lags) <= LAG_MAX, f"the learner falls behind: {[lag for lag, _ in lags]}")
    return f"{max(lag for lag, _ in lags)} of {lags[-1][1] - began} blocks"


def wait_for_height(consortium, height):
    deadline = time.monotonic() + 2 * PATIENCE
    while consortium.json("node", "status", node="A")["height"] < height:
        check(time.monotonic() < deadline, f"the chain does not come to height {height}")
        time.sleep(0.5)


def test():
    with Consortium(params=["ttl_max_ms=12000", "clock_skew_max_ms=2000"]) as consortium:
        consortium.set_sync(interval=25, behind=100)
        names = list(consortium.names)
        for name in names:
            retried(consortium, "member", "admin-key", node=name)
        newcomer = Newcomer(consortium, stock.Pki(consortium), "E")
        newcomer.write_config(join_behind=100)
        with AnchorLoad(consortium, names=names) as load:
            approve(consortium, "add", "--paper", newcomer.admission(), by=["A", "B", "C"])
            wait_for_height(consortium, 250)
            consortium.start("E")
            newcomer.wait_for("role=learner")
            newcomer.wait_for("joined height=")
            lag = follows(consortium)
            newcomer.show_readiness()
            approve(consortium, "promote", "--member", "E", by=["A", "B", "C"])
            wait_for_epoch(consortium, 2, names)
            newcomer.wait_for("epoch=2 members=5 role=voter")
            five = len(load.acknowledged)
            time.sleep(4)
            approve(consortium, "remove", "--member", "E", by=["A", "B", "C", "D"])
            wait_for_epoch(consortium, 3, names)
            newcomer.wait_for(REFUSED)
            four = len(load.acknowledged)
            time.sleep(5)
        height, root = consortium.agree(names, timeout=PATIENCE)
        check(four > five and len(load.acknowledged) > four, "nothing was acknowledged by five, or nothing after")
        consortium.names = names
        load.verify()
        consortium.names = names + ["E"]
        refused = consortium.log("E").count(REFUSED)
        check(refused <= 8, f"the node of a removed member asked {refused} times in a few seconds to be let in")
        consortium.ctl("dev", "down", node="E")  # it goes on until it is told to stop
        print(f"4, 5 and 4 members; {len(load.acknowledged)} imports acknowledged, {load.refused} not, longest gap "
              f"{load.longest_gap:.1f} s; the learner was at most {lag} behind; E was refused {refused} times; height {height}, root {root[:12]}")


main(test)
