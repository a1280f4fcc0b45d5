#!/usr/bin/env python3
"""Events (docs/spec/events.md): 1,000 of them on node A, A is killed, the last cursor goes on at node C: no gap, no double.
A reader that stands still under load (GALEN_FULL=1: a minute) is told exactly what it missed and then gets it, and neither
process of its node grows. Filters, privacy, heartbeats and pings as the page says."""
import json
import os
import pathlib
import subprocess
import threading
import time

from consortium import BIN, Consortium, check, main
from stock import Client, Pki, decode, grpc, message, one
from tcp_proxy import Proxy

FULL = os.environ.get("GALEN_FULL") == "1"
STILL_S = 60 if FULL else 12
STREAM = "/galen.v1.LedgerService/StreamEvents"
RESPONSE_CURSOR, EVENTS, HEARTBEAT, BEHIND = 1, 2, 3, 4


def position(cursor):
    return tuple(map(int, cursor.split(":")[1:]))


def rss_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def front_end(pid):
    return int(subprocess.run(["pgrep", "-P", str(pid), "galend-api"], capture_output=True, text=True).stdout.split()[0])


class Follower:
    """galenctl events --follow as a process; its lines are read as they come."""

    def __init__(self, consortium, node, *arguments):
        command = [BIN / "galenctl", "--dir", consortium.dir, "--node", node, "--json", "events", "--follow", *arguments]
        self.process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)

    def read(self, count):
        lines = []
        while len(lines) < count:
            line = self.process.stdout.readline()
            if not line:
                break
            lines.append(json.loads(line))
        return lines

    def stop(self):
        """What it had printed by then and nobody read yet; the last line may be cut off."""
        self.process.kill()
        rest, whole = self.process.stdout.read().splitlines(), []
        self.process.wait()
        for line in rest:
            try:
                whole.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return whole


def listed(consortium, node, *arguments):
    """All events so far, as galenctl prints them."""
    out = consortium.ctl("--json", "events", *arguments, node=node, timeout=300)
    return [json.loads(line) for line in out.splitlines() if line.startswith('{"cursor"')]


def settle(consortium, nodes=None):
    """The nodes agree, and each has certified what it executed: after a start that takes until the next block."""
    height, _ = consortium.agree(nodes=nodes)
    until = time.monotonic() + 60
    for node in nodes or consortium.names:
        while True:
            beat = consortium.json("events", "--from", "head", "--heartbeats", node=node)["heartbeat"]
            if position(beat["head"])[0] > height:
                break
            check(time.monotonic() < until, f"{node} does not certify block {height}: {beat}")
            time.sleep(0.2)


def names_of(events):
    return [(event["cursor"], event["type"], event["height"], event["member"]) for event in events]


def check_move(consortium):
    """Half on A, the rest on C."""
    for i in range(4):
        consortium.ctl("record", "import", consortium.documents(100, f"on-a{i}"), node="A", timeout=180)
    follower = Follower(consortium, "A", "--from", "beginning")
    failed = []

    def load():
        for i in range(7):
            done = consortium.run("record", "import", consortium.documents(100, f"move{i}"), node="BD"[i % 2], timeout=180)
            failed.extend([done.stderr] if done.returncode else [])

    loader = threading.Thread(target=load)
    loader.start()
    first = follower.read(600)
    check(len(first) == 600, f"A gave {len(first)} events and ended")
    consortium.kill("A")
    first += follower.stop()
    loader.join()
    check(not failed, f"imports failed: {failed}")
    settle(consortium, ["B", "C", "D"])
    second = listed(consortium, "C", "--from", first[-1]["cursor"])
    reference = listed(consortium, "D")
    check(len(reference) >= 1000, f"only {len(reference)} events")
    check(names_of(first + second) == names_of(reference), "gap or double between A and C")
    check(names_of(listed(consortium, "B", "--from", "beginning")) == names_of(reference), "B and D differ")
    print(f"{len(first)} events on A until it was killed, {len(second)} on C from its last cursor: {len(reference)}, as on B and D")
    consortium.start("A")
    settle(consortium)
    check(names_of(listed(consortium, "A")) == names_of(reference), "A, started again, gives others")
    return reference


class SlowReader:
    """A stock client that takes some messages, stands still, and goes on; from the head, with a heartbeat a second."""

    def __init__(self, world, node):
        # Small windows: what the reader does not take soon fills them, on a fast machine too.
        small = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 16384))
        self.call = world.connect(node, small).channel.unary_stream(STREAM)(message((2, 1), (7, 1000)), timeout=900)
        self.responses = []

    def take(self):
        response = decode(next(self.call))
        self.responses.append(response)
        return response


