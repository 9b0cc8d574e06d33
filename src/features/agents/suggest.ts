import type { ErrorGroup } from "../../analytics/errors/error-groups.ts";
import type { MeasureValues } from "../../analytics/result/rows.ts";
import { twoProportions } from "../../analytics/statistics/significance.ts";

export interface AgentSuggestion {
  kind: "reliability" | "latency" | "cost" | "errors";
  title: string;
  text: string;
  /** The numbers behind the text. */
  evidence: Record<string, number | string | null>;
}

interface SuggestionBasis {
  agent: MeasureValues;
  workspace: MeasureValues;
  previous: MeasureValues;
  models: { model: string | null; values: MeasureValues }[];
  errors: readonly ErrorGroup[];
}

const number = (value: unknown) => Number(value ?? 0);
const endedRuns = (values: MeasureValues) =>
  number(values.successes) +
  number(values.failures) +
  number(values.timeouts) +
  number(values.cancellations);
const percent = (share: number) => `${Math.round(share * 1000) / 10} %`;
/** A difference between fewer runs is not reported. */
const MIN_RUNS = 20;

function reliability({ agent, workspace }: SuggestionBasis): AgentSuggestion[] {
  const others = {
    hits: number(workspace.successes) - number(agent.successes),
    of: endedRuns(workspace) - endedRuns(agent),
  };
  const own = { hits: number(agent.successes), of: endedRuns(agent) };
  const test = twoProportions(own, others);
  if (own.of < MIN_RUNS || !test.significant || own.hits / own.of >= others.hits / others.of)
    return [];
  const ownRate = own.hits / own.of;
  const othersRate = others.hits / others.of;
  return [
    {
      kind: "reliability",
      title: "It fails more often than the other agents",
      text: `${percent(ownRate)} of ${own.of} ended runs succeed, against ${percent(othersRate)} of ${others.of} runs of the other agents: more than chance.`,
      evidence: {
        success_rate: ownRate,
        ended: own.of,
        others_success_rate: othersRate,
        others_ended: others.of,
        z: test.z,
        p_value: test.p_value,
      },
    },
  ];
}

function latency({ agent, previous }: SuggestionBasis): AgentSuggestion[] {
  const now = agent.duration_p95;
  const before = previous.duration_p95;
  const isTested = Math.min(endedRuns(previous), endedRuns(agent)) >= MIN_RUNS;
  if (typeof now !== "number" || typeof before !== "number") return [];
  if (!isTested || now < before * 1.5) return [];
  return [
    {
      kind: "latency",
      title: "It has become slower",
      text: `95 % of the runs ended within ${Math.round(now)} ms; in the period before within ${Math.round(before)} ms.`,
      evidence: {
        duration_p95: now,
        previous_duration_p95: before,
        executions: number(agent.executions),
        previous_executions: number(previous.executions),
      },
    },
  ];
}

/** A model whose runs cost at least twice those of another one that succeeds as often. */
function cost({ models }: SuggestionBasis): AgentSuggestion[] {
  const used = models.filter(
    ({ model, values }) =>
      model !== null && endedRuns(values) >= MIN_RUNS && values.credits_avg !== null,
  );
  const dearest = [...used].sort(
    (a, b) => number(b.values.credits_avg) - number(a.values.credits_avg),
  )[0];
  if (!dearest) return [];
  const share = ({ values }: (typeof used)[number]) => ({
    hits: number(values.successes),
    of: endedRuns(values),
  });
  const cheaper = used.find((each) => {
    const worse = twoProportions(share(each), share(dearest));
    const lower = share(each).hits / share(each).of < share(dearest).hits / share(dearest).of;
    return (
      number(each.values.credits_avg) * 2 <= number(dearest.values.credits_avg) &&
      worse.tested &&
      !(worse.significant && lower)
    );
  });
  if (!cheaper) return [];
  return [
    {
      kind: "cost",
      title: "A cheaper model does as well",
      text: `A run on ${dearest.model} takes ${dearest.values.credits_avg} credits, on ${cheaper.model} ${cheaper.values.credits_avg}; its success rate is not lower beyond chance.`,
      evidence: {
        model: dearest.model,
        credits_avg: String(dearest.values.credits_avg),
        executions: number(dearest.values.executions),
        cheaper_model: cheaper.model,
        cheaper_credits_avg: String(cheaper.values.credits_avg),
        cheaper_executions: number(cheaper.values.executions),
        success_rate: number(dearest.values.success_rate),
        cheaper_success_rate: number(cheaper.values.success_rate),
      },
    },
  ];
}

function errors({ agent, errors: groups }: SuggestionBasis): AgentSuggestion[] {
  const [first] = groups;
  const ended = endedRuns(agent);
  if (!first || ended < MIN_RUNS) return [];
  if (first.share < 0.3 || first.executions / ended < 0.02) return [];
  return [
    {
      kind: "errors",
      title: "One error stands for much of what fails",
      text: `${first.error_type} is ${percent(first.share)} of all errors (${first.executions} runs, ${first.credits_lost} credits).`,
      evidence: {
        error_id: first.id,
        share: first.share,
        executions: first.executions,
        credits_lost: first.credits_lost,
      },
    },
  ];
}

/** Suggestions about an agent, each with the numbers that support it. */
export function agentSuggestions(basis: SuggestionBasis): AgentSuggestion[] {
  return [...reliability(basis), ...latency(basis), ...cost(basis), ...errors(basis)];
}
