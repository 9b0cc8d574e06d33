import type { SQL } from "drizzle-orm";
import type { Field } from "../catalog/dimensions.ts";
import type { GroupOrder, GroupPosition } from "../sql/order.ts";
import type { QueryParts } from "../sql/query-parts.ts";
import type { TimeRange } from "../time/time-range.ts";
import type { RollupChoice } from "./rollup-choice.ts";
import type { SplitRange } from "./split.ts";

/** One local bucket of the compared or the asked range, and what its rows count for. */
export interface TimeSlot extends TimeRange {
  /** Index of the answer's bucket. */
  bucket: number;
  /** 0: the asked range; 1: the one it is compared with. */
  period: 0 | 1;
  hourOfDay: number;
  dayOfWeek: number;
}

export interface GroupColumn {
  name: string;
  kind: Field["kind"];
  /**
   * Text over a raw row or a rollup row that `alias` names, never null; or what the clock says in
   * the row's slot.
   */
  of: ((alias: string) => SQL) | "hours" | "days";
}

/** A query with every name resolved: what the statement is made of. */
export interface QueryPlan extends QueryParts {
  workspaceId: string;
  slots: TimeSlot[];
  source: RollupChoice;
  pieces: SplitRange;
  groups: GroupColumn[];
  /** Whether the answer shall say which source answered each piece. */
  explain: boolean;
  /** Whether a filter or a group tells statuses apart. */
  byStatus: boolean;
  /** Whether the answer has rows beside its totals: buckets or groups. */
  hasRows: boolean;
  /** Predicates over a row of the given alias. */
  filters: ((alias: string, rollup: boolean) => SQL)[];
  /** Whether the totals, and the row of all other groups, are asked for. */
  withTotals: boolean;
  /** The groups that keep their own row; the rest becomes one row. Absent without groups. */
  top:
    | {
        by: GroupOrder[];
        parts: QueryParts;
        limit: number;
        after: GroupPosition | undefined;
        count: boolean;
      }
    | undefined;
}
