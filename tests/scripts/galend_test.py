#!/usr/bin/env python3
"""The commands of galend that end by themselves, on a consortium that is made but never runs.
Usage: galend_test.py GALEND GALENCTL"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

GALEND, GALENCTL = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
failures = []


def galend(*words, **environment):
    return subprocess.run([GALEND, *words], capture_output=True, text=True, env={**os.environ, **environment}, timeout=120)


def verify(what, data, code, *said, options=(), **environment):
    """With --json there is one object on standard output, whatever happens; without, the same words for people."""
    done = galend("verify", "--data", data, *options, **environment)
    expect(what, done, code, *said)
    done = galend("verify", "--data", data, "--json", *options, **environment)
    try:
        found = json.loads(done.stdout)
    except json.JSONDecodeError:
        failures.append(f"{what}, --json: {done.stdout!r}\n{done.stderr}")
        return []
    if done.returncode != code or found["ok"] != (code == 0) or any(word not in json.dumps(found) for word in said):
        failures.append(f"{what}, --json: exit {done.returncode}, expected {code} and {said}: {found}")
    return found["findings"]


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

    expect("help", galend("--help"), 0, "Exit codes:", "CONFIG_INVALID", "TMPDIR", "IDENTITY_IN_USE")
    expect("a sound configuration", galend("--config", config, "--check-config"), 0, "fine; member")
    # A hospital that joined since genesis: what a node without a ledger is made from must not refuse it.
    config.write_text(text.replace("[peers.addresses]\n", '[peers.addresses]\nLate = "127.0.0.1:7999"\n') + '[peers.cas]\nLater = "ca.pem"\n')
    warnings = ("peers.addresses.Late is no member of", "peers.cas.Later is no member of", "fine if it came later")
    expect("a later member's address", galend("--config", config, "--check-config"), 0, "fine; member", *warnings)
    expect("init with a later member's address", galend("init", "--config", config), 0, "made", *warnings)
    expect("repair with a later member's address", galend("repair", "--config", config, "--ledger"), 0, "the ledger is empty again")
    # A repair that was cut off: what it put aside is all there is, and the next one keeps it.
    ledger, aside, new = (config.parent / "data" / name for name in ("ledger", "ledger.damaged", "ledger.new"))
    (aside / "only-here").write_text("")
    shutil.rmtree(ledger)
    (new / "ledger").mkdir(parents=True)
    (new / "ledger" / "half").write_text("")
    expect("repair after one that was cut off", galend("repair", "--config", config, "--ledger"), 0, "the ledger is empty again")
    if not (aside / "only-here").exists() or new.exists() or (ledger / "half").exists():
        failures.append(f"repair after one that was cut off: {sorted(at.name for at in (config.parent / 'data').iterdir())}")
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

    data = config.parent / "data"
    config.write_text(text)
    verify("a sound directory", data, 0)
    verify("no directory", folder / "nowhere", 1, "there is no data directory")
    verify("no such genesis", data, 1, "nowhere.json", options=("--genesis", folder / "nowhere.json"))
    verify("a temporary directory that is not there", data, 2, "/nowhere", "TMPDIR", TMPDIR="/nowhere")
    verify("which is not needed", data, 0, options=("--quick",), TMPDIR="/nowhere")
    large = data / "ledger" / "large"
    large.touch()
    os.truncate(large, 1 << 43)
    # A ledger that does not fit there is not DAMAGED.
    verify("a temporary directory that is too small", data, 2, "TMPDIR", "MiB are free")
    large.unlink()

    genesis = data / "genesis.json"
    sound = genesis.read_bytes()
    for what, damaged in (("that does not parse", b"[" + sound[1:]), ("with a byte that is no text", b"\xff" + sound[1:]),
                          ("of another chain", sound.replace(b'"development"', b'"developmenu"'))):
        genesis.write_bytes(damaged)
        findings = verify(f"genesis.json {what}", data, 1, str(genesis), "--genesis")
        if [(f["where"], f["file"], "height" in f) for f in findings] != [("genesis", str(genesis), False)]:
            failures.append(f"genesis.json {what}: {findings}")
        verify(f"genesis.json {what}, but another is given", data, 0, options=("--genesis", folder / "genesis.json"))
    genesis.write_bytes(sound)

    # Both name the backup; galend init would find that there is a directory already.
    for lost in ("keyring/keyring.bin", "vault/index/CURRENT"):
        (data / lost).rename(folder / "lost")
        findings = verify(f"without {lost}", data, 1, "backup", lost.removesuffix("/CURRENT"))
        if any("height" in finding for finding in findings):
            failures.append(f"{lost} has a height of the ledger: {findings}")
        started = galend("--config", config)
        expect(f"a start without {lost}", started, 1, "backup")
        if "galend init" in started.stderr:
            failures.append(f"a start without {lost} advises galend init: {started.stderr}")
        (folder / "lost").rename(data / lost)
    verify("all put back", data, 0)

print("\n".join(failures) or "galend's own commands do as they should")
sys.exit(1 if failures else 0)
