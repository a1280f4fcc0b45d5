#!/usr/bin/env bash
# Installs what Galen needs on Debian 12 to build and to test. Needs root. Does nothing when everything is there.
#   scripts/install-deps.sh [--fuzz]     --fuzz: clang with libFuzzer too, which only scripts/fuzz.sh needs
set -euo pipefail

packages=(
  # build
  cmake ninja-build g++ ccache mold pkg-config
  # libraries (docs/adr/0002)
  libboost1.81-dev libssl-dev librocksdb-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc libgrpc++-dev
  libspdlog-dev libfmt-dev libexpected-dev libtomlplusplus-dev libcli11-dev libmimalloc-dev libgtest-dev libgmock-dev
  # what the tests speak to Galen with
  openssl python3 python3-grpcio jq procps git libfaketime
)
if [ "${1:-}" = --fuzz ]; then packages+=(clang-14 libclang-rt-14-dev); fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "All packages are installed."
  exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "These packages are missing and need root to install: ${missing[*]}" >&2
  echo "Run: sudo scripts/install-deps.sh $*" >&2
  exit 1
fi
echo "Installing: ${missing[*]}"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
