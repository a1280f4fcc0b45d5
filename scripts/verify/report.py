"""What a verdict says in words (docs/spec/evidence.md 5), and the same as one JSON object."""

import datetime

from state import REASONS, ROWS, decision

_CODES = """
    2 E 0 OK 1 INTERNAL 2 INVALID_ARGUMENT 3 NOT_FOUND 4 UNAVAILABLE 5 DEADLINE_EXCEEDED 6 RESOURCE_EXHAUSTED 7
    CANCELLED 8 UNIMPLEMENTED 9 IO_ERROR 10 CORRUPT 11 CONFIG_INVALID 12 DATA_DIR_LOCKED 13 DATA_DIR_MISSING 14
    KEY_FILE_READABLE 15 ALREADY_EXISTS 16 SHUTTING_DOWN 100 MALFORMED 101 UNKNOWN_FIELD 102 TOO_LARGE 103 WRONG_CHAIN
    104 BAD_SIGNATURE 105 EXPIRED 106 VALID_UNTIL_TOO_FAR 107 BAD_REQUEST_ID 108 UNSUPPORTED_VERSION 109
    BAD_CERTIFICATE 110 BAD_PROOF 111 BAD_JSON 112 BAD_FHIR 113 DUPLICATE 120 JSON_DUPLICATE_KEY 121
    JSON_LONE_SURROGATE 122 JSON_NUMBER_INEXACT 123 JSON_NUMBER_RANGE 124 ATTACHMENT_MISMATCH 200 UNAUTHENTICATED 201
    PERMISSION_DENIED 202 UNKNOWN_PRINCIPAL 203 PRINCIPAL_INACTIVE 204 NOT_YOUR_MEMBER 205 ASSURANCE_TOO_LOW 206
    WRONG_KEY 207 PRINCIPAL_EXISTS 208 NOT_YOURS_TO_READ 300 RECORD_EXISTS 301 RECORD_NOT_FOUND 302 NOT_CUSTODIAN 303
    RECORD_NOT_CURRENT 304 SUBJECT_MISMATCH 305 COMMITMENT_MISMATCH 306 KEY_NOT_HERE 307 SUBJECT_UNKNOWN 308
    REQUEST_ID_REUSED 400 CONSENT_EXISTS 401 CONSENT_NOT_FOUND 402 CONSENT_NOT_ACTIVE 403 NOT_THE_PATIENT 404
    PATIENT_HAS_NO_KEY 405 BAD_PURPOSE 406 TOO_MANY_CONSENTS 500 NO_QUORUM 501 DIVERGED 502 AMNESIA 503 CATCHING_UP
    504 DISK_LOW 505 EPOCH_END_REFUSED 506 BACKFILLING 520 CURSOR_EXPIRED 530 IDENTITY_IN_USE 531 HEIGHT_NOT_REACHED
    532 TOO_STALE 600 MEMBERS_CHANGE_PENDING 601 MEMBER_NOT_ACTIVE 602 MEMBER_NOT_FOUND 603 MEMBER_EXISTS 604
    MEMBER_KEY_USED 605 MEMBERS_LIMIT 606 BAD_POSSESSION_PROOF 607 LEARNER_NOT_READY 608 LEARNER_STATE_UNKNOWN 609
    LEARNER_STATE_DIFFERS 610 PROPOSAL_EXISTS 611 PROPOSAL_NOT_FOUND 612 PROPOSAL_CLOSED 613 ALREADY_VOTED 614
    TOO_MANY_PROPOSALS 615 EVIDENCE_INVALID 616 EVIDENCE_KNOWN 617 CANNOT_SIGN
""".split()
CODES = {int(number): name for number, name in zip(_CODES[::2], _CODES[1::2])}
OPERATIONS = {16: "register_principal", 17: "anchor_record", 18: "set_record_status", 19: "grant_consent",
              20: "revoke_consent", 21: "decide", 22: "propose_members", 23: "vote_members", 24: "learner_ready",
              25: "set_admin_key", 26: "report_equivocation"}
