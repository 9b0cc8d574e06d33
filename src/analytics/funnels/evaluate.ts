import { journeyInAnyOrder } from "./any-order.ts";
import { journeyInOrder } from "./in-order.ts";
import type { Moments } from "./occurrences.ts";
import type { Journey, Rules, Tally } from "./rules.ts";

/**
 * How far a user came, or undefined for one who never began in the range. The work grows with the number of moments, not with its
 * square.
 */
export function journeyOf(
  user: Moments,
  rules: Rules,
  tally: Tally = { steps: 0 },
): Journey | undefined {
  return rules.order === "any"
    ? journeyInAnyOrder(user, rules, tally)
    : journeyInOrder(user, rules, tally);
}
