import { cutText } from "../lib/text.ts";

const MAX_NAME = 31;
/** Characters that Excel refuses in names, or XML cannot hold. */
const UNSAFE = /[\\/?*[\]:\p{Cc}\uFFFE\uFFFF]/gu;
/** Excel keeps this one for itself. */
const RESERVED = "history";

const key = (name: string) => name.toLowerCase();
const tidy = (name: string) => name.replace(/^['\s]+|['\s]+$/g, "");

/**
 * Names of a workbook's sheets that Excel accepts: 1 to 31 UTF-16 code units, none of \\ / ? * [ ] :,
 * no apostrophe at an end, not "History", and unique without regard to case.
 */
export function sheetNames(titles: readonly string[]): string[] {
  const taken = new Set([RESERVED]);
  return titles.map((title) => {
    const wanted = tidy(title.toWellFormed().replace(UNSAFE, " ")) || "Sheet";
    for (let count = 1; ; count++) {
      const suffix = count === 1 ? "" : ` (${count})`;
      const name = `${tidy(cutText(wanted, MAX_NAME - suffix.length))}${suffix}`;
      if (taken.has(key(name))) continue;
      taken.add(key(name));
      return name;
    }
  });
}
