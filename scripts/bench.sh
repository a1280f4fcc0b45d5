#!/usr/bin/env bash
# Starts a consortium of four on loopback, loads it with every workload and prints the figures (docs/performance.md keeps them).
# All replicas and the load share this machine: read CPU seconds per 1,000 operations first.
#   scripts/bench.sh [--seconds S] [more arguments of galen-bench]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build.sh release galend galend-api galenctl galen-bench
bin=$PWD/build/release/bin
export PATH=$bin:$PATH
dir=$(mktemp -d)
trap 'galenctl dev down --dir "$dir" >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT
galenctl dev up --nodes 4 --dir "$dir" >/dev/null
eval "$(galenctl dev env --dir "$dir")"
printf '%s, %s, commit %s\n' "$(nproc) cores" "$(uname -r)" "$(git rev-parse --short HEAD 2>/dev/null || echo none)"
galen-bench --dir "$dir" --workload anchor,bulk,signed,decide --outstanding 1,64,1000 "$@"
