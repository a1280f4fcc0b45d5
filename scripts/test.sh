#!/usr/bin/env bash
# Installs, builds and tests Galen: what the README promises and what CI runs, within 45 minutes from nothing on two cores.
# What is long runs here as a seeded sample; scripts/full.sh runs it whole. With CI=true a test that would be skipped fails.
set -euo pipefail
cd "$(dirname "$0")/.."
started=$(date +%s)
say() { printf '\n== %s (%d s)\n' "$1" $(($(date +%s) - started)); }

say "packages"
scripts/install-deps.sh
say "layers"
scripts/check-layers
say "build: release"
scripts/build.sh release
say "tests: unit, scenarios, simulation, processes"
ctest --test-dir build/release --output-on-failure --no-tests=error -j2
say "build: tsan, rooms with threads"
scripts/build.sh tsan unit_base unit_crypto
say "tests: tsan"
ctest --test-dir build/tsan --output-on-failure --no-tests=error -j2 -R '^(base|crypto)\.' -E '\.sm2\.'
say "build: asan, a part of the rooms"
scripts/build.sh asan unit_base unit_crypto
say "tests: asan"
ASAN_OPTIONS=detect_container_overflow=0 \
  ctest --test-dir build/asan --output-on-failure --no-tests=error -j2 -R '^(base|crypto)\.' -E '\.sm2\.'
say "all green"
