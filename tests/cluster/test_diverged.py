#!/usr/bin/env python3
"""One record of a stopped node is changed behind its back. At the next block that touches the record the node computes another state than the
others: it is DIVERGED, votes no more, answers only about itself, stays up, and writes down which row differs."""
import json
import os
import pathlib
import signal
import subprocess
import time

from consortium import BIN, Consortium, Failure, check, main


def document(consortium, text):
    path = pathlib.Path(consortium.dir) / "document.json"
    resource = {"resourceType": "Observation", "id": "falsified", "status": "final", "code": {"text": text}}
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": resource}]}))
    return path


def test():
    with Consortium() as consortium:
        consortium.json("record", "import", consortium.documents(30, "others"), node="B")
        consortium.json("record", "import", document(consortium, "first"), node="A")
        consortium.agree()
        pointer = consortium.json("record", "get", "--source", "Observation/falsified", node="A")["pointer_id"]
        victim = next(n for n in consortium.names if n not in ("A", consortium.status("A")["leader"]))
        consortium.kill(victim, signal.SIGTERM)
        data = consortium.folder(victim) / "data"
        done = subprocess.run([BIN / "galen-test-falsify", data, data / "genesis.json", pointer], capture_output=True, text=True)
        check(done.returncode == 0, f"the row was not changed: {done.stderr}")
        consortium.start(victim)
        check(consortium.status(victim)["mode"] != "DIVERGED", "it is diverged before anything was executed")

        consortium.json("record", "import", document(consortium, "second"), node="A")  # supersedes the first
        pid, started = consortium.pid(victim), time.monotonic()
        while True:
            status = consortium.status(victim)
            if status and status["mode"] == "DIVERGED" and status["divergence_file"]:
                break
            check(time.monotonic() < started + 60, f"not found out: {status and (status['mode'], status['divergence_file'])}")
            time.sleep(0.2)
        took = time.monotonic() - started

        report = json.loads(pathlib.Path(status["divergence_file"]).read_text())
        check(pathlib.Path(status["divergence_file"]).parent == data, "the file is not in the data directory")
        check([(row["kind"], row["key"]) for row in report["rows"]] == [(2, pointer)], f"other rows are named: {report['rows']}")
        row = report["rows"][0]
        check(row["value_hash"] != row["value_hash_there"] and report["state_root"] != report["state_root_there"], f"{report}")
        check(status["divergence_file"] in consortium.log(victim), "the log does not name the file")
        done = consortium.run("record", "get", "--pointer", pointer, node=victim)
        check(done.returncode != 0 and "DIVERGED" in done.stdout + done.stderr, f"it serves reads: {done.stdout} {done.stderr}")
        done = consortium.run("node", "status", node=victim)
        check(done.returncode == 3 and "what differs stands in" in done.stdout + done.stderr, f"status: {done.stdout} {done.stderr}")

        others = [n for n in consortium.names if n != victim]
        for number in range(4):
            consortium.json("record", "import", consortium.documents(5, f"on{number}"), node=others[number % 3])
        consortium.agree(others)
        os.kill(pid, 0)
        status = consortium.status(victim)
        check(status["mode"] == "DIVERGED", f"it is {status['mode']} again")
        check(consortium.status(others[0])["leader"] != victim, "a diverged node leads")

        # A restart forgets nothing: what is committed contradicts its own roots still, before any block comes.
        consortium.kill(victim, signal.SIGTERM)
        try:
            consortium.start(victim)
            raise Failure("it says that it serves after a restart")
        except Failure as why:
            check("[DIVERGED]" in str(why), f"{why}")
        done = consortium.run("record", "get", "--pointer", pointer, node=victim)
        check(done.returncode != 0, f"it serves reads after a restart: {done.stdout}")
        status = consortium.status(victim)
        check(status["mode"] == "DIVERGED", f"after a restart it is {status['mode']}")
        print(f"DIVERGED, and the row named, {took:.1f} s after the block; the others went on with {len(others)}")


main(test)
