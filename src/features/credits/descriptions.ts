/** Descriptions of the routes, for the API's document. */

export const CREDIT_CONSUMPTION =
  "Sums are exact decimals (default 30d). cost = credits x the workspace's credit_price, " +
  "rounded to 6 places; null, with the reason, without a price. not_successful: credits of " +
  "runs that ended in failure, timeout or cancellation.";

export const CREDIT_BREAKDOWN =
  "The groups with the most credits and one row `other`, so that they add up (default 30d). " +
  "share: of the total.";

export const CREDIT_BURN =
  "Credits of whole local days: the last 7 and the last 30, and their mean per day; " +
  "change_ratio: the last 7 days against the 7 before; direction: Mann-Kendall over the 30 " +
  "days. Today is separate and covers the time until now.";

export const CREDIT_BUDGETS =
  "For each budget the current day, week (from Monday) or month in the workspace's zone: " +
  "spent, remaining, and the marks at 50, 75, 90 and 100 % with the local hour in which each " +
  "was reached.";

export const SET_BUDGETS = "Replaces all budgets; a period that is not named has no budget then.";

export const CREDIT_OPTIMIZATIONS =
  "Agents whose failed runs take at least 5 % of their credits, and models for which another " +
  "model of the same agent costs at most half a run and does not succeed less often beyond " +
  "chance (two-proportion z-test), from 20 runs on (default 30d). Each has its evidence and " +
  "the assumption behind its saving.";