CHANGES = {16: "add_learner", 17: "promote", 18: "remove", 19: "rotate_key", 20: "pin_ca"}
PURPOSES = """
    BIORCH BTG CAREMGT CLINTRCH CLINTRCHNPC CLINTRCHPC CLINTRL CLMATTCH COC COVAUTH COVERAGE DISASTER DONAT DSRCH
    ELIGDTRM ELIGVER ENROLLM ERTREAT ETREAT FAMRQT FRAUD GOV HACCRED HCOMPL HDECD HDIRECT HDM HLEGAL HMARKT HOPERAT
    HOUTCOMS HPAYMT HPRGRP HQUALIMP HRESCH HSYSADMIN HTEST LABELING MEMADMIN METAMGT MILCDM MILDCRG PATADMIN PATRQT
    PATSFTY PERFMSR POARCH POPHLTH PRECLINTRCH PUBHLTH PWATRNY RECORDMGT REMITADV SUPNWK SYSDEV THREAT TRAIN
    TRANSRCH TREAT
""".split()


def plain(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items() if one or one == 0}
    return value


def key_text(genesis, kind, key):
    """A key that is more than one id, in words."""
    if ROWS[kind][0] in ("epoch", "equivocation"):
        epoch = "%d" % int.from_bytes(key[:8], "big")
        return epoch if len(key) == 8 else "%s (%s)" % (epoch, genesis.name_of(key[8:]))
    return key.hex() or "(empty)"


def purpose(number):
    return PURPOSES[number] if 0 <= number < len(PURPOSES) else "%d" % number


def operation_text(number, fields):
    words = [OPERATIONS[number]]
    for name, value in fields.items():
        if name == "purposes":
            value = ",".join(purpose(i) for i in range(64) if value >> i & 1)
        elif name == "purpose":
            value = purpose(value - 1)
        elif name == "change":
            value = " ".join([CHANGES[value[0]]] + ["%s %s" % (n, plain(v)) for n, v in value[1].items()])
        elif isinstance(value, dict):
            value = " ".join("%s %s" % (n, plain(v)) for n, v in value.items())
        words.append("%s %s" % (name, plain(value)))
    return " ".join(words)


def when(time_ms):
    try:
        return (datetime.datetime(1970, 1, 1)
                + datetime.timedelta(milliseconds=time_ms)).strftime("%Y-%m-%d %H:%M:%S UTC")
    except OverflowError:
        return "%d ms" % time_ms


def transaction_facts(genesis, t):
    out = {"height": t["header"].height, "time_ms": t["header"].time_ms, "transaction_id": t["transaction"].id.hex(),
           "outcome": CODES.get(t["code"], "code %d" % t["code"]), "author": t["transaction"].author.hex(),
           "assurance": t["assurance"], "origin": genesis.name_of(t["batch"].origin_id),
           "operations": [operation_text(*t["operations"][i]) for i in sorted(t["operations"])],
           "certified_by": names_of(genesis, t["signers"])}
    if t.get("count", len(t["operations"])) != len(t["operations"]):
        out["operations_hidden"] = t["count"] - len(t["operations"])
    decisions = [answer(t, i) for i in sorted(t["operations"]) if t["operations"][i][0] == 21 and i in t["results"]]
    if decisions:
        out["decisions"] = [one for one in decisions if one]
    return out


def answer(t, index):
    try:
        entry = decision(t["results"][index], t["header"], t["transaction"], index, t["operations"][index][1])
    except Exception:  # A receipt's results are shown as what they are: bytes that q members certified.
        return None
    return {"operation": index, "answer": "PERMIT" if entry["permit"] else "DENY", "reason": REASONS[entry["reason"]],
            "consent_id": entry["consent_id"].hex(), "sequence": entry["sequence"]}


def state_facts(genesis, s):
    out = {"height": s["header"].height, "time_ms": s["header"].time_ms, "kind": ROWS[s["kind"]][0],
           "key": s["key"].hex(),
           "present": s["value"] is not None, "certified_by": names_of(genesis, s["signers"])}
    if s["value"] is not None:
        out["value"] = s["value"].hex()
    if s["row"]:
        out["row"] = plain(s["row"])
    return out


