#!/bin/bash
# galen-verify in an empty chroot: no library, no network, no other file. The golden receipts verify, a changed byte or a
# foreign genesis does not, and the exit codes are what a script may rely on.
set -euo pipefail
program=$1 golden=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/root"
cp "$program" "$work/root/galen-verify"
cp "$golden"/*.galen "$golden"/genesis.json "$work/root/"

if [ "$(id -u)" = 0 ]; then enter=(chroot "$work/root"); else enter=(unshare --user --map-root-user --net chroot "$work/root"); fi
if ! "${enter[@]}" /galen-verify --help >/dev/null 2>"$work/why"; then
  echo "cannot run it in an empty chroot: $(cat "$work/why")"
  exit 1
fi
expect() { # CODE ARGUMENTS...
  local wanted=$1 code=0
  shift
  "${enter[@]}" /galen-verify "$@" >"$work/out" 2>"$work/err" || code=$?
  if [ "$code" != "$wanted" ]; then
    echo "galen-verify $*: exit code $code, wanted $wanted"
    cat "$work/out" "$work/err"
    exit 1
  fi
}
for proof in "$golden"/proof_*.galen "$golden"/evidence.galen; do
  proof=$(basename "$proof")
  expect 0 "$proof" genesis.json
  grep -q '^VALID$' "$work/out" && grep -q 'Not proved' "$work/out"
  expect 0 "$proof" genesis.json --json
  cp "$work/out" "$work/good"
  # The last byte is one of a hash or a document.
  python3 -c 'import sys; d = bytearray(open(sys.argv[1], "rb").read()); d[-1] ^= 1; open(sys.argv[2], "wb").write(d)' \
    "$golden/$proof" "$work/root/changed.galen"
  expect 1 changed.galen genesis.json --json
  python3 -c 'import json,sys; e=json.load(open(sys.argv[1]))["error"]; assert e["reason"] and e["part"]' "$work/out"
done
expect 0 proof_transaction_history.galen genesis.json
grep -q '^PERMIT (CONSENT): ' "$work/out"
expect 0 evidence.galen
grep -q 'genesis.json inside this file' "$work/out"
expect 2 proof_consistency.galen
for receipt in receipt_executed receipt_confirmed; do
  expect 0 $receipt.galen genesis.json
  grep -q '^VALID$' "$work/out" && grep -q 'Not proved' "$work/out"
  expect 0 $receipt.galen genesis.json --json
  python3 -c 'import json,sys; v=json.load(open(sys.argv[1])); assert v["valid"] and len(v["certified_by"])>=3 and v["operations"]' "$work/out"
  cp "$work/out" "$work/good"
  # A changed bit is found, or means nothing (the length of the outcome tree only shapes its path): never another story.
  python3 - "$golden/$receipt.galen" "$work/root" <<'PY'
import random, sys
seed = random.randrange(2**32)
print("seed", seed)
random.seed(seed)
data = open(sys.argv[1], "rb").read()
for i in range(20):
    changed = bytearray(data)
    at = random.randrange(12, len(data))
    changed[at] ^= 1 << random.randrange(8)
    open(f"{sys.argv[2]}/flip-{i}.galen", "wb").write(changed)
PY
  for i in $(seq 0 19); do
    if "${enter[@]}" /galen-verify flip-$i.galen genesis.json --json >"$work/out"; then
      cmp "$work/good" "$work/out"
    else
      expect 1 flip-$i.galen genesis.json --json
      python3 -c 'import json,sys; v=json.load(open(sys.argv[1])); assert not v["valid"] and v["error"]["reason"]' "$work/out"
    fi
  done
done
head -c 100 "$golden/receipt_executed.galen" >"$work/root/cut.galen"
: >"$work/root/empty.galen"
sed 's/"created_ms"/ "created_ms"/' "$golden/genesis.json" >"$work/root/other.json"
cmp -s "$golden/genesis.json" "$work/root/other.json" && { echo "the foreign genesis equals the right one"; exit 1; }
expect 1 cut.galen genesis.json
expect 1 empty.galen genesis.json
expect 1 receipt_executed.galen other.json
grep -q 'NOT VALID' "$work/err"
expect 1 missing.galen genesis.json
expect 1 genesis.json receipt_executed.galen
expect 2
expect 2 receipt_executed.galen
grep -q 'genesis.json is needed' "$work/err"
if "${enter[@]}" /galen-verify receipt_executed.galen genesis.json >/dev/full 2>"$work/err"; then
  echo "what could not be printed ended with 0"
  exit 1
fi
expect 2 receipt_executed.galen genesis.json --loud
echo "galen-verify holds in an empty chroot"
