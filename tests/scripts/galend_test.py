#!/usr/bin/env python3
"""The commands of galend that end by themselves, on a consortium that is made but never runs.
Usage: galend_test.py GALEND GALENCTL"""
import json
import pathlib
import subprocess
import sys
import tempfile

GALEND, GALENCTL = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
failures = []


def galend(*words):
    return subprocess.run([GALEND, *words], capture_output=True, text=True)


def expect(what, done, code, *said):
    if done.returncode != code or any(word not in done.stdout + done.stderr for word in said):
        failures.append(f"{what}: exit {done.returncode}, expected {code} and {said}\n{done.stdout}{done.stderr}")


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    # Makes keys and configurations, then fails to start the first node: no data directory is made.
    for program in ("galend", "galend-api"):
        (folder / program).symlink_to("/bin/false")
    subprocess.run([GALENCTL, "dev", "up", "--dir", folder, "--bin-dir", folder], capture_output=True)
    names = [node["name"] for node in json.loads((folder / "dev.json").read_text())["nodes"]]
    config, small = sorted(folder.glob("**/node.toml"))[:2]
    text = config.read_text()

    expect("a sound configuration", galend("--config", config, "--check-config"), 0, "fine; member")
    # A hospital that joined since genesis: what a node without a ledger is made from must not refuse it.
    config.write_text(text.replace("[peers.addresses]\n", '[peers.addresses]\nLate = "127.0.0.1:7999"\n') + '[peers.cas]\nLater = "ca.pem"\n')
    warnings = ("peers.addresses.Late is no member of", "peers.cas.Later is no member of", "fine if it came later")
    expect("a later member's address", galend("--config", config, "--check-config"), 0, "fine; member", *warnings)
    expect("init with a later member's address", galend("init", "--config", config), 0, "made", *warnings)
    expect("repair with a later member's address", galend("repair", "--config", config, "--ledger"), 0, "the ledger is empty again")
    expect("with a ledger nobody warns", galend("--config", config, "--check-config"), 0, "fine; member")
    config.write_text(text.replace(f"\n{names[1]} = ", "\nLate = "))
    expect("a ledger knows the members", galend("--config", config, "--check-config"), 0, "fine; member")

    # A log whose files cannot hold a batch of this chain.
    small.write_text(small.read_text() + "[limits]\nlog_segment_mib = 1\n")
    expect("a log that is too small", galend("init", "--config", small), 0, "made", "limits.log_segment_mib = 1 is too little")

    for flag in ("--check-config", "--print-config"):
        for command in (["init"], ["repair", "--ledger"], ["verify", "--data", folder]):
            words = [flag, command[0]] + (["--config", config] if command[0] != "verify" else []) + command[1:]
            expect(f"{flag} with {command[0]}", galend(*words), 2, f"{flag} and {command[0]} cannot be given together")
    expect("both flags", galend("--config", config, "--check-config", "--print-config"), 2, "excludes")

    expect("repair without what", galend("repair", "--config", config), 2, "--ledger", "--log", "--older-vault")
    expect("repair of two at once", galend("repair", "--config", config, "--ledger", "--log"), 2)
    shown = galend("repair", "--help")
    expect("help of repair", shown, 0, "--older-vault")
    if "2 options" in shown.stdout or "2options" in shown.stdout:
        failures.append(f"help of repair asks for two options:\n{shown.stdout}")

print("\n".join(failures) or "galend's own commands do as they should")
sys.exit(1 if failures else 0)
