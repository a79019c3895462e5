/** What the compiler's messages mean, for those who meet AssemblyScript for the first time. */

/** By the code in front of a message: TS and AS numbers are AssemblyScript's own. */
const EXPLANATIONS: Readonly<Record<number, string>> = {
  100: 'AssemblyScript is not all of TypeScript: closures, union types and `any` do not exist here',
  200: 'numbers of different types do not mix: write <i32>x, <f32>x or <usize>x where you mean it',
  201: 'this number does not fit the type it is given to: cast it, or use a wider type',
  204: 'addresses are usize: cast an i32 index with <usize> before adding it to an address',
  206: 'this must be known when compiling: a literal, or a const',
  1002: 'a text literal is not closed',
  1003: 'a name is expected here: look for a missing or superfluous word just before',
  1005: 'something is missing just before this place, most often a bracket, a comma or a semicolon',
  1109: 'an expression is expected here: look at the operator just before',
  1128: 'a bracket is closed once too often, or not at all, above this line',
  2300: 'this name is defined twice',
  2304: 'no such name: is it spelled right, and imported from ../kit/...?',
  2305: 'the file has no such export: its exports are listed at its top',
  2307: 'no such file: a kernel may import only files of lab/kit, as ../kit/NAME',
  2322: 'the types do not fit: cast with <f32>, <i32> or <usize>',
  2339: 'there is no such member: SIMD instructions belong to v128, i8x16, i16x8, i32x4, f32x4',
  2345: 'an argument has another type than the function takes: cast it',
  2355: 'a function that promises a value must return one on every path',
  2365: 'this operator does not take these types: v128 values need instructions such as i32x4.add(a, b), not a + b',
  2451: 'this name is defined twice in the same block',
  2554: 'the number of arguments is not what the function takes',
  2588: 'a const cannot change: use let',
  6054: 'no such file: a kernel may import only files of lab/kit, as ../kit/NAME',
};

/** A plain explanation of a diagnostic, where there is one. */
export function explain(code: number): string | undefined {
  return EXPLANATIONS[code];
}
