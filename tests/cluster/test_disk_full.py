#!/usr/bin/env python3
"""A volume of its own fills up under one node (D20): work of its clients is refused with DISK_LOW while it still votes; then it
stops voting and writing, stays up, answers reads, and no write has failed; when space returns it goes on by itself. Then the
volume fills without warning: the write that fails ends the process, and after space returns a start without help works.

The volume is a small tmpfs in a private mount namespace. Where that is not permitted the node is only told of a full disk (the
shim answers statvfs), and the second part is left out by name.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import time

from consortium import Failure, check, main
from disk_world import DiskWorld

MIB = 1 << 20
VOLUME = 400 * MIB
SEGMENT_MIB = 4
FULL_BELOW = (SEGMENT_MIB + 64) * MIB  # the reserve: a segment and a checkpoint
LOW_BELOW = 2 * FULL_BELOW
PRIVATE = "GALEN_PRIVATE_MOUNTS"


class Volume:
    """Space that can be taken and given back."""

    def __init__(self, world, node):
        self.path = world.data(node)
        self.fake = pathlib.Path(world.dir) / "space"
        self.mounted = os.environ.get(PRIVATE) == "1"
        world.down(node)
        if self.mounted:
            aside = world.folder(node) / "data.moved"
            self.path.rename(aside)
            self.path.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={VOLUME}", "tmpfs", self.path], check=True)
            shutil.copytree(aside, self.path, dirs_exist_ok=True)
        self.leave(VOLUME)

    def close(self):
        if self.mounted:
            subprocess.run(["umount", "-l", self.path], check=True)

    def leave(self, free):
        """Fills or empties the volume until about so much is free."""
        if not self.mounted:
            self.fake.write_text(f"{free} {VOLUME}")
            return
        ballast = self.path / "ballast"
        have = ballast.stat().st_size if ballast.exists() else 0
        now = os.statvfs(self.path)
        want = max(0, have + now.f_bavail * now.f_frsize - free)
        with open(ballast, "ab") as file:
            file.truncate(min(have, want))
            chunk = bytes(MIB)
            file.seek(0, os.SEEK_END)
            try:
                while file.tell() < want:
                    file.write(chunk[:want - file.tell()])
                    file.flush()
            except OSError:
                pass  # as full as it gets
        if want == 0:
            ballast.unlink()

    def settings(self):
        return {} if self.mounted else {"STATVFS": self.fake}


def wait(what, condition, timeout=20):
    until = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > until:
            raise Failure(f"within {timeout} s it did not happen that {what}")
        time.sleep(0.1)


def warned_in_time(world, volume):
    life = world.run_node("A", **volume.settings())
    world.wait_serving("A", life)
    for _ in range(3):
        check(world.anchor("A") and world.anchor("B"), "an anchor fails before anything is wrong")

    volume.leave((FULL_BELOW + LOW_BELOW) // 2)
    wait("A says DISK_LOW", lambda: (world.status("A") or {}).get("disk_low"))
    path = world.documents(1, "refused")
    refused = world.run("--json", "--timeout", "5", "record", "import", "--retry-for", "0", path, node="A")
    check(refused.returncode != 0 and "DISK_LOW" in refused.stdout + refused.stderr, f"not refused: {refused.stdout}")
    check(world.status("A")["mode"] == "VOTING", "A does not vote though only clients are to wait")
    before = world.status("A")["height"]
    check(world.anchor("B"), "B cannot anchor while A's disk is low")
    wait("A follows", lambda: world.status("A")["height"] > before)
    print(f"DISK_LOW at {LOW_BELOW // MIB} MiB: clients are refused, votes go on")

    volume.leave(FULL_BELOW // 2)
    wait("A is DISK_FULL", lambda: (world.status("A") or {}).get("mode") == "DISK_FULL")
    time.sleep(0.5)  # what was on its way
    frozen = world.status("A")["height"]
    for _ in range(5):
        check(world.anchor("B"), "the other three do not go on")
    check(world.status("A")["height"] == frozen, "A executes on a full disk")
    node, source = world.acknowledged[0]
    world.json("record", "get", "--source", source, node=node)
    if volume.mounted:
        volume.leave(0)  # nothing at all
        time.sleep(1.5)
    check(not life.ended(), f"A ended on a full disk: {life.log()[-800:]}")
    check("IO_ERROR" not in life.log(), "a write failed")
    ahead = world.status("B")["height"]
    volume.leave(VOLUME)
    wait("A votes again", lambda: (world.status("A") or {}).get("mode") == "VOTING", 40)
    world.agree(timeout=60, at_least=ahead)
    wait("A takes work again", lambda: world.anchor("A"))
    print(f"DISK_FULL at {FULL_BELOW // MIB} MiB: nothing written, nothing promised, reads answered; with space it went on by itself "
          f"from height {frozen} to {world.status('A')['height']}")
    return life


def surprised(world, volume, life):
    """The node is told that there is room when there is none."""
    lie = pathlib.Path(world.dir) / "room"
    lie.write_text(f"{VOLUME} {VOLUME}")
    world.down("A")
    life = world.run_node("A", STATVFS=lie)
    world.wait_serving("A", life)
    volume.leave(MIB // 4)
    for _ in range(400):
        if life.ended():
            break
        world.anchor("A", count=100)
        world.anchor("B", count=100)
    check(life.ended(5), "no write failed on a full volume")
    check(life.popen.returncode != 0 and "the node stops at once" in life.log(), f"not said why: {life.log()[-800:]}")
    why = [line for line in life.log().splitlines() if "the node stops at once" in line][-1]
    world.anchor("B")
    again = world.run_node("A", STATVFS=lie)
    refused = again.ended(5)
    print(f"without warning: {why[why.index('reason='):][:150]}; a start on the full volume "
          f"{'is refused: ' + again.log().strip().splitlines()[0][:150] if refused else 'serves'}")
    if not refused:
        again.stop()
    volume.leave(VOLUME)
    last = world.run_node("A")
    modes, said = world.wait_serving("A", last)
    check(modes, f"no start after space returned: {said}")
    check("RECOVERING" not in modes, f"votes were lost: {modes}")
    world.agree(timeout=60)


def test():
    with DiskWorld(segment_mib=SEGMENT_MIB) as world:
        volume = Volume(world, "A")
        try:
            life = warned_in_time(world, volume)
            if volume.mounted:
                surprised(world, volume, life)
            else:
                print("SKIPPED: no private mounts here, so no volume is filled in earnest")
            kept = world.check_acknowledged()
            statements = world.check_signatures()
            print(f"{kept} acknowledged transactions, none lost; {len(statements)} signatures on the wire, "
                  f"no two for one place")
        finally:
            volume.close()


if PRIVATE not in os.environ:
    able = subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0
    os.environ[PRIVATE] = "1" if able else "0"
    if able:
        os.execvp("unshare", ["unshare", "-m", "--propagation", "private", sys.executable, *sys.argv])
main(test)
