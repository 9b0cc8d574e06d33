import { journeyInAnyOrder } from "./any-order.ts";
import { journeyInOrder } from "./in-order.ts";
import type { UserOccurrences } from "./occurrences.ts";
import type { FunnelRules, StepTally, UserJourney } from "./rules.ts";

/**
 * How far a user came, or undefined for one who never began in the range. The work grows with the number of moments, not with its
 * square.
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
