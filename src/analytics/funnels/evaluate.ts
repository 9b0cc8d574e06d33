import { journeyInAnyOrder } from "./any-order.ts";
import { journeyInOrder } from "./in-order.ts";
import type { FunnelRules, StepTally, UserJourney } from "./rules.ts";
import type { UserOccurrences } from "./unpack.ts";

/**
 * The journey of a user. The work grows with the number of occurrences, not with its square.
 * @returns undefined if the user did not begin in the range
 */
export function journeyOf(
  user: UserOccurrences,
  rules: FunnelRules,
  tally: StepTally = { steps: 0 },
): UserJourney | undefined {
  return rules.order === "any"
    ? journeyInAnyOrder(user, rules, tally)
    : journeyInOrder(user, rules, tally);
}
