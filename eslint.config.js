import js from '@eslint/js';
import globals from 'globals';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  // AssemblyScript is not TypeScript: asc is its checker.
  {
    ignores: [
      'dist',
      'node_modules',
      'assembly',
      'lab/*',
      '!lab/tool',
      'coverage',
      'test/fixtures',
      'models',
    ],
  },
  js.configs.recommended,
  ...tseslint.configs.strict,
  { languageOptions: { globals: globals.node } },
  {
    files: ['**/*.ts'],
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-non-null-assertion': 'off',
      eqeqeq: 'error',
      'prefer-const': 'error',
    },
  },
  {
    // Imports point one way: the engine and what lies below it run in any JavaScript host.
    files: ['src/engine/**', 'src/kernels/**', 'src/gguf/**', 'src/tokenizer/**', 'src/chat/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ group: ['node:*'], message: 'Node modules belong in src/platform/node.' }] },
      ],
    },
  },
);
