#!/bin/bash
# Runs a command with another Node first on the PATH.
# usage: scripts/with-node.sh MAJOR COMMAND...      scripts/with-node.sh 24 npx vitest run
set -euo pipefail
major=${1:?usage: scripts/with-node.sh MAJOR COMMAND...}
node=$("$(dirname "$0")/node-path.sh" "$major")
shift
PATH=$(dirname "$node"):$PATH exec "$@"
