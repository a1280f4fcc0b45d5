"""Requests, imported files and callers that have to be refused."""
import json
import os
import pathlib
import re
import subprocess

from bad_connections import tls_connection
from bad_world import ANCHOR, BATCH, MIB, REGISTER, RNG, STATUS, anchor, item, source
from consortium import BIN, check
from stock import decode, field, message, one, principal_uri, request_id

def request_rows(w):
    call = lambda method, request, **o: lambda: w.client.call(method, request, **o)

    def alone(method, request, **options):
        """For what may end its connection: no other row shares it."""
        def action():
            with w.connect("A") as client:
                return client.call(method, request, **options)
        return action
    filled = lambda size: anchor(body=item(content=os.urandom(size)))
    exact = 4 * MIB - len(filled(4 * MIB)) + 4 * MIB
    return [
        ("garbage", call(ANCHOR, RNG.randbytes(3) + b"\xff" * 200), "MALFORMED"),
        ("garbage to a read", call("RecordService/GetRecord", b"\xff" * 200), "MALFORMED"),
        ("a request cut in the middle", call(ANCHOR, anchor()[:-3]), "MALFORMED"),
        ("a length that leads behind the end", call(ANCHOR, b"\x12\xff\xff\xff\x7f"), "MALFORMED"),
        ("groups nested 5,000 deep", call(ANCHOR, b"\x0b" * 5000), "MALFORMED"),
        ("an empty request", call(ANCHOR, b""), "INVALID_ARGUMENT"),
        ("no item", call(ANCHOR, message((1, request_id()))), "INVALID_ARGUMENT"),
        ("no content", call(ANCHOR, anchor(body=item(content=b""))), "INVALID_ARGUMENT"),
        ("no source", call(ANCHOR, anchor(body=message((3, b"content")))), "INVALID_ARGUMENT"),
        ("a source that is not UTF-8", call(ANCHOR, anchor(body=item(source(name=b"\xff\xfe")))), "MALFORMED"),
        ("message of 4 MiB + 1", call(ANCHOR, filled(exact + 1)), "TOO_LARGE"),
        ("message of 9 MiB", alone(ANCHOR, filled(9 * MIB)), "RESOURCE_EXHAUSTED"),
        ("1,001 items", call(BATCH, message((1, request_id())) + b"".join(
            field(2, item(source(name=f"refused-{i}"))) for i in range(1001))), "TOO_LARGE"),
        ("no items", call(BATCH, message((1, request_id()))), "TOO_LARGE"),
        ("the last of 10 items is wrong", call(BATCH, message((1, request_id())) + b"".join(
            field(2, item(source(name=f"refused-{i}"), subject=b"" if i < 9 else b"x")) for i in range(10))),
         "INVALID_ARGUMENT"),
        ("source.system of 257 bytes", call(ANCHOR, anchor(body=item(source(system="s" * 257)))), "TOO_LARGE"),
        ("source.type of 65 bytes", call(ANCHOR, anchor(body=item(source(kind="T" * 65)))), "TOO_LARGE"),
        ("source.id of 257 bytes", call(ANCHOR, anchor(body=item(source(name="i" * 257)))), "TOO_LARGE"),
        ("request_id of 15 bytes", call(ANCHOR, anchor(rid=request_id()[:15])), "BAD_REQUEST_ID"),
        ("request_id of 17 bytes", call(ANCHOR, anchor(rid=request_id() + b"x")), "BAD_REQUEST_ID"),
        ("request_id that is no version 4", call(ANCHOR, anchor(rid=bytes(range(16)))), "BAD_REQUEST_ID"),
        ("no request_id", call(ANCHOR, anchor(rid=b"")), "BAD_REQUEST_ID"),
        ("pseudonym of 31 bytes", call(REGISTER, message((1, request_id()), (2, os.urandom(31)))), "INVALID_ARGUMENT"),
        ("pseudonym that is taken", call(REGISTER, message((1, request_id()), (2, w.patient))), "PRINCIPAL_EXISTS"),
        ("patient's key of 64 bytes", call(REGISTER, message((1, request_id()), (3, w.key.public[:64]))), "MALFORMED"),
        ("patient's key that is no point", call(REGISTER, message((1, request_id()), (3, b"\4" + b"\5" * 64))),
         "INVALID_ARGUMENT"),
        ("subject of 31 bytes", call(ANCHOR, anchor(body=item(subject=os.urandom(31)))), "INVALID_ARGUMENT"),
        ("subject nobody registered", call(ANCHOR, anchor(body=item(subject=os.urandom(32)))), "SUBJECT_UNKNOWN"),
        ("a record class that does not exist", call(ANCHOR, anchor(body=item() + field(4, 9))), "MALFORMED"),
        ("a canonicalisation method that does not exist", call(ANCHOR, anchor(body=item() + field(6, 3))),
         "INVALID_ARGUMENT"),
        ("raw bytes that may lose digits", call(ANCHOR, anchor(body=item() + field(7, 1))), "INVALID_ARGUMENT"),
        ("JCS of what is no JSON", jcs(call, b"%PDF-1.7"), "BAD_JSON"),
        ("JCS of what is no resource", jcs(call, b"[1]"), "BAD_FHIR"),
        ("JCS of 1.50", jcs(call, resource_with(b"1.50")), "JSON_NUMBER_INEXACT"),
        ("JCS of 2^53+1", jcs(call, resource_with(b"9007199254740993")), "JSON_NUMBER_INEXACT"),
        ("JCS of 1e400, lossy", jcs(call, resource_with(b"1e400"), lossy=1), "JSON_NUMBER_RANGE"),
        ("JCS of a key twice, lossy", jcs(call, resource_with(b'{"a":1,"\\u0061":2}'), lossy=1), "JSON_DUPLICATE_KEY"),
        ("JCS of a lone surrogate, lossy", jcs(call, resource_with(b'"\\udc00"'), lossy=1), "JSON_LONE_SURROGATE"),
        ("JCS of 2^20 values", jcs(call, resource_with(b"[" + b"0," * (1 << 20) + b"0]")), "TOO_LARGE"),
        ("an attachment with another's SHA-1", call(ANCHOR, anchor(body=item(content=resource_with(
            b'{"data":"cHVsc2UgNjA=","hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAA="}')))), "ATTACHMENT_MISMATCH"),
        ("an attachment of another size, JCS", jcs(call, resource_with(b'{"data":"cHVsc2UgNjA=","size":9}')),
         "ATTACHMENT_MISMATCH"),
        ("pointer that does not exist", call("RecordService/GetRecord", message((1, os.urandom(32)))),
         "RECORD_NOT_FOUND"),
        ("pointer of 31 bytes", call("RecordService/GetRecord", message((1, os.urandom(31)))), "INVALID_ARGUMENT"),
        ("source nobody anchored", call("RecordService/GetRecord", message((2, source()))), "RECORD_NOT_FOUND"),
        ("content that is another", call("RecordService/VerifyRecord", message((1, os.urandom(32)), (3, b"x"))),
         "RECORD_NOT_FOUND"),
        ("block that does not exist", call("LedgerService/GetBlock", message((1, (1 << 64) - 1))), "NOT_FOUND"),
        ("receipt of nothing", call("LedgerService/GetReceipt", message((1, os.urandom(32)))), "NOT_FOUND"),
        ("page token of our own making", call("AccessService/ListAccesses", message((1, w.patient), (3, "x"))),
         "INVALID_ARGUMENT"),
        ("purpose code that does not exist", call("AccessService/Decide", message(
            (1, request_id()), (2, w.patient), (5, "CURIOSITY"))), "BAD_PURPOSE"),
        ("purpose number that does not exist", call("AccessService/Decide", message(
            (1, request_id()), (2, w.patient), (3, 60))), "BAD_PURPOSE"),
        ("decision on nobody", call("AccessService/Decide", message(
            (1, request_id()), (2, os.urandom(32)), (5, "TREAT"))), "SUBJECT_UNKNOWN"),
        ("supersede by an unknown record", call("RecordService/SetRecordStatus", message(
            (1, request_id()), (2, w.pointer), (3, 2), (4, os.urandom(32)))), "RECORD_NOT_FOUND"),
        ("status of an unknown record", call("RecordService/SetRecordStatus", message(
            (1, request_id()), (2, os.urandom(32)), (3, 3))), "RECORD_NOT_FOUND"),
        ("back to CURRENT", call("RecordService/SetRecordStatus", message((1, request_id()), (2, w.pointer), (3, 1))),
         "INVALID_ARGUMENT"),
        ("a method that does not exist", call("RecordService/Delete", b""), "UNIMPLEMENTED"),
        ("a service that does not exist", call("/other.Service/Method", b"x"), "UNIMPLEMENTED"),
        ("metadata of twice the limit", alone(STATUS, b"", metadata=[("x-long", "y" * 16384)]),
         "RESOURCE_EXHAUSTED"),
        ("an admin's method, called by a service", call("PatientService/RegisterService", message(
            (1, request_id()), (2, os.urandom(32)))), "PERMISSION_DENIED"),
        ("a stream of four broken messages", lambda: stream_of_broken_messages(w),
         "MALFORMED TOO_LARGE BAD_REQUEST_ID TOO_LARGE"),
        ("a frame that ends before its length", lambda: cut_frame(w), "refused"),
        ("a deadline that has passed", call(STATUS, b"", timeout=-1), "DEADLINE_EXCEEDED"),
    ]


