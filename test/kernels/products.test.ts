import { describe } from 'vitest';
import { VARIANTS, useCompiler } from './machine.ts';
import { productTests } from './products-suite.ts';

useCompiler('optimizing');
describe.each(VARIANTS)('%s, optimized: products', productTests);
