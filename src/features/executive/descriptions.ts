/** Descriptions of the routes, for the API's document. */

const FIGURES =
  "Each figure has its value, the value of the period before (as many whole local days before " +
  "a range of whole local days; its same elapsed part if the range has not ended), the change, " +
  "and `query`: the question whose answer it is, with its plan. Default 30d.";

const MONEY =
  "cost = credits x credit_price; null, with the reason, without a price. Revenue is not known " +
  "and is null.";

const USERS =
  "users: of whole local days that have ended; the figures of the last day against its " +
  "counterpart in the period before; new, resurrected and dormant add up the days of the " +
  "range, and as many of the period before (see /users/activity).";

export const EXECUTIVE_KPIS = `${FIGURES} ${MONEY}`;

export const EXECUTIVE_OVERVIEW = `${FIGURES} ${USERS} ${MONEY}`;

export const EXECUTIVE_TRENDS =
  "directions: Mann-Kendall and Theil-Sen over the whole local days that have ended. Default " +
  "30d.";

export const EXECUTIVE_DASHBOARD = `${FIGURES} ${MONEY}`;