def resource_with(value):
    return b'{"resourceType":"Observation","id":"refused-jcs","value":' + value + b"}"


def jcs(call, content, lossy=0):
    """An AnchorRecord by method JCS (canon 2), with the digits of numbers or without."""
    return call(ANCHOR, anchor(body=item(content=content) + field(6, 2) + (field(7, 1) if lossy else b"")))


def stream_of_broken_messages(w):
    """An error concerns one message; the stream goes on and ends in order."""
    many = message((1, request_id())) + b"".join(field(2, item(source(name=f"refused-{i}"))) for i in range(1001))
    large = message((1, request_id()), (2, item(content=bytes(4 * MIB))))
    wrong_id = message((1, b"x"), (2, item()))
    answers = w.client.stream("RecordService/AnchorRecords", [b"\xff" * 20, many, wrong_id, large])
    return " ".join(one(decode(a), 3).decode() for a in answers)


def cut_frame(w):
    """HTTP/2 written by hand: a gRPC message that promises 100 bytes and ends after 10."""
    frame = lambda kind, flags, stream, body: len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(
        4, "big") + body
    headers = b"".join(b"\0" + bytes([len(k)]) + k + bytes([len(v)]) + v for k, v in (
        (b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/galen.v1.RecordService/AnchorRecord"),
        (b":authority", b"localhost"), (b"content-type", b"application/grpc"), (b"te", b"trailers")))
    with tls_connection(w.api["A"], w.pki.client("A"), ["h2"]) as channel:
        channel.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 4, 1, headers)
                        + frame(0, 1, 1, b"\0\0\0\0\x64" + bytes(10)))
        received = b""
        while True:
            more = channel.recv(4096)
            received += more
            at = 0
            while at + 9 <= len(received):
                size, kind, stream = int.from_bytes(received[at:at + 3], "big"), received[at + 3], received[at + 8]
                # An answer with END_STREAM set and no DATA before it, a reset, or the end of the connection.
                if stream == 1:
                    return "refused" if kind == 3 or (kind == 1 and received[at + 4] & 1) else f"frame {kind}"
                at += 9 + size
            if not more:
                return "refused"


