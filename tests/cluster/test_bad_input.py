#!/usr/bin/env python3
"""Bad input of every kind, one table (bad_requests, bad_transactions, bad_connections): each row is something wrong,
and the stable reason with which it has to be refused. After all rows no process has died, every node has the state root
it had before (so nothing was half written), what was refused is known nowhere, and good work goes on."""
import pathlib
import time

from bad_connections import connection_rows, hold_half_open, talk
from bad_requests import caller_rows, file_rows, request_rows, tool_rows
from bad_transactions import transaction_rows
from bad_world import ANCHOR, World, anchor, item, source
from consortium import Consortium, Failure, check, main
from stock import decode, message, one, request_id



def processes(consortium):
    """{node: (pid of galend, pids of its front end)}"""
    out = {}
    for node in consortium.names:
        pid = consortium.pid(node)
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            children += (task / "children").read_text().split()
        out[node] = (pid, sorted(set(children)))
    return out


def run_rows(title, rows, failed):
    began = time.monotonic()
    for name, action, expected in rows:
        try:
            got = action()
        except Failure as failure:
            got = str(failure)
        shown = got if isinstance(got, str) else got.reason or got.code
        good = shown in expected.split("|")
        if good and not isinstance(got, str) and got.trailer_bytes >= 8192:
            good, shown = False, f"trailers of {got.trailer_bytes} bytes"
        print(f"{'ok    ' if good else 'FAILED'} {name:<58} {shown if good else f'{shown}, not {expected}'}"
              + ("" if good or isinstance(got, str) else f" ({got.text[:200]})"), flush=True)
        failed += [] if good else [name]
    print(f"{title}: {len(rows)} rows in {time.monotonic() - began:.1f} s", flush=True)


def outcome_after_deadline(world):
    """A write with a deadline of 1 ms: another node tells its outcome, a repetition gets the first one."""
    rid, body = request_id(), item(source(name="late"))
    late = world.client.call(ANCHOR, anchor(rid, body), timeout=0.001)
    check(late.code == "DEADLINE_EXCEEDED", f"a deadline of 1 ms: {late}")
    first = world.client.call(ANCHOR, anchor(rid, body))
    check(first.code == "OK", f"repeated with time enough: {first} {first.text}")
    again = world.client.call(ANCHOR, anchor(rid, body))
    pointer = lambda answer: one(decode(one(decode(answer.body), 1)), 1)
    check(pointer(first) == pointer(again), "the same request was anchored twice")
    reused = world.client.call(ANCHOR, anchor(rid, item(source(name="late-other"))))
    check(reused.reason == "REQUEST_ID_REUSED", f"request_id with another body: {reused} {reused.text}")
    with world.connect("B") as client:
        until = time.monotonic() + 60
        while True:
            seen = client.call("LedgerService/GetTransaction", message((2, world.me), (3, rid)))
            check(seen.code == "OK", f"GetTransaction at another node: {seen} {seen.text}")
            if one(decode(one(decode(seen.body), 1)), 2, 0) == 1 or time.monotonic() > until:
                break
            time.sleep(0.1)
        check(one(decode(one(decode(seen.body), 1)), 2, 0) == 1, "another node does not know that it was committed")


def test():
    failed = []
    with Consortium() as consortium:
        world = World(consortium)
        tools = tool_rows(world)  # registers a patient of its own
        before, (height, root) = processes(consortium), consortium.agree()
        check(all(len(children) == 1 for _, children in before.values()), f"a front end each: {before}")
        # The one good certificate is told apart from the bad ones by the same means.
        for node in consortium.names:
            check(talk(world.api[node], world.pki.client(node), ["h2"]) == "data", f"{node} refuses a good client")
        run_rows("requests", request_rows(world), failed)
        run_rows("transactions", transaction_rows(world), failed)
        run_rows("files", file_rows(world), failed)
        run_rows("tools", tools, failed)
        run_rows("callers", caller_rows(world), failed)
        run_rows("connections", connection_rows(world), failed)
        run_rows("half-open", [("half-open connections at every port", lambda: hold_half_open(world), "closed")],
                 failed)

        after = processes(consortium)
        check(after == before, f"a process ended: {before} {after}")
        _, root_after = consortium.agree()
        check(root_after == root, f"something refused changed the state: {root} {root_after}")
        for kind, name in [("Observation", "refused")] + [("Observation", f"refused-{i}") for i in range(10)]:
            for system in ("urn:test", "galenctl"):
                seen = world.client.call("RecordService/GetRecord", message((2, source(system, kind, name))))
                check(seen.reason == "RECORD_NOT_FOUND", f"{name} was refused and is known: {seen}")
        for node in consortium.names:
            for word in ("libprotobuf", "urn:test", "refused-", world.patient.hex()):
                check(word not in consortium.log(node), f"{node}'s log repeats what clients or a library said: {word}")
        # What was refused left no trace at the custodian either: the same sources are new, and supersede nothing.
        for number in range(10):
            done = world.client.call(ANCHOR, anchor(body=item(source(name=f"refused-{number}"))))
            anchored = decode(one(decode(done.body), 1))
            check(done.code == "OK" and not one(anchored, 3) and not one(anchored, 2, 0),
                  f"refused-{number} now: {done} {anchored}")
        outcome_after_deadline(world)
        for node in consortium.names:
            consortium.json("record", "import", consortium.documents(5, f"good-{node}"), node=node)
        height_after, root_after = consortium.agree(at_least=height + 1)
        check(root_after != root, "good records changed nothing")
        check(processes(consortium) == before, "a process ended")
        check(not failed, f"{len(failed)} rows failed: {'; '.join(failed)}")
        print(f"all refused with their reasons; 8 processes alive, root unchanged by what was refused; height "
              f"{height_after} with new records on all four")


main(test)
