"""Evidence made by galenctl on a running consortium, checked by the static galen-verify in an empty chroot with nothing but
genesis.json: one item of a bulk shows nothing of its neighbours, PERMIT and DENY are told, a changed byte is found."""
import json
import os
import pathlib
import shutil
import subprocess

from consortium import BIN, check

MAGICS = {"receipt": b"GALENRCP", "transaction proof": b"GALENTXP", "state proof": b"GALENSTP",
          "consistency proof": b"GALENCON", "evidence": b"GALENEVD"}


class Jail:
    """An empty directory with the program, genesis.json and the files to check; nothing else is there."""

    def __init__(self, consortium):
        self.root = pathlib.Path(consortium.dir) / "jail"
        self.root.mkdir()
        shutil.copy(BIN / "galen-verify", self.root)
        shutil.copy(pathlib.Path(consortium.dir) / "genesis.json", self.root)

    def verify(self, data, genesis=True):
        (self.root / "case.galen").write_bytes(data)
        enter = ["chroot"] if os.getuid() == 0 else ["unshare", "--user", "--map-root-user", "--net", "chroot"]
        command = enter + [self.root, "/galen-verify", "/case.galen"] + (["/genesis.json"] if genesis else [])
        done = subprocess.run(command + ["--json"], capture_output=True, text=True)
        check(done.returncode in (0, 1), f"galen-verify in the jail: {done.returncode} {done.stdout} {done.stderr}")
        verdict = json.loads(done.stdout)
        check(verdict["valid"] == (done.returncode == 0), f"exit code {done.returncode}: {verdict}")
        page = subprocess.run(command, capture_output=True, text=True)
        return verdict, page.stdout if verdict["valid"] else page.stderr


def check_refused(consortium, jail, noun, data):
    """A file that does not verify: galenctl says what galen-verify does, in JSON and in words, and ends with 1 as it does."""
    path = pathlib.Path(consortium.dir) / "refused.galen"
    path.write_bytes(data)
    verdict, words = jail.verify(data)
    check(not verdict["valid"] and verdict["error"]["part"] and verdict["error"]["reason"], f"{noun}: {verdict}")
    shown, said = (consortium.run(*options, noun, "verify", path) for options in (["--json"], []))
    check((shown.returncode, said.returncode) == (1, 1), f"{noun} verify ended with {shown.returncode}, {said.returncode}")
    check(json.loads(shown.stdout) == verdict, f"galenctl says {shown.stdout}, galen-verify {verdict}")
    check(said.stderr == words and words.startswith("NOT VALID: "), f"galenctl says {said.stderr}, galen-verify {words}")


def made(consortium, jail, kind, *arguments, node):
    """The file that a galenctl command writes, verified by both programs; with one byte changed, by none."""
    path = pathlib.Path(consortium.dir) / "made.galen"
    consortium.ctl(*arguments, "--out", path, node=node)
    data = path.read_bytes()
    check(data[:8] == MAGICS[kind], f"{arguments} made {data[:8]}")
    verdict, page = jail.verify(data)
    check(verdict["valid"] and verdict["kind"] == kind, f"{arguments}: {verdict}")
    check(page.startswith("VALID\n") and "Not proved:" in page, f"{arguments}: {page}")
    noun = {"receipt": "receipt", "transaction proof": "receipt", "state proof": "state"}.get(kind, "evidence")
    shown = consortium.json(noun, "verify", path)
    check(shown == verdict, f"galenctl says {shown}, galen-verify {verdict}")
    at = len(data) - 8  # in the middle of a hash or a document
    for refused in (data[:at] + bytes([data[at] ^ 1]) + data[at + 1:], data[:at], b"\0" + data):
        check_refused(consortium, jail, noun, refused)
    return data, verdict, page


def check_bulk(consortium, jail):
    """20 records in one transaction: the proof of one holds no id of the others."""
    path = consortium.documents(20, "bulk")
    lines = consortium.ctl("--json", "record", "import", path, node="A").strip().splitlines()
    transaction = next(line["last_transaction"] for line in map(json.loads, lines) if "last_transaction" in line)
    pointers = [consortium.json("record", "get", "--source", f"Observation/bulk-{i}", node="A")["pointer_id"]
                for i in range(20)]
    for options in (["--operation", "7"], ["--operation", "7", "--short"]):
        data, verdict, page = made(consortium, jail, "transaction proof", "receipt", "get", "--tx", transaction, *options,
                                   node="A")
        proved = verdict["transactions"][0]
        check(proved["operations_total"] == 20 and len(proved["operations"]) == 1, f"{proved}")
        seen = [p for p in pointers if bytes.fromhex(p) in data or p in page]
        check(len(seen) == 1, f"{len(seen)} of 20 pointers can be seen in the proof of one")
    return transaction, seen[0], pointers.index(seen[0]), path