def file_rows(w):
    folder = pathlib.Path(w.consortium.dir) / "files"
    folder.mkdir()
    resource = lambda i, **more: {"resourceType": "Observation", "id": f"refused-{i}", "status": "final", **more}
    bundle = lambda entries: json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})
    entries = [{"resource": resource(i)} for i in range(5)]
    broken = [dict(e) for e in entries]
    broken[2] = {"resource": {"id": "refused-2", "status": "final"}}
    without = [dict(e) for e in entries]
    without[2] = {"fullUrl": "urn:uuid:x"}
    plain = json.dumps(resource("x", code={"text": "CODE"}))
    files = [
        ("empty file", b"", "BAD_JSON"),
        ("only spaces", b" \n", "BAD_JSON"),
        ("duplicate key", plain.replace('"status"', '"id": "other", "status"'), "JSON_DUPLICATE_KEY"),
        ("duplicate key, written as an escape", plain.replace('"status"', '"\\u0069d": "other", "status"'), "JSON_DUPLICATE_KEY"),
        ("duplicate key deep inside", plain.replace('"text": "CODE"', '"text": "a", "text": "b"'), "JSON_DUPLICATE_KEY"),
        ("bad UTF-8", plain.encode().replace(b"CODE", b"\xff\xfe"), "BAD_JSON"),
        ("overlong UTF-8", plain.encode().replace(b"CODE", b"\xc0\xaf"), "BAD_JSON"),
        ("UTF-8 of a surrogate", plain.encode().replace(b"CODE", b"\xed\xa0\x80"), "BAD_JSON"),
        ("half a surrogate pair", plain.replace("CODE", "\\ud800"), "JSON_LONE_SURROGATE"),
        ("zero byte", plain.encode().replace(b"CODE", b"\0"), "BAD_JSON"),
        ("byte order mark", b"\xef\xbb\xbf" + plain.encode(), "BAD_JSON"),
        ("UTF-16", plain.encode("utf-16"), "BAD_JSON"),
        ("truncated", plain[:-3], "BAD_JSON"),
        ("truncated in a string", plain[:40], "BAD_JSON"),
        ("something behind the end", plain + "{}", "BAD_JSON"),
        ("comma at the end", plain[:-1] + ",}", "BAD_JSON"),
        ("NaN", plain.replace('"CODE"', "NaN"), "BAD_JSON"),
        ("number with a leading zero", plain.replace('"CODE"', "012"), "BAD_JSON"),
        ("nested 100,000 deep", "[" * 100_000, "BAD_JSON"),
        ("nested 100,000 deep inside a resource", plain.replace('"CODE"', '{"a":' * 100_000 + "1" + "}" * 100_000),
         "BAD_JSON"),
        ("a number for a resource", "1" * 1_000_000, "BAD_FHIR"),
        ("an array for a resource", "[]", "BAD_FHIR"),
        ("null", "null", "BAD_FHIR"),
        ("no resourceType", '{"id": "refused-x"}', "BAD_FHIR"),
        ("resourceType that is none", '{"resourceType": "../x", "id": "refused-x"}', "BAD_FHIR"),
        ("a huge number for an id", '{"resourceType": "Observation", "id": 1' + "0" * 400 + "}", "BAD_FHIR"),
        ("id of 257 bytes", json.dumps(resource("i" * 249)), "BAD_FHIR"),
        ("entry is no array", '{"resourceType": "Bundle", "entry": {}}', "BAD_FHIR"),
        ("a resource of 9 MiB", json.dumps(resource("x", data="A" * 9 * MIB)), "TOO_LARGE"),
        ("Bundle whose third entry has no resourceType", bundle(broken), "BAD_FHIR"),
        ("Bundle whose third entry has no resource", bundle(without), "BAD_FHIR"),
        ("Bundle whose third entry is cut", bundle(entries)[:220], "BAD_JSON"),
    ]

    def import_file(number, data):
        path = folder / f"{number}.json"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        done = w.consortium.run("--json", "record", "import", path, node="A", timeout=120)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        check(lines, f"no line of JSON; exit {done.returncode}: {done.stderr[-300:]}")
        reasons = {line["refused"]["reason"] for line in lines if isinstance(line.get("refused"), dict)}
        check(done.returncode == 1, f"exit code {done.returncode}")
        check(lines[-1]["anchored"] == 0 and lines[-1]["already_anchored"] == 0, f"something was anchored: {lines[-1]}")
        check(lines[-1]["refused"] == lines[-1]["resources"], f"the summary does not add up: {lines[-1]}")
        return " ".join(sorted(reasons))
    rows = [(f"file: {name}", lambda n=n, d=data: import_file(n, d), reason)
            for n, (name, data, reason) in enumerate(files)]

    def missing():
        done = w.consortium.run("--json", "record", "import", folder / "there-is-none.json", node="A")
        return re.search(r'"reason":"(\w+)"', done.stdout + done.stderr)[1]
    return rows + [("file: not there", missing, "IO_ERROR|NOT_FOUND")]


