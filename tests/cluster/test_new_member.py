#!/usr/bin/env python3
"""A hospital joins a running consortium and leaves it. E's node is made with nothing but genesis, its keys and a CA of its own; it
follows as a learner, shows that it does, is given a vote and takes part as the fifth; then it is removed, and its node, refused by
the others, goes on with what it has. All the time a load of anchors runs, and none that was acknowledged is lost."""
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import time

import stock
from consortium import BIN, AnchorLoad, Consortium, check, main
from membership import approve, retried, wait_for_epoch

PATIENCE = 90


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Newcomer:
    def __init__(self, consortium):
        self.consortium, self.folder, self.process = consortium, pathlib.Path(consortium.dir) / "node-5", None
        (self.folder / "keys").mkdir(parents=True)
        authority = pathlib.Path(consortium.dir) / "pki" / "E"
        authority.mkdir()
        stock.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", authority / "ca.key",
                      "-out", authority / "ca.pem", "-subj", "/CN=Hospital E CA", "-days", "365",
                      "-addext", "keyUsage=critical,keyCertSign", "-addext", "basicConstraints=critical,CA:TRUE")
        self.member, self.ca = secrets.token_hex(32), authority / "ca.pem"
        certificate, key = stock.Pki(consortium).issue(
            "E", [f"URI:urn:galen:principal:{self.member}", "DNS:localhost", "IP:127.0.0.1"])
        os.chmod(key, 0o600)
        for name in ("consensus", "admin"):
            consortium.ctl("member", "keygen", "--out", self.folder / "keys" / f"{name}.pem")
        addresses = (consortium.folder("A") / "node.toml").read_text().split("[peers.addresses]")[1].split("[api]")[0]
        (self.folder / "node.toml").write_text(f"""member = "E"
member_id = "{self.member}"
genesis = "../genesis.json"
data_dir = "data"
[keys]
consensus = "keys/consensus.pem"
tls_cert = "{certificate}"
tls_key = "{key}"
master = "keys/master.key"
[peers]
listen = "127.0.0.1:{free_port()}"
[peers.addresses]
{addresses}
[api]
enabled = false
listen = "127.0.0.1:{free_port()}"
cert = "{certificate}"
key = "{key}"
client_ca = "{self.ca}"
""")

    def admission(self):
        paper = self.folder / "admission.json"
        self.consortium.ctl("member", "proof", "admission", "--name", "E", "--id", self.member, "--consensus-key",
                            self.folder / "keys" / "consensus.pem", "--admin-key", self.folder / "keys" / "admin.pem",
                            "--tls-ca", self.ca, "--out", paper)
        return paper

    def start(self):
        made = subprocess.run([BIN / "galend", "init", "--config", self.folder / "node.toml"], capture_output=True, text=True)
        check(made.returncode == 0, f"init of E: {made.stdout}{made.stderr}")
        with open(self.folder / "galend.log", "w") as log:
            self.process = subprocess.Popen([BIN / "galend", "--config", self.folder / "node.toml"], stderr=log, stdout=log)

    def log(self):
        return (self.folder / "galend.log").read_text(errors="replace")

    def wait_for(self, text):
        until = time.monotonic() + PATIENCE
        while text not in self.log():
            check(self.process.poll() is None and time.monotonic() < until, f"E does not come to \"{text}\":\n{self.log()[-2500:]}")
            time.sleep(0.2)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            check(self.process.wait(30) == 0, "E does not stop as it should")


def test():
    with Consortium() as consortium:
        for name in consortium.names:
            retried(consortium, "member", "admin-key", node=name)
        newcomer = Newcomer(consortium)
        try:
            with AnchorLoad(consortium) as load:
                approve(consortium, "add", "--paper", newcomer.admission(), by=["A", "B", "C"])
                newcomer.start()
                newcomer.wait_for("role=learner")
                time.sleep(15)  # two roots at least are kept by then
                paper = newcomer.folder / "ready.json"
                consortium.ctl("member", "proof", "readiness", "--member", "E", "--consensus-key",
                               newcomer.folder / "keys" / "consensus.pem", "--out", paper, node="A")
                retried(consortium, "member", "ready", "--paper", paper, node="A")
                approve(consortium, "promote", "--member", "E", by=["A", "B", "C"])
                wait_for_epoch(consortium, 2)
                newcomer.wait_for("epoch=2 members=5 role=voter")
                five = len(load.acknowledged)
                time.sleep(4)
                approve(consortium, "remove", "--member", "E", by=["A", "B", "C", "D"])
                wait_for_epoch(consortium, 3)
                newcomer.wait_for("REFUSED_BY_PEER")
                four = len(load.acknowledged)
                time.sleep(3)
            height, root = consortium.agree(timeout=PATIENCE)
            check(four > five and len(load.acknowledged) > four, "nothing was acknowledged by five, or nothing after")
            load.verify()
            check(newcomer.process.poll() is None, "the node of a removed member goes on")
            newcomer.stop()
            print(f"4, 5 and 4 members; {len(load.acknowledged)} imports acknowledged, {load.refused} not, longest gap "
                  f"{load.longest_gap:.1f} s; height {height}, root {root[:12]}")
        finally:
            if newcomer.process and newcomer.process.poll() is None:
                newcomer.process.kill()


main(test)
