#!/usr/bin/env python3
"""Canonical bytes from the command line to the ledger and back: the table of official FHIR examples in each column, what JCS would
change is refused by its path, --lossy is noted at the custodian and nowhere else, any serialisation of a resource verifies, every
other kind of document is raw, and no SHA-1 of an attachment is on the ledger."""
import base64
import hashlib
import json
import os
import pathlib
import random

from consortium import SEED, Consortium, check, main, need_data

LOSSY = {"Claim-100156", "ClaimResponse-UR3503", "CoverageEligibilityResponse-E2502", "DeviceRequest-left-lens",
         "ExplanationOfBenefit-EB3500", "ExplanationOfBenefit-EB3501", "Location-hl7", "Observation-f003",
         "PaymentNotice-77654", "PaymentReconciliation-ER2500", "VisionPrescription-33124"}


def table_of_examples(consortium, folder, rng):
    """`record canonical` against SHA-256 columns that two other programs agree on: all rows in full, a sample here."""
    rows = [line.split("\t") for line in (folder / "JCS-SHA256.tsv").read_text().splitlines()[1:]]
    if os.environ.get("GALEN_FULL") != "1":
        rows = [r for r in rows if r[0][:-5] in LOSSY] + rng.sample(rows, 12)
    for name, _, raw, size, whole, static in rows:
        shown = lambda *o: consortium.json("record", "canonical", folder / name, *o)
        check(shown("--method", "raw")["sha256"] == raw, f"{name}: raw")
        strict = consortium.run("record", "canonical", folder / name)
        check((strict.returncode != 0) == (name[:-5] in LOSSY), f"{name}: strict mode {strict.stderr}")
        if strict.returncode != 0:
            check("[JSON_NUMBER_INEXACT]" in strict.stderr and "$." in strict.stderr, f"{name}: {strict.stderr}")
        else:
            check(hashlib.sha256(strict.stdout.encode()).hexdigest() == static, f"{name}: the bytes printed")
        check(shown("--lossy")["sha256"] == static, f"{name}: static")
        full = shown("--whole", "--lossy")
        check(full["sha256"] == whole and full["bytes"] == int(size), f"{name}: whole")
    return len(rows)


def four_refusals(consortium, folder):
    cases = {"JSON_NUMBER_INEXACT": "1.50", "JSON_NUMBER_INEXACT ": str(2**53 + 1),
             "JSON_DUPLICATE_KEY": '{"a":1,"\\u0061":2}', "JSON_LONE_SURROGATE": '"\\ud800"'}
    for number, (reason, value) in enumerate(cases.items()):
        path = folder / f"refused-{number}.json"
        path.write_text('{"resourceType":"Observation","id":"r%d","component":[{"value":%s}]}' % (number, value))
        for verb in ("import", "anchor"):
            done = consortium.run("record", verb, "--method", "jcs", path, node="A")
            said = done.stdout + done.stderr
            check(done.returncode != 0 and f"[{reason.strip()}]" in said and "$.component[0].value" in said,
                  f"{verb} of {value}: {said}")
        found = consortium.run("record", "get", "--source", f"Observation/r{number}", node="A")
        check("RECORD_NOT_FOUND" in found.stderr, f"{value} was anchored: {found.stdout}")


def serialised_anew(path, rng):
    """The same resource from another writer: other order, spaces and escapes, other narrative and version."""
    resource = json.loads(path.read_text())
    keys = list(resource)
    rng.shuffle(keys)
    anew = {key: resource[key] for key in keys}
    anew["meta"] = {"versionId": "99", "lastUpdated": "2026-01-01T00:00:00Z"}
    anew["text"] = {"status": "generated", "div": "<div>rendered anew</div>"}
    return json.dumps(anew, indent=3, ensure_ascii=True)


def other_documents(consortium, folder, pages):
    """HL7 v2 and PDF are raw; a DocumentReference that describes another file stops the anchoring."""
    for path, source in ((next(iter(sorted(need_data("hl7v2").glob("*.hl7")))), "ADT/1"), (pages, "PDF/1")):
        refused = consortium.run("record", "anchor", path, "--source", source, "--method", "jcs", node="A")
        check("[BAD_JSON]" in refused.stderr, f"jcs of {path.name}: {refused.stderr}")
        consortium.ctl("record", "anchor", path, "--source", source, node="A")
        check("VERIFIED" in consortium.ctl("record", "verify", path, "--source", source, node="A"), path.name)
    sha1 = hashlib.sha1(pages.read_bytes()).digest()
    described = folder / "described.json"
    for digest, size, fine in ((sha1, pages.stat().st_size, True), (bytes(20), pages.stat().st_size, False), (sha1, 7, False)):
        described.write_text(json.dumps({"resourceType": "DocumentReference", "id": "d", "content": [{"attachment": {
            "contentType": "application/pdf", "hash": base64.b64encode(digest).decode(), "size": size}}]}))
        done = consortium.run("record", "anchor", pages, "--source", f"PDF/{size}", "--described-by", described, node="A")
        check((done.returncode == 0) == fine and ("[ATTACHMENT_MISMATCH]" in done.stderr) == (not fine), done.stderr)
    return sha1


