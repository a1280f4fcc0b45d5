#!/usr/bin/env python3
"""A node's TLS certificate is renewed while it runs (D18): the files are replaced, SIGHUP says so, and new handshakes show the
new one. A key that does not fit yet changes nothing but a line in the log. No process ends, no connection breaks, work goes
on, and members that come later meet the new certificate."""
import os
import signal
import ssl

from bad_connections import LogWatch, tls_connection
from bad_world import World
from consortium import Consortium, check, main
from stock import principal_uri


def shown(world, node):
    """The certificate that the peer port shows to another member, PEM."""
    other = "B" if node == "A" else "A"
    with tls_connection(world.peer[node], world.pki.node(other), ["galen/1"]) as channel:
        return ssl.DER_cert_to_PEM_cert(channel.getpeercert(True))


def hang_up(consortium, node, text):
    watch = LogWatch(consortium, node)
    os.kill(consortium.pid(node), signal.SIGHUP)
    watch.wait_for(text)


def replace(source, target):
    """As a careful tool does it: the new file takes the old one's place in one step."""
    beside = target.with_suffix(".new")
    beside.write_bytes(source.read_bytes())
    beside.chmod(target.stat().st_mode & 0o777)
    beside.rename(target)


def test():
    with Consortium() as consortium:
        world = World(consortium)
        pids = {node: consortium.pid(node) for node in consortium.names}
        for node in consortium.names:
            certificate, key = world.pki.node(node)
            old = shown(world, node)
            check(old.strip() in certificate.read_text(), f"{node} does not show its own certificate")
            renewed, renewed_key = world.pki.issue(node, [principal_uri(world.members[node])])
            replace(renewed, certificate)
            hang_up(consortium, node, "the renewed TLS certificate cannot be used, the old one stays")
            check(shown(world, node) == old, f"{node}: half a renewal is used")
            replace(renewed_key, key)
            hang_up(consortium, node, "own TLS certificate read again")
            check(shown(world, node) == ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(renewed.read_text())),
                  f"{node} does not show the renewed certificate")
            consortium.json("record", "import", consortium.documents(3, f"after-{node}"), node=node)
        consortium.agree()
        check(pids == {node: consortium.pid(node) for node in consortium.names}, "a node was started again")
        for node in consortium.names:
            check("peer down" not in consortium.log(node), f"{node} lost a connection")
        # Who comes back later dials the renewed ones, and is dialled with them.
        consortium.kill("B", signal.SIGTERM)
        consortium.start("B")
        consortium.json("record", "import", consortium.documents(3, "again"), node="B")
        consortium.agree()
        consortium.wait_peers("B", lambda peer: peer["connected"])
        print("four certificates renewed by SIGHUP; half renewals refused; no process and no connection ended")


main(test)
