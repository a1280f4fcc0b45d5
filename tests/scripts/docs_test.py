#!/usr/bin/env python3
"""The pages against the tree: every link between pages leads somewhere, every file and unit test they name is there,
docs/operations.md names every setting, and every reason with the advice the program gives and galenctl's exit code,
config/node.example.toml holds every setting with its default, and every step of scripts/full.sh has its function and its
column in docs/quality.md. Usage: docs_test.py ROOT [GALEND]"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(sys.argv[1]).resolve()
problems = []


def pages():
    names = subprocess.run(["git", "-C", ROOT, "ls-files", "*.md"], capture_output=True, text=True)
    if names.returncode == 0 and names.stdout:
        return [ROOT / name for name in names.stdout.splitlines()]
    return [page for page in ROOT.rglob("*.md") if "build" not in page.relative_to(ROOT).parts]


def check_links(page):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target and not (page.parent / target).exists():
            problems.append(f"{page.relative_to(ROOT)}: {target} is not there")


def check_names(page):
    """What stands in code marks: files of the tree, and unit tests as ROOM.SUITE.TEST or Rules.TEST."""
    for marked in re.findall(r"`([^`\n]+)`", page.read_text()):
        for path in re.findall(r"(?:^|(?<=\s))(?:include|proto|scripts|src|tests)/[\w./-]*\w", marked):
            if not any(ROOT.glob(re.sub(r"ROOM|NAME", "*", path) + "*")):
                problems.append(f"{page.relative_to(ROOT)}: {path} is not there")
        named = re.fullmatch(r"(?:(\w+)\.)?([A-Z]\w+)\.([A-Z]\w+)", marked)
        if named and (named[1] or named[2] == "Rules") and (ROOT / "tests/unit" / (named[1] or "consensus")).is_dir():
            tests = "".join(file.read_text() for file in (ROOT / "tests/unit" / (named[1] or "consensus")).glob("*_test.cpp"))
            if not re.search(rf"TEST(?:_[FP])?\({named[2]}, {named[3]}\)", tests):
                problems.append(f"{page.relative_to(ROOT)}: no unit test is called {marked}")


def check_reasons(operations):
    codes = (ROOT / "include/galen/base/error.hpp").read_text()
    for name, number, advice in re.findall(r'X\((\w+), (\d+), "((?:[^"\\]|\\.)*)"\)', codes):
        row = re.search(rf"^\| {number} \| `{name}` \|.*$", operations, re.M)
        if name != "OK" and (row is None or f"| {advice} |" not in row.group()):
            problems.append(f"docs/operations.md: the row of {name} ({number}) is missing, or its advice is not \"{advice}\"")


def check_exits(operations):
    """The column "exit" against what galenctl does: the cases of exit_code_of up to each return; 1 is for all others."""
    body = re.search(r"int exit_code_of\(.*?\n}", (ROOT / "src/galenctl/output.cpp").read_text(), re.S).group()
    exits, open_cases = {}, []
    for case, end in re.findall(r"case ErrorCode::(\w+):|return kExit(\w+);", body):
        open_cases += [case] if case else []
        if end and open_cases:
            exits.update(dict.fromkeys(open_cases, {"Ok": 0, "Usage": 2, "Refused": 3, "Waiting": 4}[end]))
            open_cases = []
    for name, told in re.findall(r"^\| \d+ \| `(\w+)` \|.*\| (\d) \|$", operations, re.M):
        if int(told) != exits.get(name, 1):
            problems.append(f"docs/operations.md: the exit code of {name} is {exits.get(name, 1)}, not {told}")


def check_counters(operations):
    reader = (ROOT / "src/node/read_calls.cpp").read_text()
    for name in re.findall(r'out\["([\w.]+)"', reader):
        if f"`{name}" not in operations:
            problems.append(f"docs/operations.md: the counter {name} is missing")


def check_settings(operations):
    reader = (ROOT / "src/node/config.cpp").read_text()
    keys = re.findall(r'(?:text|path|number|flag)_setting\("([\w.]+)"', reader)
    if len(keys) < 15:
        problems.append("src/node/config.cpp: the table of settings was not found")
    example = (ROOT / "config/node.example.toml").read_text()
    for key in keys:
        if f"`{key}`" not in operations:
            problems.append(f"docs/operations.md: the setting {key} is missing")
        if not re.search(rf"^(# )?{key.split('.')[-1]} = ", example, re.M):
            problems.append(f"config/node.example.toml: the setting {key} is missing")


def check_example(galend):
    """As it is, and with every default written out: what is in comments must be valid too, and must be the default."""
    example = ROOT / "config/node.example.toml"
    full = re.sub(r"^# (\w+ = |\[[\w.]+\])", r"\1", example.read_text(), flags=re.M)
    shown = []
    for text in (example.read_text(), full):
        copy = pathlib.Path("node.docs_test.toml").resolve()
        copy.write_text(text)
        done = subprocess.run([galend, "--config", copy, "--print-config"], capture_output=True, text=True)
        copy.unlink()
        if done.returncode != 0:
            problems.append(f"config/node.example.toml: {done.stderr.strip()}")
            return
        shown.append({line.split("=")[0].strip(): line.split("=", 1)[1].split("#")[0].strip() for line in done.stdout.splitlines()})
    for key, value in shown[0].items():
        if key not in ("log_file", "api.program") and shown[1][key] != value:
            problems.append(f"config/node.example.toml: {key} = {shown[1][key]} stands in a comment as the default, which is {value}")


def check_full_runs():
    script = (ROOT / "scripts/full.sh").read_text()
    steps = re.search(r"^known=\((.*)\)$", script, re.M).group(1).split()
    for step in steps + ["tidy"]:
        if not re.search(rf"^{step}\(\) \{{", script, re.M):
            problems.append(f"scripts/full.sh: the step {step} has no function")
    header = "| commit | when, where | " + " | ".join(steps[1:]) + " |"
    if header not in (ROOT / "docs/quality.md").read_text():
        problems.append(f"docs/quality.md: the table of full runs does not begin {header}")


for page in pages():
    check_links(page)
    check_names(page)
text = (ROOT / "docs/operations.md").read_text()
check_reasons(text)
check_exits(text)
check_settings(text)
check_counters(text)
check_full_runs()
if len(sys.argv) > 2:
    check_example(sys.argv[2])
print("\n".join(problems) or "the pages agree with the tree")
sys.exit(1 if problems else 0)
