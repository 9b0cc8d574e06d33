/** Descriptions of the routes, for the API's document. */

const HEALTH =
  "health: the weighted mean of reliability (0.30), activity (0.25), engagement (0.25) and " +
  "efficiency (0.20), each with its value, weight and how it is computed; a part without data " +
  "is left out.";

const PER_DAY =
  "credits_per_day: over the time of the range that has passed, in days of 24 hours, at least " +
  "one. members: of the whole local days that the range touches.";

export const WORKSPACE_OVERVIEW = `Default 30d. ${HEALTH}`;

export const WORKSPACE_ANALYTICS = `Default 30d, one snapshot. ${HEALTH} ${PER_DAY}`;

export const WORKSPACE_AGENTS = "Agents with an execution in the range (default 30d).";

export const WORKSPACE_SETTINGS =
  "Fields that are left out stay as they are; null removes a setting. timezone is the zone of " +
  "budgets, and of every question, export, report and schedule that names none; credit_price " +
  "is the price of one credit.";
