"""What a client has that uses none of our code: protobuf by hand, python3-grpcio with raw bytes, the openssl program.

Fields and layouts are those of docs/spec/formats.md and proto/; here they are written a second time, on purpose.
"""
import hashlib
import os
import pathlib
import subprocess
import sys
import time
import uuid

DEBIAN_PYTHON = "/usr/bin/python3"
try:
    import grpc
except ImportError:
    # python3-grpcio belongs to Debian's own Python; another one may stand first in PATH.
    if pathlib.Path(DEBIAN_PYTHON).exists() and not os.environ.get("GALEN_DEBIAN_PYTHON"):
        os.environ["GALEN_DEBIAN_PYTHON"] = "1"
        sys.stdout.flush()
        os.execv(DEBIAN_PYTHON, [DEBIAN_PYTHON] + sys.argv)
    print("SKIPPED: python3-grpcio is not installed")
    sys.exit(1 if os.environ.get("CI") == "true" else 77)

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # order of P-256


# --- protobuf

def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, value):
    """A varint for a number, else bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def fixed64(number, value):
    return varint(number << 3 | 1) + value.to_bytes(8, "little")


def message(*fields):
    """message((1, 5), (2, b"x")): the fields given, without those that are 0, empty or None."""
    return b"".join(field(number, value) for number, value in fields if value)


def decode(data):
    """{field number: [values]}; nested messages stay bytes."""
    def read_varint(at):
        value = shift = 0
        while True:
            value |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
            if data[at - 1] < 0x80:
                return value, at
    out, at = {}, 0
    while at < len(data):
        tag, at = read_varint(at)
        if tag & 7 == 0:
            value, at = read_varint(at)
        elif tag & 7 == 2:
            size, at = read_varint(at)
            value, at = data[at:at + size], at + size
        else:
            size = {1: 8, 5: 4}[tag & 7]
            value, at = int.from_bytes(data[at:at + size], "little"), at + size
        out.setdefault(tag >> 3, []).append(value)
    return out


def one(decoded, number, default=b""):
    return decoded.get(number, [default])[-1]


# --- transactions (formats.md 4)

def tagged(tag, data):
    return hashlib.sha256(bytes([len(tag)]) + tag.encode() + data).digest()


def tree_root(leaves):
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + tree_root(leaves[:split]) + tree_root(leaves[split:])).digest()


def now_ms():
    return int(time.time() * 1000)


def request_id():
    return uuid.uuid4().bytes


def envelope(chain, author, valid_until_ms=None, rid=None):
    until = now_ms() + 60_000 if valid_until_ms is None else valid_until_ms
    return message((1, 1), (2, chain), (3, author), (4, request_id() if rid is None else rid), (5, until))


def transaction(envelope_bytes, *operations):
    return field(1, envelope_bytes) + b"".join(field(2, operation) for operation in operations)


def sign_bytes(chain, transaction_bytes):
    parts = decode(transaction_bytes)
    operations = parts[2]
    digest = tagged("galen/1 transaction", hashlib.sha256(parts[1][0]).digest() + len(operations).to_bytes(4, "big")
                    + tree_root(operations))
    return b"GALEN/1\0" + bytes([8, 1]) + chain + bytes(8) + bytes(32) + digest


# --- keys and certificates, with the openssl program

def openssl(*arguments, data=None):
    done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.decode(errors='replace')}")
    return done.stdout


class Key:
    """A P-256 key in a file."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.path)
        self.public = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")[-65:]

    def sign(self, data, low_s=True):
        """r and s, 32 bytes each, from the DER that openssl gives (formats.md 6.5)."""
        der = openssl("dgst", "-sha256", "-sign", self.path, data=data)
        size = der[3]
        r = int.from_bytes(der[4:4 + size], "big")
        s = int.from_bytes(der[6 + size:], "big")
        if (s > N // 2) == low_s:
            s = N - s
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def authorize(self, chain, transaction_bytes, **options):
        return self.public + self.sign(sign_bytes(chain, transaction_bytes), **options)


def principal_uri(principal):
    return "URI:urn:galen:principal:" + principal.hex()


class Pki:
    """Certificates of every kind, signed by the CAs of a development consortium or by nobody we know."""

    def __init__(self, consortium):
        self.root = pathlib.Path(consortium.dir)
        self.work = self.root / "made-certificates"
        self.work.mkdir()
        self.made = 0

    def ca(self, member):
        return self.root / "pki" / member / "ca.pem"

    def client(self, member, name="galenctl"):
        base = self.root / "clients" / member / name
        return pathlib.Path(f"{base}.pem"), pathlib.Path(f"{base}.key")

    def node(self, member):
        base = self.root / f"node-{ord(member) - ord('A') + 1}" / "keys" / "tls"
        return pathlib.Path(f"{base}.pem"), pathlib.Path(f"{base}.key")

    def issue(self, member, sans, start="20240101000000Z", end="20490101000000Z"):
        """(certificate, key) signed by the member's CA, or by itself when member is None."""
        self.made += 1
        folder = self.work / str(self.made)
        folder.mkdir()
        key = Key(folder / "key.pem").path
        (folder / "index.txt").write_text("")
        (folder / "ca.cnf").write_text(
            f"[ca]\ndefault_ca=it\n[it]\ndatabase={folder}/index.txt\nnew_certs_dir={folder}\nrand_serial=yes\n"
            "default_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n[v3]\n"
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
            f"extendedKeyUsage=serverAuth,clientAuth\n" + (f"subjectAltName={','.join(sans)}\n" if sans else ""))
        openssl("req", "-new", "-key", key, "-subj", "/CN=made for a test", "-out", folder / "request.pem")
        signer = ["-cert", self.ca(member), "-keyfile", self.root / "pki" / member / "ca.key"] if member else \
            ["-selfsign", "-keyfile", key]
        openssl("ca", "-batch", "-notext", "-config", folder / "ca.cnf", "-extensions", "v3", "-startdate", start,
                "-enddate", end, "-in", folder / "request.pem", "-out", folder / "certificate.pem", *signer)
        return folder / "certificate.pem", key

    def principal(self, certificate):
        """The principal that a certificate names."""
        text = openssl("x509", "-in", certificate, "-noout", "-ext", "subjectAltName").decode()
        return bytes.fromhex(text.split("urn:galen:principal:")[1][:64])


# --- gRPC

class Answer:
    def __init__(self, code, body=b"", trailers=(), text=""):
        self.code, self.body, self.text = code, body, text
        self.trailers = dict(trailers or ())
        self.reason = self.trailers.get("galen-reason", "")
        self.trailer_bytes = self._size_of_trailers()

    def _size_of_trailers(self):
        """As HTTP/2 counts a header list: names, values and 32 for each; binary ones in base64, the message escaped."""
        escaped = "".join(c if " " <= c <= "~" and c != "%" else "%00" * len(c.encode()) for c in self.text)
        sent = {"grpc-status": "16", "grpc-message": escaped}
        for name, value in self.trailers.items():
            sent[name] = "=" * (-(-len(value) // 3) * 4) if name.endswith("-bin") else value
        return sum(len(name) + len(value) + 32 for name, value in sent.items())

    def __str__(self):
        return self.code if self.code == "OK" else f"{self.code} {self.reason}".strip()


class Client:
    """One channel; every method by its path, requests and answers as bytes."""

    def __init__(self, endpoint, ca, certificate, options=()):
        read = lambda path: pathlib.Path(path).read_bytes()
        credentials = grpc.ssl_channel_credentials(read(ca), read(certificate[1]), read(certificate[0]))
        # A channel of its own for each client: grpcio shares connections between channels with equal arguments.
        options = [*options, ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0),
                   ("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self.channel = grpc.secure_channel(endpoint, credentials, options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def call(self, method, request=b"", timeout=30, metadata=()):
        path = method if method.startswith("/") else "/galen.v1." + method
        try:
            body, done = self.channel.unary_unary(path).with_call(request, timeout=timeout, metadata=metadata)
            return Answer("OK", body, done.trailing_metadata())
        except grpc.RpcError as error:
            return Answer(error.code().name, b"", error.trailing_metadata(), error.details() or "")

    def stream(self, method, requests, timeout=30):
        """All answers of a stream."""
        path = method if method.startswith("/") else "/galen.v1." + method
        return list(self.channel.stream_stream(path)(iter(requests), timeout=timeout))
