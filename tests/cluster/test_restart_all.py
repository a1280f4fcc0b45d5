#!/usr/bin/env python3
"""All nodes killed at once under load and started again: the chain goes on from where it was and nothing acknowledged is lost.
Then a member's data directory is made anew while the chain runs: it follows without voting until amnesia recovery is
through, and its status says so."""
import shutil
import subprocess
import time

from consortium import BIN, AnchorLoad, Consortium, Failure, check, main


def test():
    with Consortium() as consortium:
        with AnchorLoad(consortium) as load:
            time.sleep(4)
            before = max(s["height"] for s in map(consortium.status, consortium.names) if s)
            for name in consortium.names:
                consortium.kill(name)
        consortium.ctl("dev", "up", "--wait", "90", timeout=120)
        height, _ = consortium.agree(at_least=before)
        load.verify()
        print(f"all four killed at height {before} or above, up again at {height}; {len(load.acknowledged)} imports all there")

        # The fourth member loses its disk.
        consortium.kill("D")
        data = consortium.folder("D") / "data"
        shutil.rmtree(data)
        key = consortium.folder("D") / "keys" / "master.key"
        key.unlink()
        made = subprocess.run([BIN / "galend", "init", "--config", consortium.folder("D") / "node.toml"], capture_output=True,
                              text=True)
        check(made.returncode == 0, f"galend init: {made.stderr}")
        modes = []
        with AnchorLoad(consortium, size=1) as load:
            consortium.start("D")
            until = time.monotonic() + 120
            while not modes or modes[-1] != "VOTING":
                status = consortium.status("D")
                if status and (not modes or modes[-1] != status["mode"]):
                    modes.append(status["mode"])
                    print(f"D says {status['mode']}: {status['mode_detail']}")
                if time.monotonic() > until:
                    raise Failure(f"D does not vote again: {modes}")
                time.sleep(0.05)
        check(any(mode in ("FRESH", "RECOVERING") for mode in modes),
              f"D voted at once with an empty log on a running chain: {modes}")
        consortium.agree()


main(test)
