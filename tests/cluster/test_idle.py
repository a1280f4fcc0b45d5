#!/usr/bin/env python3
"""An idle consortium is quiet: CPU of each node over GALEN_IDLE_S seconds (20), measured, under 1 % of a core."""
import os
import pathlib
import time

from consortium import Consortium, check, main


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test():
    seconds = float(os.environ.get("GALEN_IDLE_S", "20"))
    with Consortium() as consortium:
        consortium.json("record", "import", consortium.documents(20, "first"), node="A")
        consortium.agree()
        time.sleep(2)
        before = {n: cpu_s(consortium.pid(n)) for n in consortium.names}
        time.sleep(seconds)
        shares = {n: 100 * (cpu_s(consortium.pid(n)) - before[n]) / seconds for n in consortium.names}
        print("CPU when idle: " + ", ".join(f"{n} {share:.2f} %" for n, share in shares.items()))
        # Who looks for what keeps a node busy finds the threads of docs/architecture.md by their names.
        named = {(task / "comm").read_text().strip() for task in pathlib.Path(f"/proc/{consortium.pid('A')}/task").iterdir()}
        wanted = {"net", "verify", "core", "store", "exec", "intake", "query", "supervisor", "channel read", "channel write"}
        check(wanted <= named, f"threads without their names: {wanted - named}; there are {named}")
        check(max(shares.values()) < 1, "an idle node is not quiet")


main(test)
