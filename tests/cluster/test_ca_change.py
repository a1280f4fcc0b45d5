#!/usr/bin/env python3
"""Every CA of a consortium is replaced by vote while one node is down. A, B and C go over one after the other, with a chain that
both CAs accept until the epoch has changed, and without a pause. D, whose own CA was replaced too, comes back with its new certificate
and a ledger that knows only old pins: the others let it in, but it cannot tell who they are and says so. Told their new CAs in
[peers.cas] it catches up, over the ends of four epochs, and votes; then it needs [peers.cas] no more."""
import json
import os
import pathlib
import signal
import time

import stock
from consortium import AnchorLoad, Consortium, check, main
from membership import PATIENCE, approve, retried, wait_for_epoch
from newcomer import make_ca


class NewCa:
    """The next CA of a member, and what its node shows meanwhile."""

    def __init__(self, consortium, pki, name):
        self.consortium, self.name, self.keys = consortium, name, consortium.folder(name) / "keys"
        self.folder = pathlib.Path(consortium.dir) / "pki" / f"{name}-next"
        make_ca(self.folder, f"/CN=Hospital {name} next CA")
        self.ca = self.folder / "ca.pem"
        genesis = json.loads((pathlib.Path(consortium.dir) / "genesis.json").read_text())
        member = next(m["id"] for m in genesis["members"] if m["name"] == name)
        certificate, key = pki.issue(f"{name}-next", [f"URI:urn:galen:principal:{member}", "DNS:localhost", "IP:127.0.0.1"])
        self.leaf, self.key = certificate.read_text(), key.read_text()

    def cross_certificate(self):
        """The new CA, certified by the old one."""
        old = pathlib.Path(self.consortium.dir) / "pki" / self.name
        request, out = self.folder / "request.pem", self.folder / "cross.pem"
        stock.openssl("req", "-new", "-key", self.folder / "ca.key", "-subj", f"/CN=Hospital {self.name} next CA", "-out", request,
                      "-addext", "keyUsage=critical,keyCertSign", "-addext", "basicConstraints=critical,CA:TRUE")
        stock.openssl("x509", "-req", "-in", request, "-CA", old / "ca.pem", "-CAkey", old / "ca.key", "-copy_extensions", "copyall",
                      "-days", "30", "-out", out)
        return out.read_text()

    def write(self, chain):
        """The clients' certificates of the old CA stay good."""
        if not (self.keys / "old-ca.pem").exists():
            (self.keys / "old-ca.pem").write_text((self.keys / "client-ca.pem").read_text())
        (self.keys / "client-ca.pem").write_text(self.ca.read_text() + (self.keys / "old-ca.pem").read_text())
        (self.keys / "tls.pem").write_text(self.leaf + chain)
        (self.keys / "tls.key").write_text(self.key)
        os.chmod(self.keys / "tls.key", 0o600)

    def pin(self, by):
        approve(self.consortium, "pin-ca", "--member", self.name, "--tls-ca", self.ca, by=by)

    def replace(self, by, epoch):
        """On a running node: it is ready for both before the vote, and shows the new one alone afterwards."""
        self.write(self.cross_certificate())
        self.consortium.kill(self.name, signal.SIGTERM)
        self.consortium.start(self.name)
        self.pin(by)
        wait_for_epoch(self.consortium, epoch, by)
        self.write("")
        os.kill(self.consortium.pid(self.name), signal.SIGHUP)


def peers_up(consortium, node):
    """Whoever it is connected to."""
    return {member for member, peer in consortium.peers(node).items() if peer["connected"]}


def wait_for_log(consortium, node, seen, text):
    until = time.monotonic() + PATIENCE
    while text not in consortium.log(node)[seen:]:
        check(time.monotonic() < until, f"{node} does not come to \"{text}\":\n{consortium.log(node)[seen:][-2500:]}")
        time.sleep(0.1)


def test():
    running = ["A", "B", "C"]
    with Consortium() as consortium:
        pki = stock.Pki(consortium)
        for name in consortium.names:
            retried(consortium, "member", "admin-key", node=name)
        consortium.kill("D")
        with AnchorLoad(consortium, names=running) as load:
            next_cas = {name: NewCa(consortium, pki, name) for name in consortium.names}
            for epoch, name in enumerate(running, 2):
                next_cas[name].replace(running, epoch)
            next_cas["D"].pin(running)
            wait_for_epoch(consortium, 5, running)
            until = time.monotonic() + PATIENCE
            while any(len(peers_up(consortium, name)) < 2 for name in running):
                check(time.monotonic() < until, f"not connected: {[peers_up(consortium, name) for name in running]}")
                time.sleep(0.2)

            next_cas["D"].write("")
            seen = len(consortium.log("D"))
            consortium.start("D")
            wait_for_log(consortium, "D", seen, "reason=UNKNOWN_CA")
            check("is not below the CA that the ledger here pins" in consortium.log("D")[seen:], "D does not say that its CA is not pinned here")
            time.sleep(2)
            check(not peers_up(consortium, "D"), "D takes the word of a CA that it does not know")
            with open(consortium.folder("D") / "node.toml", "a") as toml:
                toml.write("\n[peers.cas]\n" + "".join(f'{name} = "{next_cas[name].ca}"\n' for name in running))
            consortium.kill("D", signal.SIGTERM)
            seen, began = len(consortium.log("D")), time.monotonic()
            consortium.start("D")
            wait_for_log(consortium, "D", seen, " epoch=5 members=4 role=voter")
            took = time.monotonic() - began
            wait_for_log(consortium, "D", seen, "peers.cas.A is not needed any more")
        consortium.agree(timeout=PATIENCE)

        config = consortium.folder("D") / "node.toml"
        config.write_text(config.read_text().split("\n[peers.cas]")[0] + "\n")
        consortium.kill("D", signal.SIGTERM)
        consortium.start("D")
        until = time.monotonic() + PATIENCE
        while peers_up(consortium, "D") != set(running):
            check(time.monotonic() < until, f"D is not connected to all without [peers.cas]: {peers_up(consortium, 'D')}")
            time.sleep(0.2)
        height, root = consortium.agree(timeout=PATIENCE)
        check(load.acknowledged, "nothing was acknowledged")
        load.verify()
        print(f"four CAs in four epochs; D was level again {took:.1f} s after it was told of them; {len(load.acknowledged)} imports "
              f"acknowledged, {load.refused} not, longest gap {load.longest_gap:.1f} s; height {height}, root {root[:12]}")


main(test)
