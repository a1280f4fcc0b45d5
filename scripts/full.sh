#!/usr/bin/env bash
# The full counts of what scripts/test.sh runs as samples: hours on two cores. Each step is printed with its time and its
# figures; one that has passed on this very tree, docs/ apart, is not run again, so the script may be interrupted and started anew.
# Ends with a row for the table "Full runs" of docs/quality.md. What is tested is the tree as it stands, committed or not.
#   scripts/full.sh [--tidy BASE] [STEP...]     --tidy: clang-tidy on the rooms that differ from commit BASE as well
#   STEP: build tests kills disk damage gray byzantine consent import canonical events exactly_once join members chain vectors idle model simulation mutations coverage sm2 asan tsan fuzz tidy
set -uo pipefail
export LC_ALL=C.UTF-8
cd "$(dirname "$0")/.."
base=
wanted=()
known=(build tests kills disk damage gray byzantine consent import canonical events exactly_once join members chain vectors idle model simulation mutations coverage sm2 asan tsan fuzz)
while [ $# -gt 0 ]; do
  case $1 in
    --tidy) [ $# -ge 2 ] || { echo "full: --tidy needs a commit" >&2; exit 2; }; base=$2; shift ;;
    -*) echo "usage: scripts/full.sh [--tidy BASE] [STEP...]" >&2; exit 2 ;;
    *) wanted+=("$1") ;;
  esac
  shift
done
[ -z "$base" ] || known+=(tidy)
for name in "${wanted[@]}"; do
  [[ " ${known[*]} " == *" $name "* ]] || { echo "full: no step $name; there are: ${known[*]}" >&2; exit 2; }
