#!/usr/bin/env python3
"""Gray failures of real processes, one after the other: a node that stands still, one with a slow disk, one with a tenth of the CPU,
a clock that is an hour off, a member that floods another, one that leads as slowly as it may, a network that is slow, cuts connections, puts things out of
order, or carries one way only. Work goes on
through each of them, and afterwards all nodes agree. The rate of commits and p99 are printed beside the undisturbed ones of the same
run, and after each the rate must be back at 95 % within 30 s. GALEN_FULL=1: all of them, 30 s each, a minute of standing still;
else a few, drawn by the seed, for some seconds. GALEN_GRAY=name,name chooses."""
import json
import os
import pathlib
import random
import re
import signal
import ssl
import subprocess
import threading
import time

from bad_connections import tls_connection
from consortium import BIN, SEED, Failure, check, main
from disk_world import SHIM, DiskWorld
from stock import Pki
from tcp_proxy import Proxy

FULL = os.environ.get("GALEN_FULL") == "1"
SECONDS = 30 if FULL else 5
BACK = 0.95  # of the rate before, within 30 s
FAKETIME = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


class GrayWorld(DiskWorld):
    """Every node reaches D through a proxy, and D the others: D's network can be hurt. D is hurt by all else as well."""

    more_environment = {}

    def __enter__(self):
        super().__enter__()
        layout = json.loads((pathlib.Path(self.dir) / "dev.json").read_text())
        self.peer = {n["name"]: n["peer_port"] for n in layout["nodes"]}
        self.proxies = {name: Proxy(self.peer[name]) for name in self.names}
        for node in self.names:
            behind = self.names if node == "D" else ["D"]
            path = self.folder(node) / "node.toml"
            text = path.read_text()
            for name in behind:
                if name != node:
                    text = re.sub(rf'^({name} = "127\.0\.0\.1:){self.peer[name]}"', rf'\g<1>{self.proxies[name].port}"', text,
                                  flags=re.M)
            path.write_text(text)
        self.ctl("dev", "down")
        self.ctl("dev", "up", "--wait", "90", timeout=120)
        self.client = self.environment_of("A")
        return self

    def __exit__(self, *reason):
        super().__exit__(*reason)
        for proxy in self.proxies.values():
            proxy.stop()

    def environment_of(self, node):
        said = self.ctl("dev", "env", node=node)
        return dict(os.environ, **dict(re.findall(r"^export (GALEN_\w+)='?([^'\n]*)'?$", said, re.M)))

    def measure(self, seconds):
        """(acknowledged a second, p99 in ms) of 16 callers at A."""
        env = {k: v for k, v in self.client.items() if k not in ("LD_PRELOAD", "GALEN_RECORD_DIR")}
        done = subprocess.run([BIN / "galen-bench", "--workload", "anchor", "--outstanding", "16", "--seconds", str(seconds),
                               "--warm-up", "0.5", "--json"], env=env, capture_output=True, text=True, timeout=seconds + 120)
        try:
            row = json.loads(done.stdout.strip().splitlines()[-1])
        except (IndexError, json.JSONDecodeError):
            raise Failure(f"galen-bench: {done.stdout[-300:]} {done.stderr[-600:]}")
        return row["ops_per_s"], row["p99_ms"]

    def heals(self, before):
        """Once all is well again, a window of some seconds after the other until the rate is back at 95 %, within 30 s of it:
        (rate, p99, seconds until then or nothing). A sample looks at one window and asks for nothing."""
        began = time.monotonic()
        for _ in range(6 if FULL else 1):
            rate, p99 = self.measure(5)
            if rate >= BACK * before:
                return rate, p99, time.monotonic() - began
        return rate, p99, None

    def environment(self, settings):
        return super().environment(settings) | self.more_environment

    def again(self, node, **settings):
        """Stops the node and starts it with other settings of the shim, and `more_environment`."""
        self.down(node)
        return self.run_node(node, **settings)


class Disturbance:
    """What is done to D; `with` it holds, after it all is well again."""

    seconds = SECONDS

    def __init__(self, world):
        self.world = world

    def __enter__(self):
        self.begin()
        return self

    def __exit__(self, *_):
        self.end()

    def begin(self):
        pass

    def end(self):
        pass


