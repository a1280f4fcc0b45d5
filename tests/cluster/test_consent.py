#!/usr/bin/env python3
"""Grant, decide at another hospital, revoke, decide, on each of four nodes; a foreign key and an end in the past are refused;
evidence of it verifies in an empty chroot (evidence.py); after kills under a load of decisions, audited decisions = answered decisions, and the list is complete and proven."""
import json
import os
import random
import threading
import time

from consortium import SEED, Consortium, check, main
from evidence import check_evidence


def decide(consortium, patient, node):
    done = consortium.run("--json", "--timeout", "8", "decide", "--patient", patient, "--purpose", "TREAT", node=node)
    if done.returncode not in (0, 3) or not done.stdout.strip():
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def test():
    rng = random.Random(SEED)
    kills = int(os.environ.get("GALEN_KILLS", "3"))
    with Consortium() as consortium:
        key = f"{consortium.dir}/anna.key"
        other = f"{consortium.dir}/other.key"
        consortium.ctl("patient", "keygen", "--out", key)
        consortium.ctl("patient", "keygen", "--out", other)
        patient = consortium.json("patient", "register", "--key", key, "--name", "anna", node="A")["pseudonym"]
        asked = 0
        decisions = {}
        for node in consortium.names:
            check(decide(consortium, patient, node)["reason"] == "NO_CONSENT", f"{node}: not denied before the grant")
            consent = consortium.json("consent", "grant", "--patient", "anna", "--to", node, "--purpose", "TREAT", "--until",
                                      "24h", node="A")["consent_id"]
            answer = decide(consortium, patient, node)
            check(answer["permit"], f"{node}: not permitted after the grant: {answer}")
            decisions[node] = [answer["outcome"]["transaction_id"], consent]
            revoked = consortium.json("consent", "revoke", "--patient", "anna", "--consent", consent, node="A")["outcome"]["height"]
            answer = decide(consortium, patient, node)
            check(not answer["permit"] and answer["reason"] == "REVOKED", f"{node}: {answer}")
            check(answer["height"] > revoked, "the decision after the revocation stands before it")
            decisions[node].insert(1, answer["outcome"]["transaction_id"])
            asked += 3
        foreign = consortium.run("--json", "consent", "grant", "--patient", "anna", "--key", other, "--to", "C", "--purpose", "TREAT")
        check(foreign.returncode != 0 and "WRONG_KEY" in foreign.stdout + foreign.stderr, f"foreign key: {foreign.stderr}")
        past = consortium.json("consent", "grant", "--patient", "anna", "--to", "B", "--purpose", "TREAT", "--until", "2s", node="A")
        time.sleep(3)
        answer = decide(consortium, patient, "B")
        check(not answer["permit"] and answer["reason"] == "EXPIRED", f"a consent past its end: {answer} {past}")
        asked += 1

        check_evidence(consortium, *decisions["B"])
        answered, stopping = [0], [False]

        def load():
            number = 0
            while not stopping[0]:
                number += 1
                if decide(consortium, patient, consortium.names[number % 4]):
                    answered[0] += 1

        thread = threading.Thread(target=load)
        thread.start()
        for _ in range(kills):
            time.sleep(rng.uniform(0.5, 1.5))
            victim = rng.choice(consortium.names)
            consortium.kill(victim)
            time.sleep(0.5)
            consortium.start(victim)
        stopping[0] = True
        thread.join()
        consortium.agree()
        # Her own hospital shows all of it with its proof, the others what they asked themselves: together the same.
        lists = {node: consortium.json("access", "list", "--patient", "anna", node=node) for node in consortium.names}
        shown = consortium.ctl("access", "list", "--patient", "anna", node="A")
        check(lists["A"]["complete"] and "complete and proven" in shown, f"A: {shown[-300:]}")
        count = lists["A"]["count"]
        # A question whose answer was lost in a kill may be on the ledger: it was asked.
        check(count >= asked + answered[0], f"{count} audited, {asked + answered[0]} answered")
        for node in consortium.names[1:]:
            own = [entry for entry in lists["A"]["entries"] if entry["requester"] == node]
            check(not lists[node]["complete"] and own and lists[node]["entries"] == own, f"{node} is shown another part: "
                  f"{len(lists[node]['entries'])} of {len(own)}")
        print(f"{kills} kills; {asked + answered[0]} decisions answered, {count} audited, complete and proven at her own "
              f"hospital; each other one is shown its own questions")


main(test)
