#!/usr/bin/env python3
"""With two of four stopped nothing is acknowledged, callers are told which members are missing, reads still answer and say
how old they are; when one returns, work goes on."""
import signal
import time

from consortium import Consortium, check, main


def test():
    with Consortium() as consortium:
        consortium.json("record", "import", consortium.documents(5, "before"), node="A")
        height, _ = consortium.agree()
        consortium.kill("C", signal.SIGTERM)
        consortium.kill("D", signal.SIGTERM)
        time.sleep(3)
        done = consortium.run("--json", "--timeout", "10", "record", "import", "--retry-for", "1",
                              consortium.documents(5, "without"), node="A", timeout=60)
        text = done.stdout + done.stderr
        check(done.returncode != 0, "an import was acknowledged without a quorum")
        check("NO_QUORUM" in text, f"the reason is not NO_QUORUM: {text}")
        check("C" in text.split("missing", 1)[-1] and "D" in text.split("missing", 1)[-1], f"C and D are not named: {text}")
        record = consortium.json("record", "get", "--source", "Observation/before-0", node="A")
        status = consortium.status("A")
        check(status and not status["quorum_reachable"] and sorted(status["missing_members"]) == ["C", "D"],
              f"the status does not name the missing members: {status}")
        check(record["pointer_id"], "a read without a quorum did not answer")
        check("age_ms" in str(record), f"a read does not say how old it is: {record}")
        began = time.monotonic()
        consortium.start("C")
        done = consortium.json("--timeout", "30", "record", "import", "--retry-for", "30", consortium.documents(5, "after"),
                               node="A", timeout=60)
        check(done["anchored"] == 5, f"not anchored after C came back: {done}")
        print(f"quorum back and work acknowledged {time.monotonic() - began:.1f} s after C was started again")
        consortium.start("D")
        consortium.agree(at_least=height)
        check(len(consortium.peers("A")) == 3, f"A has other peers than the three: {consortium.peers('A')}")
        consortium.wait_peers("A", lambda peer: peer["height"] >= height)


main(test)
