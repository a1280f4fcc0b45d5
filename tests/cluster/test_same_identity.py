#!/usr/bin/env python3
"""Two honest processes with one member's keys: a stopped node's directory is copied, and both run, under load.

Beside a node that lives the copy is refused and ends within 5 s, named by itself and by the others, and the node goes on. Started
at once, one of the two ends within 5 s and the other one votes. When the original is frozen (its connections stay open and answer
nothing, as after a power loss) the copy is let in within some seconds; thawed, the original ends. A SIGKILLed node is back as
always. Whatever happens, nobody signs two things for one place: all that left every process is recorded and compared."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

from consortium import BIN, AnchorLoad, Failure, check, main
from disk_world import DiskWorld

WITHIN_S = 5.0
BACK_WITHIN_S = 15.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Copy:
    """A stopped node's directory, copied, with ports of its own, and the process that runs on it."""

    def __init__(self, world, node, tag):
        self.folder = pathlib.Path(world.dir) / f"copy-{tag}"
        shutil.copytree(world.folder(node), self.folder)
        toml = (self.folder / "node.toml").read_text()
        toml, changed = re.subn(r'^listen = "127\.0\.0\.1:\d+"', lambda _: f'listen = "127.0.0.1:{free_port()}"', toml,
                                flags=re.M)
        check(changed == 2, "node.toml has another form than this test knows")
        (self.folder / "node.toml").write_text(toml)
        self.world, self.log_path = world, self.folder / "log" / "copy.log"
        self.popen = None

    def start(self):
        with open(self.log_path, "wb") as log:
            self.popen = subprocess.Popen([BIN / "galend", "--config", self.folder / "node.toml"], stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log, start_new_session=True, env=self.world.environment({}))

    def log(self):
        return self.log_path.read_text(errors="replace")

    def stop(self):
        if self.popen and self.popen.poll() is None:
            self.popen.terminate()
            self.popen.wait(30)


def ends_within(popen, seconds):
    began = time.monotonic()
    try:
        popen.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    return time.monotonic() - began


def check_farewell(log, code, who):
    """The process that gave way says what happened, why and what to do."""
    check(code == 3, f"{who} ended with {code}:\n{log[-1500:]}")
    last = [line for line in log.splitlines() if line.startswith("galend: ")]
    check(last and "IDENTITY_IN_USE" in last[-1] and "another live process" in last[-1] and "127.0.0.1:" in last[-1]
          and " since 20" in last[-1], f"{who} does not say why it ends:\n{log[-1500:]}")
    check("Stop one of the two" in log, f"{who} does not say what to do:\n{log[-1500:]}")


def refusals(world, victim):
    """How often each of the others has refused a second process of the victim, as its node peers says."""
    out = {}
    for node in world.names:
        if node != victim:
            out[node] = world.peers(node)[victim]["second_processes"]
    return out


def wait_voting(world, node, timeout):
    began = time.monotonic()
    while True:
        status = world.status(node)
        if status and status["mode"] == "VOTING" and status["quorum_reachable"]:
            return time.monotonic() - began
        if time.monotonic() > began + timeout:
            raise Failure(f"{node} does not vote within {timeout} s: {status and (status['mode'], status['mode_detail'])}")
        time.sleep(0.1)


def beside_a_live_node(world, victim):
    world.down(victim)
    copy = Copy(world, victim, f"beside-{victim}")
    life = world.run_node(victim)
    world.wait_serving(victim, life)
    before = refusals(world, victim)
    copy.start()
    took = ends_within(copy.popen, WITHIN_S)
    check(took is not None, f"the copy of {victim} still runs after {WITHIN_S} s:\n{copy.log()[-1500:]}")
    check_farewell(copy.log(), copy.popen.returncode, f"the copy of {victim}")
    check("before its first vote" in copy.log(), f"the copy of {victim} has voted")
    check(not life.ended() and world.status(victim)["mode"] == "VOTING", f"{victim} was disturbed by its copy")
    after = refusals(world, victim)
    named = [n for n in before if after[n] > before[n]]
    check(len(named) >= 2, f"the others do not show that they refused it: {before} {after}")
    for node in named:
        check(f"two processes answer for member={victim}" in world.log(node), f"{node} did not log it")
    print(f"beside {victim}: the copy ended after {took:.1f} s, named by {', '.join(named)}", flush=True)