class StandsStill(Disturbance):
    """SIGSTOP: nothing is closed, nothing is answered."""

    seconds = 60 if FULL else SECONDS

    def begin(self):
        self.pid = self.world.pid("D")
        os.kill(self.pid, signal.SIGSTOP)

    def end(self):
        os.kill(self.pid, signal.SIGCONT)


class TenthOfCpu(Disturbance):
    """Stopped 90 of every 100 ms."""

    def begin(self):
        self.pid, self.over = self.world.pid("D"), False
        self.thread = threading.Thread(target=self.pulse)
        self.thread.start()

    def pulse(self):
        while not self.over:
            os.kill(self.pid, signal.SIGSTOP)
            time.sleep(0.09)
            os.kill(self.pid, signal.SIGCONT)
            time.sleep(0.01)

    def end(self):
        self.over = True
        self.thread.join()


class SlowDisk(Disturbance):
    """Each sync takes 50 ms longer."""

    def begin(self):
        self.world.again("D", FAULT="delay", AT=1, EVERY=1, CALL="sync", DELAY_MS=50)
        time.sleep(2)

    def end(self):
        self.world.again("D")


class ClockAnHourOff(Disturbance):
    """The wall clock alone; waiting times use the monotonic one."""

    def begin(self):
        check(FAKETIME, "libfaketime is not installed")
        self.world.more_environment = {"LD_PRELOAD": f"{FAKETIME} {SHIM}", "FAKETIME": "+1h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self.world.again("D")
        time.sleep(2)

    def end(self):
        self.world.more_environment = {}
        self.world.again("D")


def frames(channel):
    """(lane, type, body) of what comes (docs/spec/wire.md 2)."""
    stream = channel.makefile("rb")
    while len(head := stream.read(8)) == 8:
        yield head[2], head[3], stream.read(int.from_bytes(head[4:], "big"))


class Floods(Disturbance):
    """D's certificate in the wrong hands: connections that talk nonsense as fast as they can, while D is away. By turns it is bytes
    that fail the first check, and PREPAREs of D which only their signature betrays: each of these costs A a verification."""

    def begin(self):
        self.world.down("D")
        self.over, self.sent = False, 0
        certificate = Pki(self.world).node("D")
        self.threads = [threading.Thread(target=self.flood, args=(certificate,)) for _ in range(2)]
        for thread in self.threads:
            thread.start()

    def forged(self, rng):
        """Some hundred votes for heights to come, each for another block."""
        member = self.world.names.index("D").to_bytes(2, "big")
        place = (1).to_bytes(8, "big") + (self.world.status("A")["height"] + 1000).to_bytes(8, "big")
        votes = [b"\x01\x03\x01" + member + place + rng.randbytes(32 + 64) for _ in range(200)]
        return b"".join(b"\x47\x01\x01\x07" + len(vote).to_bytes(4, "big") + vote for vote in votes)

    def flood(self, certificate):
        rng = random.Random(SEED)
        hello = bytes([0, 1, 0, 1]) + bytes.fromhex(self.world.status("A")["chain_id"]) + bytes(24)
        junk = (b"\x47\x01\x01\x07" + (65000).to_bytes(4, "big") + rng.randbytes(65000)) * 8
        votes, turn = self.forged(rng), 0
        while not self.over:
            try:
                with tls_connection(self.world.peer["A"], certificate, ["galen/1"]) as channel:
                    channel.settimeout(5)
                    channel.sendall(b"\x47\x01\x00\x01" + len(hello).to_bytes(4, "big") + hello)
                    # Votes are checked behind an activate only; what comes before it ends the connection.
                    active = turn % 2 == 0 and any((lane, kind) == (0, 2) for lane, kind, _ in frames(channel))
                    said, turn = votes if active else junk, turn + 1
                    while not self.over:
                        channel.sendall(said)
                        self.sent += len(said)
            except (OSError, ssl.SSLError):
                time.sleep(0.01)

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join()
        self.world.start("D")
        check(re.search("invalid message from member=D reason=BAD_SIGNATURE", self.world.log("A")), "A checked no forged vote of D")


class StallingLeader(Disturbance):
    """When D leads, each of its proposals takes half to 0.95 of the time that a view may go on without one (tests/byzantine)."""

    def begin(self):
        self.process = self.world.run_liar("D", "stalls", SEED)
        time.sleep(2)

    def end(self):
        self.process.terminate()
        check(self.process.wait(30) == 0, "the liar did not stop in good order")
        self.world.start("D")


class SlowNetwork(Disturbance):
    """50 ms each way between D and all others."""
    delay_s = 0.05

    def begin(self):
        for proxy in self.world.proxies.values():
            proxy.delay_s = self.delay_s

    def end(self):
        for proxy in self.world.proxies.values():
            proxy.delay_s = 0


class CutsConnections(Disturbance):
    """All connections of D end once a second."""

    def begin(self):
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.cut)
        self.thread.start()

    def cut(self):
        while not self.over.wait(1):
            for proxy in self.world.proxies.values():
                proxy.cut()

    def end(self):
        self.over.set()
        self.thread.join()


