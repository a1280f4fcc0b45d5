#!/usr/bin/env python3
"""A load of anchors while random nodes are SIGKILLed and started again, never more than one at a time, the leader included:
every acknowledged anchor is on all nodes at the end, with equal roots. GALEN_KILLS sets how many (10)."""
import os
import random
import time

from consortium import SEED, AnchorLoad, Consortium, check, main


def test():
    rng = random.Random(SEED)
    kills = int(os.environ.get("GALEN_KILLS", "10"))
    with Consortium() as consortium:
        leaders = 0
        with AnchorLoad(consortium) as load:
            for number in range(kills):
                time.sleep(rng.uniform(0.5, 2.0))
                statuses = [s for s in (consortium.status(n) for n in consortium.names) if s]
                leader = max(statuses, key=lambda s: s["view"])["leader"] if statuses else "A"
                victim = leader if number % 3 == 0 else rng.choice(consortium.names)
                leaders += victim == leader
                consortium.kill(victim)
                time.sleep(rng.uniform(0.2, 1.5))
                consortium.start(victim)
        height, root = consortium.agree(timeout=90)
        check(load.acknowledged, "nothing was acknowledged at all")
        load.verify()
        print(f"{kills} kills, {leaders} of the leader; {len(load.acknowledged)} imports of {load.size} acknowledged, "
              f"{load.refused} not; all there on all nodes at height {height}, root {root[:12]}; "
              f"longest time without an acknowledged import {load.longest_gap:.1f} s")


main(test)
