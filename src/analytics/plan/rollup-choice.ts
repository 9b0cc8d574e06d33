import type { Dimension } from "../catalog/dimensions.ts";
import {
  DAILY_GRAINS,
  HOURLY_GRAINS,
  MINUTELY_GRAINS,
  QUARTERLY_GRAINS,
  type RollupGrain,
} from "../rollups/definition.ts";

export interface RollupChoice {
  daily: RollupGrain | undefined;
  hourly: RollupGrain | undefined;
  /** Of the newest hours, where they are not whole or have a mark. */
  minutely: RollupGrain | undefined;
  /** Undefined where more is asked than numbers of executions. */
  quarterly: RollupGrain | undefined;
}

/** Whether the rollups that answer keep users as sets, and not each in rows of their own. */
export const haveUserSets = ({ daily, hourly }: RollupChoice): boolean =>
  (daily ?? hourly) !== undefined && daily?.grain !== "user";

/**
 * The rollups that can answer for these dimensions.
 * @param needed rollup dimensions of filters and groups; undefined when one of them only exists in
 * raw rows
 * @param countsOnly whether all measures are made of numbers of executions by status
 */
export function chooseRollups(
  needed: readonly Dimension[] | undefined,
  countsOnly: boolean,
): RollupChoice {
  const first = (grains: readonly RollupGrain[]) =>
    needed
      ? grains.find((grain) => needed.every((name) => grain.dimensions.includes(name)))
      : undefined;
  const hourly = first(HOURLY_GRAINS);
  // Hours stand in for quarters on a day with a mark.
  return {
    daily: first(DAILY_GRAINS),
    hourly,
    minutely: first(MINUTELY_GRAINS),
    quarterly: hourly && countsOnly ? first(QUARTERLY_GRAINS) : undefined,
  };
}