class World:
    def __init__(self, consortium):
        self.consortium, self.pki = consortium, Pki(consortium)
        layout = json.loads((pathlib.Path(consortium.dir) / "dev.json").read_text())
        self.api = {n["name"]: n["api_port"] for n in layout["nodes"]}

    def connect(self, node, options=()):
        return Client(f"127.0.0.1:{self.api[node]}", self.pki.ca(node), self.pki.client(node), options)


def cursors_of(response):
    return [one(decode(event), 1).decode() for event in response.get(EVENTS, [])]


def check_slow_reader(consortium, world):
    settle(consortium)
    reader = SlowReader(world, "A")
    start = one(reader.take(), RESPONSE_CURSOR).decode()
    nodes = {name: consortium.pid(name) for name in ("A", "D")}
    apis = {name: front_end(pid) for name, pid in nodes.items()}
    before = {name: (rss_mib(nodes[name]), rss_mib(apis[name])) for name in nodes}
    began, imports = time.monotonic(), 0
    while time.monotonic() - began < STILL_S or imports < 8:  # while nobody reads
        consortium.ctl("record", "import", consortium.documents(1000, f"still{imports}"), node="B", timeout=180)
        imports += 1
    stood_s = time.monotonic() - began
    settle(consortium)
    after = {name: (rss_mib(nodes[name]), rss_mib(apis[name])) for name in nodes}

    end = position(listed(consortium, "D")[-1]["cursor"])
    behind = None
    while not reader.responses[-1].get(EVENTS) or position(cursors_of(reader.responses[-1])[-1]) < end:
        response = reader.take()
        if BEHIND in response and behind is None:
            behind = (len(reader.responses) - 1, decode(response[BEHIND][0]))
    reader.call.cancel()
    got = [c for response in reader.responses for c in cursors_of(response)]
    reference = [e["cursor"] for e in listed(consortium, "D", "--from", start)]
    check(got == reference, f"the slow reader got {len(got)} events, there are {len(reference)}")
    check(behind is not None, "the slow reader was not told")
    at, notice = behind
    told_from, told_to = one(notice, 1).decode(), one(notice, 2).decode()
    check(one(reader.responses[at - 1], RESPONSE_CURSOR).decode() == told_from, "what it missed does not begin where it stood")
    missed = [position(c) for c in reference if position(told_from) < position(c) <= position(told_to)]
    followed = [position(c) for r in reader.responses[at:] for c in cursors_of(r)]
    check(followed[:len(missed)] == missed, "what it was told it missed did not follow")
    counted = {p[:2] for p in missed if p[0] < position(told_from)[0] + 1000}  # those of the first 1,000 blocks
    check(len(counted) == one(notice, 4, 0), "transactions miscounted")
    check(position(told_to)[0] - position(told_from)[0] == one(notice, 3, 0), "blocks miscounted")
    print(f"a reader stood still for {stood_s:.0f} s while {imports * 1000} records came: told of {len(missed)} events "
          f"({one(notice, 3, 0)} blocks, {one(notice, 4, 0)} transactions, stalled {one(notice, 5, 0)} ms), then got them all")
    for i, program in enumerate(("galend", "galend-api")):
        grown = {name: after[name][i] - before[name][i] for name in nodes}
        print(f"RSS of {program}: A, with the reader, {before['A'][i]:.0f} -> {after['A'][i]:.0f} MiB; "
              f"D, without, {before['D'][i]:.0f} -> {after['D'][i]:.0f} MiB")
        check(after["A"][i] < 512, f"{program} holds {after['A'][i]:.0f} MiB")
        check(grown["A"] - grown["D"] < 64, f"{program} grew by {grown['A'] - grown['D']:.0f} MiB more than without a reader")


