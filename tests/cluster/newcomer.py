"""A hospital that comes after genesis: keys, a CA and a node.toml of its own, beside a development consortium and known to its
galenctl by name like the others."""
import json
import os
import pathlib
import secrets
import socket
import time

import stock
from consortium import check
from membership import PATIENCE


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_ca(folder, subject):
    """A CA of its own: ca.key and ca.pem in the folder."""
    folder.mkdir()
    stock.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "ca.key",
                  "-out", folder / "ca.pem", "-subj", subject, "-days", "365", "-addext", "keyUsage=critical,keyCertSign",
                  "-addext", "basicConstraints=critical,CA:TRUE")


class Newcomer:
    def __init__(self, consortium, pki, name):
        self.consortium, self.pki, self.name = consortium, pki, name
        self.member, self.admin = secrets.token_hex(32), secrets.token_hex(32)
        self.port, self.api_port = free_port(), free_port()
        self.clients = pathlib.Path(consortium.dir) / "clients" / name
        self.ca = pathlib.Path(consortium.dir) / "pki" / name / "ca.pem"
        make_ca(self.ca.parent, f"/CN=Hospital {name} CA")
        consortium.names.append(name)
        self.folder = consortium.folder(name)
        for made in (self.folder / "keys", self.folder / "log", self.clients):
            made.mkdir(parents=True)
        self.certificate, self.key = self._issue(self.member)
        for file, made in zip(("admin.pem", "admin.key"), self._issue(self.admin)):
            (self.clients / file).write_bytes(made.read_bytes())
            os.chmod(self.clients / file, 0o600)
        consortium.ctl("member", "keygen", "--out", self.folder / "keys" / "consensus.pem")
        consortium.ctl("member", "keygen", "--out", self.clients / "admin-author.pem")
        layout = pathlib.Path(consortium.dir) / "dev.json"
        known = json.loads(layout.read_text())
        known["nodes"].append({"name": name, "peer_port": self.port, "api_port": self.api_port})
        layout.write_text(json.dumps(known))

    def _issue(self, principal):
        certificate, key = self.pki.issue(self.name, [f"URI:urn:galen:principal:{principal}", "DNS:localhost", "IP:127.0.0.1"])
        os.chmod(key, 0o600)
        return certificate, key

    def write_config(self, others=(), join_behind=10_000):
        addresses = (self.consortium.folder("A") / "node.toml").read_text().split("[peers.addresses]")[1].split("[api]")[0]
        addresses += "".join(f'{other.name} = "127.0.0.1:{other.port}"\n' for other in (self, *others))
        (self.folder / "node.toml").write_text(f"""member = "{self.name}"
member_id = "{self.member}"
genesis = "../genesis.json"
data_dir = "data"
[keys]
consensus = "keys/consensus.pem"
tls_cert = "{self.certificate}"
tls_key = "{self.key}"
master = "keys/master.key"
[peers]
listen = "127.0.0.1:{self.port}"
[peers.addresses]
{addresses}
[api]
listen = "127.0.0.1:{self.api_port}"
cert = "{self.certificate}"
key = "{self.key}"
client_ca = "{self.ca}"
[sync]
join_behind_blocks = {join_behind}
""")

    def admission(self):
        paper = self.folder / "admission.json"
        self.consortium.ctl("member", "proof", "admission", "--name", self.name, "--id", self.member, "--consensus-key",
                            self.folder / "keys" / "consensus.pem", "--admin", self.admin, "--admin-key",
                            self.clients / "admin-author.pem", "--tls-ca", self.ca, "--out", paper)
        return paper

    def show_readiness(self, at="A"):
        """What its own node came to, submitted at another; again until there is something to show and it is taken."""
        until, paper = time.monotonic() + PATIENCE, self.folder / "ready.json"
        while True:
            paper.unlink(missing_ok=True)
            made = self.consortium.run("--as", "admin", "member", "proof", "readiness", "--member", self.name, "--consensus-key",
                                       self.folder / "keys" / "consensus.pem", "--out", paper, node=self.name)
            if made.returncode == 0:
                made = self.consortium.run("member", "ready", "--paper", paper, node=at)
            if made.returncode == 0:
                return
            check(time.monotonic() < until, f"{self.name} does not come to be ready: {made.stdout[-300:]}{made.stderr[-600:]}")
            time.sleep(1)

    def wait_for(self, text):
        until = time.monotonic() + PATIENCE
        while text not in self.consortium.log(self.name):
            check(time.monotonic() < until, f"{self.name} does not come to \"{text}\":\n{self.consortium.log(self.name)[-2500:]}")
            time.sleep(0.2)
