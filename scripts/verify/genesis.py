"""genesis.json (docs/spec/formats.md 1.2), and the member set it gives (6.1)."""

import base64
import hashlib
import json
import re
import subprocess

from codec import Failure, uint
from suite import SUITES

PARAMETERS = {
    "window": (1, 8), "tenure_blocks": (1, 1000000), "exec_lag_max": (1, 1024),
              "idle_block_interval_ms": (100, 3600000),
    "ttl_max_ms": (1000, 600000), "clock_skew_max_ms": (10, 60000), "view_timeout_ms": (10, 600000),
    "block_bytes_max": (1048732, 67108864), "member_block_bytes_max": (1048732, 67108864),
              "period_ms": (1000, 315576000000),
}
TOP = {"format", "name", "created_ms", "suite", "test", "rules_version", "parameters", "members"}
MEMBER = {"name", "id", "consensus_key", "admin", "ca_pem"}


class Genesis:
    """What a verifier needs of the consortium."""

    def __init__(self, data):
        facts = read_json(data)
        self.suite = SUITES[facts["suite"]]
        self.chain_id = self.suite.h(data)
        self.name = facts["name"]
        self.test = facts["test"]
        self.created_ms = facts["created_ms"]
        self.period_ms = facts["parameters"]["period_ms"]
        self.members = facts["members"]
        member_set = uint(1, 2) + uint(len(self.members), 2)
        for member in self.members:
            member_set += (bytes.fromhex(member["id"]) + bytes.fromhex(member["consensus_key"])
                           + member["ca_fingerprint"])
        self.member_set = member_set
        self.members_hash = self.suite.tagged("galen/1 members", member_set)

    def name_of(self, ident):
        """A member's name; of one that came later only the id is known."""
        for member in self.members:
            if member["id"] == ident.hex():
                return member["name"]
        return ident.hex()

    def prefix(self, kind, epoch=1, members_hash=None):
        """The 82 bytes before everything that is signed (6.1)."""
        return (b"GALEN/1\0" + uint(kind, 1) + uint(1, 1) + self.chain_id + uint(epoch, 8)
                + (self.members_hash if members_hash is None else members_hash))


def refuse(where, why):
    raise Failure("genesis", "CONFIG_INVALID", where + ": " + why)


def no_number(text):
    refuse("a number", "%s is no unsigned integer" % text[:40])


def unique(pairs):
    out = dict(pairs)
    if len(out) != len(pairs):
        refuse("an object", "a key stands twice")
    return out


def integer(text):
    if text.startswith("-"):
        no_number(text)
    return int(text) if len(text) <= 20 else no_number(text)


