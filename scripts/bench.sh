#!/usr/bin/env bash
# Starts a consortium of four on loopback, loads it with every workload and prints the figures (docs/performance.md keeps them).
# All replicas and the load share this machine: read CPU seconds per 1,000 operations first.
#   scripts/bench.sh [--seconds S] [more arguments of galen-bench]
#   scripts/bench.sh --chain [RECORDS] [--long] [--no-join] [--json]
#     What a long chain costs (default 10^6 records, --long 10^7): tests/bench/long_chain.py. 25 minutes and 6 GB of $TMPDIR for 10^6.
set -euo pipefail
cd "$(dirname "$0")/.."
chain=
if [ "${1:-}" = --chain ]; then chain=yes; shift; fi
scripts/build.sh release galend galend-api galenctl galen-bench ${chain:+bench_chain} >&2
bin=$PWD/build/release/bin
if [ -n "$chain" ]; then
  printf '%s, %s, commit %s\n' "$(nproc) cores" "$(uname -r)" "$(git rev-parse --short HEAD 2>/dev/null || echo none)" >&2
  GALEN_BIN=$bin exec python3 tests/bench/long_chain.py "$@"
fi
export PATH=$bin:$PATH
dir=$(mktemp -d)
trap 'galenctl dev down --dir "$dir" >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT
galenctl dev up --nodes 4 --dir "$dir" >/dev/null
eval "$(galenctl dev env --dir "$dir")"
printf '%s, %s, commit %s\n' "$(nproc) cores" "$(uname -r)" "$(git rev-parse --short HEAD 2>/dev/null || echo none)"
galen-bench --dir "$dir" --workload anchor,bulk,signed,decide --outstanding 1,64,1000 "$@"
