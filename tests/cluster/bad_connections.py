"""Connections that have to be refused, at the API port and the peer port of every node. TLS has no room for our
reasons: they stand in the node's log, one line for each."""
import re
import socket
import ssl
import subprocess
import time

from bad_world import RNG, STATUS
from consortium import Failure, check
from stock import principal_uri



def tls_connection(port, certificate, alpn):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(alpn)
    if certificate:
        context.load_cert_chain(*certificate)
    raw = socket.create_connection(("127.0.0.1", port), timeout=60)
    try:
        return context.wrap_socket(raw)
    except BaseException:
        raw.close()
        raise


def talk(port, certificate, alpn):
    """'data' if the other side speaks to us, '' if it ends the connection."""
    try:
        with tls_connection(port, certificate, alpn) as channel:
            return "data" if channel.recv(1) else ""
    except (ssl.SSLError, ConnectionError):
        return ""


def talk_frames(port, certificate, alpn, data):
    """Reads until the other side ends the connection: its first frames and its farewell are no acceptance."""
    try:
        with tls_connection(port, certificate, alpn) as channel:
            channel.sendall(data)
            while channel.recv(4096):
                pass
    except (ssl.SSLError, ConnectionError):
        pass
    return ""


def talk_plain(port, data):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
            raw.sendall(data)
            # A TLS alert (0x15) is an answer that refuses.
            answer = raw.recv(16)
            while answer[:1] == b"\x15" and raw.recv(1024):
                pass
            return "" if answer[:1] in (b"", b"\x15") else "data"
    except ConnectionError:
        return ""


def talk_tls_1_2(port, certificate):
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2", "-cert", certificate[0],
                           "-key", certificate[1]], input=b"", capture_output=True, timeout=60)
    return "" if done.returncode != 0 and b"Cipher is (NONE)" in done.stdout else "data"


class LogWatch:
    """Waits for the line of a node's log in which a refusal gives its reason."""

    def __init__(self, consortium, node):
        self.path = consortium.folder(node) / "log" / "galend.log"
        self.offset = self.path.stat().st_size

    def reason(self):
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with open(self.path, "rb") as log:
                log.seek(self.offset)
                for line in log.read().decode(errors="replace").splitlines():
                    found = re.search(r"refused.* reason=(\w+)", line)
                    if found:
                        return found[1]
            time.sleep(0.05)
        return "no line in the log"

    def wait_for(self, text):
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with open(self.path, "rb") as log:
                log.seek(self.offset)
                if text.encode() in log.read():
                    return
            time.sleep(0.05)
        raise Failure(f"the log does not say '{text}'")


def connection_rows(w):
    rows = []
    for node in w.consortium.names:
        rows += node_rows(w, node)
    return rows


