#!/usr/bin/env bash
# Runs every fuzz target for a while: scripts/fuzz.sh [SECONDS [TARGET...]] (default 10 s each). Two at a time, as there are two cores.
# Exit 1 with the file of a finding; 77 without clang, which is a failure when CI=true. See tests/fuzz/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-10}
shift || true
if ! command -v clang++-14 >/dev/null || ! compgen -G "/usr/lib/llvm-14/lib/clang/*/lib/linux/libclang_rt.fuzzer-x86_64.a" >/dev/null; then
  echo "clang++-14 with libclang-rt-14-dev is not here: no fuzzing (sudo scripts/install-deps.sh --fuzz)" >&2
  if [ "${CI:-}" = true ]; then exit 1; fi
  exit 77
fi
scripts/build.sh fuzz galen_fuzz
program=$PWD/build/fuzz/bin/galen_fuzz
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then mapfile -t targets < <("$program"); fi
mkdir -p build/fuzz/findings build/fuzz/log

one() {
  local name=$1 log=build/fuzz/log/$1.log ok=fine
  mkdir -p "build/fuzz/corpus/$name"
  GALEN_FUZZ_TARGET=$name "$program" "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" -max_total_time="$seconds" -max_len=65536 \
    -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="build/fuzz/findings/$name-" >"$log" 2>&1 || ok=FINDING
  local runs units
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  units=$(find "build/fuzz/corpus/$name" -type f | wc -l)
  printf '%-20s %12s runs, %6s inputs learned: %s\n' "$name" "${runs:-0}" "$units" "$ok"
  [ "$ok" = fine ] || { tail -n 30 "$log"; return 1; }
}
export -f one
export program seconds
printf '%s\n' "${targets[@]}" | xargs -P2 -I{} bash -c 'one {}'
