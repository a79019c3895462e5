/**
 * Python's strftime in the C locale, as chat templates expect it ("26 Jul 2024"): the host's language must not
 * change a prompt. Local time. Unknown directives stay as they are.
 */
const MONTHS = 'January February March April May June July August September October November December'.split(
  ' ',
);
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

const pad = (n: number, width = 2): string => String(n).padStart(width, '0');

function dayOfYear(date: Date): number {
  // UTC, so that a change to summer time in between does not lose a day.
  const day = Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return (day - Date.UTC(date.getFullYear(), 0, 0)) / 86_400_000;
}

const DIRECTIVES: Record<string, (date: Date) => string> = {
  Y: (d) => String(d.getFullYear()),
  y: (d) => pad(d.getFullYear() % 100),
  m: (d) => pad(d.getMonth() + 1),
  B: (d) => MONTHS[d.getMonth()]!,
  b: (d) => MONTHS[d.getMonth()]!.slice(0, 3),
  d: (d) => pad(d.getDate()),
  j: (d) => pad(dayOfYear(d), 3),
  A: (d) => DAYS[d.getDay()]!,
  a: (d) => DAYS[d.getDay()]!.slice(0, 3),
  H: (d) => pad(d.getHours()),
  I: (d) => pad(d.getHours() % 12 || 12),
  p: (d) => (d.getHours() < 12 ? 'AM' : 'PM'),
  M: (d) => pad(d.getMinutes()),
  S: (d) => pad(d.getSeconds()),
  '%': () => '%',
};

/** `%-d`: glibc's form without leading zeros. */
export function strftime(date: Date, format: string): string {
  return format.replace(/%(-?)([A-Za-z%])/g, (whole, dash: string, directive: string) => {
    const text = Object.hasOwn(DIRECTIVES, directive) ? DIRECTIVES[directive]!(date) : undefined;
    if (text === undefined) return whole;
    return dash ? text.replace(/^0+(?=\d)/, '') : text;
  });
}