done
[ ${#wanted[@]} -gt 0 ] || wanted=("${known[@]}")
# The programs may be of another tree: building comes first, always, and costs little when there is nothing to build.
[[ " ${wanted[*]} " == *" build "* ]] || wanted=(build "${wanted[@]}")

# The hash of every file that git would take, without touching the index. What was measured is written into docs/: that is the same tree still.
mkdir -p build/full
index=build/full/.index.$$
trap 'rm -f "$index"' EXIT
cp "$(git rev-parse --git-path index)" "$index"
tree_of() { GIT_INDEX_FILE=$index git read-tree "$1" && GIT_INDEX_FILE=$index git rm -rq --cached docs && GIT_INDEX_FILE=$index git write-tree; }
tree=$(GIT_INDEX_FILE=$index git add -A && tree_of "$(GIT_INDEX_FILE=$index git write-tree)") || { echo "full: this is no git work tree" >&2; exit 1; }
commit=$(git rev-parse --short=10 HEAD)
[ "$tree" = "$(tree_of HEAD)" ] || commit="$commit with changes"
dir=build/full/$tree
mkdir -p "$dir"
progress=$dir/progress   # lines: STEP SECONDS
touch "$progress"
echo "commit $commit, tree ${tree:0:10}, $(nproc) cores; logs and progress in $dir"

# Sanitizers: what Debian's gRPC and RocksDB, built without them, would report wrongly is left out.
asan_rooms=(base crypto types storage ledger consensus contracts vault execution net socket node api galenctl)
tsan_rooms=(base crypto types socket net consensus)
export GALEN_BIN=$PWD/build/release/bin CI=true

build() { scripts/install-deps.sh && scripts/check-layers && scripts/check-determinism && scripts/build.sh release; }
# PROGRAM NAME, as often at once as there are `jobs` (most of the time goes by in waiting), with one file of progress; then once
# alone, which does what is left and says what there was in all.
jobs=${GALEN_JOBS:-3}
sharded() {
  local program=$1 number pids=() code=0
  export GALEN_PROGRESS=$PWD/$dir/$2
  for ((number = 1; number <= jobs; number++)); do
    GALEN_SHARD=$number/$jobs python3 "tests/cluster/$program" >"$dir/$2.$number.log" 2>&1 &
    pids+=($!)
  done
  for number in "${!pids[@]}"; do wait "${pids[$number]}" || { code=1; tail -n 30 "$dir/$2.$((number + 1)).log"; }; done
  [ $code -eq 0 ] && python3 "tests/cluster/$program"
}
tests() { ctest --test-dir build/release --output-on-failure --no-tests=error -j2; }
# 2,000 kills, a hundred for each consortium: what has passed is kept.
kills() { GALEN_KILLS=2000 sharded test_kills.py kills.rounds; }
# 300 calls, seven kinds of fault each: what has passed is kept, case by case.
disk() { GALEN_FULL=1 sharded test_disk_faults.py disk.cases && python3 tests/cluster/test_disk_full.py; }
gray() { GALEN_FULL=1 python3 tests/cluster/test_gray.py; }
byzantine() { GALEN_FULL=1 GALEN_LEADER_S=600 python3 tests/cluster/test_byzantine.py; }
# So are 1,000 random flips and every kind of damage to each class of file; the seed is kept with them.
damage() {
  [ -s "$dir/damage.seed" ] || echo $RANDOM >"$dir/damage.seed"
  GALEN_FULL=1 GALEN_SEED=$(cat "$dir/damage.seed") sharded test_file_damage.py damage.cases
}
consent() { GALEN_KILLS=10 python3 tests/cluster/test_consent.py; }
import() { GALEN_FULL=1 python3 tests/cluster/test_import.py; }
canonical() { GALEN_FULL=1 python3 tests/cluster/test_canonical.py; }
events() { GALEN_FULL=1 python3 tests/cluster/test_events.py; }
exactly_once() { GALEN_FULL=1 python3 tests/cluster/test_exactly_once.py; }
join() { GALEN_FULL=1 python3 tests/cluster/test_join.py; }
members() {
  local name
  for name in membership new_member ca_change membership_full restored_directory; do python3 "tests/cluster/test_$name.py" || return 1; done
}
chain() { scripts/bench.sh --chain; }
vectors() { GALEN_FULL=1 python3 tests/scripts/verify_vectors_test.py "$GALEN_BIN/galen-verify" --keep "$dir"; }
idle() { GALEN_IDLE_S=60 python3 tests/cluster/test_idle.py; }
model() { scripts/model.sh; }
# Seeds add up over runs and trees as long as what is simulated, and the simulator, have not changed.
simulation() {
  local sources state
  sources=$(git ls-tree "$tree" {include/galen,src}/{consensus,ledger} src/sim | sha256sum | cut -c1-16)
  state=build/full/simulation-$sources
  mkdir -p "$state"
  "$GALEN_BIN/galen-sim" run --seeds 100000 --reached && "$GALEN_BIN/galen-sim" regressions &&
    "$GALEN_BIN/galen-sim" run --layer 2 --new --seeds 1000 --reached &&
    "$GALEN_BIN/galen-sim" soak --layer 1 --seeds 1000000 --state "$state/layer1" &&
    "$GALEN_BIN/galen-sim" soak --layer 2 --seeds 20000 --state "$state/layer2"
}
mutations() { scripts/build.sh release galen-sim-mutants && "$GALEN_BIN/galen-sim" mutations; }
coverage() { scripts/coverage.sh 300; }
# What ctest runs under the second suite is a part of this.
sm2() {
  local name
  export GALEN_SUITE=sm2-sm3
  for name in consent join scrub; do echo "== $name" && python3 "tests/cluster/test_$name.py" || return 1; done
  echo "== quickstart" && scripts/quickstart.sh
}
sanitized() {  # PRESET ROOM...
  local preset=$1 room code=0
  shift
  scripts/build.sh "$preset" "${@/#/unit_}" || return 1
  for room in "$@"; do
    echo "== $preset unit_$room"
    "build/$preset/tests/unit_$room" --gtest_brief=1 || { echo "FAILED: $preset unit_$room"; code=1; }
  done
  return $code
}
asan() { ASAN_OPTIONS=detect_container_overflow=0 sanitized asan "${asan_rooms[@]}"; }
tsan() { TSAN_OPTIONS=suppressions=$PWD/tests/tsan.supp sanitized tsan "${tsan_rooms[@]}"; }
fuzz() { scripts/fuzz.sh 600; }
tidy() {
  local files
  mapfile -t files < <(git diff --name-only --diff-filter=d "$base" -- src include |
    sed -nE 's#^(src|include/galen)/([^/]+)/.*#src/\2#p' | sort -u | while read -r room; do git ls-files "$room/*.cpp"; done)
  [ ${#files[@]} -gt 0 ] || { echo "no room differs from $base"; return 0; }
  printf '%s\n' "${files[@]}" | xargs -P2 -n4 clang-tidy -p build/release --quiet --warnings-as-errors='*'
}

# The one line of a log that says what was counted.
figures() {
  local log=$dir/$1.log
  case $1 in
    tests) grep -E '^[0-9]+% tests passed' "$log" ;;
    kills | consent) grep -E '^[0-9]+ kills' "$log" ;;
    vectors) grep -E ': [0-9]+ vectors' "$log" | paste -sd';' ;;
    disk) grep -E '^[0-9]+ faults' "$log" ;;
    gray | byzantine) grep -E 'signatures .*no two' "$log" ;;
    damage) grep -E '^[0-9]+ damages' "$log" ;;
    import) grep -E '^[0-9]+ files' "$log" ;;
    canonical) grep -E '^[0-9]+ rows' "$log" ;;
    events) grep -E '^a reader stood still' "$log" ;;
    exactly_once) grep -E '^retries' "$log" ;;
    join) grep -E '^D joined' "$log" ;;
    members) grep -E 'acknowledged|voted again' "$log" | paste -sd';' ;;
    chain) grep -E '^targets: ' "$log" ;;
    idle) grep '^CPU when idle' "$log" ;;
    model) printf '%s rows as they should be\n' "$(grep -cE '\| (holds|fails) \|$' "$log")" ;;
    simulation) grep -E '^[0-9]+ seeds, [0-9]+ failed' "$log" | awk -F, '$1 + 0 < last { print before } { last = $1 + 0; before = $0 } END { print before }' | paste -sd '+' ;;
    mutations) printf '%s mutations caught\n' "$(grep -cE '^\| [0-9]+ \|.*[0-9] \|' "$log")" ;;
    coverage) grep '^TOTAL' "$log" | awk '{ of = of sep $NF; sep = " of the branches, " } END { print of " of the lines" }' ;;
    sm2) grep '^== ' "$log" | cut -c4- | paste -sd' ' ;;
    asan | tsan) printf '%s of %s programs clean\n' "$(grep -c '^\[  PASSED  \]' "$log")" "$(grep -c "^== $1" "$log")" ;;
    fuzz) printf '%s targets without a finding\n' "$(grep -c ': fine$' "$log")" ;;
    tidy) printf '%s warnings\n' "$(grep -c 'warning:\|error:' "$log")" ;;
  esac 2>/dev/null | tail -n 1
}
seconds_of() { awk -v step="$1" '$1 == step { s = $2 } END { print s }' "$progress"; }

