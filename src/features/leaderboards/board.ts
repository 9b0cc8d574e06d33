import { prepareQuery } from "../../analytics/ask.ts";
import { OF_SOME_USER } from "../../analytics/catalog/dimensions.ts";
import type { MeasureName } from "../../analytics/catalog/measures.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import { type Query, rangeOfQuery } from "../../analytics/query.ts";
import { type AnswerMeta, combineMeta, comparedSpan } from "../../analytics/result/meta.ts";
import type { MeasureValues } from "../../analytics/result/rows.ts";
import { type ComparedRange, comparedRange } from "../../analytics/time/compared-range.ts";
import type { Context } from "../../context.ts";
import { decodeCursor, paginate } from "../../db/keyset.ts";
import { unprocessable } from "../../lib/errors.ts";
import { type Contender, compareContenders, type RankedContender, rankContenders } from "./rank.ts";
import { basisOf, type ScoreFormula } from "./score.ts";

const MEASURES: MeasureName[] = [
  "executions",
  "successes",
  "success_rate",
  "duration_avg",
  "credits",
  "credits_avg",
  "active_users",
  "active_agents",
];
/** The limit of a board, which is computed whole. */
const MAX_CONTENDERS = 9_000;

export interface BoardEntry extends RankedContender {
  metrics: MeasureValues;
}

export interface Leaderboard {
  entries: BoardEntry[];
  meta: AnswerMeta;
}

interface MeasuredGroup {
  id: string;
  values: MeasureValues;
}

/** Ranks those with enough executions, in both periods by the same rule. */
function boardOf(
  now: readonly MeasuredGroup[],
  before: readonly MeasuredGroup[],
  formula: ScoreFormula,
  least: number,
): BoardEntry[] {
  const values = new Map(now.map((group) => [group.id, group.values]));
  const earlier = new Map(before.map((group) => [group.id, group.values]));
  const contenders = (groups: readonly MeasuredGroup[], past: ReadonlyMap<string, MeasureValues>) =>
    groups
      .filter((group) => Number(group.values.executions) >= least)
      .map(
        ({ id, values: of }): Contender => ({
          id,
          score: formula.of(basisOf(of, past.get(id))),
          volume: Number(of.executions),
        }),
      );
  const previous = formula.inTime ? [] : contenders(before, new Map());
  return rankContenders(contenders(now, earlier), previous).map((each) => ({
    ...each,
    metrics: values.get(each.id) ?? {},
  }));
}

/** The range of the question and the period before it. */
function periods(ctx: Context, base: Omit<Query, "measures">) {
  const { timeframe: _timeframe, from: _from, to: _to, ...rest } = base;
  const now = ctx.nowUs();
  const range = rangeOfQuery(base, now);
  return { rest, range, before: comparedRange(range, "previous_period", base.timezone, now) };
}

const withCompared = (meta: AnswerMeta, before: ComparedRange, timezone: string): AnswerMeta => ({
  ...meta,
  compared: comparedSpan(before, timezone),
});

/**
 * Of a range that has not begun nothing has passed, and the same part of the period before is
 * nothing.
 */
const isEmpty = ({ from, to }: ComparedRange) => from === to;

/** The board of agents or users of one workspace, whole. */
export async function rankGroups(
  ctx: Context,
  workspaceId: string,
  by: "agent" | "user",
  base: Omit<Query, "measures">,
  formula: ScoreFormula,
  least: number,
  explain = false,
): Promise<Leaderboard> {
  const { rest, range, before } = periods(ctx, base);
  const now = ctx.nowUs();
  const measures = MEASURES.filter(
    (name) => name !== (by === "agent" ? "active_agents" : "active_users"),
  );
  const ask = (of: { from: number; to: number }) =>
    prepareQuery(
      workspaceId,
      {
        ...rest,
        ...of,
        filters: [...(rest.filters ?? []), ...(by === "user" ? [OF_SOME_USER] : [])],
        measures,
        group_by: [by],
        limit: MAX_CONTENDERS + 1,
        rowsOnly: true,
      },
      now,
      explain,
    );
  const [current, earlier] = await runInOneSnapshot(ctx.db, [
    ask(range),
    ...(isEmpty(before) ? [] : [ask(before)]),
  ]);
  if (current.rows.length > MAX_CONTENDERS)
    throw unprocessable(
      "query.timeframe",
      "too_many_groups",
      `A board ranks at most ${MAX_CONTENDERS}; request a shorter range.`,
    );
  const groups = (rows: typeof current.rows) =>
    rows.map(({ group, values }) => ({ id: String(group[by]), values }));
  const entries = boardOf(groups(current.rows), groups(earlier?.rows ?? []), formula, least);
  return {
    entries,
    meta: withCompared(
      combineMeta({
        current: current.meta,
        ...(earlier ? { previous: earlier.meta } : {}),
      }),
      before,
      base.timezone,
    ),
  };
}

/** The board of several workspaces: each is read within its own scope, all in one snapshot. */
export async function rankWorkspaces(
  ctx: Context,
  ids: readonly string[],
  base: Omit<Query, "measures">,
  formula: ScoreFormula,
  least: number,
  explain = false,
): Promise<Leaderboard> {
  const { rest, range, before } = periods(ctx, base);
  const now = ctx.nowUs();
  const ask = (id: string, of: { from: number; to: number }) =>
    prepareQuery(id, { ...rest, ...of, measures: MEASURES }, now, explain);
  const answers = await runInOneSnapshot(ctx.db, [
    ...ids.map((id) => ask(id, range)),
    ...(isEmpty(before) ? [] : ids.map((id) => ask(id, before))),
  ]);
  const groups = (offset: number) =>
    ids.map((id, index): MeasuredGroup => ({ id, values: answers[offset + index]?.totals ?? {} }));
  const entries = boardOf(groups(0), groups(ids.length), formula, least);
  const metas = Object.fromEntries(
    answers.map((answer, index) => [
      `${index < ids.length ? "current" : "previous"}:${ids[index % ids.length]}`,
      answer.meta,
    ]),
  );
  return { entries, meta: withCompared(combineMeta(metas), before, base.timezone) };
}

/** A page of a board, by keyset over (score, volume, id). */
export function boardPage(
  { entries }: Leaderboard,
  limit: number,
  cursor: string | undefined,
  total: boolean | undefined,
) {
  let rest = entries;
  if (cursor !== undefined) {
    const [score = "", volume = "", id = ""] = decodeCursor(cursor, 3);
    const last = { score: Number(score), volume: Number(volume), id };
    if (Number.isNaN(last.score) || Number.isNaN(last.volume))
      throw unprocessable(
        "query.cursor",
        "invalid_cursor",
        "This cursor was not given by this list.",
      );
    rest = entries.filter((each) => compareContenders(last, each) < 0);
  }
  const positionOf = ({ score, volume, id }: BoardEntry) => [String(score), String(volume), id];
  const counts = { total: total ? entries.length : undefined };
  const { shown, page } = paginate(rest, limit, positionOf, counts);
  return { data: shown, page };
}