def tool_rows(w):
    """What galenctl and galen-verify refuse by themselves or pass on: a reason, and its exit code."""
    folder = pathlib.Path(w.consortium.dir) / "tools"
    folder.mkdir()
    nobody = os.urandom(32).hex()
    w.consortium.ctl("patient", "keygen", "--out", folder / "anna.key")
    w.consortium.ctl("patient", "register", "--key", folder / "anna.key", "--name", "anna", node="A")
    receipt = b"GALENRCP\0\1" + one(decode(w.client.call("LedgerService/GetReceipt", message(
        (3, w.request_id))).body), 1)
    genesis = (pathlib.Path(w.consortium.dir) / "genesis.json").read_bytes()
    doubled = genesis.replace(b'"format"', b'"format": 1, "format"', 1)

    def ctl(*arguments, node="A"):
        done = w.consortium.run("--json", *arguments, node=node)
        found = re.search(r'^\{"error":\{"reason":"(\w+)"', done.stderr, re.M)
        return f"{found and found[1]} {done.returncode}"

    def verify(receipt_bytes, genesis_bytes):
        (folder / "receipt.galen").write_bytes(receipt_bytes)
        (folder / "genesis.json").write_bytes(genesis_bytes)
        done = subprocess.run([BIN / "galen-verify", folder / "receipt.galen", folder / "genesis.json", "--json"],
                              capture_output=True, text=True)
        return f"{(json.loads(done.stdout).get('error') or {}).get('reason')} {done.returncode}"
    grant = ("consent", "grant", "--patient", "anna", "--to")
    huge = folder / "huge.pdf"
    huge.write_bytes(bytes(9 * MIB))
    return [
        ("galenctl: a verb that does not exist", lambda: ctl("record", "frobnicate"), "INVALID_ARGUMENT 2"),
        ("galenctl: an option that does not exist", lambda: ctl("node", "status", "--frob"), "INVALID_ARGUMENT 2"),
        ("galenctl: a node that does not exist", lambda: ctl("node", "status", node="Z"), "NOT_FOUND 1"),
        ("galenctl: a pointer that does not exist", lambda: ctl("record", "get", "--pointer", nobody),
         "RECORD_NOT_FOUND 1"),
        ("galenctl: a pointer that is none", lambda: ctl("record", "get", "--pointer", "xyz"), "INVALID_ARGUMENT 2"),
        ("galenctl: a purpose that does not exist", lambda: ctl(
            "decide", "--patient", nobody, "--purpose", "CURIOSITY"), "BAD_PURPOSE 1"),
        ("galenctl: a patient nobody registered", lambda: ctl("decide", "--patient", nobody, "--purpose", "TREAT"),
         "SUBJECT_UNKNOWN 1"),
        ("galenctl: a document of 9 MiB", lambda: ctl(
            "record", "anchor", huge, "--source", "PDF/refused-huge"), "TOO_LARGE 1"),
        ("galenctl: a consent until yesterday", lambda: ctl(
            *grant, "C", "--purpose", "TREAT", "--until", "2020-01-01T00:00:00Z"), "INVALID_ARGUMENT 2"),
        ("galenctl: a consent for no member", lambda: ctl(*grant, "Z", "--purpose", "TREAT"), "NOT_FOUND 1"),
        ("galenctl: a consent for no purpose", lambda: ctl(*grant, "C", "--purpose", "CURIOSITY"), "BAD_PURPOSE 1"),
        ("galen-verify: the good receipt, to know", lambda: verify(receipt, genesis), "None 0"),
        ("galen-verify: an empty file", lambda: verify(b"", genesis), "MALFORMED 1"),
        ("galen-verify: garbage", lambda: verify(RNG.randbytes(500), genesis), "MALFORMED 1"),
        ("galen-verify: a receipt cut short", lambda: verify(receipt[:-1], genesis), "MALFORMED 1"),
        ("galen-verify: a byte too many", lambda: verify(receipt + b"\0", genesis), "MALFORMED 1"),
        ("galen-verify: an unknown field", lambda: verify(receipt + field(999, 1), genesis), "MALFORMED 1"),
        ("galen-verify: another version", lambda: verify(receipt[:9] + b"\2" + receipt[10:], genesis),
         "UNSUPPORTED_VERSION 1"),
        ("galen-verify: a receipt of 9 MiB", lambda: verify(receipt[:10] + bytes(9 * MIB), genesis), "TOO_LARGE 1"),
        ("galen-verify: genesis with one space more", lambda: verify(receipt, genesis + b" "), "WRONG_CHAIN 1"),
        ("galen-verify: genesis with a key twice", lambda: verify(receipt, doubled), "CONFIG_INVALID 1|BAD_JSON 1"),
    ]