def both_at_once(world, victim):
    """Whoever stays; then the member's one directory is the one of the process that stayed."""
    world.down(victim)
    copy = Copy(world, victim, f"at-once-{victim}")
    life = world.run_node(victim)
    copy.start()
    began, ended = time.monotonic(), None
    while ended is None:
        check(time.monotonic() < began + WITHIN_S, f"both processes of {victim} run after {WITHIN_S} s:\n"
                                                   f"{life.log()[-800:]}\n{copy.log()[-800:]}")
        ended = "original" if life.ended() else "copy" if copy.popen.poll() is not None else None
        time.sleep(0.02)
    took = time.monotonic() - began
    if ended == "original":
        check_farewell(life.log(), life.popen.returncode, f"{victim} itself")
        check(copy.popen.poll() is None, "both ended")
        time.sleep(2)
        copy.stop()
        shutil.rmtree(world.data(victim))
        shutil.copytree(copy.folder / "data", world.data(victim))
        life = world.run_node(victim)
    else:
        check_farewell(copy.log(), copy.popen.returncode, f"the copy of {victim}")
    world.wait_serving(victim, life)
    print(f"both of {victim} at once: the {ended} ended after {took:.1f} s", flush=True)


def frozen(world, victim):
    world.down(victim)
    copy = Copy(world, victim, f"frozen-{victim}")
    life = world.run_node(victim)
    world.wait_serving(victim, life)
    time.sleep(2)  # the copy's memory of its votes is old by now
    os.kill(life.popen.pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        copy.start()
        others = [n for n in world.names if n != victim]
        while copy.log().count("peer up ") < len(others):
            check(time.monotonic() < began + 2 * WITHIN_S and copy.popen.poll() is None,
                  f"the copy of the frozen {victim} is not let in:\n{copy.log()[-1500:]}")
            time.sleep(0.05)
        took = time.monotonic() - began
        time.sleep(2)
    finally:
        os.kill(life.popen.pid, signal.SIGCONT)
    back = ends_within(life.popen, 2 * WITHIN_S)
    check(back is not None, f"{victim} runs on beside the copy that took its place:\n{life.log()[-1500:]}")
    check(life.ended(5), "the test lost a process")
    check_farewell(life.log(), life.popen.returncode, f"{victim}, thawed,")
    check(copy.popen.poll() is None, f"the copy ended too:\n{copy.log()[-1500:]}")
    copy.stop()
    life = world.run_node(victim)
    world.wait_serving(victim, life, timeout=90)
    print(f"frozen {victim}: the copy was in after {took:.1f} s, the thawed one ended after {back:.1f} s", flush=True)


def killed(world, victim):
    before = refusals(world, victim)
    world.down(victim, signal.SIGKILL)
    life = world.run_node(victim)
    began = time.monotonic()
    world.wait_serving(victim, life, timeout=BACK_WITHIN_S)
    check(refusals(world, victim) == before, f"a restart of {victim} was taken for a second process")
    print(f"killed {victim}: votes again after {time.monotonic() - began:.1f} s", flush=True)


def test():
    with DiskWorld(segment_mib=4) as world:
        with AnchorLoad(world, size=3, names=world.names) as load:
            for victim in world.names[:3]:
                beside_a_live_node(world, victim)
            for victim in world.names:
                both_at_once(world, victim)
            for victim in (world.names[0], world.names[3]):
                frozen(world, victim)
            for victim in world.names:
                killed(world, victim)
        height, root = world.agree(timeout=90)
        statements = world.check_signatures()
        check(load.acknowledged, "nothing was anchored: the nodes had nothing to sign")
        load.verify()
        print(f"{len(statements)} recorded statements, none of them twice for one place; {len(load.acknowledged)} imports all there "
              f"at height {height}")


main(test)