class Reorders(Disturbance):
    """D's connections overtake each other by up to 100 ms, and every two seconds chunks of each change places: TLS breaks over that, and
    the mesh has to dial anew."""

    def begin(self):
        self.over, self.opened = threading.Event(), self.count()
        for proxy in self.world.proxies.values():
            proxy.spread_s = 0.1
        self.thread = threading.Thread(target=self.swap)
        self.thread.start()

    def count(self):
        return sum(proxy.opened for proxy in self.world.proxies.values())

    def swap(self):
        while not self.over.wait(2):
            for proxy in self.world.proxies.values():
                proxy.swap()

    def end(self):
        self.over.set()
        self.thread.join()
        for proxy in self.world.proxies.values():
            proxy.spread_s = 0
        again = self.count() - self.opened
        check(again >= len(self.world.names) - 1, f"chunks changed places, and only {again} connections were made anew")


class OneWay(Disturbance):
    """D hears the others, and they do not hear D: what it dials passes nothing on, what is dialled to it answers nothing."""

    def begin(self):
        for name, proxy in self.world.proxies.items():
            proxy.held = {"out"} if name == "D" else {"in"}

    def end(self):
        for proxy in self.world.proxies.values():
            proxy.held = set()


KINDS = {"stands-still": StandsStill, "tenth-of-cpu": TenthOfCpu, "slow-disk": SlowDisk, "clock-an-hour-off": ClockAnHourOff,
         "floods": Floods, "stalling-leader": StallingLeader, "slow-network": SlowNetwork, "cuts-connections": CutsConnections,
         "reorders": Reorders, "one-way": OneWay}


def disturb(world, name):
    """Before, while it lasts, and after; whether the rate was back in time."""
    before, p99_before = world.measure(SECONDS)
    with KINDS[name](world) as disturbance:
        during, p99 = world.measure(disturbance.seconds)
    check(during > 0, f"{name}: nothing was acknowledged while it lasted")
    world.agree(timeout=90)
    after, p99_after, back = world.heals(before)
    when = "" if not FULL else f" after {back:.0f} s" if back else ", not back after 30 s"
    more = f", {disturbance.sent / 1e6:.0f} MB of nonsense" if name == "floods" else ""
    print(f"{name:<18} acknowledged a second: {before:.0f} before, {during:.0f} while it lasts, {after:.0f} after "
          f"({100 * after / before:.0f} %{when}); p99 {p99_before:.0f}, {p99:.0f}, {p99_after:.0f} ms{more}", flush=True)
    world.agree(timeout=90)
    return back or not FULL


def test():
    chosen = os.environ.get("GALEN_GRAY", "").split(",") if os.environ.get("GALEN_GRAY") else list(KINDS)
    if not FULL and not os.environ.get("GALEN_GRAY"):
        chosen = random.Random(SEED).sample(chosen, 2)
    with GrayWorld() as world:
        for name in chosen:
            # A machine that many share is slower for a while by itself: what is not back is done once more, and must be then.
            back = disturb(world, name) or disturb(world, name)
            check(back, f"{name}: twice the rate was not back at {100 * BACK:.0f} % within 30 s")
        statements = world.check_signatures()
        print(f"{len(statements)} signatures on the wire, no two for one place")


main(test)
