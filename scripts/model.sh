#!/usr/bin/env bash
# Model-checks the consensus rules with spin (docs/spec/model): every property must hold, every planted weakening must give a
# counterexample, and what a run should reach must be reachable. Prints a table; exit 1 if one row is not as it should be.
# Without spin it is installed, which needs root. At most 6 GB for each search; logs are in build/model.
#   scripts/model.sh [WORD]     only the rows with WORD in their name
set -euo pipefail
cd "$(dirname "$0")/.."
command -v spin >/dev/null || apt-get install -y --no-install-recommends spin
command -v gcc >/dev/null || { echo "model: gcc is missing" >&2; exit 1; }
models=$PWD/docs/spec/model
word=${1:-}
bad=0
rows=0

# row EXPECTED NAME MODEL DEFINITION...: EXPECTED is `holds` (the whole space, no error) or `fails` (an error is found).
row() {
  local expected=$1 name=$2 model=$3
  shift 3
  [[ $name == *"$word"* ]] || return 0
  rows=$((rows + 1))
  local dir=build/model/$rows seen
  rm -rf "$dir" && mkdir -p "$dir"
  (
    cd "$dir"
    spin "$@" -a "$models/$model.pml" && gcc -O1 -w -DSAFETY -DNOREDUCE -DMEMLIM=6000 -o pan pan.c && nice -n 5 ./pan -w22 -m200000
  ) >"$dir/log" 2>&1 || true
  if grep -q 'errors: 0' "$dir/log" && ! grep -qE 'Search not completed|max search depth too small' "$dir/log"; then seen=holds
  elif grep -q 'assertion violated' "$dir/log"; then seen=fails
  else seen=broken; fi
  local states depth seconds verdict
  states=$(awk '/states, stored/ { print $1 }' "$dir/log")
  depth=$(sed -nE 's/.*depth reached ([0-9]+).*/\1/p' "$dir/log")
  seconds=$(sed -nE 's/^pan: elapsed time ([0-9.e+]+) .*/\1/p' "$dir/log")
  verdict=$seen
  [ "$seen" = "$expected" ] || { verdict="$seen, SHOULD BE $expected ($dir/log)"; bad=1; }
  printf '| %-66s | %10s | %6s | %7s | %s |\n' "$name" "${states:-?}" "${depth:-?}" "${seconds:-0}" "$verdict"
}

printf '| %-66s | %10s | %6s | %7s | %s |\n|---|---|---|---|---|\n' "property, what must be reachable, or planted weakening" states depth seconds verdict
small=(-DVIEWS=2 -DHEIGHTS=2)
row holds "agreement, one PREPARE for a place: 2 views, 2 heights" votes "${small[@]}"
row holds "agreement, one PREPARE for a place: 2 views, 3 heights" votes -DVIEWS=2 -DHEIGHTS=3
row holds "agreement with tenure ends" votes "${small[@]}" -DENDS=1
row holds "agreement with epoch ends" votes "${small[@]}" -DENDS=2
row fails "reached: a chain committed in its view" votes "${small[@]}" -DREACH=1
row fails "reached: a chain committed after a NEW-VIEW" votes "${small[@]}" -DREACH=2
row fails "reached: the maximum proposed again and committed (V4)" votes "${small[@]}" -DREACH=3
row fails "reached: a view entered by a tenure end (V3)" votes "${small[@]}" -DENDS=1 -DREACH=4
row fails "reached: an epoch end committed in its view" votes "${small[@]}" -DENDS=2 -DREACH=5
row fails "reached: an epoch end committed in a later view (V4e)" votes "${small[@]}" -DENDS=2 -DREACH=6
row fails "reached: a COMMIT after its sender asked for a later view (R5)" votes "${small[@]}" -DREACH=7
row fails "weakened R1: PREPARE twice at a height" votes "${small[@]}" -DR1=0
row fails "weakened R2: the first vote of a view needs no reason" votes "${small[@]}" -DR2=0
row fails "weakened R3: votes of a view need not be one chain" votes "${small[@]}" -DR3=0
row fails "weakened R4: a child of a tenure end in its view" votes "${small[@]}" -DENDS=1 -DR4=0
row fails "weakened R4: a child of an epoch end in its epoch" votes "${small[@]}" -DENDS=2 -DR4=0
row fails "weakened R5: COMMIT whatever was reported" votes "${small[@]}" -DR5=0
row fails "weakened R7: VIEW-CHANGE reports less than was COMMITted" votes "${small[@]}" -DR7=0
row fails "weakened V4: NEW-VIEW on any report, not the maximum" votes "${small[@]}" -DV4=0
row fails "weakened V4: NEW-VIEW mixes targets" votes -DVIEWS=3 -DHEIGHTS=1 -DV4m=0
row holds "weakened V4e: a left epoch end is then never committed" votes "${small[@]}" -DENDS=2 -DREACH=6 -DV4e=0
row holds "amnesia: who votes again contradicts nothing it forgot (L5, L6)" amnesia
row fails "reached: recovered by a NEW-VIEW after a COMMIT was lost" amnesia -DREACH=1
row fails "reached: recovered by a certificate of the view" amnesia -DREACH=2
row fails "reached: it had voted in view V+1 before the loss" amnesia -DREACH=3
row fails "weakened 8 b: no silence after the answers" amnesia -DSILENCE=0
row fails "weakened 8 c: the floor above V, not V+1" amnesia -DFLOOR=0
row fails "weakened 8 c: highQC is not taken over" amnesia -DHIGHQC=0

[ $rows -gt 0 ] || { echo "model: no row with '$word' in its name" >&2; exit 2; }
[ $bad = 0 ] || { echo "model: a row is not as it should be" >&2; exit 1; }
