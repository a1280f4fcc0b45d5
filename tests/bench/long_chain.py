#!/usr/bin/env python3
"""What a long chain costs: `scripts/bench.sh --chain` runs this. A `galenctl dev` consortium is stopped, bench_chain fills the ledger
of node-1 through the executor at full speed, and the other nodes get the same ledger. On the way, at each tenth: records/s, memory,
disk after compaction by what it is for, proofs. At the end, with real processes and while what was written is younger than ttl_max:
start to ready after a stop and after SIGKILL under load, memory; then verifying everything, and a new node that joins by snapshot.
Ends non-zero where a target of 10^6 records is missed and no reason is known."""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cluster"))
from consortium import BIN, AnchorLoad, Consortium, Failure, check  # noqa: E402

PROOFS = 1000
TTL_MAX_S = 600  # of genesis, as dev up makes it
INTERVAL, BEHIND = 100, 200
START_WAIT_S = 600
# Criterion: figure, limit, whether more is better.
TARGETS = {"throughput_end_percent": (80, True), "bytes_per_record": (700, False), "rss_mib": (512, False),
           "ready_after_stop_s": (3, False), "ready_after_kill_s": (10, False)}
# Missed, and docs/performance.md says why: told each time, but a failure only where it is worse than ever was measured.
EXPLAINED = {"throughput_end_percent": 50}


def say(text):
    print(text, file=sys.stderr, flush=True)


