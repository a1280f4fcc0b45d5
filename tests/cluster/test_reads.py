#!/usr/bin/env python3
"""Reads that say how fresh they are. A write acknowledged by one node is seen by a linearizable read at every other node at once,
GALEN_READS times (100) in a row, under load, and by a read from its height on; how often a plain read had not seen it yet is
counted. With two of four stopped a linearizable read says who is missing, while a plain one answers and one that
may not be old is refused with the age. A height that does not come is waited for until the deadline, and one that comes is answered."""
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

from consortium import BIN, AnchorLoad, Consortium, check, main

READS = int(os.environ.get("GALEN_READS", "100"))


def anchor(consortium, node, tag):
    path = pathlib.Path(consortium.dir) / f"{tag}.txt"
    path.write_text(tag)
    done = consortium.json("record", "anchor", path, "--source", f"Note/{tag}", node=node, timeout=90)
    path.unlink()
    return done["pointer_id"], done["outcome"]["height"]


def reads_at_once(consortium, pointer, flags, names):
    """One read at each node, all at the same time: (node, exit code, answer or error)."""
    out = {}

    def read(node):
        done = consortium.run("--json", "--timeout", "20", "record", "get", "--pointer", pointer, *flags, node=node, timeout=60)
        out[node] = (done.returncode, done.stdout + done.stderr)

    threads = [threading.Thread(target=read, args=(n,)) for n in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return out


def read_your_writes(consortium):
    missed = 0
    took = []
    with AnchorLoad(consortium, size=20) as load:
        for number in range(READS):
            writer = consortium.names[number % len(consortium.names)]
            others = [n for n in consortium.names if n != writer]
            pointer, height = anchor(consortium, writer, f"note{number}")
            flags = ([], ["--linearizable"], ["--min-height", height])[0 if number % 10 == 9 else 2 if number % 5 == 4 else 1]
            began = time.monotonic()
            answers = reads_at_once(consortium, pointer, flags, others)
            if not flags:  # says nothing of freshness: may miss it, and says so by its height
                missed += sum(code != 0 for code, _ in answers.values())
                answers = reads_at_once(consortium, pointer, ["--linearizable"], others)
            else:
                took.append(time.monotonic() - began)
            for node, (code, text) in answers.items():
                check(code == 0, f"{node} does not see what {writer} acknowledged, by {flags}: {text[-400:]}")
                point = json.loads(text.strip().splitlines()[-1])["read_point"]
                check(point["height"] >= height and point["block_time_ms"] > 0, f"{node}: as of {point}, written at {height}")
    check(load.acknowledged, "there was no load")
    took.sort()
    print(f"{READS} writes seen at once by every other node under load of {len(load.acknowledged)} imports; plain reads missed "
          f"{missed}; three reads at a time took {took[len(took) // 2]:.2f} s, at most {took[-1]:.2f} s", flush=True)


def refused(consortium, node, reason, *arguments):
    began = time.monotonic()
    done = consortium.run("--json", *arguments, node=node, timeout=60)
    text = done.stdout + done.stderr
    check(done.returncode == 4 and reason in text, f"{' '.join(map(str, arguments))} at {node}: exit {done.returncode}, not {reason}: "
                                                   f"{text[-500:]}")
    return text, time.monotonic() - began


def heights(consortium):
    pointer, height = anchor(consortium, "A", "heights")
    get = ["record", "get", "--pointer", pointer]
    text, took = refused(consortium, "B", "HEIGHT_NOT_REACHED", "--timeout", "3", *get, "--min-height", height + 1_000_000)
    check(2.0 < took < 6.0, f"a height that does not come was refused after {took:.1f} s of 3 s")
    check("executed blocks up to" in text, f"the refusal does not say how far the node is: {text}")
    now = consortium.status("B")["height"]
    waiting = subprocess.Popen([BIN / "galenctl", "--dir", consortium.dir, "--node", "B", "--json", "--timeout", "25", *get,
                                "--min-height", str(now + 2)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for number in range(3):
        anchor(consortium, "A", f"next{number}")
    text = waiting.communicate(timeout=60)[0]
    check(waiting.returncode == 0, f"a height that comes was not waited for: {text}")
    check(json.loads(text.strip().splitlines()[-1])["read_point"]["height"] >= now + 2, f"it was read too early: {text}")
    consortium.json(*get, "--max-staleness", "1h", node="B")
    check(consortium.run(*get, "--max-staleness", "1h", "--linearizable", node="B").returncode == 2, "two kinds at once were taken")
    print("heights are waited for and refused with how far the node is", flush=True)
    return get


def stopping(consortium, get):
    """Who waits at a node that is stopped hears so from the node, before its front end is closed."""
    never = str(consortium.status("C")["height"] + 1_000_000)
    waiting = subprocess.Popen([BIN / "galenctl", "--dir", consortium.dir, "--node", "C", "--json", "--timeout", "25", *get,
                                "--min-height", never], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    time.sleep(1)
    consortium.kill("C", signal.SIGTERM)
    text = waiting.communicate(timeout=60)[0]
    check(waiting.returncode == 4 and "SHUTTING_DOWN" in text, f"exit {waiting.returncode}: {text[-500:]}")
    print("who waited at a node that stopped was told", flush=True)


def without_quorum(consortium, get):
    stopping(consortium, get)
    consortium.kill("D", signal.SIGTERM)
    time.sleep(2)
    text, took = refused(consortium, "A", "NO_QUORUM", "--timeout", "10", *get, "--linearizable")
    check("3 of 4" in text and "no answer of C, D" in text,
          f"the refusal does not say who is missing: {text}")
    answer = consortium.json(*get, node="A")
    check(not answer["read_point"]["quorum"], f"a plain read does not say that there is no quorum: {answer}")
    time.sleep(max(0.0, 4.0 - answer["read_point"]["age_ms"] / 1000))
    text, _ = refused(consortium, "A", "TOO_STALE", *get, "--max-staleness", "3s")
    check("ms old" in text, f"the refusal does not say how old: {text}")
    consortium.start("C")
    consortium.start("D")
    consortium.agree()
    consortium.json("--timeout", "30", *get, "--linearizable", node="C", timeout=60)
    print(f"without a quorum a linearizable read was refused after {took:.1f} s, a plain one answered", flush=True)


def idle(consortium, get):
    """Nothing moves, and nothing has to: the highest certificate is committed already."""
    consortium.agree()
    before = consortium.status("B")["height"]
    began = time.monotonic()
    for _ in range(5):
        consortium.json(*get, "--linearizable", node="B")
    took = (time.monotonic() - began) / 5
    check(took < 2.0, f"a linearizable read of an idle chain took {took:.1f} s")
    print(f"idle at height {before}: a linearizable read takes {took:.2f} s, the program's start included", flush=True)


def test():
    with Consortium() as consortium:
        read_your_writes(consortium)
        get = heights(consortium)
        idle(consortium, get)
        without_quorum(consortium, get)


main(test)
