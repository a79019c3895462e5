#!/bin/bash
# Prints the path of the Node binary of a major version, for this machine or for another one. On first use it
# is installed from npm's node-PLATFORM-ARCH packages into .cache/; delete that folder to get newer ones.
# usage: scripts/node-path.sh MAJOR [PLATFORM-ARCH]      $(scripts/node-path.sh 24) --version
set -euo pipefail
major=${1:?usage: scripts/node-path.sh MAJOR [PLATFORM-ARCH]}
platform=${2:-$(node -p 'process.platform.replace("win32", "win") + "-" + process.arch')}
folder=$(cd "$(dirname "$0")/.." && pwd)/.cache/node/$major-$platform
binary=$folder/node_modules/node-$platform/bin/node
case $platform in win-*) binary=$binary.exe ;; esac

if [ ! -e "$folder/node_modules/.package-lock.json" ]; then # npm writes it last
  mkdir -p "$folder"
  # --force: npm refuses packages of another processor otherwise
  npm install --silent --force --no-audit --no-fund --prefix "$folder" "node-$platform@$major" >&2
fi
echo "$binary"
