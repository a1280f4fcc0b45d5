#!/usr/bin/env bash
# Four hospitals, one record: installs, builds, starts a consortium on loopback and tells its story, with the command behind
# each line and real figures. May be run again; leaves nothing running unless --keep.
#   scripts/quickstart.sh [--keep] [--dir D]
set -euo pipefail
export LC_ALL=C.UTF-8
called_from=$PWD
cd "$(dirname "$0")/.."
root=$PWD
keep=no
dir=$root/build/quickstart
while [ $# -gt 0 ]; do
  case $1 in
    --keep) keep=yes ;;
    --dir)
      [ $# -ge 2 ] || { echo "quickstart: --dir needs a directory" >&2; exit 2; }
      case $2 in /*) dir=$2 ;; *) dir=$called_from/$2 ;; esac
      dir=$(realpath -m "$dir")
      shift ;;
    *) echo "usage: scripts/quickstart.sh [--keep] [--dir D]" >&2; exit 2 ;;
  esac
  shift
done
# What stands there is deleted: only ever a consortium of an earlier run.
if [ -e "$dir" ] && [ ! -e "$dir/dev.json" ] && [ -n "$(ls -A "$dir")" ]; then
  echo "quickstart: $dir holds something else; name an empty or a new directory" >&2
  exit 2
fi

scripts/install-deps.sh
scripts/build.sh release galend galend-api galenctl galen-verify
bin=$root/build/release/bin
export PATH=$bin:$PATH GALEN_DIR=$dir
unset GALEN_ENDPOINT GALEN_CA GALEN_CERT GALEN_KEY   # of an earlier `galenctl dev env` in this shell
shown=${dir#"$root"/}
log=$root/build/quickstart.log

now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f s", b - a }'; }
# What happened, and the command that did it: beside it, or below where there is no room.
tell() {
  if [ ${#1} -gt 66 ]; then printf '%s\n%68s%s\n' "$1" '' "$2"; else printf '%s%*s%s\n' "$1" $((68 - ${#1})) '' "$2"; fi
}
fail() { echo "quickstart: $*" >&2; exit 1; }
expect() { [ "$1" = "$2" ] || fail "expected $2, got $1"; }

finish() {
  local code=$?
  trap - EXIT INT TERM
  if [ $code -eq 0 ] && [ "$keep" = yes ]; then
    echo "The four hospitals keep running. Use them:  eval \"\$($bin/galenctl dev env --dir $shown)\""
    echo "Stop them:                                 galenctl dev down --dir $shown"
    return
  fi
  [ $code -eq 0 ] || echo "The story broke off; the logs of the nodes are $shown/node-*/log/galend.log, of the commands build/quickstart.log" >&2
  galenctl dev down >/dev/null 2>&1 || true
  exit $code
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ -e "$dir/dev.json" ]; then galenctl dev down >/dev/null 2>&1 || fail "an earlier consortium in $shown does not stop"; fi
rm -rf "$dir"
: >"$log"
printf '\nWhat happens, and the command behind it (with GALEN_DIR=%s):\n\n' "$shown"

# 1. Four hospitals.
galenctl dev up --nodes 4 >>"$log" 2>&1 || { cat "$log" >&2; fail "the hospitals did not start"; }
chain=$(galenctl --json node status | jq -r '.chain_id | "\(.[0:4])-\(.[4:8])"')
tell "4 hospitals up: A B C D, one ledger (chain $chain)" "galenctl dev up --nodes 4 --dir $shown"

# 2. A patient's bundle, anchored by A: of several the one of middle size.
bundle=$(find "$root/../shared/data/synthea-r4" -maxdepth 1 -name '*_*_*.json' -printf '%s %p\n' 2>/dev/null |
  sort -n | awk '{ sub(/^[0-9]+ /, ""); path[NR] = $0 } END { print path[int((NR + 1) / 2)] }') || true
[ -n "$bundle" ] || bundle=$root/config/samples/bundle.json
started=$(now)
imported=$(galenctl --json record import --subject-name anna "$bundle")
took=$(since "$started")
anchored=$(jq -s '.[-1].anchored' <<<"$imported")
expect "$anchored" "$(jq '[.entry[].resource | tojson] | unique | length' "$bundle")"
tell "$anchored records of one patient anchored from A in $took" "galenctl record import ${bundle#"$root"/}"

