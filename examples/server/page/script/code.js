/* Finding the code in what a person types or pastes. Nothing here touches the document, so Node tests it. */

/** Invisible characters: zero-width spaces, direction marks, soft hyphens. */
const INVISIBLE = /\p{Cf}/gu;
/** What people and mailers put between the digits of a code. */
const SEPARATOR = '[ \\t_‐‑‒–—−-]';

/** The text with every decimal digit, of whatever script, as an ASCII digit. */
function plain(text) {
  const value = (digit) => {
    // Unicode gives the ten digits of a script consecutive code points.
    let offset = 0;
    const point = digit.codePointAt(0);
    while (offset < 9 && /^\p{Nd}$/u.test(String.fromCodePoint(point - offset - 1))) offset += 1;
    return String(offset);
  };
  return text.replace(INVISIBLE, '').normalize('NFKC').replace(/\p{Nd}/gu, (digit) => (digit < '0' || digit > '9' ? value(digit) : digit));
}

/** Codes come in groups of the same size, give or take one. Dates do not: 4-2-2, 2-2-4. */
const even = (parts) => Math.max(...parts.map((part) => part.length)) - Math.min(...parts.map((part) => part.length)) <= 1;

const only = (found) => (new Set(found).size === 1 ? found[0] : null);

/**
 * The one code of exactly `digits` digits in a text, or null if there is none or more than one. A run of digits counts
 * before one in groups (`498 923`, `498-923`), so a date beside the code is no part of it.
 */
export function codeIn(text, digits) {
  const clean = plain(text);
  const runs = (clean.match(/\d+/g) || []).filter((run) => run.length === digits);
  if (runs.length) return only(runs);
  // All separators of a group are the same: in `2026-11-25 498 923` the code is the second group.
  const groups = [...clean.matchAll(new RegExp(`\\d+(?:(${SEPARATOR})\\d+(?:\\1\\d+)*)?`, 'g'))];
  return only(groups.map(([group]) => group.match(/\d+/g)).filter(even).map((parts) => parts.join('')).filter((group) => group.length === digits));
}

/** The digits of a text that is nothing but a part of a code, or null if there is more in it. */
export function digitsIn(text) {
  const clean = plain(text).trim();
  return new RegExp(`^(?:\\d|${SEPARATOR})*$`).test(clean) ? clean.replace(/\D/g, '') : null;
}

/** How many digits a code has while its account is guessed at, and one that proves an address. */
export const LONG_DIGITS = 20;

/** The digits of a code as they are read: a long code in groups of four. */
export const grouped = (code, digits) => (digits > 9 ? code.replace(/.{4}(?=.)/g, '$& ') : code);

/** The digits of a text, whatever is around them: what is kept of single keystrokes. */
export const digitsOf = (text) => plain(text).replace(/\D/g, '');