def caller_rows(w):
    other = w.pki.principal(w.pki.client("B")[0])

    def foreign_member():
        with w.connect("A", w.pki.client("B")) as client:
            return client.call(STATUS, timeout=10)
    return [
        ("certificate without a principal", lambda: w.with_certificate("DNS:localhost"), "UNAUTHENTICATED"),
        ("certificate without any name", lambda: w.with_certificate(), "UNAUTHENTICATED"),
        ("certificate with two principals", lambda: w.with_certificate(
            principal_uri(w.me), principal_uri(os.urandom(32))), "UNAUTHENTICATED"),
        ("certificate with half a principal", lambda: w.with_certificate(principal_uri(w.me[:16])), "UNAUTHENTICATED"),
        ("certificate of a principal nobody registered", lambda: w.with_certificate(principal_uri(os.urandom(32))),
         "UNKNOWN_PRINCIPAL"),
        ("our CA, another member's principal", lambda: w.with_certificate(principal_uri(other)), "NOT_YOUR_MEMBER"),
        ("our CA, a patient's pseudonym", lambda: w.with_certificate(principal_uri(w.patient)), "PERMISSION_DENIED"),
        ("our CA, the member itself", lambda: w.with_certificate(principal_uri(w.members["A"])), "PERMISSION_DENIED"),
        ("gRPC with another member's certificate", foreign_member, "UNAVAILABLE"),
    ]