# 3. All four agree.
agree() {
  local all tries
  for tries in {1..300}; do
    all=$(galenctl --json node status --all) || true
    if jq -se 'length == 4 and all(.up) and ([.[].height] | unique | length) == 1 and ([.[].state_root] | unique | length) == 1' \
      <<<"$all" >/dev/null; then
      height=$(jq -s '.[0].height' <<<"$all")
      state_root=$(jq -rs '.[0].state_root[0:4]' <<<"$all")
      return 0
    fi
    sleep 0.1
  done
  fail "after $tries questions the nodes do not agree: $all"
}
agree
tell "A B C D agree: height $height, root $state_root…" "galenctl node status --all"

# 4. Another hospital reads the pointer; only the custodian can verify the bytes.
pointer=$(jq -rs 'map(.first_pointer // empty)[0]' <<<"$imported")
expect "$(galenctl --node C --json record get --pointer "$pointer" | jq -r .status)" CURRENT
galenctl record verify --pointer "$pointer" --entry 0 "$bundle" >>"$log"
changed=$dir/changed.json
id=$(jq -r '.entry[0].resource.id' "$bundle")
sed -E "0,/(\"id\" *: *\"${id%?})./s//\\1~/" "$bundle" >"$changed"
expect "$( (cmp -l "$bundle" "$changed" || true) | wc -l)" 1
# It ends with 1 when the bytes differ.
expect "$(galenctl --json record verify --pointer "$pointer" --entry 0 "$changed" | jq .match)" false
tell "C reads the pointer of the first record; A, its custodian, verifies the bytes; with one byte changed they fail" \
  "galenctl --node C record get; galenctl record verify"

# 5. The patient decides, with a key that no hospital has.
galenctl patient keygen --out "$dir/patient.key" >>"$log"
patient=$(galenctl --json patient register --key "$dir/patient.key" --name maria | jq -r .pseudonym)
# It ends with 3 on DENY, so that a script which goes on only after 0 fails closed.
ask() { galenctl --node C --json decide --patient "$patient" --purpose TREAT || [ $? -eq 3 ]; }
answer() { jq -r 'if .permit then "PERMIT" else "DENY " + .reason end' <<<"$1"; }
before=$(ask)
expect "$(answer "$before")" "DENY NO_CONSENT"
consent=$(galenctl --json consent grant --patient maria --to C --purpose TREAT --until 24h | jq -r .consent_id)
granted=$(ask)
expect "$(answer "$granted")" PERMIT
revoked=$(galenctl --json consent revoke --patient maria --consent "$consent" | jq .outcome.height)
after=$(ask)
expect "$(answer "$after")" "DENY REVOKED"
blocks=$(($(jq .height <<<"$after") - revoked))
[ "$blocks" = 1 ] && later="one block later" || later="$blocks blocks later"
tell "C asks for treatment: DENY no consent. The patient grants C until tomorrow: PERMIT. She revokes: DENY, $later" \
  "galenctl --node C decide; galenctl consent grant | revoke"

# 6. Who asked, complete and proven; only her own hospital is shown all of it.
questions=$(galenctl --json access list --patient maria)
expect "$(jq -r '[.complete, .count, (.entries | map(.requester) | unique | join(" "))] | join(" ")' <<<"$questions")" "true 3 C"
tell "the patient's list, complete and proven: 3 questions by C, when, for what, with which answer" \
  "galenctl access list --patient maria"

# 7. One hospital dies and comes back.
galenctl --node D dev down --now >>"$log"
jq -n '{resourceType: "Bundle", type: "collection", entry: [range(100) | {resource: {
  resourceType: "Observation", id: "after-the-loss-\(.)", status: "final", code: {text: "pulse"}}}]}' >"$dir/more.json"
expect "$(galenctl --json record import "$dir/more.json" | jq -s '.[-1].anchored')" 100
started=$(now)
galenctl --node D dev up >>"$log" 2>&1
agree
tell "D is killed: 100 more records anchored without it; D is back and has caught up after $(since "$started")" \
  "galenctl --node D dev down --now; galenctl record import; galenctl --node D dev up"

# 8. A receipt that needs no node.
receipt=$dir/receipt.galen
galenctl --node C receipt get --tx "$(jq -r .outcome.transaction_id <<<"$granted")" --out "$receipt" >>"$log"
galenctl dev down >>"$log" 2>&1
galen-verify "$receipt" "$dir/genesis.json" >>"$log" || fail "the receipt does not verify"
tell "all nodes are stopped: the receipt verifies with galen-verify" "galen-verify $shown/receipt.galen $shown/genesis.json"
echo
[ "$keep" = no ] || galenctl dev up >>"$log" 2>&1
