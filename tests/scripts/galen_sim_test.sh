#!/usr/bin/env bash
# galen-sim says 2 to wrong arguments, and what is wrong with them: a run that did nothing is no run that found nothing.
set -euo pipefail
sim=$1
empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT

refused() {  # WORDS ARGUMENT...
  local words=$1 said code=0
  shift
  said=$("$sim" "$@" 2>&1) || code=$?
  [ $code -eq 2 ] || { echo "galen-sim $*: exit code $code, not 2: $said"; exit 1; }
  [[ $said == *"$words"* ]] || { echo "galen-sim $* does not say \"$words\": $said"; exit 1; }
}

refused 'below zero' run --seeds -1
refused 'below zero' run --seeds=-1
refused 'below zero' soak --state "$empty/state" --first -7
refused '--layer' run --layer 3
refused 'subcommand' nonsense
refused 'there is no mutation nonsense' mutations --only nonsense --programs "$empty"
refused 'small_quorum is not there' mutations --programs "$empty"
refused 'no such scenario' regressions --only nonsense --seeds 1
[ -z "$(ls -A "$empty")" ] || { echo "something was written: $(ls -A "$empty")"; exit 1; }
"$sim" run --seeds 2 --jobs 1 >/dev/null
"$sim" --help >/dev/null
