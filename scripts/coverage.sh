#!/usr/bin/env bash
# Which lines and branches of src/consensus layer 1 of the simulator comes to: seeds of all groups on a galen-sim whose
# consensus/ counts what it runs (target galen-sim-coverage; the rest is the release build's). Fails below 95 % of the lines.
#
#   scripts/coverage.sh [SEEDS]    of each group; 500 without a number
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:-500}
command -v gcovr >/dev/null || apt-get install -y --no-install-recommends gcovr
scripts/build.sh release galen-sim-coverage
objects=build/release/src/sim/CMakeFiles/galen-sim-coverage.dir
find "$objects" -name '*.gcda' -delete
for group in mixed crashes amnesia byzantine; do
  build/release/bin/galen-sim-coverage run --group "$group" --seeds "$seeds" --reached | sed -n '/^layer/p;/^seed/p'
done
report=(gcovr --root . --object-directory "$objects" --filter 'src/consensus/' --exclude-throw-branches "$objects")
"${report[@]}" --branches --txt | sed -n '/^File/,$p'
"${report[@]}" --txt --fail-under-line 95 | sed -n '/^File/,$p'
