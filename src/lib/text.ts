const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Characters as a reader counts them. */
export const lettersOf = (text: string): string[] =>
  Array.from(graphemes.segment(text), ({ segment }) => segment);

/**
 * The begin of a text, cut between characters as a reader sees them: no half of a surrogate pair,
 * no letter without its accent.
 * @param most UTF-16 code units
 */
export function cutText(text: string, most: number): string {
  if (text.length <= most) return text;
  // Where a character begins is decided by what is before it, and by itself.
  const begin = text.slice(0, most + 2);
  const { index = most } = graphemes.segment(begin).containing(most) ?? {};
  if (index > 0) return text.slice(0, index);
  // One character that is longer than all that may be: between its code points.
  const isLow = (text.charCodeAt(most) & 0xfc00) === 0xdc00;
  return text.slice(0, isLow && most > 0 ? most - 1 : most);
}

/**
 * A name for a file: letters, marks and digits of any script, everything else as one dash.
 * @param most UTF-16 code units
 */
export const fileName = (text: string, most = 80): string =>
  cutText(text.toWellFormed().replace(/[^\p{L}\p{M}\p{N}]+/gu, "-"), most);