def test():
    rng = random.Random(SEED)
    examples = need_data("fhir-r4")
    with Consortium() as consortium:
        folder = pathlib.Path(consortium.dir) / "documents"
        folder.mkdir()
        rows = table_of_examples(consortium, examples, rng)
        four_refusals(consortium, folder)

        files = sorted(examples.glob("*-*.json"))
        run = lambda *o: consortium.run("--json", "record", "import", *o, *files, node="A", timeout=300)
        strict = [json.loads(line) for line in run("--method", "jcs").stdout.splitlines()]
        reasons = {pathlib.Path(r["refused"]["file"]).stem: r["refused"]["reason"] for r in strict if "file" in str(r.get("refused"))}
        inexact = {name for name, reason in reasons.items() if reason == "JSON_NUMBER_INEXACT"}
        check(inexact == LOSSY, f"refused for their numbers: {inexact ^ LOSSY}")
        check({n for n, r in reasons.items() if r == "ATTACHMENT_MISMATCH"} == {"DiagnosticReport-example-pgx"}, f"{reasons}")
        lossy = [json.loads(line) for line in run("--method", "jcs", "--lossy").stdout.splitlines()][-1]
        check(lossy["anchored"] == len(LOSSY), f"--lossy anchors the rest: {lossy}")

        # Python's reader keeps integers and strings as they are, but not the digits of decimals.
        decimals = []
        chosen = []
        for path in files:
            decimals.clear()
            resource = json.loads(path.read_text(), parse_float=decimals.append)
            # A Bundle is imported entry by entry: as a whole it is no record.
            if not decimals and "id" in resource and resource["resourceType"] != "Bundle" and path.stem not in reasons:
                chosen.append(path)
        if os.environ.get("GALEN_FULL") != "1":
            chosen = rng.sample(chosen, 6)
        for path in chosen:
            again = folder / path.name
            again.write_text(serialised_anew(path, rng))
            said = consortium.ctl("record", "verify", "--method", "jcs", again, node="A")
            check("VERIFIED" in said and "LOSSY" not in said, f"{path.name}: {said}")
            again.write_text(again.read_text().replace('"resourceType"', '"added": 1, "resourceType"'))
            check("DIFFERENT" in consortium.run("record", "verify", again, node="A").stdout, f"{path.name}, changed")

        location = examples / "Location-hl7.json"
        consortium.kill("A")
        consortium.start("A")
        said = consortium.ctl("record", "verify", location, node="A")
        check("VERIFIED" in said and "LOSSY: 2 numbers" in said, f"the note after a restart: {said}")
        record = consortium.json("record", "get", "--source", "Location/hl7", node="A")
        check(record["canon"] == "jcs" and record["lossy_numbers"] == 2, f"the custodian knows: {record}")
        height, _ = consortium.agree()
        elsewhere = consortium.json("record", "get", "--pointer", record["pointer_id"], node="B")
        check(elsewhere["canon"] == "jcs" and elsewhere["lossy_numbers"] == 0, f"nobody else does: {elsewhere}")
        consortium.ctl("record", "import", location, node="A")  # raw: another promise, a new version
        check(consortium.run("record", "verify", "--method", "jcs", location, node="A").returncode != 0, "raw is not jcs")

        pages = folder / "report.pdf"
        pages.write_bytes(b"%PDF-1.7\n" + rng.randbytes(5000))
        sha1 = other_documents(consortium, folder, pages)
        height, root = consortium.agree()
        blob = b"".join(bytes.fromhex(consortium.json("ledger", "block", "--height", str(h), node="A")["block"])
                        for h in range(1, height + 1))
        for form in (sha1, sha1.hex().encode(), base64.b64encode(sha1)):
            check(form not in blob, "a SHA-1 stands on the ledger")
        print(f"{rows} rows of the table, {len(files)} examples imported, {len(chosen)} serialised anew, {len(blob)} bytes of "
              f"blocks without a SHA-1; height {height}, root {root[:12]}")


main(test)