def check_filters(consortium):
    key = f"{consortium.dir}/anna.key"
    consortium.ctl("patient", "keygen", "--out", key)
    patient = consortium.json("patient", "register", "--key", key, "--name", "anna", node="A")["pseudonym"]
    consortium.ctl("consent", "grant", "--patient", "anna", "--to", "C", "--purpose", "TREAT", "--until", "24h", node="A")
    consortium.ctl("decide", "--patient", patient, "--purpose", "TREAT", node="C")
    settle(consortium)
    hers = {node: listed(consortium, node, "--subject", patient) for node in consortium.names}
    check([e["type"] for e in hers["A"]] == ["principal_registered", "consent_granted", "access_decided"], f"A: {hers['A']}")
    check([e["type"] for e in hers["C"]] == ["consent_granted", "access_decided"], f"C: {hers['C']}")
    granted = hers["C"][0]["detail"]
    check(granted["purposes"] == "TREAT" and granted["patient"] == patient, f"the consent in fields: {granted}")
    check(hers["C"][1]["detail"]["permit"] is True, f"the answer in fields: {hers['C'][1]}")
    check(hers["B"] == [] and hers["D"] == [], "strangers learn of her by a filter")
    seen = listed(consortium, "B", "--type", "access_decided")
    check(len(seen) == 1 and "transaction_id" not in seen[0], f"B sees the detail of C's question: {seen}")
    mine = listed(consortium, "D", "--member", "C", "--type", "access_decided")
    check(names_of(mine) == names_of(seen), "the filter by member")
    everything = {node: names_of(listed(consortium, node)) for node in consortium.names}
    check(len(set(map(str, everything.values()))) == 1, "the headers differ between nodes")
    print("filters by type, subject and member; the detail goes to the parties only")


def check_cursors(consortium):
    foreign = consortium.run("--json", "events", "--from", "00" * 32 + ":1:0:0")
    check("WRONG_CHAIN" in foreign.stdout + foreign.stderr, f"{foreign.stdout}{foreign.stderr}")
    broken = consortium.run("--json", "events", "--from", "1:2:3")
    check(broken.returncode == 2, f"a cursor that is none: {broken.returncode}")


def check_quiet(world):
    """Heartbeats while nothing happens, with a client that pings every 10 s (GALEN_FULL=1: for a minute)."""
    options = [("grpc.keepalive_time_ms", 10_000), ("grpc.keepalive_permit_without_calls", 1),
               ("grpc.http2.max_pings_without_data", 0), ("grpc.use_local_subchannel_pool", 1)]
    read = lambda path: pathlib.Path(path).read_bytes()
    cert = world.pki.client("B")
    credentials = grpc.ssl_channel_credentials(read(world.pki.ca("B")), read(cert[1]), read(cert[0]))
    with grpc.secure_channel(f"127.0.0.1:{world.api['B']}", credentials, options) as channel:
        call = channel.unary_stream(STREAM)(message((2, 1), (7, 30_000 if FULL else 2_000)))
        beats, last, longest = 0, time.monotonic(), 0.0
        for _ in range(4 if FULL else 3):
            response = decode(next(call))
            longest = max(longest, time.monotonic() - last)
            last = time.monotonic()
            beats += HEARTBEAT in response
        call.cancel()
    check(beats >= 3, f"{beats} heartbeats")
    print(f"{beats} heartbeats, at most {longest:.1f} s apart")


def check_silent(consortium, world):
    """A connection that passes nothing any more and that nobody ends: galenctl's own pings find it dead, and it goes on."""
    proxy = Proxy(world.api["B"])
    cert, key = world.pki.client("B")
    command = [BIN / "galenctl", "--endpoint", f"127.0.0.1:{proxy.port}", "--ca", world.pki.ca("B"), "--cert", cert,
               "--key", key, "events", "--follow", "--from", "beginning", "--type", "access_decided"]
    follower = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # Both reads below would wait as long as the follower does.
    patience = threading.Timer(90, follower.kill)
    patience.start()
    try:
        check("access_decided" in follower.stdout.readline(), "the one question of before does not come")
        proxy.held = {"in", "out"}
        began = time.monotonic()
        said = follower.stderr.readline()
        took_s = time.monotonic() - began
        check("reading goes on behind" in said, f"silence is not noticed: {said!r} after {took_s:.0f} s")
        check(took_s < 40, f"silence is noticed after {took_s:.0f} s only")
        proxy.held = set()
        consortium.run("decide", "--patient", "anna", "--purpose", "TREAT", node="C")
        check("access_decided" in follower.stdout.readline(), "nothing comes when the connection is back")
        print(f"a connection that fell silent was given up after {took_s:.0f} s, and the next event came over a new one")
    finally:
        patience.cancel()
        follower.kill()
        follower.wait()
        proxy.stop()


def test():
    with Consortium() as consortium:
        world = World(consortium)
        check_move(consortium)
        check_filters(consortium)
        check_cursors(consortium)
        check_silent(consortium, world)
        check_slow_reader(consortium, world)
        check_quiet(world)


main(test)
