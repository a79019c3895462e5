// Not a Node that runs our script: ends without a word.
process.exitCode = 3;
