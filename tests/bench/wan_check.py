#!/usr/bin/env python3
"""How near `galen-sim wan` comes to real nodes: four real ones on loopback, once as they are and once with a delay each way between
all of them (tests/cluster/tcp_proxy.py), under closed-loop load of one caller and of many; beside each figure the model's, for the same
members, the round trip that the nodes themselves measured, the rate that they reached, and costs measured just before. A minute or
two. No gates: it prints figures, their ratio, and what the model leaves out where they differ.
--delay-ms each way, --outstanding, --seconds of each cell."""
import argparse
import contextlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cluster"))
from consortium import BIN, Consortium, check  # noqa: E402
from tcp_proxy import Proxy  # noqa: E402

MEMBERS = 4
ROW = re.compile(r"^\| (\d+) \| (\d+) ms \| (\d+) \| ([\d.]+) ms \| ([\d.]+) ms \| ([\d.]+) \| (\d+) % \|$", re.M)


class World(Consortium):
    def put_apart(self, delay_s):
        """From now on every node reaches every other through a proxy that holds each byte for `delay_s`."""
        layout = json.loads((pathlib.Path(self.dir) / "dev.json").read_text())
        ports = {node["name"]: node["peer_port"] for node in layout["nodes"]}
        self.ctl("dev", "down")
        proxies = {name: Proxy(port) for name, port in ports.items()}
        for name in self.names:
            path = self.folder(name) / "node.toml"
            text = path.read_text()
            for other in self.names:
                if other != name:
                    text, count = re.subn(rf'^({other} = "127\.0\.0\.1:){ports[other]}"', rf'\g<1>{proxies[other].port}"', text, flags=re.M)
                    check(count == 1, f"{path} does not say where {other} is")
            path.write_text(text)
        for proxy in proxies.values():
            proxy.delay_s = delay_s
        self.ctl("dev", "up", "--wait", "90", timeout=120)
        return proxies.values()

    def rtt_ms(self):
        """Between any two, as they measured it."""
        peers = [peer["rtt_us"] for name in self.names for peer in self.json("node", "peers", node=name)["peers"]]
        return statistics.median(peers) / 1000

    def measure(self, outstanding, seconds):
        said = self.ctl("dev", "env", node="A")
        env = dict(os.environ, **dict(re.findall(r"^export (GALEN_\w+)='?([^'\n]*)'?$", said, re.M)))
        done = subprocess.run([BIN / "galen-bench", "--dir", self.dir, "--workload", "anchor", "--outstanding", str(outstanding),
                               "--seconds", str(seconds), "--warm-up", "1", "--json"],
                              env=env, capture_output=True, text=True, timeout=seconds + 120)
        check(done.returncode == 0, f"galen-bench: {done.stderr[-600:]}")
        return json.loads(done.stdout.strip().splitlines()[-1])


def model(rtt_ms, load, directory):
    done = subprocess.run([BIN / "galen-sim", "wan", "--nodes", str(MEMBERS), "--rtt", str(rtt_ms), "--load", str(load), "--directory",
                           directory], capture_output=True, text=True, timeout=300)
    row = ROW.search(done.stdout)
    check(done.returncode == 0 and row is not None, f"galen-sim wan: {done.stdout[-400:]}{done.stderr[-400:]}")
    return {"costs": done.stdout.splitlines()[0], "rate": float(row[3]), "p50_ms": float(row[4]), "p99_ms": float(row[5])}


def busy_percent(row):
    """Of all cores, by the nodes, their front ends and the client."""
    cpu_s = sum(row[f"cpu_s_per_1000_{who}"] for who in ("replicas", "front_ends", "client")) * row["ops_per_s"] / 1000
    return 100 * cpu_s / os.cpu_count()


def explain(real, simulated, rtt_ms, modelled_rtt_ms):
    """What the model leaves out, where it shows."""
    out = []
    extra = real["p50_ms"] - simulated["p50_ms"]
    if busy_percent(real) > 60:
        out.append(f"{busy_percent(real):.0f} % of all cores are busy with {MEMBERS} nodes and their client: threads wait for a core, "
                   "and the model gives every member cores of its own")
    elif extra > 0.25 * simulated["p50_ms"]:
        out.append(f"{extra:.1f} ms more: front end, vault and client, which the model has not, and whatever else runs on this machine")
    elif extra < -0.25 * real["p50_ms"]:
        out.append(f"{-extra:.1f} ms less: the model's costs were measured by the clock just now, and hold what other work took from them")
    if modelled_rtt_ms > 2 * rtt_ms:
        out.append(f"the model knows no round trip below {modelled_rtt_ms} ms, here it is {rtt_ms:.2f}: about "
                   f"{2.5 * (modelled_rtt_ms - rtt_ms):.1f} ms of the model's are that")
    if real["p99_ms"] / real["p50_ms"] > 2 * simulated["p99_ms"] / simulated["p50_ms"]:
        out.append("the tail: syncs and scheduling vary, the model's costs are one number each")
    return out or ["within a quarter"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay-ms", type=float, default=10)
    parser.add_argument("--outstanding", default="1,64")
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    cells = []
    with World(nodes=MEMBERS) as world, contextlib.ExitStack() as stack:
        for delay_ms in (0, options.delay_ms):
            if delay_ms:
                for proxy in world.put_apart(delay_ms / 1000):
                    stack.callback(proxy.stop)
            for outstanding in map(int, options.outstanding.split(",")):
                real = world.measure(outstanding, options.seconds)
                cells.append((outstanding, world.rtt_ms(), real))
        # While they run: what is measured for the model is this machine with them on it, idle.
        print(f"{os.cpu_count()} cores, load {load_before:.1f} before; {MEMBERS} nodes on loopback\n")
        if load_before > os.cpu_count() / 2:
            print("this machine does other work: what follows says little, repeat it when it is quiet\n")
        rows, notes = [], []
        for outstanding, rtt_ms, real in cells:
            modelled_rtt_ms = max(1, round(rtt_ms))
            simulated = model(modelled_rtt_ms, max(1, round(real["ops_per_s"])), world.dir)
            if not notes:
                print(simulated["costs"].split(";")[0] + "\n")
            rows.append(f"| {rtt_ms:.2f} ms | {outstanding} | {real['ops_per_s']:.0f} | {real['p50_ms']:.1f} / {simulated['p50_ms']:.1f} ms | "
                        f"{real['p50_ms'] / simulated['p50_ms']:.2f} | {real['p99_ms']:.1f} / {simulated['p99_ms']:.1f} ms | "
                        f"{real['p99_ms'] / simulated['p99_ms']:.2f} |")
            notes += [f"{rtt_ms:.2f} ms, {outstanding}: {note}" for note in explain(real, simulated, rtt_ms, modelled_rtt_ms)]
        print("| round trip | callers | a second | median, real / model | ratio | 99 %, real / model | ratio |\n|---|---|---|---|---|---|---|")
        print("\n".join(rows) + "\n")
        print("\n".join(notes))


if __name__ == "__main__":
    main()