def facts(genesis, kind, proved):
    """The JSON object of a valid file."""
    out = {"valid": True, "kind": kind, "chain_id": genesis.chain_id.hex(), "chain_name": genesis.name,
           "test_chain": genesis.test}
    if kind == "receipt":
        out.update(transaction_facts(genesis, proved["transactions"][0]))
        return out
    out["transactions"] = [transaction_facts(genesis, t) for t in proved["transactions"]]
    out["states"] = [state_facts(genesis, s) for s in proved["states"]]
    out["consistency"] = [{"from": c["old"].height, "to": c["new"].height, "digest": c["old"].digest.hex(),
                           "new_digest": c["new"].digest.hex(),
                           "certified_by": names_of(genesis, c["signers"])}
                          for c in proved["consistency"]]
    out["openings"] = [{"pointer_id": o["pointer_id"].hex(), "bytes": len(o["document"])} for o in proved["openings"]]
    return {key: value for key, value in out.items() if value != []}


def names_of(genesis, signers):
    return [genesis.name_of(ident) for ident in signers.ids]


def signed_by(genesis, signers):
    members = signers.members
    epoch = "" if members.epoch == 1 else " of epoch %d" % members.epoch
    return "%d of %d members%s signed: %s." % (len(signers.ids), members.n, epoch,
                                               ", ".join(names_of(genesis, signers)))


def words(genesis, kind, proved, own_genesis):
    """The page of a valid file."""
    what = {"receipt": "A receipt", "evidence": "An evidence bundle"}.get(kind, "A " + kind)
    out = ["VALID", "", '%s of chain "%s", chain id %s.' % (what, genesis.name, genesis.chain_id.hex())]
    if genesis.test:
        out.append("This is a TEST chain: what it says has no legal weight.")
    out += ["", "Proved:"]
    hidden = False
    for t in proved["transactions"]:
        f = transaction_facts(genesis, t)
        out.append("  - Transaction %s stands in block %d, whose time is %s." % (f["transaction_id"], f["height"],
                                                                                when(f["time_ms"])))
        out.append("    It was executed." if t["code"] == 0 else
                   "    It was refused with %s, and changed nothing." % f["outcome"])
        out += ["      " + line for line in f["operations"]]
        if "operations_hidden" in f:
            hidden = True
            out.append("      not shown: %d of its operations" % f["operations_hidden"])
        for d in f.get("decisions", []):
            out.append("    Operation %d was answered %s, reason %s%s." % (
                d["operation"], d["answer"], d["reason"], ", consent " + d["consent_id"] if d["consent_id"] else ""))
        out.append("    Author: principal %s, %s." % (f["author"], "who signed it" if f["assurance"] == "AUTHOR" else
                                                      "for whom member %s vouches" % f["origin"]))
        out.append("    " + signed_by(genesis, t["signers"]))
    for s in proved["states"]:
        f = state_facts(genesis, s)
        out.append("  - After block %d (%s) the %s with key %s %s." % (
            f["height"], when(f["time_ms"]), f["kind"], key_text(genesis, s["kind"], s["key"]),
            "was there" if f["present"] else "was absent"))
        for name, value in f.get("row", {}).items():
            out.append("      %s %s" % (name, value))
        if f["present"] and "row" not in f:
            out.append("      the bytes " + f["value"])
        out.append("    " + signed_by(genesis, s["signers"]))
    for c in proved["consistency"]:
        out.append("  - The chain up to block %d is the beginning of the chain up to block %d." % (c["old"].height,
                                                                                                  c["new"].height))
        out.append("    " + signed_by(genesis, c["signers"]))
    for o in proved["openings"]:
        out.append("  - Record %s commits to the document of %d bytes in this file." % (o["pointer_id"].hex(),
                                                                                      len(o["document"])))
    return out + not_proved(genesis, proved, hidden, own_genesis)


def not_proved(genesis, proved, hidden, own_genesis):
    out = ["", "Not proved:",
           "  - What has happened since: a consent may have been revoked, a record superseded, a row changed.",
           "  - Who the person behind a principal or a pseudonym is; the ledger does not know.",
           "  - That a document says the truth%s." % ("" if proved["openings"] else ", or what it says")]
    if hidden:
        out.append("  - What the operations are that are not shown.")
    if own_genesis is not None:
        out.append("  - That the summary inside the bundle is right; no check reads it.")
    if own_genesis:
        out.append("  - That the genesis.json inside the bundle is the consortium's: compare the chain id above with")
        out.append("    one you have from elsewhere.")
    else:
        out.append("  - That genesis.json is the consortium's: compare the chain id above with one you got from a"
                   " member.")
    return out