def check_evidence(consortium, permitted, denied, consent):
    """`permitted` and `denied` are transactions of decisions made by B, and `consent` decided the first one."""
    jail = Jail(consortium)
    transaction, pointer, entry, bundle = check_bulk(consortium, jail)
    made(consortium, jail, "receipt", "receipt", "get", "--tx", transaction, node="A")
    for asked, word in ((permitted, "PERMIT"), (denied, "DENY")):
        for kind, options in (("receipt", []), ("transaction proof", ["--short"])):
            _, verdict, page = made(consortium, jail, kind, "receipt", "get", "--tx", asked, *options, node="B")
            told = [line for line in page.splitlines() if line.startswith(("PERMIT (", "DENY ("))]
            check(len(told) == 1 and told[0].startswith(word), f"{kind}: {page[:400]}")
    for row in (["--record", pointer], ["--consent", consent], ["--parameters"], ["--access", "anna"]):
        _, verdict, _ = made(consortium, jail, "state proof", "state", "prove", *row, node="A")
        check(verdict["states"][0]["present"], f"{row}: {verdict}")
    _, verdict, _ = made(consortium, jail, "state proof", "state", "prove", "--record", os.urandom(32).hex(), "--short",
                         node="A")
    check(not verdict["states"][0]["present"], f"a record that was never anchored: {verdict}")
    member = json.loads((jail.root / "genesis.json").read_text())["members"][1]["name"]
    for row in (["--membership"], ["--epoch", "2"], ["--member", member], ["--claim-name", "Nobody"], ["--certified-roots"],
                ["--equivocation", f"1:{member}"], ["--proposal", os.urandom(32).hex()]):
        _, verdict, page = made(consortium, jail, "state proof", "state", "prove", *row, node="A")
        check(not verdict["states"][0]["present"] and "there was no such row" in page, f"{row}: {verdict}")
    made(consortium, jail, "state proof", "state", "prove", "--leadership", node="A")  # there if a view failed
    _, verdict, _ = made(consortium, jail, "consistency proof", "ledger", "consistency", "--from", "1", node="A")
    check(verdict["consistency"][0]["from_height"] == 1 < verdict["consistency"][0]["to_height"], f"{verdict}")

    # A whole case, with the document and the key that opens its commitment: for the custodian's administrator only.
    document = pathlib.Path(consortium.dir) / "document.json"
    document.write_text(json.dumps(json.loads(bundle.read_text())["entry"][entry]["resource"]))
    case = ["evidence", "export", "--tx", transaction, "--operation", str(entry), "--record", pointer, "--consent", consent,
            "--document", document]
    refused = consortium.run(*case, "--out", document.with_suffix(".galen"), node="A")
    check(refused.returncode != 0 and "PERMISSION_DENIED" in refused.stderr, f"a key for no admin: {refused.stderr}")
    other = document.with_name("other.json")
    other.write_text("{}")
    refused = consortium.run(*case[:-1], other, "--out", document.with_suffix(".galen"), "--as", "admin", node="A")
    check(refused.returncode != 0 and "COMMITMENT_MISMATCH" in refused.stderr, f"a key for no bytes: {refused.stderr}")
    data, verdict, page = made(consortium, jail, "evidence", *case, "--as", "admin", node="A")
    check(verdict["openings"] == [{"pointer_id": pointer, "document_bytes": document.stat().st_size}], f"{verdict}")
    check(len(verdict["transactions"]) == 1 and len(verdict["states"]) == 2, f"{verdict}")
    alone, page = jail.verify(data, genesis=False)
    check(alone["valid"] and alone["genesis_from_file"] and "compare the chain id" in page, f"{alone} {page}")
    print(f"evidence of {len(data)} bytes and 20 other proofs verify in an empty chroot; neighbours of a bulk stay hidden")
