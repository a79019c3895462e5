// Child processes of an emulated Node must be emulated too: fork() and spawn(process.execPath) would start
// the ARM64 binary directly, which the host cannot run.
process.execPath = process.env.NIBBLE_NODE_WRAPPER || process.execPath;
