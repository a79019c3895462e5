// Tries to load every file named on the command line, prints the errors as JSON, and must then end by itself.
import { loadModelFile } from '../../../dist/src/platform/node/load-model.js';

const results = [];
for (const path of process.argv.slice(2)) {
  const result = await loadModelFile(path, { threads: 2, variant: 'simd' }).then(
    async (model) => {
      await model.dispose();
      return { loaded: true };
    },
    (error) => ({ name: error.name, code: error.code, message: error.message }),
  );
  results.push(result);
}
process.stdout.write(JSON.stringify(results));
