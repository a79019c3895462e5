/**
 * Expressions of `tokenizer.json` (Oniguruma's dialect) as JavaScript's: what pre-tokenizers use of it. They are
 * only run on short probes, yet come from outside, so those that could take exponential time are refused.
 */

/** Letters of a group that ignores case, and the shorthands that mean something else in JavaScript. */
const SHORTHANDS: Readonly<Record<string, string>> = {
  s: '\\p{White_Space}',
  S: '\\P{White_Space}',
  d: '\\p{Nd}',
  D: '\\P{Nd}',
  h: '[0-9A-Fa-f]',
};
const WORD = '\\p{L}\\p{M}\\p{N}\\p{Pc}';
/** What the `u` flag lets stand after a backslash: syntax, and letters that both dialects read alike. */
const ESCAPABLE = /[\^$\\.*+?()[\]{}|/bBnrtfvwupPx0-9-]/;
const MAX_LENGTH = 10_000;

/** The same expression for JavaScript, or undefined where it uses more than is known here. */
export function translateRegex(source: string): RegExp | undefined {
  if (source.length > MAX_LENGTH || mayExplode(source)) return undefined;
  let out = '';
  let inClass = false;
  /** Depth of groups, and the depths at which case begins to be ignored. */
  let depth = 0;
  const ignoring: number[] = [];
  for (let i = 0; i < source.length; i++) {
    const char = source[i]!;
    if (char === '\\') {
      const next = source[++i] ?? '';
      if (next === 'p' || next === 'P') {
        const name = /^\{\^?(\w+)\}/.exec(source.slice(i + 1));
        if (!name) return undefined;
        out += `\\${next}${propertyOf(name[1]!)}`;
        i += name[0].length;
      } else if (next === 'w' || next === 'W') {
        if (inClass && next === 'W') return undefined;
        out += inClass ? WORD : `[${next === 'W' ? '^' : ''}${WORD}]`;
      } else if (SHORTHANDS[next] !== undefined) {
        out += SHORTHANDS[next];
      } else {
        out += ESCAPABLE.test(next) ? `\\${next}` : next;
      }
    } else if (inClass) {
      // Set operations and classes within classes are not known to the u flag.
      if (char === '[' || source.startsWith('&&', i)) return undefined;
      if (char === ']') inClass = false;
      out += bothCases(char, ignoring.length > 0 && char !== ']', true);
    } else if (char === '[') {
      inClass = true;
      out += char;
    } else if (source.startsWith('(?i:', i)) {
      ignoring.push(++depth);
      out += '(?:';
      i += 3;
    } else if (char === '(') {
      depth++;
      out += char;
    } else if (char === ')') {
      if (ignoring.at(-1) === depth) ignoring.pop();
      depth--;
      out += char;
    } else if (char === '+' && /(?:^|[^\\])(?:[?*+]|\{\d+(?:,\d*)?\})$/.test(out)) {
      // Possessive: never gives back. Greedy instead; whether that splits alike is what the probes find out.
    } else {
      out += bothCases(char, ignoring.length > 0, false);
    }
  }
  try {
    return new RegExp(out, 'gu');
  } catch {
    return undefined;
  }
}

function propertyOf(name: string): string {
  return /^(?:Han|Hiragana|Katakana|Hangul|Latin|Greek|Cyrillic|Arabic|Thai|Lao)$/.test(name)
    ? `{Script=${name}}`
    : `{${name}}`;
}

function bothCases(char: string, ignoreCase: boolean, inClass: boolean): string {
  if (!ignoreCase || !/[a-zA-Z]/.test(char)) return char;
  const both = char.toLowerCase() + char.toUpperCase();
  return inClass ? both : `[${both}]`;
}

/** A repeated group that itself repeats or branches: each adds a way to read the same text. */
function mayExplode(source: string): boolean {
  const plain = source.replace(/\\./gs, 'a').replace(/\[[^\]]*\]/g, 'a');
  const innermost = /\((?:\?(?:i?:|[=!]|<[=!]))?([^()]*)\)(\*|\+|\{\d+,\d*\})?/;
  let rest = plain;
  for (let group = innermost.exec(rest); group !== null; group = innermost.exec(rest)) {
    const [whole, body, repeat] = group;
    if (repeat !== undefined && /[*+?|]|\{\d+,/.test(body!)) return true;
    // What the group holds counts for the groups around it.
    const kept = /[*+]|\{\d+,/.test(whole) ? 'a+' : /[|?]/.test(body!) ? 'a?' : 'a';
    rest = rest.slice(0, group.index) + kept + rest.slice(group.index + whole.length);
  }
  return false;
}
