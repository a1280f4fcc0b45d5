#!/usr/bin/env python3
"""The API through programs that contain none of our code: the openssl program, Debian's python3-grpcio with protobuf
written by hand, and buf curl where it or npm is there (Debian has no grpc_cli). They list the services, anchor, get the
receipt, see a good error; the receipt, written to a file as formats.md 8 says, verifies with galen-verify."""
import base64
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from consortium import BIN, ROOT, Consortium, check, main
from stock import Client, Pki, decode, field, message, one, openssl, request_id

REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
HEALTH = "/grpc.health.v1.Health/Check"


class World:
    def __init__(self, consortium):
        self.consortium, self.pki = consortium, Pki(consortium)
        layout = json.loads((pathlib.Path(consortium.dir) / "dev.json").read_text())
        self.endpoint = f"127.0.0.1:{layout['nodes'][0]['api_port']}"
        self.ca, self.certificate = self.pki.ca("A"), self.pki.client("A")
        self.genesis = pathlib.Path(consortium.dir) / "genesis.json"


def declared_methods():
    """{service: {methods}} as the proto files say."""
    out = {}
    for path in (ROOT / "proto" / "galen" / "v1").glob("*.proto"):
        text = path.read_text()
        for service, body in re.findall(r"^service (\w+) \{(.*?)^\}", text, re.S | re.M):
            out["galen.v1." + service] = set(re.findall(r"^  rpc (\w+)\(", body, re.M))
    return out


