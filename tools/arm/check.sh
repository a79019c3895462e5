#!/bin/bash
# Checks nibble on emulated ARM64: Cortex-A76 (Raspberry Pi 5, dotprod) and Cortex-A72 (Raspberry Pi 4, none).
# Runs the given scripts, or else probe.mjs, kernels.mjs (the kernels against their golden outputs) and
# `generate` on the tiny model, whose tokens must be the ones of this machine's own processor.
# Emulated time says nothing about an ARM chip: this checks results, never speed.
# Needs a built dist/. Where emulation is not to be had, it says SKIPPED and why: exit code 77.
# usage: [NODE_MAJORS="22 24 26"] [QEMU_CPUS="cortex-a76"] tools/arm/check.sh [SCRIPT.mjs...]
set -euo pipefail
cd "$(dirname "$0")/../.."
limit=${ARM_TIMEOUT:-600} # seconds for one run
export NODE_MAJORS=${NODE_MAJORS:-24}

if [ "$(uname -m)" = aarch64 ] || [ "$(uname -m)" = arm64 ]; then
  echo "ARM checks: SKIPPED: this machine is ARM64 itself, its ordinary tests are the check"
  exit 77
fi
tools/arm/setup.sh || {
  code=$?
  [ $code = 3 ] || exit $code
  echo "ARM checks: SKIPPED: no emulation here, see the line above"
  exit 77
}

model=models/tiny-chat/tiny-chat.Q8_0.gguf
generate=(dist/src/cli/main.js generate -m "$model" -p "Why is the sky blue?" -n 8 --temp 0 --threads 2 --json)
ids() { node -p 'JSON.stringify(JSON.parse(require("fs").readFileSync(0)).ids)'; }

scripts=("$@")
expected=
if [ $# = 0 ]; then
  scripts=(tools/arm/probe.mjs)
  if [ -e tools/arm/kernels.mjs ]; then scripts+=(tools/arm/kernels.mjs); fi
  [ -e dist/src/cli/main.js ] || { echo "ARM checks: nothing built: npm run ready"; exit 1; }
  expected=$(node "${generate[@]}" | ids)
  [[ $expected =~ ^\[[0-9] ]] || { echo "ARM checks: no tokens on this machine: $expected"; exit 1; }
fi

passed=0
failed=0
check() { # NAME COMMAND...
  local name="$1, $QEMU_CPU, Node $NODE_MAJOR" started=$SECONDS
  if "${@:2}"; then
    echo "ok    $name ($((SECONDS - started)) s)"
    passed=$((passed + 1))
  else
    echo "FAIL  $name ($((SECONDS - started)) s)"
    failed=$((failed + 1))
  fi
}
emulated() { timeout -k 5 "$limit" tools/arm/node-arm64 "$@"; }
same_tokens() {
  local found
  found=$(emulated "${generate[@]}" | ids) || return 1
  [ "$found" = "$expected" ] || { echo "tokens $found instead of $expected"; return 1; }
}

for NODE_MAJOR in $NODE_MAJORS; do
  for QEMU_CPU in ${QEMU_CPUS:-cortex-a76 cortex-a72}; do
    export NODE_MAJOR QEMU_CPU
    for script in "${scripts[@]}"; do check "$script" emulated "$script"; done
    if [ -n "$expected" ]; then check "generate" same_tokens; fi
  done
done
echo "ARM: $passed passed, $failed failed"
[ $failed = 0 ]
