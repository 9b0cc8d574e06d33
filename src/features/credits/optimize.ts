import type { AnswerRow, MeasureValues } from "../../analytics/result/rows.ts";
import { twoProportions } from "../../analytics/statistics/significance.ts";
import { fromMicros, toMicros } from "../../lib/decimal.ts";
import type { MoneyAmount } from "../../store/workspaces.ts";

export interface CreditOptimization {
  kind: "failed_runs" | "cheaper_model";
  title: string;
  text: string;
  saving: { credits: string; cost: MoneyAmount; assumption: string };
  evidence: Record<string, number | string | null>;
}

const MIN_RUNS = 20;
/** Share of an agent's credits on runs that do not succeed, from which on it is worth a word. */
const WASTE = 0.05;

const number = (value: unknown) => Number(value ?? 0);
const credits = (values: MeasureValues) => toMicros(String(values.credits ?? "0"));
const ended = (values: MeasureValues) =>
  number(values.successes) +
  number(values.failures) +
  number(values.timeouts) +
  number(values.cancellations);

/**
 * Agents whose failed and timed out runs take a part of the credits.
 * @param rows by agent and status
 */
function failedRuns(
  rows: readonly AnswerRow[],
  cost: (credits: string) => MoneyAmount,
): CreditOptimization[] {
  const agents = new Map<string, { all: bigint; lost: bigint; runs: number; failed: number }>();
  for (const { group, values } of rows) {
    const id = String(group.agent);
    const sums = agents.get(id) ?? { all: 0n, lost: 0n, runs: 0, failed: 0 };
    sums.all += credits(values);
    sums.runs += number(values.executions);
    if (group.status === "failure" || group.status === "timeout") {
      sums.lost += credits(values);
      sums.failed += number(values.executions);
    }
    agents.set(id, sums);
  }
  return [...agents].flatMap(([id, { all, lost, runs, failed }]): CreditOptimization[] => {
    if (runs < MIN_RUNS || all === 0n || Number(lost) / Number(all) < WASTE) return [];
    const share = Number(lost) / Number(all);
    const saved = fromMicros(lost);
    return [
      {
        kind: "failed_runs",
        title: `Runs of ${id} that fail take ${Math.round(share * 1000) / 10} % of its credits`,
        text: `${failed} of ${runs} runs ended in failure or timeout and took ${saved} credits.`,
        saving: {
          credits: saved,
          cost: cost(saved),
          assumption:
            "if none of these runs failed, or each was stopped before it cost anything: an upper bound",
        },
        evidence: {
          agent: id,
          executions: runs,
          failed,
          credits: fromMicros(all),
          credits_lost: saved,
          share,
        },
      },
    ];
  });
}

/**
 * Agents that use a model for which another one of theirs costs at most half a run, and does not
 * fail more beyond chance.
 */
function cheaperModels(
  rows: readonly AnswerRow[],
  cost: (credits: string) => MoneyAmount,
): CreditOptimization[] {
  const agents = new Map<string, { model: string; values: MeasureValues }[]>();
  for (const { group, values } of rows) {
    if (group.model === null || ended(values) < MIN_RUNS) continue;
    const list = agents.get(String(group.agent)) ?? [];
    list.push({ model: String(group.model), values });
    agents.set(String(group.agent), list);
  }
  return [...agents].flatMap(([id, models]): CreditOptimization[] => {
    const price = ({ values }: { values: MeasureValues }) => number(values.credits_avg);
    const [cheapest, ...dearer] = [...models].sort((a, b) => price(a) - price(b));
    if (!cheapest || price(cheapest) === 0) return [];
    return dearer.flatMap((dear): CreditOptimization[] => {
      const share = ({ values }: { values: MeasureValues }) => ({
        hits: number(values.successes),
        of: ended(values),
      });
      const test = twoProportions(share(cheapest), share(dear));
      const worse = test.significant === true && (test.z ?? 0) < 0;
      if (price(cheapest) * 2 > price(dear) || !test.tested || worse) return [];
      const instead =
        toMicros(String(cheapest.values.credits_avg)) * BigInt(number(dear.values.executions));
      const saved = fromMicros(credits(dear.values) - instead);
      return [
        {
          kind: "cheaper_model",
          title: `${id}: ${cheapest.model} instead of ${dear.model}`,
          text: `A run takes ${dear.values.credits_avg} credits on ${dear.model} and ${cheapest.values.credits_avg} on ${cheapest.model}, which does not succeed less often beyond chance (p = ${test.p_value?.toPrecision(2)}).`,
          saving: {
            credits: saved,
            cost: cost(saved),
            assumption: `if the same runs had cost what runs on ${cheapest.model} do`,
          },
          evidence: {
            agent: id,
            model: dear.model,
            executions: number(dear.values.executions),
            credits_avg: String(dear.values.credits_avg),
            success_rate: number(dear.values.success_rate),
            cheaper_model: cheapest.model,
            cheaper_executions: number(cheapest.values.executions),
            cheaper_credits_avg: String(cheapest.values.credits_avg),
            cheaper_success_rate: number(cheapest.values.success_rate),
            p_value: test.p_value,
          },
        },
      ];
    });
  });
}

/**
 * Possible savings, the largest first.
 * @param byStatus rows by agent and status
 * @param byModel rows by agent and model
 */
export function creditOptimizations(
  byStatus: readonly AnswerRow[],
  byModel: readonly AnswerRow[],
  cost: (credits: string) => MoneyAmount,
): CreditOptimization[] {
  const all = [...failedRuns(byStatus, cost), ...cheaperModels(byModel, cost)];
  return all.sort(
    (a, b) =>
      Number(toMicros(b.saving.credits) - toMicros(a.saving.credits)) ||
      a.title.localeCompare(b.title),
  );
}