def verify_receipt(world, receipt, name):
    """Written as formats.md 8 says; galen-verify finds it valid, and not valid with one byte changed."""
    path = pathlib.Path(world.consortium.dir) / f"{name}.galen"
    data = b"GALENRCP\0\1" + receipt
    path.write_bytes(data)
    done = subprocess.run([BIN / "galen-verify", path, world.genesis, "--json"], capture_output=True, text=True)
    check(done.returncode == 0, f"galen-verify: {done.stdout}{done.stderr}")
    verdict = json.loads(done.stdout)
    changed = bytearray(data)
    changed[len(data) // 2] ^= 1
    path.write_bytes(changed)
    done = subprocess.run([BIN / "galen-verify", path, world.genesis], capture_output=True, text=True)
    check(done.returncode == 1, "a changed receipt is valid")
    return verdict


# --- openssl

def with_openssl(world):
    shown = subprocess.run(["openssl", "s_client", "-connect", world.endpoint, "-tls1_3", "-alpn", "h2", "-cert",
                            world.certificate[0], "-key", world.certificate[1], "-CAfile", world.ca,
                            "-verify_return_error", "-verify_ip", "127.0.0.1"], input=b"", capture_output=True,
                           timeout=60).stdout.decode(errors="replace")
    for wanted in ("New, TLSv1.3, Cipher is TLS_", "ALPN protocol: h2", "Verify return code: 0 (ok)"):
        check(wanted in shown, f"openssl s_client does not say '{wanted}': {shown[-1500:]}")
    print("openssl s_client: TLS 1.3, ALPN h2, the node's certificate verifies")


def check_certificate(world, receipt):
    """The EXECUTED certificate of a receipt, with hashlib and the openssl program alone (formats.md 6)."""
    genesis_bytes = world.genesis.read_bytes()
    genesis = json.loads(genesis_bytes)
    members = (1).to_bytes(2, "big") + len(genesis["members"]).to_bytes(2, "big")
    for member in genesis["members"]:
        der = openssl("x509", "-outform", "DER", data=member["ca_pem"].encode())
        members += bytes.fromhex(member["id"]) + bytes.fromhex(member["consensus_key"]) + hashlib.sha256(der).digest()
    tagged = lambda tag, data: hashlib.sha256(bytes([len(tag)]) + tag + data).digest()
    prefix = b"GALEN/1\0" + bytes([7, 1]) + hashlib.sha256(genesis_bytes).digest() + (1).to_bytes(8, "big") + tagged(
        b"galen/1 members", members)
    parts = decode(receipt)
    certificate = one(parts, 16)
    check(certificate, "the receipt has no EXECUTED certificate")
    height, digest, roots = certificate[2:10], certificate[10:42], certificate[42:106]
    check(digest == tagged(b"galen/1 header", one(parts, 4)), "the certificate is of another header")
    count = int.from_bytes(certificate[106:108], "big")
    bitmap, signatures = certificate[108:108 + (count + 7) // 8], certificate[108 + (count + 7) // 8:]
    signers = [i for i in range(count) if bitmap[i // 8] >> i % 8 & 1]
    check(len(signers) >= 3 and len(signatures) == 64 * len(signers), f"{len(signers)} of {count} signed")
    work = world.pki.work
    for place, index in enumerate(signers):
        point = bytes.fromhex(genesis["members"][index]["consensus_key"])
        # SubjectPublicKeyInfo of a P-256 point: a fixed head.
        head = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
        (work / "public.der").write_bytes(head + point)
        r, s = (signatures[64 * place + 32 * i:][:32].lstrip(b"\0") for i in (0, 1))
        integer = lambda v: b"\2" + bytes([len(v) + (v[0] >> 7)]) + (b"\0" if v[0] & 0x80 else b"") + v
        body = integer(r) + integer(s)
        (work / "signature.der").write_bytes(b"\x30" + bytes([len(body)]) + body)
        said = openssl("dgst", "-sha256", "-keyform", "DER", "-verify", work / "public.der", "-signature",
                       work / "signature.der", data=prefix + index.to_bytes(2, "big") + height + digest + roots)
        check(b"Verified OK" in said, f"member {index}: {said}")
    return len(signers)


# --- python3-grpcio

def reflect(client, *fields):
    return decode(client.stream(REFLECTION, [message(*fields)])[0])


def list_by_reflection(client):
    """{service: {methods}}, from descriptors that the server sends. gRPC lists its own health service without having
    its descriptor in C++; every client knows that one."""
    listed = [one(decode(s), 1).decode() for s in decode(one(reflect(client, (7, "*")), 6))[1]]
    services = {}
    for service in listed:
        files = decode(one(reflect(client, (4, service)), 4))
        for descriptor in map(decode, files.get(1, [])):
            package = one(descriptor, 2).decode()
            for entry in map(decode, descriptor.get(6, [])):
                services[f"{package}.{one(entry, 1).decode()}"] = {one(decode(m), 1).decode() for m in entry.get(2, [])}
    missing = set(listed) - set(services) - {"grpc.health.v1.Health"}
    check(not missing, f"no descriptor for {missing}")
    return services


def check_error(answer, code, reason):
    """The code, the plain trailer, and google.rpc.Status with ErrorInfo say the same; all of it is small."""
    check(answer.code == code and answer.reason == reason, f"{answer}, not {code} {reason}: {answer.text}")
    status = decode(answer.trailers["grpc-status-details-bin"])
    check(one(status, 2).decode() == answer.text, "google.rpc.Status has another message")
    check(len(answer.text) > 20, f"the message says too little: {answer.text}")
    details = {one(decode(d), 1).decode(): decode(one(decode(d), 2)) for d in status[3]}
    info = details["type.googleapis.com/google.rpc.ErrorInfo"]
    check(one(info, 1).decode() == reason and one(info, 2) == b"galen", f"ErrorInfo: {info}")
    check(answer.trailer_bytes < 8192, f"trailers of {answer.trailer_bytes} bytes")
    metadata = {one(decode(m), 1).decode(): one(decode(m), 2).decode() for m in info.get(3, [])}
    return metadata, details.get("type.googleapis.com/google.rpc.RetryInfo")


def with_python(world):
    with Client(world.endpoint, world.ca, world.certificate) as client:
        services = list_by_reflection(client)
        declared = declared_methods()
        check(len(declared) == 7, f"services in proto/: {sorted(declared)}")
        for service, methods in declared.items():
            check(services.get(service) == methods, f"{service}: {services.get(service)} listed, {methods} declared")
            for method in methods - {"AnchorRecords"}:
                done = client.call(f"/{service}/{method}", b"\xff")
                check(done.code != "UNIMPLEMENTED", f"{service}/{method} is listed and does not exist")
        unknown = reflect(client, (4, "galen.v1.Nothing"))
        check(7 in unknown, f"reflection of what does not exist: {unknown}")
        for service in [""] + sorted(declared):
            done = client.call(HEALTH, message((1, service)))
            check(done.code == "OK" and one(decode(done.body), 1) == 1, f"health of '{service}': {done} {done.body}")
        unknown = client.call(HEALTH, message((1, "galen.v1.Nothing")))
        check(unknown.code == "NOT_FOUND", f"health of what does not exist: {unknown}")

        rid, content = request_id(), b"blood pressure 120/80"
        item = message((1, message((1, "https://ehr.example"), (2, "Observation"), (3, "python-1"))), (3, content))
        done = client.call("RecordService/AnchorRecord", message((1, rid), (2, item)))
        check(done.code == "OK", f"AnchorRecord: {done} {done.text}")
        pointer = one(decode(one(decode(done.body), 1)), 1)
        transaction = one(decode(one(decode(done.body), 2)), 1)
        for given, expected in ((content, 1), (content + b"x", 0)):
            done = client.call("RecordService/VerifyRecord", message((1, pointer), (3, given)))
            check(done.code == "OK" and one(decode(done.body), 1, 0) == expected, f"VerifyRecord: {done} {done.body}")
        done = client.call("LedgerService/GetReceipt", message((3, rid)))
        check(done.code == "OK", f"GetReceipt: {done} {done.text}")
        receipt = one(decode(done.body), 1)
        verdict = verify_receipt(world, receipt, "python")
        check(verdict["transaction_id"] == transaction.hex(), f"the receipt is of another transaction: {verdict}")
        signed = check_certificate(world, receipt)
        again = client.call("LedgerService/GetReceipt", message((1, transaction)))
        check(one(decode(again.body), 1) == receipt, "the receipt by id is another one than by request_id")

        absent = client.call("RecordService/GetRecord", message((1, os.urandom(32))))
        check_error(absent, "NOT_FOUND", "RECORD_NOT_FOUND")
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        extra = [("traceparent", trace), ("x-request-id", "r" * 64)]
        metadata, _ = check_error(client.call("RecordService/" + "M" * 70, b"", metadata=extra), "UNIMPLEMENTED",
                                  "UNIMPLEMENTED")
        check(metadata.get("traceparent") == trace, f"metadata: {metadata}")
        check(metadata.get("x-request-id") == "r" * 64, f"metadata: {metadata}")
        late = client.call("NodeService/GetStatus", b"", timeout=-1)
        check(late.code == "DEADLINE_EXCEEDED", f"a deadline that has passed: {late}")
    print(f"python3-grpcio: {sum(map(len, declared.values()))} methods by reflection, healthy, anchored; the receipt "
          f"verifies with galen-verify, its {signed} signatures with openssl; errors have reason and google.rpc.Status")


def without_quorum(world):
    """The error that asks for patience: which members are missing, and when to come back."""
    for name in ("C", "D"):
        world.consortium.kill(name, signal.SIGTERM)
    with Client(world.endpoint, world.ca, world.certificate) as client:
        until = time.monotonic() + 60
        while True:
            item = message((1, message((1, "https://ehr.example"), (2, "Observation"), (3, "no-quorum"))), (3, b"x"))
            done = client.call("RecordService/AnchorRecord", message((1, request_id()), (2, item)))
            if done.code != "OK" or time.monotonic() > until:
                break
        metadata, retry = check_error(done, "UNAVAILABLE", "NO_QUORUM")
    check(metadata.get("missing_members") == "C,D", f"missing members: {metadata}")
    pause_ms = int(done.trailers["retry-after-ms"])
    delay = decode(one(retry, 1))
    check(pause_ms > 0 and one(delay, 1, 0) * 1000 + one(delay, 2, 0) // 1_000_000 == pause_ms,
          f"RetryInfo {delay}, retry-after-ms {pause_ms}")
    print(f"without a quorum: {done}, missing {metadata['missing_members']}, come back in {pause_ms} ms; "
          f"{done.trailer_bytes} bytes of trailers")


# --- buf curl

def find_buf(world):
    """buf of PATH, else from npm into the test's own folder, else None."""
    found = os.environ.get("GALEN_BUF") or shutil.which("buf")
    if found or not shutil.which("npm"):
        return found
    folder = pathlib.Path(world.consortium.dir) / "npm"
    try:
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, "@bufbuild/buf"],
                       capture_output=True, timeout=90)
    except subprocess.TimeoutExpired:
        return None
    program = folder / "node_modules" / ".bin" / "buf"
    return str(program) if program.exists() else None


def with_buf(world):
    buf = find_buf(world)
    if not buf:
        print("NOT CHECKED: buf curl (there is neither buf nor an npm that could install it)")
        return

    def curl(*arguments):
        # From outside of the repository, so that all that buf knows of our messages comes by reflection.
        return subprocess.run([buf, "curl", "--protocol", "grpc", "--cacert", world.ca, "--cert", world.certificate[0],
                               "--key", world.certificate[1], *arguments], capture_output=True, text=True, timeout=60,
                              cwd=world.consortium.dir)

    def call(method, request):
        done = curl("-d", json.dumps(request), f"https://{world.endpoint}/galen.v1.{method}")
        check(done.returncode == 0, f"buf curl {method}: {done.stderr}")
        return json.loads(done.stdout)

    listing = curl("--list-methods", f"https://{world.endpoint}")
    check(listing.returncode == 0, f"buf curl --list-methods: {listing.stderr}")
    health = curl("-d", "{}", f"https://{world.endpoint}/grpc.health.v1.Health/Check")
    check(health.returncode == 0 and json.loads(health.stdout) == {"status": "SERVING"}, f"health: {health}")
    listed = set(listing.stdout.split())
    wanted = {f"{service}/{method}" for service, methods in declared_methods().items() for method in methods}
    check(wanted <= listed, f"not listed: {wanted - listed}")
    check(len(call("NodeService/GetStatus", {})["chainId"]) == 64, "GetStatus has no chainId")
    encoded = base64.b64encode(request_id()).decode()
    source = {"system": "https://ehr.example", "type": "Observation", "id": "buf-1"}
    anchored = call("RecordService/AnchorRecord", {"requestId": encoded, "item": {
        "source": source, "content": base64.b64encode(b"pulse 60").decode()}})
    check(anchored["outcome"]["state"] == "TRANSACTION_STATE_COMMITTED", f"AnchorRecord: {anchored}")
    check(call("RecordService/GetRecord", {"source": source})["record"]["pointerId"] == anchored["item"]["pointerId"],
          "GetRecord gives another pointer")
    receipt = call("LedgerService/GetReceipt", {"requestId": encoded})["receipt"]
    verify_receipt(world, receipt_bytes(receipt), "buf")
    failed = curl("-d", '{"source": {"system": "x", "type": "y", "id": "z"}}',
                  f"https://{world.endpoint}/galen.v1.RecordService/GetRecord")
    error = json.loads(failed.stderr)
    # buf prints details that are not described by the server's reflection as bytes, without the padding of base64.
    info = decode(base64.b64decode(error["details"][0]["value"] + "=="))
    check(failed.returncode != 0 and error["code"] == "not_found" and one(info, 1) == b"RECORD_NOT_FOUND",
          f"buf curl shows the error as: {failed.stderr}")
    print(f"buf curl: {len(listed)} methods by reflection, anchored; the receipt made from its JSON verifies; the "
          "error shows its reason")


def receipt_bytes(receipt):
    """The receipt's protobuf bytes from the JSON that buf prints: 64-bit numbers are texts there, bytes base64."""
    raw = lambda name: base64.b64decode(receipt.get(name, ""))

    def path(name):
        value = receipt[name]
        return message((1, int(value.get("index", 0))), (2, int(value.get("size", 0)))) + b"".join(
            field(3, base64.b64decode(s)) for s in value.get("siblings", []))
    check("confirmation" not in receipt, "a receipt made at once has its EXECUTED certificate")
    return (message((1, int(receipt["format"])), (2, raw("chainId")), (4, raw("header")), (5, raw("transaction")),
                    (6, int(receipt.get("scheme", 0))), (7, raw("authorization"))) + field(8, path("itemPath"))
            + field(9, raw("batchHeader")) + field(10, path("batchPath")) + message((11, int(receipt.get("code", 0))))
            + b"".join(field(12, base64.b64decode(r)) for r in receipt.get("results", []))
            + field(13, path("outcomePath")) + message((14, raw("previousResultsRoot")), (15, raw("stateRoot")),
                                                       (16, raw("executedCertificate"))))


def test():
    with Consortium() as consortium:
        world = World(consortium)
        with_openssl(world)
        with_python(world)
        with_buf(world)
        without_quorum(world)


main(test)
