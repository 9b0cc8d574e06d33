import type { Answer } from "../../analytics/ask.ts";
import type { MeasureValue } from "../../analytics/catalog/measure.ts";
import { type MeasureName, measureOf } from "../../analytics/catalog/measures.ts";
import type { ComparedValue } from "../../analytics/result/compare.ts";
import { costOf } from "../../lib/decimal.ts";
import { formatInstant } from "../../lib/time.ts";
import { type MoneyAmount, NO_PRICE, type WorkspaceSettings } from "../../store/workspaces.ts";

export interface KeyFigure {
  value: MeasureValue;
  previous: MeasureValue;
  change: MeasureValue;
  change_ratio: number | null;
  direction: ComparedValue["direction"];
  good: "up" | "down" | null;
  /** The question whose answer is this figure, with its plan. */
  query: string;
}

export const KPI_MEASURES: MeasureName[] = [
  "executions",
  "success_rate",
  "failure_rate",
  "timeouts",
  "errors",
  "active_users",
  "active_agents",
  "duration_avg",
  "duration_p95",
  "credits",
  "credits_avg",
  "tokens_in",
  "tokens_out",
];

/** The link that explains a figure: the same range, zone and comparison, with the plan. */
export function explainingQuery(
  workspaceId: string,
  names: readonly string[],
  range: { from: number; to: number },
  timezone: string,
): string {
  const params = new URLSearchParams({
    workspace_id: workspaceId,
    measures: names.join(","),
    from: formatInstant(range.from),
    to: formatInstant(range.to),
    timezone,
    compare: "previous_period",
    explain: "true",
  });
  return `/api/v1/metrics/comparison?${params}`;
}

/** Each measure with its change and the question that explains it. */
export function figuresOf(
  { totals, totalsComparison = {} }: Answer,
  linkOf: (name: MeasureName) => string,
): Record<string, KeyFigure> {
  return Object.fromEntries(
    KPI_MEASURES.map((name): [string, KeyFigure] => {
      const {
        previous = null,
        change = null,
        change_ratio = null,
        direction = null,
      } = totalsComparison[name] ?? {};
      return [
        name,
        {
          value: totals[name] ?? null,
          previous,
          change,
          change_ratio,
          direction,
          good: measureOf(name).good,
          query: linkOf(name),
        },
      ];
    }),
  );
}

/** The cost of the credits. Revenue is not known here, and nothing stands in for it. */
export function moneyOf(
  { totals, totalsComparison = {} }: Answer,
  { credit_price: price, currency }: WorkspaceSettings,
  query: string,
) {
  const costs = (credits: MeasureValue) =>
    price === null ? null : costOf(String(credits ?? "0"), price);
  const { previous = null, change_ratio = null } = totalsComparison.credits ?? {};
  const money: MoneyAmount = {
    amount: costs(totals.credits ?? "0"),
    currency: price === null ? null : currency,
    reason: price === null ? NO_PRICE : null,
  };
  const revenue: MoneyAmount = {
    amount: null,
    currency: null,
    reason: "Executions and events say nothing of prices that customers pay.",
  };
  return {
    cost: {
      ...money,
      previous_amount: costs(previous),
      change_ratio: price === null ? null : change_ratio,
      query,
    },
    revenue,
  };
}
