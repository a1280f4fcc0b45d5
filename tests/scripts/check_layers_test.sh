#!/usr/bin/env bash
# The layer check passes on the tree and fails on each planted fault.
set -euo pipefail
root=$1
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
"$root/scripts/check-layers" "$root"

plant() { # name, file, line
  rm -rf "${copy:?}"/*
  cp -r "$root/include" "$root/src" "$copy/"
  printf '%s\n' "$3" >>"$copy/$2"
  if "$root/scripts/check-layers" "$copy" >"$copy/out"; then
    echo "not noticed: $1" >&2
    exit 1
  fi
  grep -q "$4" "$copy/out" || { echo "noticed for another reason: $1" >&2; cat "$copy/out" >&2; exit 1; }
}
plant upward src/crypto/hash.cpp '#include "galen/types/block.hpp"' upward
plant sideways src/ledger/store.cpp '#include "galen/contracts/contract.hpp"' sideways
plant homeless src/types/block.cpp '#include <rocksdb/db.h>' "belongs to ledger"
plant forbidden src/galenctl/main.cpp '#include "galen/ledger/store.hpp"' "must not reach into ledger"
plant circle include/galen/base/error.hpp '#include "galen/base/result.hpp"' circle
echo "each planted fault was noticed"
