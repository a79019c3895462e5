#!/bin/bash
# Counts the ARM64 instructions between marks in a program's run. With one thread the count repeats exactly;
# another folder moves it by under 1 %, as V8's own work around the kernels differs.
# The script marks what is counted: fs.writeSync(2, '@@icount prefill\n') ... fs.writeSync(2, '@@icount token\n').
# COUNT_THREAD=on counts what the thread that writes the marks does, without V8's own threads.
# usage: [NODE_MAJOR=24] [QEMU_CPU=cortex-a76] [COUNT_THREAD=on] tools/arm/tokens.sh SCRIPT.mjs [ARGUMENT...]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
NODE_MAJORS=${NODE_MAJOR:-24} "$here/setup.sh"
"$here/qemu-plugin.sh"
cache=$here/../../.cache/arm/qemu
QEMU=$cache/qemu-aarch64 QEMU_ARGS="-plugin $cache/instructions.so${COUNT_THREAD:+,thread=$COUNT_THREAD}" exec "$here/node-arm64" --random-seed=7 "$@"