failed=()
for name in "${wanted[@]}"; do
  if [ "$name" != build ] && [ -n "$(seconds_of "$name")" ]; then
    printf '%-11s %6s s  passed before  %s\n' "$name" "$(seconds_of "$name")" "$(figures "$name")"
    continue
  fi
  started=$(date +%s)
  ("$name") >"$dir/$name.log" 2>&1 </dev/null
  code=$?
  took=$(($(date +%s) - started))
  if [ $code -eq 0 ]; then
    echo "$name $took" >>"$progress"
    printf '%-11s %6s s  passed         %s\n' "$name" "$took" "$(figures "$name")"
  else
    failed+=("$name")
    printf '%-11s %6s s  FAILED (%s)     %s/%s.log ends:\n' "$name" "$took" "$code" "$dir" "$name"
    tail -n 15 "$dir/$name.log" | sed 's/^/    /'
    [ "$name" != build ] || break
  fi
done

# One row, a cell for each step but the first, for docs/quality.md, whose columns are these steps.
cell() {
  if [ -n "$(seconds_of "$1")" ]; then echo "$(figures "$1") ($(seconds_of "$1") s)"
  elif [[ " ${failed[*]-} " == *" $1 "* ]]; then echo "**failed**"
  else echo "not run"; fi
}
printf '\n| %s | %s, %s cores |' "$commit" "$(date -u +%Y-%m-%d)" "$(nproc)"
for name in "${known[@]}"; do [[ $name == build || $name == tidy ]] || printf ' %s |' "$(cell "$name")"; done
printf '\n'
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