def read_json(data):
    if len(data) > 2 << 20:
        refuse("the document", "longer than 2 MiB")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        refuse("the document", "not UTF-8")
    if text.startswith("\ufeff"):
        refuse("the document", "begins with a byte order mark")
    check_depth(text)
    try:
        facts = json.loads(text, object_pairs_hook=unique, parse_float=no_number, parse_constant=no_number,
                           parse_int=integer)
    except (ValueError, RecursionError) as error:
        refuse("the document", "not JSON: %s" % error)
    try:
        json.dumps(facts, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        refuse("the document", "an escape that is half a surrogate pair")
    check(facts)
    return facts


def check_depth(text):
    depth = 0
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', text):
        if token[0] in "[{":
            depth += 1
            if depth > 8:
                refuse("the document", "deeper than 8 levels")
        elif token[0] in "]}":
            depth -= 1


def number(where, value, low, high):
    if type(value) is not int or not low <= value <= high:
        refuse(where, "must be an integer from %d to %d" % (low, high))


def a_name(where, value):
    if not isinstance(value, str) or not 1 <= len(value) <= 64:
        refuse(where, "must be a text of 1 to 64 characters")
    for c in value:
        if ord(c) < 0x20 or 0x7f <= ord(c) <= 0x9f or 0xd800 <= ord(c) <= 0xdfff:
            refuse(where, "a character that is not allowed")


def keys_of(where, value, wanted):
    if not isinstance(value, dict):
        refuse(where, "must be an object")
    if set(value) != wanted:
        refuse(where, "missing or unknown keys: " + ", ".join(sorted(set(value) ^ wanted)))


def check(facts):
    keys_of("the document", facts, TOP)
    number("format", facts["format"], 1, 1)
    number("rules_version", facts["rules_version"], 1, 1)
    number("created_ms", facts["created_ms"], 1, 253402300799999)
    a_name("name", facts["name"])
    if facts["suite"] not in tuple(SUITES):
        refuse("suite", "must be one of " + ", ".join(SUITES))
    if not isinstance(facts["test"], bool):
        refuse("test", "must be true or false")
    parameters = facts["parameters"]
    keys_of("parameters", parameters, set(PARAMETERS))
    for name, (low, high) in PARAMETERS.items():
        number("parameters." + name, parameters[name], low, high)
    if parameters["exec_lag_max"] <= parameters["window"]:
        refuse("parameters.exec_lag_max", "must be above window")
    if parameters["clock_skew_max_ms"] >= parameters["ttl_max_ms"]:
        refuse("parameters.clock_skew_max_ms", "must be below ttl_max_ms")
    if parameters["member_block_bytes_max"] > parameters["block_bytes_max"]:
        refuse("parameters.member_block_bytes_max", "must not be above block_bytes_max")
    members = facts["members"]
    if not isinstance(members, list) or not 4 <= len(members) <= 100:
        refuse("members", "must be an array of 4 to 100")
    seen = set()
    for index, member in enumerate(members):
        check_member("members[%d]" % index, member, SUITES[facts["suite"]].curve, seen)


def check_member(where, member, curve, seen):
    keys_of(where, member, MEMBER)
    a_name(where + ".name", member["name"])
    for name, digits in (("id", 64), ("admin", 64), ("consensus_key", 130)):
        value = member[name]
        if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{%d}" % digits, value):
            refuse("%s.%s" % (where, name), "must be %d lower-case hexadecimal digits" % digits)
        if not value.strip("0"):
            refuse("%s.%s" % (where, name), "must not be zero")
    if curve.point(bytes.fromhex(member["consensus_key"])) is None:
        refuse(where + ".consensus_key", "is no point of the suite's curve")
    member["ca_fingerprint"] = fingerprint(where + ".ca_pem", member["ca_pem"])
    # Ids and admins are one set of principals.
    for name, kind in (("name", "name"), ("id", "principal"), ("admin", "principal"), ("consensus_key", "key"),
                       ("ca_fingerprint", "ca")):
        if (kind, member[name]) in seen:
            refuse("%s.%s" % (where, name), "stands twice")
        seen.add((kind, member[name]))


# The strict form of RFC 7468 section 3 (docs/spec/formats.md 1.3).
STRICT_PEM = re.compile("-----BEGIN CERTIFICATE-----\r?\n((?:[A-Za-z0-9+/]{64}\r?\n)*[A-Za-z0-9+/]{2,64}={0,2})\r?\n"
                        "-----END CERTIFICATE-----(?:\r?\n)?")


def certificate_der(pem):
    """What the one block CERTIFICATE holds that the text consists of; None if it is another text."""
    found = STRICT_PEM.fullmatch(pem)
    if found is None:
        return None
    body = "".join(found[1].split())
    try:
        der = base64.b64decode(body, validate=True)
    except ValueError:
        return None
    # What an encoder writes: padding where it belongs, its spare bits 0. So the last line has at most 64 characters too.
    return der if base64.b64encode(der).decode() == body else None


_fingerprints = {}


def fingerprint(where, pem):
    """SHA-256 over the DER of the certificate. openssl parses it, and must write the same bytes again: it reads what is
    no DER, and does not look behind the certificate."""
    if not isinstance(pem, str) or len(pem.encode("utf-8")) > 16384:
        refuse(where, "must be a PEM certificate of at most 16 KiB")
    if pem not in _fingerprints:
        der = certificate_der(pem)
        if der is None:
            refuse(where, "is not one certificate in strict PEM; `openssl x509 -in FILE` writes a certificate so")
        done = subprocess.run(["openssl", "x509", "-inform", "DER", "-dates"], input=der, capture_output=True,
                              check=False)
        if done.returncode or b"Bad time value" in done.stdout:
            refuse(where, "is no X.509 certificate")
        body = done.stdout.split(b"-----BEGIN CERTIFICATE-----")[1].split(b"-----END")[0]
        if base64.b64decode(body) != der:
            refuse(where, "is no certificate in DER, or something stands behind it")
        _fingerprints[pem] = hashlib.sha256(der).digest()
    return _fingerprints[pem]
