/** Descriptions of the routes, for the API's document. */

export const USER_LIST =
  "Users with an execution in the range (default 30d), ordered by a measure, ties by id.";

export const USER_ACTIVITY =
  "A user is active on a local day with an execution that starts or an event that occurs in " +
  "it. wau and mau: distinct users of the 7 and 30 days that end with the day; stickiness = " +
  "dau / mau. new: first activity ever; returning: also active in the 30 days before; " +
  "resurrected: active before those; new + returning + resurrected = dau. dormant: left the " +
  "month on this day. The range is extended to whole local days. Sessions end after 30 minutes " +
  "without activity. adoption_rate: users of a feature / active users of the range. The " +
  "heatmap counts starts of all executions, also of those without a user.";

export const USER_COHORTS =
  "Users by the day, week or month of their first activity ever. returned: came back in a " +
  "later bucket; still_active: active in the last bucket that has ended. Rates are null until " +
  "the cohort's own bucket has ended.";

export const USER_RETENTION =
  "A cell counts the users of a cohort that were active `offset` buckets after their first " +
  "activity; rate = users / size. A cell whose bucket has not ended is marked `complete: " +
  "false` and has no rate. The curve sums users and sizes over the cohorts whose cell is " +
  "complete.";

export const USER_CHURN =
  "churn_rate = users active in one window of whole local days and not in the next, divided by " +
  "the users active in the first. The last window ends with the last whole day before `to` " +
  "(default: now).";

export const USER_DETAIL =
  "First and last activity (executions and events), and the numbers of the range (default 30d).";
