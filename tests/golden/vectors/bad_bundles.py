"""Evidence bundles that must be refused (docs/spec/evidence.md 2 and 3)."""

import base64
import json

import files as f
import state
from codec import write_varint
from editing import Editor, flip, flip_sibling
from good import DOCUMENT, KEY, case, opening, record_row


def bad_bundles(v, c):
    e = Editor(v, "evidence", lambda bundle: f.write_bundle(bundle), bundle=case(c))
    raw = f.write_bundle(case(c))
    v.bad("evidence-cut", raw[:-1], "file", "MALFORMED", "the last byte is missing")
    v.bad("evidence-trailing", raw + b"\0", "file", "MALFORMED", "a byte too many")
    v.bad("evidence-version", flip(9, 3)(raw), "file", "MALFORMED", "version 2, without its links")
    v.bad("evidence-no-genesis-chain", flip(10)(raw), "chain_id", "WRONG_CHAIN",
          "one bit of the chain id, without another genesis.json", "")
    b = "bundle"
    e("chain", "chain_id", "WRONG_CHAIN", "one bit of the chain id", ((b, "chain_id"), flip(0)))
    e("summary-empty", "file", "MALFORMED", "no summary", ((b, "summary"), b""))
    e("summary-control", "summary", "MALFORMED", "an escape character, which could paint over the terminal",
      ((b, "summary"), b"\x1b[2J"))
    e("summary-c1", "summary", "MALFORMED", "U+009B", ((b, "summary"), "\u009b2J".encode()))
    e("summary-utf8", "summary", "MALFORMED", "no UTF-8", ((b, "summary"), b"caf\xe9"))
    e("summary-surrogate", "summary", "MALFORMED", "a surrogate in UTF-8", ((b, "summary"), b"\xed\xa0\x80"))
    e("summary-overlong", "summary", "MALFORMED", "an overlong form", ((b, "summary"), b"\xc1\x81"))
    e("genesis", "genesis", "WRONG_CHAIN", "another genesis.json than the verifier's",
      ((b, "genesis"), lambda x: x + b" "))
    e("genesis-own", "chain_id", "WRONG_CHAIN", "another genesis.json, and none to compare it with",
      ((b, "genesis"), lambda x: x + b" "), genesis="")
    e("genesis-broken", "genesis", "CONFIG_INVALID", "no genesis.json at all, and none to compare it with",
      ((b, "genesis"), b"{}"), genesis="")
    e("genesis-surrogate", "genesis", "CONFIG_INVALID", "half a surrogate pair before the first member's certificate",
      ((b, "genesis"), lambda x: x.replace(b'"-----BEGIN', b'"\\ud800\\n-----BEGIN', 1)), genesis="")
    e("genesis-trusted", "genesis", "CONFIG_INVALID", "the first member's certificate as a TRUSTED CERTIFICATE",
      ((b, "genesis"), lambda x: x.replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE", 2)), genesis="")
    e("sets-0", "file", "MALFORMED", "no member set", ((b, "sets"), 0))
    e("sets-2", "file", "MALFORMED", "two member sets", ((b, "sets"), 2))
    e("members-epoch", "members", "BAD_PROOF", "epoch 2", ((b, "epoch"), 2))
    e("members", "members", "BAD_PROOF", "one bit of the member set", ((b, "members"), flip(100)))
    e("members-short", "members", "BAD_PROOF", "a member set without its last member",
      ((b, "members"), lambda x: x[:-129]))
    e("no-blocks", "file", "MALFORMED", "no block", ((b, "blocks"), []), ((b, "transactions"), []), ((b, "states"), []),
      ((b, "openings"), []))
    e("nothing", "file", "MALFORMED", "neither transaction nor state", ((b, "transactions"), []), ((b, "states"), []),
      ((b, "openings"), []))
    e("unused-block", "file", "MALFORMED", "a block that nothing names",
      ((b, "blocks"), lambda x: x + [f.block_at_once(c, 1)]))
    e("block-number", "file", "MALFORMED", "block 3 of three", ((b, "transactions", 0), lambda x: (3, x[1])))
    e("state-number", "file", "MALFORMED", "an opening of state 2 of two", ((b, "openings", 0), lambda x: (2, *x[1:])))
    e("other-block", "transactions[0].batch_path", "BAD_PROOF", "a transaction under another block, both of the chain",
      ((b, "transactions", 0), lambda x: (1, x[1])), ((b, "states"), lambda x: x + [(0, f.state_proof(c, 2, 6, b""))]))
    e("state-other-block", "states[2].block", "BAD_PROOF", "a state under a block that gives no state root",
      ((b, "states"), lambda x: x + [(2, f.state_proof(c, 5, 6, b""))]))
    e("block", "blocks[1].confirming.later_path", "BAD_PROOF", "one bit in the second block",
      ((b, "blocks", 1, "confirming", "later", "path"), flip_sibling(0)))
    e("certificate", "blocks[0].executed_certificate", "BAD_CERTIFICATE", "one bit of a signature in the first block",
      ((b, "blocks", 0, "executed_certificate"), flip(-1)))
    e("transaction", "transactions[2].outcome_path", "BAD_PROOF", "another outcome in the third transaction",
      ((b, "transactions", 2, 1, "code"), 301))
    e("operation", "transactions[1].item_path", "BAD_PROOF", "one bit of an operation",
      ((b, "transactions", 1, 1, "shown", 0, "operation"), flip(10)))
    e("state", "states[0].value", "BAD_PROOF", "one bit of the row", ((b, "states", 0, 1, "value"), flip(60)))
    e("consistency", "consistency[0].path", "BAD_PROOF", "one bit", ((b, "consistency", 0, "path"), flip_sibling(0)))
    e("opening-key", "openings[0].document", "COMMITMENT_MISMATCH", "one bit of the record key",
      ((b, "openings", 0), lambda x: (x[0], flip(0)(x[1]), x[2])))
    e("opening-document", "openings[0].document", "COMMITMENT_MISMATCH", "one bit of the document",
      ((b, "openings", 0), lambda x: (*x[:2], flip(30)(x[2]))))
    e("opening-absent", "openings[0].record", "MALFORMED", "an opening of a row that is absent",
      ((b, "openings", 0), lambda x: (1, *x[1:])))
    e("opening-other-kind", "openings[0].record", "MALFORMED", "an opening of the parameters",
      ((b, "states", 0), (1, f.state_proof(c, 3, 6, b""))))
    e("opening-empty", "openings[0].document", "COMMITMENT_MISMATCH", "no document",
      ((b, "openings", 0), lambda x: (*x[:2], b"")))
    bad_rows(v, c)
    bad_authorities(e)


def bad_rows(v, c):
    """Openings of rows that are no RecordState in canonical form, in a state that a quorum signed."""
    row = record_row(c)
    period = row.index(write_varint(11 << 3))
    ten_bytes = write_varint(2**64 - 1)

    def r(name, what, value, part="record", reason="MALFORMED"):
        v.bad("evidence-opening-row-" + name, f.write_bundle(opening(c, value)), "openings[0]." + part, reason, what)

    r("unknown-field", "a field that a RecordState does not have", row + write_varint(100 << 3) + b"\1")
    r("varint", "a varint that is not the shortest", row.replace(b"\x08\1", b"\x08\x81\0", 1))
    r("default", "a default that is not left out", row.replace(b"\x08\1", b"\x08\0", 1))
    r("order", "the last fields before the others", row[period:] + row[:period])
    r("twice", "the last field twice", row + write_varint(12 << 3) + b"\3")
    r("negative", "a status of ten bytes, as protobuf writes -1",
      row.replace(b"\x38\1\x40", b"\x38" + ten_bytes + b"\x40", 1))
    r("format-33-bits", "format 2^32 + 1", row.replace(b"\x08\1", b"\x08" + write_varint(2**32 + 1), 1))
    r("wire-type", "a varint in place of a custodian", b"\x08\1\x10\1" + row[row.index(b"\x1a\x20"):])
    r("cut", "the last byte is missing", row[:-1])
    r("empty", "no bytes", b"")
    for canon in (256, 257):
        r("canon-%d" % canon, "canon %d, of which the commitment could hold a part only" % canon,
          record_row(c, canon=canon, commitment=state.commitment(c.suite, KEY, canon & 255, DOCUMENT)))
    r("commitment-short", "a commitment of 31 bytes", record_row(c, commitment=bytes(31)))
    r("canon", "another canon than the one committed with", record_row(c, canon=2), "document", "COMMITMENT_MISMATCH")


def authority(change):
    """Changes the text of the first member's certificate in a genesis.json."""
    def in_genesis(data):
        pem = json.loads(data)["members"][0]["ca_pem"]
        old = json.dumps(pem).encode()
        assert data.count(old) == 1
        return data.replace(old, json.dumps(change(pem)).encode())
    return in_genesis


def body(change):
    """Changes the lines between BEGIN and END."""
    def in_pem(pem):
        begin, *lines, end = pem.splitlines()
        return "\n".join([begin, *change(lines), end]) + "\n"
    return in_pem


def bad_authorities(e):
    """Certificates of the first member in bundles that bring their genesis.json: one form is right. A right one makes another
    genesis.json, so the next check finds another chain."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"

    def r(name, what, change, part="genesis", reason="CONFIG_INVALID"):
        e("genesis-ca-" + name, part, reason, what, (("bundle", "genesis"), authority(change)), genesis="")

    def good(name, what, change):
        r(name, what + ": that is allowed, and makes another chain", change, "chain_id", "WRONG_CHAIN")

    def again(der):
        text = base64.b64encode(der).decode()
        return [text[at:at + 64] for at in range(0, len(text), 64)]

    def bytes_of(lines):
        return base64.b64decode("".join(lines))

    good("crlf", "line ends of CR and LF", lambda pem: pem.replace("\n", "\r\n"))
    good("no-line-end", "no line end behind the last line", lambda pem: pem[:-1])
    r("cr", "line ends of CR alone", lambda pem: pem.replace("\n", "\r"))
    r("bom", "a byte order mark before BEGIN", lambda pem: "\ufeff" + pem)
    r("text-before", "a line of text before the block", lambda pem: "subject=CN = A\n" + pem)
    r("text-behind", "a line of text behind the block", lambda pem: pem + "x\n")
    r("begin-not-ascii", "a letter beyond ASCII behind BEGIN", lambda pem: pem.replace(begin, begin + "\u00e9"))
    r("begin-column", "BEGIN behind 254 other characters", lambda pem: "A" * 254 + pem)
    r("begin-space", "a space behind BEGIN", lambda pem: pem.replace(begin, begin + " "))
    r("end-nul", "a zero byte behind END", lambda pem: pem.replace(end, end + "\0"))
    r("two-line-ends", "an empty line behind END", lambda pem: pem + "\n")
    r("two-blocks", "the block twice", lambda pem: pem + pem)
    r("block-before", "a block of another label before it, with a header",
      lambda pem: "-----BEGIN X-----\na: b\n\nAAAA\n-----END X-----\n" + pem)
    r("block-before-empty", "an empty block of another label before it",
      lambda pem: "-----BEGIN X-----\n-----END X-----\n" + pem)
    r("label-old", "the old label", lambda pem: pem.replace("CERTIFICATE", "X509 CERTIFICATE"))
    r("blank-first", "a blank first line, and one line of all the base64", body(lambda x: ["", "".join(x)]))
    r("one-line", "one line of all the base64", body(lambda x: ["".join(x)]))
    r("lines-76", "lines of 76 characters", body(lambda x: ["".join(x)[at:at + 76] for at in range(0, 64 * len(x), 76)]))
    r("vertical-tab", "a vertical tab inside a line", body(lambda x: [x[0][:10] + "\v" + x[0][10:], *x[1:]]))
    r("no-break-space", "a no-break space inside a line", body(lambda x: [x[0][:10] + "\u00a0" + x[0][10:], *x[1:]]))
    r("dash", "a line that begins with a dash, behind the base64", body(lambda x: [*x, "-x"]))
    r("header", "a header before the base64", body(lambda x: ["a: b", "", *x]))
    r("padding", "no padding", body(lambda x: [*x[:-1], x[-1].rstrip("=")]))
    r("padding-more", "padding where none belongs", body(lambda x: [*x, "===="]))
    r("spare-bits", "a spare bit of the last character is 1",
      body(lambda x: [*x[:-1], x[-1].replace("A==", "B==").replace("Q==", "R==").replace("g==", "h==").replace(
          "w==", "x==")]))
    r("nothing", "no base64", body(lambda x: []))
    r("der-behind", "a byte behind the certificate", body(lambda x: again(bytes_of(x) + b"\0")))
    r("der-cut", "the certificate without its last byte", body(lambda x: again(bytes_of(x)[:-1])))
    r("der-length", "a length in a longer form than DER has",
      body(lambda x: again(b"\x30\x83\0" + bytes_of(x)[2:])))
