#!/bin/bash
# Installs what the ARM64 checks need on an x86 Linux: an emulator (qemu-user), ARM64 system libraries and
# ARM64 Nodes. Does nothing where all is there.   Exit code 3: this machine cannot have it, and why.
# usage: [NODE_MAJORS="22 24 26"] tools/arm/setup.sh [kernel]        kernel: also LLVM, for kernel.py
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cannot() { echo "ARM setup: $1" >&2; exit 3; }

[ "$(uname -s)" = Linux ] || cannot "the emulator (qemu-user) exists on Linux only"

packages=()
command -v qemu-aarch64-static qemu-aarch64 >/dev/null || packages+=(qemu-user-static)
libraries=/usr/aarch64-linux-gnu/lib
[ -e $libraries/libc.so.6 ] || packages+=(libc6-arm64-cross)
[ -e $libraries/libstdc++.so.6 ] || packages+=(libstdc++6-arm64-cross)
[ -e $libraries/libatomic.so.1 ] || packages+=(libatomic1-arm64-cross)
if [ "${1:-}" = kernel ]; then
  # The Neoverse models of llvm-mca came with LLVM 17.
  ls /usr/lib/llvm-{17,18,19,20,21,22}/bin/llvm-mca >/dev/null 2>&1 || packages+=(llvm-19)
  command -v python3 >/dev/null || packages+=(python3)
fi
if [ ${#packages[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || cannot "no apt-get here; install what Debian calls: ${packages[*]}"
  [ "$(id -u)" = 0 ] || cannot "not root; as root: apt-get install --no-install-recommends ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -q && apt-get install -qy --no-install-recommends "${packages[@]}"; } >/dev/null ||
    cannot "apt-get could not install: ${packages[*]} (no network?)"
fi

for major in ${NODE_MAJORS:-24}; do
  "$here/../../scripts/node-path.sh" "$major" linux-arm64 >/dev/null || cannot "npm could not install an ARM64 Node $major"
done
