#!/usr/bin/env bash
# The determinism check passes on the tree and fails on each planted fault.
set -euo pipefail
root=$1
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
"$root/scripts/check-determinism" "$root"

plant() { # what it is called, line
  rm -rf "${copy:?}"/*
  mkdir -p "$copy/include/galen" "$copy/src"
  cp -r "$root"/include/galen/{contracts,execution} "$copy/include/galen/"
  cp -r "$root"/src/{contracts,execution} "$copy/src/"
  printf '%s\n' "$2" >>"$copy/src/contracts/records.cpp"
  if "$root/scripts/check-determinism" "$copy" >"$copy/out"; then
    echo "not noticed: $1" >&2
    exit 1
  fi
  grep -q "$1" "$copy/out" || { echo "noticed for another reason: $1" >&2; cat "$copy/out" >&2; exit 1; }
}
plant "a clock" 'auto now = std::chrono::system_clock::now();'
plant "randomness" 'std::random_device device;'
plant "floating point" 'double share = 0.5;'
plant "a container without order" 'std::unordered_map<int, int> counts;'
plant "std::hash" 'auto h = std::hash<int>{}(1);'
plant "threads" 'std::mutex mutex;'
plant "environment" 'auto home = std::getenv("HOME");'
plant "order by address" 'std::set<Row*> rows;'
echo "each planted fault was noticed"
