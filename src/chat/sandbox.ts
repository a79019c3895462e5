/**
 * Runs a Jinja template that came out of a downloaded file. @huggingface/jinja interprets a syntax tree over its
 * own value types: a template reaches no JavaScript object, no prototype and no global, only what is passed in.
 * What is left to fear is work without end, so every evaluated node is counted here, and sizes are watched:
 *
 * - steps and wall-clock time, against nested loops;
 * - the length of one string or list and of all that filters and calls return, against doubling (`a ~ a`);
 * - the length of `range()`;
 * - depth, against macros that call themselves (the parser's own recursion ends as a RangeError, which is caught).
 *
 * Not covered: the memory of one single filter call (`indent(10 ** 9)` may take some hundred MB until V8's limit
 * on the length of a string), and one parse of the source (its length is limited).
 */
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';

export const TEMPLATE_LIMITS = {
  sourceChars: 1 << 19,
  /** Spaces and line breaks in a row, in the source: the library's lexer takes quadratic time over them. */
  blanks: 1000,
  steps: 5_000_000,
  /** Nodes within nodes, macro calls included. */
  depth: 400,
  milliseconds: 2_000,
  /** Of one string. */
  stringChars: 1 << 25,
  /** Of one list. */
  listItems: 1 << 20,
  /** Characters and list items that filters and calls return, together. */
  produced: 1 << 28,
  rangeItems: 100_000,
} as const;

/** The template called raise_exception: it refuses these messages, as opposed to being broken. */
export class TemplateRefusal extends Error {}

/** The template went beyond TEMPLATE_LIMITS. */
export class TemplateLimit extends Error {}

// The library's type declarations do not resolve under NodeNext (they import without extensions): this is the
// part of them that is used here.
interface Node {
  type: string;
}
interface Scope {
  set(name: string, value: unknown): unknown;
}
interface JinjaInterpreter {
  run(program: Node): { value: unknown };
  evaluate(statement: Node | undefined, scope: Scope): { value: unknown };
}
const BaseInterpreter = Interpreter as unknown as new (scope: Scope) => JinjaInterpreter;
const RootScope = Environment as unknown as new () => Scope;

class LimitedInterpreter extends BaseInterpreter {
  #steps = 0;
  #depth = 0;
  #produced = 0;
  readonly #deadline = performance.now() + TEMPLATE_LIMITS.milliseconds;

  override evaluate(statement: Node | undefined, scope: Scope): { value: unknown } {
    if (++this.#steps > TEMPLATE_LIMITS.steps) throw new TemplateLimit('it does not come to an end');
    if (this.#steps % 64 === 0 && performance.now() > this.#deadline) {
      throw new TemplateLimit(`it takes longer than ${TEMPLATE_LIMITS.milliseconds / 1000} s`);
    }
    const result = this.#deeper(statement, scope);
    const { value } = result;
    if (typeof value === 'string' || Array.isArray(value)) {
      const limit = typeof value === 'string' ? TEMPLATE_LIMITS.stringChars : TEMPLATE_LIMITS.listItems;
      if (value.length > limit) throw new TemplateLimit('it makes a text or list that is too long');
      // Concatenation shares memory with its operands, and reading a variable costs none: these two copy.
      if (statement?.type === 'FilterExpression' || statement?.type === 'CallExpression') {
        this.#produced += value.length;
        if (this.#produced > TEMPLATE_LIMITS.produced) throw new TemplateLimit('it makes too much text');
      }
    }
    return result;
  }

  // Counted rather than left to the stack: the library takes a RangeError inside a look-up for "undefined".
  #deeper(statement: Node | undefined, scope: Scope): { value: unknown } {
    if (++this.#depth > TEMPLATE_LIMITS.depth) throw new TemplateLimit('it is nested too deeply');
    try {
      return super.evaluate(statement, scope);
    } finally {
      this.#depth--;
    }
  }
}

function range(...args: number[]): number[] {
  const [start, stop] = args.length > 1 ? [args[0]!, args[1]!] : [0, args[0] ?? 0];
  const step = args[2] ?? 1;
  if (![start, stop, step].every(Number.isInteger) || step === 0) {
    throw new Error('range() takes integers, and a step other than 0');
  }
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (length > TEMPLATE_LIMITS.rangeItems) {
    throw new TemplateLimit(`range() is limited to ${TEMPLATE_LIMITS.rangeItems} numbers`);
  }
  return Array.from({ length }, (_, i) => start + i * step);
}

/** @throws whatever the library throws on a syntax error; TemplateLimit on an overlong source */
export function parseTemplate(source: string): Node {
  if (source.length > TEMPLATE_LIMITS.sourceChars) throw new TemplateLimit('its source is too long');
  for (const [run] of source.matchAll(/\s+/g)) {
    if (run.length > TEMPLATE_LIMITS.blanks) throw new TemplateLimit('it has too many blanks in a row');
  }
  // As transformers and llama.cpp set up Jinja for chat templates.
  return parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true })) as Node;
}

/**
 * @param functions what the template may call besides range and raise_exception
 * @param variables plain data; a name of a global hides it
 * @throws TemplateRefusal, TemplateLimit, or an Error of the library
 */
export function runTemplate(
  program: Node,
  functions: Record<string, (...args: never[]) => unknown>,
  variables: Record<string, unknown>,
): string {
  const globals: Record<string, unknown> = {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    range,
    raise_exception: (message: unknown) => {
      throw new TemplateRefusal(String(message));
    },
    ...functions,
    ...variables,
  };
  const scope = new RootScope();
  for (const [name, value] of Object.entries(globals)) {
    // `namespace` is there from the start and cannot be declared again.
    if (name !== 'namespace') scope.set(name, value);
  }
  return String(new LimitedInterpreter(scope).run(program).value);
}