def node_rows(w, node):
    """Both ports of one node, refused by log line unless it says otherwise."""
    rows = []
    past = {"start": "20240101000000Z", "end": "20240102000000Z"}
    future = {"start": "20480101000000Z", "end": "20490101000000Z"}
    hello = lambda low, high, chain: b"\x47\x01\x00\x01" + (60).to_bytes(4, "big") + bytes(
        [0, low, 0, high]) + chain + bytes(24)
    other = "B" if node == "A" else "A"
    # The API port wants a certificate of the node's own member, the peer port one of another member.
    api_good, peer_good = w.pki.client(node), w.pki.node(other)
    api_uri, peer_uri = principal_uri(w.pki.principal(api_good[0])), principal_uri(w.members[other])
    api, peer = w.api[node], w.peer[node]
    bad_certificate = {name: "BAD_CERTIFICATE" for name in ("foreign", "past", "future", "self")}
    api_reasons = bad_certificate | {"tls": "TLS_1_2", "alpn": "ALPN"}
    peer_reasons = {"foreign": "UNKNOWN_CA", "past": "EXPIRED", "future": "NOT_YET_VALID", "self": "UNKNOWN_CA",
                    "tls": "TLS_VERSION", "alpn": "ALPN"}

    def common(port, alpn, wrong_alpn, good, uri, issuer, foreign, reasons):
        shows = lambda certificate: lambda: talk(port, certificate, [alpn])
        return [
            ("no certificate", shows(None), "NO_CERTIFICATE"),
            ("another member's certificate", shows(foreign), reasons["foreign"]),
            ("expired certificate", shows(w.pki.issue(issuer, [uri], **past)), reasons["past"]),
            ("certificate of the future", shows(w.pki.issue(issuer, [uri], **future)), reasons["future"]),
            ("self-signed certificate", shows(w.pki.issue(None, [uri])), reasons["self"]),
            ("TLS 1.2", lambda: talk_tls_1_2(port, good), reasons["tls"]),
            ("another protocol", lambda: talk(port, good, [wrong_alpn]), reasons["alpn"]),
            ("plain HTTP", lambda: talk_plain(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "NOT_TLS"),
            ("garbage", lambda: talk_plain(port, b"\x99\x99\x99" + RNG.randbytes(400)), "NOT_TLS"),
            ("garbage that begins like TLS", lambda: talk_plain(port, b"\x16\x03\x01\x00\xff" + b"\x99" * 255),
             "NOT_TLS|TLS_ERROR"),
        ]
    says = lambda data: lambda: talk_frames(peer, peer_good, ["galen/1"], data)
    cases = [("api", *case) for case in common(api, "h2", "http/1.1", api_good, api_uri, node, w.pki.client(other),
                                               api_reasons)]
    cases += [("peer", *case) for case in common(peer, "galen/1", "h2", peer_good, peer_uri, other,
                                                 w.pki.issue(node, [peer_uri]), peer_reasons)]
    cases += [
        ("peer", "a client's certificate", lambda: talk(peer, w.pki.client(other), ["galen/1"]), "WRONG_MEMBER"),
        ("peer", "its own certificate", lambda: talk(peer, w.pki.node(node), ["galen/1"]), "WRONG_MEMBER"),
        ("peer", "a member's garbage after the handshake", says(b"\x99" * 400), "MALFORMED"),
        ("peer", "a member's frame of 4 GiB", says(b"\x47\x01\x00\x01\xff\xff\xff\xff"), "MALFORMED"),
        ("peer", "a member's message before its hello", says(b"\x47\x01\x01\x07\0\0\0\x01x"), "MALFORMED"),
        ("peer", "a hello cut short", says(b"\x47\x01\x00\x01\0\0\0\x05hello"), "MALFORMED"),
        ("peer", "a hello of another chain", says(hello(1, 1, bytes(32))), "WRONG_CHAIN"),
        ("peer", "a hello of another version", says(hello(8, 9, w.chain)), "VERSION"),
    ]
    for place, (side, name, action, reason) in enumerate(cases):
        rows.append((f"{node} {side}: {name}", lambda n=node, a=action, first=place == 0: refused(w, n, a, first), reason))
    # gRPC closes a connection that breaks HTTP/2 without a line in the log.
    breaks_http2 = lambda: talk_frames(api, api_good, ["h2"], b"\x99" * 400) or "closed"
    return rows + [(f"{node} api: a client's garbage after the handshake", breaks_http2, "closed")]


def refused(world, node, action, first=False):
    if first:  # a front end writes ten such lines a second: as many as follow, and what was refused before counts too
        time.sleep(1.1)
    watch = LogWatch(world.consortium, node)
    check(action() == "", "the connection was accepted")
    return watch.reason()


def hold_half_open(world):
    """Connections that say nothing, or only the beginning of a handshake (of today's, of SSL 2's), at every port at
    once: all are closed, and the logs say so."""
    opened, watches = [], [LogWatch(world.consortium, node) for node in world.consortium.names]
    for node in world.consortium.names:
        for port in (world.api[node], world.peer[node]):
            for first in (b"", b"\x16\x03\x01\x02\x00\x01", b"\x99\x33\x01" + b"\x55" * 60):
                for _ in range(3):
                    raw = socket.create_connection(("127.0.0.1", port), timeout=60)
                    if first:
                        raw.sendall(first)
                    opened.append((node, port, raw))
    check(world.client.call(STATUS).code == "OK", "half-open connections keep others out")
    for node, port, raw in opened:
        try:
            while raw.recv(1024):
                pass
        except TimeoutError:
            raise Failure(f"port {port} of {node} keeps a half-open connection")
        except ConnectionError:
            pass
        raw.close()
    for watch in watches:
        watch.wait_for("client refused at the TLS handshake reason=TIMEOUT")
        watch.wait_for("handshake refused reason=TIMEOUT direction=accepted")
    return "closed"