def bench_chain(*arguments):
    done = subprocess.run([BIN / "bench_chain", *map(str, arguments)], capture_output=True, text=True)
    check(done.returncode == 0, f"bench_chain {arguments[0]}: {done.stderr[-800:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def link_ledger(source, target):
    """A ledger of its own: RocksDB writes a table file once, so those are shared; the others are copied."""
    target.mkdir(parents=True)
    for path in source.iterdir():
        if path.suffix == ".sst":
            os.link(path, target / path.name)
        elif path.name != "LOCK":
            shutil.copy2(path, target / path.name)


class Point:
    """A copy of node-1's ledger at a tenth, to be measured when there is time: compacting it changes nothing for what goes on."""

    def __init__(self, consortium, figures):
        self.figures = figures
        self.dir = pathlib.Path(consortium.dir) / f"at-{figures['records']}"
        link_ledger(consortium.folder("A") / "data" / "ledger", self.dir / "node-1" / "data" / "ledger")
        shutil.copy(pathlib.Path(consortium.dir) / "genesis.json", self.dir)

    def measure(self):
        self.figures |= bench_chain("prove", self.dir, PROOFS) | {"bytes": self.disk(self.figures["records"])}
        shutil.rmtree(self.dir)
        return self.figures

    def disk(self, records):
        """Bytes per record. Of the family `blocks` by part: what members signed, and what is derived from it for proofs."""
        measured = bench_chain("disk", self.dir)
        families, parts = measured["families"], measured["blocks"]
        body = families["blocks"] * parts["body"] / sum(parts.values())
        groups = {"blocks": body, "state": families["state"], "tree": families["tree"],
                  "indexes": families["transactions"] + families["lists"],
                  "proofs": families["blocks"] - body + families["certificates"] + families["meta"]}
        return {name: count / records for name, count in groups.items()} | {"all": sum(families.values()) / records}


def stand_still(process):
    """SIGSTOP returns before the other threads have stopped."""
    process.send_signal(signal.SIGSTOP)
    while any(stat.read_text().rsplit(")", 1)[1].split()[0] not in "Tt" for stat in pathlib.Path(f"/proc/{process.pid}/task").glob("*/stat")):
        time.sleep(0.01)


def fill(consortium, records):
    filler = subprocess.Popen([BIN / "bench_chain", "fill", consortium.dir, str(records)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    points = []
    for line in filler.stdout:
        figures = json.loads(line)
        stand_still(filler)  # its background threads as well: no file goes away meanwhile
        points.append(Point(consortium, figures))
        say(f"{figures['records']} records: {figures['apply_rate']}/s, {figures['apply_cpu_us']:.0f} us CPU each, {figures['rss_mib']} MiB")
        filler.send_signal(signal.SIGCONT)
        filler.stdin.write("\n")
        filler.stdin.flush()
    filler.stdin.close()
    check(filler.wait() == 0 and points, "bench_chain fill did not reach its end")
    return points


def share(consortium):
    source = consortium.folder("A") / "data" / "ledger"
    for node in consortium.names[1:]:
        target = consortium.folder(node) / "data" / "ledger"
        shutil.rmtree(target)
        link_ledger(source, target)


def memory_mib(pid, name):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) // 1024
    return 0


def cpu_s(pid):
    """User and system time of all its threads: what a start would take at least on a machine that does nothing else."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def forget_pages(folder):
    """The next start reads from the disk, as after the machine's own start."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def start(consortium, node):
    """Seconds until the API answers, until the node votes with a quorum, and until it is as high as the others were."""
    goal = max(s["height"] for s in map(consortium.status, (n for n in consortium.names if n != node)) if s)
    forget_pages(consortium.folder(node) / "data")
    began, out = time.monotonic(), {}
    consortium.ctl("dev", "up", "--wait", START_WAIT_S, node=node, timeout=START_WAIT_S + 30)
    out["answers_s"] = time.monotonic() - began
    while "level_s" not in out:
        check(time.monotonic() - began < START_WAIT_S, f"{node} does not come to vote: {consortium.status(node)}")
        status = consortium.status(node)
        if status and status["mode"] == "VOTING" and status["quorum_reachable"]:
            if "votes_s" not in out:
                out |= {"votes_s": time.monotonic() - began, "cpu_s": cpu_s(consortium.pid(node))}
            if status["height"] >= goal:
                out["level_s"] = time.monotonic() - began
        time.sleep(0.02)
    return out


def bulk_load(consortium, node, seconds):
    environment = json.loads(consortium.ctl("--json", "dev", "env", node=node).strip().splitlines()[-1])
    return subprocess.Popen([BIN / "galen-bench", "--dir", consortium.dir, "--workload", "bulk", "--outstanding", "64", "--warm-up", "0",
                             "--seconds", str(seconds), "--json"], env=os.environ | environment, stdout=subprocess.PIPE, text=True)


def load_result(load):
    out = load.communicate(timeout=300)[0]
    check(load.returncode == 0, f"galen-bench ended with {load.returncode}")
    return json.loads(out.strip().splitlines()[-1])


def starts(consortium, fill_began):
    consortium.kill("A", signal.SIGTERM)
    figures = {"after_fill": start(consortium, "A")}
    load = bulk_load(consortium, "B", 12)
    time.sleep(11)
    pid = consortium.pid("A")
    figures["rss_mib"], figures["rss_mib_max"] = memory_mib(pid, "VmRSS"), memory_mib(pid, "VmHWM")
    consortium.kill("A")
    figures["load_records_per_s"] = load_result(load)["ops_per_s"]
    consortium.agree(["B", "C", "D"], timeout=300)
    figures["after_kill"] = start(consortium, "A")
    consortium.agree(timeout=300)
    consortium.kill("A", signal.SIGTERM)
    figures["after_stop"] = start(consortium, "A")
    consortium.agree(timeout=300)
    figures["oldest_record_s"] = time.monotonic() - fill_began
    return figures


def verify(consortium):
    consortium.kill("A", signal.SIGTERM)
    done = subprocess.run([BIN / "galend", "verify", "--data", consortium.folder("A") / "data", "--jobs", "2", "--json"],
                          capture_output=True, text=True)
    report = json.loads(done.stdout)
    check(done.returncode == 0 and report["ok"] and report["executed"], f"verify: {done.stdout[-800:]}")
    consortium.start("A")
    return {"seconds": report["seconds"], "transactions": report["transactions"]}


def wait_for(what, condition, seconds):
    until = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < until, f"{what}: not within {seconds} s")
        time.sleep(0.1)


def join(consortium, filled_at):
    """D loses its disk. What was filled is older than ttl_max by then: a joining node takes the blocks of that time before it votes."""
    consortium.ctl("dev", "down")
    for node in consortium.names:
        with open(consortium.folder(node) / "node.toml", "a") as toml:
            toml.write(f"\n[sync]\nsnapshot_interval_blocks = {INTERVAL}\njoin_behind_blocks = {BEHIND}\n")
    consortium.ctl("dev", "up", "--wait", START_WAIT_S, timeout=START_WAIT_S + 30)
    say("waits until the filled blocks are older than ttl_max")
    time.sleep(max(0.0, filled_at + TTL_MAX_S + 5 - time.monotonic()))
    folder = consortium.folder("D")
    with AnchorLoad(consortium, names=["A", "B", "C"], tag="meanwhile"):
        wait_for("a snapshot at B", lambda: "snapshot height=" in consortium.log("B"), 900)
        consortium.kill("D")
        shutil.rmtree(folder / "data")
        (folder / "keys" / "master.key").unlink()
        made = subprocess.run([BIN / "galend", "init", "--config", folder / "node.toml"], capture_output=True, text=True)
        check(made.returncode == 0, f"galend init: {made.stderr}")
        began, before = time.monotonic(), consortium.status("A")["height"]
        consortium.start("D")
        wait_for("D has joined", lambda: "joined height=" in consortium.log("D"), 1800)
        out = {"joined_s": time.monotonic() - began}
        wait_for("D votes", lambda: (consortium.status("D") or {}).get("mode") in ("VOTING", "BACKFILLING"), 1800)
        out["votes_s"] = time.monotonic() - began
        out["blocks_per_s_meanwhile"] = (consortium.status("A")["height"] - before) / out["votes_s"]
        wait_for("D is whole", lambda: (consortium.status("D") or {"backfill_floor": 1})["backfill_floor"] == 0, 7200)
        out["whole_s"] = time.monotonic() - began
    consortium.agree(timeout=300)
    return out


def run(records, with_join):
    with Consortium() as consortium:
        consortium.agree()
        # A member that stops hands its view over, and what the others then commit would contradict what node-1 is filled with.
        for node in consortium.names[2:]:
            consortium.kill(node)
        consortium.ctl("dev", "down")
        fill_began = time.monotonic()
        points = fill(consortium, records)
        filled_at, height = time.monotonic(), points[-1].figures["height"]
        share(consortium)
        consortium.ctl("dev", "up", "--wait", START_WAIT_S, timeout=START_WAIT_S + 30)
        consortium.agree(timeout=300, at_least=height)
        out = {"records": records, "start": starts(consortium, fill_began)}
        say(f"measures what stood at each tenth, then verifies everything; so far: {json.dumps(out)}")
        out["points"] = [point.measure() for point in points]
        out["verify"] = verify(consortium)
        consortium.agree(timeout=300)
        if with_join and height > 2 * BEHIND:
            out["join"] = join(consortium, filled_at)
    first, last = out["points"][0], out["points"][-1]
    out["throughput_end_percent_by_cpu"] = 100 * first["apply_cpu_us"] / last["apply_cpu_us"]
    out["targets"] = {"throughput_end_percent": 100 * last["apply_rate"] / first["apply_rate"],
                      "bytes_per_record": last["bytes"]["all"],
                      "rss_mib": max(out["start"]["rss_mib_max"], last["rss_mib_max"]),
                      "ready_after_stop_s": max(out["start"][name]["votes_s"] for name in ("after_fill", "after_stop")),
                      "ready_after_kill_s": out["start"]["after_kill"]["votes_s"]}
    return out


PARTS = ("blocks", "state", "tree", "indexes", "proofs", "all")


def print_table(out):
    print("| records | records/s | executor and ledger alone | µs CPU each | bytes a record: " + " | ".join(PARTS) +
          " | RSS MiB | open s | receipt ms | by history ms | state key ms |")
    print("|" + "---|" * (10 + len(PARTS)))
    for p in out["points"]:
        print(f"| {p['records']:,} | {p['rate']:,} | {p['apply_rate']:,} | {p['apply_cpu_us']:.0f} | " +
              " | ".join(f"{p['bytes'][part]:.0f}" for part in PARTS) +
              f" | {p['rss_mib']} | {p['open_s']:.2f} | {p['receipt_ms'][0]:.2f} | {p['history_proof_ms'][0]:.2f} | "
              f"{p['state_proof_ms'][0]:.2f} |")
    begun = out["start"]
    for name, what in (("after_fill", "a clean stop, the log empty"), ("after_stop", "a clean stop after load"),
                       ("after_kill", "SIGKILL under load")):
        took = begun[name]
        print(f"start after {what}: answers after {took['answers_s']:.1f} s, votes after {took['votes_s']:.1f} s "
              f"({took['cpu_s']:.1f} s of CPU), has what it missed after {took['level_s']:.1f} s")
    print(f"at the last of these starts the oldest record was {begun['oldest_record_s']:.0f} s old (ttl_max: {TTL_MAX_S} s)")
    print(f"a replica under {begun['load_records_per_s']:.0f} records/s: {begun['rss_mib']} MiB, at most {begun['rss_mib_max']} MiB")
    checked = out["verify"]
    print(f"galend verify --jobs 2: {checked['seconds']:.0f} s for {checked['transactions']:,} transactions, executed again")
    print(f"executor and ledger at the end: {out['targets']['throughput_end_percent']:.0f} % of the start by the clock, "
          f"{out['throughput_end_percent_by_cpu']:.0f} % by CPU")
    if "join" in out:
        took = out["join"]
        print(f"a new node: joined by snapshot after {took['joined_s']:.1f} s, votes after {took['votes_s']:.1f} s, has every block after "
              f"{took['whole_s']:.0f} s; the others went on at {took['blocks_per_s_meanwhile']:.1f} blocks/s")


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench.sh --chain", description=__doc__)
    parser.add_argument("records", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--long", action="store_true", help="10^7 records")
    parser.add_argument("--no-join", action="store_true", help="without the new node, which waits for ttl_max to pass")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    arguments = parser.parse_args()
    try:
        out = run(10_000_000 if arguments.long else arguments.records, not arguments.no_join)
    except Failure as failure:
        sys.exit(f"FAILED: {failure}")
    if arguments.json:
        print(json.dumps(out))
    else:
        print_table(out)
    missed = [name for name, (limit, more) in TARGETS.items()
              if (out["targets"][name] < limit if more else out["targets"][name] > limit)]
    explained = [name for name in missed if out["targets"][name] >= EXPLAINED.get(name, float("inf"))]
    said = {name: " MISSED, explained" if name in explained else " MISSED" if name in missed else "" for name in TARGETS}
    print("targets: " + ", ".join(f"{name} {out['targets'][name]:.1f}{said[name]}" for name in TARGETS),
          file=sys.stderr if arguments.json else sys.stdout)
    sys.exit(1 if len(missed) > len(explained) and out["records"] <= 1_000_000 else 0)


if __name__ == "__main__":
    main()
