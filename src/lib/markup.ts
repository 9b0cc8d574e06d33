/** Characters that XML 1.0 forbids (section 2.2, Char), by code points; HTML calls the same a parse error. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters in question
export const UNWRITABLE_CHARACTERS = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\p{Cs}/gu;

/** Text for markup that knows no escape for such characters: each is shown as U+FFFD. */
export const writableText = (text: string): string =>
  text.replaceAll(UNWRITABLE_CHARACTERS, "\ufffd");
