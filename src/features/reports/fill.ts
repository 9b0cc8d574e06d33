import { sql } from "drizzle-orm";
import { z } from "zod";
import { cohorts } from "../../analytics/cohorts.ts";
import type { Compared, Row, Values } from "../../analytics/finish.ts";
import { type StepResult, stepsOf } from "../../analytics/funnels/summarize.ts";
import { type FunnelDefinition, travel } from "../../analytics/funnels/travel.ts";
import type { MeasureName } from "../../analytics/measures.ts";
import type { Query } from "../../analytics/plan.ts";
import type { Sign } from "../../analytics/presence.ts";
import { type Answer, type Meta, prepare, together } from "../../analytics/query.ts";
import { type TimeRange, wholeBuckets } from "../../analytics/range.ts";
import { type Cohort, type Mode, matrixOf } from "../../analytics/retention.ts";
import { isMeasure } from "../../analytics/table.ts";
import type { Db } from "../../db/client.ts";
import { inWorkspace } from "../../db/scope.ts";
import { impossible } from "../../lib/errors.ts";
import { type EpochUs, formatInstant } from "../../lib/time.ts";
import type { RunRequest, Section } from "./schema.ts";
import { written } from "./words.ts";

const LINES = 5;
const BARS = 20;
const TABLE_ROWS = 50;

/** A section with its figures, and what they can be checked by. */
export interface Filled {
  type: Section["type"];
  title: string | null;
  /** What gives these figures: the body of POST /metrics/query, or the `path` of a GET. */
  query: Record<string, unknown> | null;
  meta: Meta | null;
  data: FilledData;
}

export type FilledData =
  | { kind: "funnel"; steps: StepResult[] }
  | { kind: "matrix"; granularity: string; mode: Mode; cohorts: Cohort[] }
  | { kind: "text"; paragraphs: string[] }
  | { kind: "tiles"; tiles: { measure: MeasureName; value: unknown; comparison: Compared | null }[] }
  | {
      kind: "series";
      chart: "line" | "area";
      measure: MeasureName;
      buckets: string[];
      series: { name: string | null; values: (number | null)[] }[];
    }
  | { kind: "bars"; measure: MeasureName; bars: { name: string | null; other: boolean; value: unknown }[] }
  | { kind: "heatmap"; measure: MeasureName; cells: { day_of_week: number; hour_of_day: number; value: unknown }[] }
  | { kind: "table"; columns: string[]; rows: Record<string, unknown>[]; totals: Values };

const PLACEHOLDER = /\{\{\s*([a-z0-9_]+)\s*\}\}/g;
const WORDS = ["from", "to", "workspace", "report"];

/** The measures that a text names. @throws AppError impossible for a placeholder that is none */
export function placeholdersOf(text: string, path: string): MeasureName[] {
  const names = [...text.matchAll(PLACEHOLDER)].map((match) => match[1] ?? "");
  const unknown = names.find((name) => !isMeasure(name) && !WORDS.includes(name));
  if (unknown !== undefined) throw impossible(path, "unknown_placeholder", `There is nothing to put in for {{${unknown}}}.`);
  return [...new Set(names.filter(isMeasure))];
}

/** What a section asks, its range aside; undefined for a text without figures. */
function askOf(section: Section): Omit<Query, "timezone"> | undefined {
  switch (section.type) {
    case "text": {
      const measures = placeholdersOf(section.text, "text");
      return measures.length === 0 ? undefined : { measures };
    }
    case "retention":
    case "funnel":
      return undefined;
    case "metrics":
      return { measures: section.measures, compare: "previous_period" };
    case "table":
      return { measures: section.measures, group_by: section.group_by, limit: section.limit ?? TABLE_ROWS };
    case "leaderboard":
      return {
        measures: [...new Set<MeasureName>([section.measure, "executions"])],
        group_by: [section.by],
        order_by: [{ measure: section.measure, direction: section.direction ?? "desc" }],
        limit: section.limit ?? 10,
      };
    case "chart": {
      const { measure, chart, group_by } = section;
      if (chart === "heatmap") return { measures: [measure], group_by: ["day_of_week", "hour_of_day"], limit: 168 };
      if (chart === "bar") return { measures: [measure], group_by: [group_by ?? "agent"], limit: BARS };
      return {
        measures: [measure],
        granularity: section.granularity ?? "day",
        ...(group_by ? { group_by: [group_by], limit: LINES } : {}),
      };
    }
  }
}

const numberOf = (value: unknown) => (value === null || value === undefined ? null : Number(value));

function seriesOf(section: Extract<Section, { type: "chart" }>, rows: readonly Row[]): FilledData {
  const buckets = [...new Set(rows.map((row) => row.bucket ?? ""))];
  const places = new Map(buckets.map((bucket, place) => [bucket, place]));
  const names = new Map<string, { name: string | null; values: (number | null)[] }>();
  for (const { bucket, group, other, values } of rows) {
    if (other) continue;
    const name = section.group_by ? ((group?.[section.group_by] as string | null) ?? null) : section.measure;
    const series = names.get(JSON.stringify(name)) ?? { name, values: buckets.map(() => null) };
    series.values[places.get(bucket ?? "") ?? 0] = numberOf(values[section.measure]);
    names.set(JSON.stringify(name), series);
  }
  const chart = section.chart === "area" ? "area" : "line";
  return { kind: "series", chart, measure: section.measure, buckets, series: [...names.values()] };
}

type Retention = Extract<Section, { type: "retention" }>;
const MAX_OFFSET = 12;

/** Users by their first activity, and when they came back: filters do not apply, for a user's first activity knows none. */
async function retentionOf(
  db: Db,
  workspaceId: string,
  section: Retention,
  { timezone }: RunRequest,
  range: TimeRange,
  nowUs: EpochUs,
): Promise<Filled> {
  const { granularity = "week", mode = "classic", title, type } = section;
  const buckets = wholeBuckets(range, granularity, timezone);
  const sign: Sign = { of: "activity" };
  const [counts] = await together(db, [cohorts(workspaceId, buckets, timezone, sign, sign)]);
  const asked = {
    from: formatInstant(range.from),
    to: formatInstant(range.to),
    timezone,
    granularity,
    mode,
    max_offset: String(MAX_OFFSET),
    workspace_id: workspaceId,
  };
  const data: FilledData = { kind: "matrix", granularity, mode, cohorts: matrixOf(counts, buckets, mode, nowUs, MAX_OFFSET) };
  return { type, title, query: { path: `/api/v1/users/retention?${new URLSearchParams(asked)}` }, meta: counts.meta, data };
}

type Funnel = Extract<Section, { type: "funnel" }>;
const stored = z.object({ definition: z.custom<FunnelDefinition>() });

/** A saved funnel as it is in the snapshot. @throws AppError impossible when it is not there any more */
async function funnelOf(
  db: Db,
  workspaceId: string,
  { funnel_id, title, type }: Funnel,
  { timezone }: RunRequest,
  range: TimeRange,
): Promise<Filled> {
  const [found] = await db.query({
    sql: sql`select f.definition from funnels f where ${inWorkspace(workspaceId, "f")} and f.id = ${funnel_id}`,
    row: stored,
  });
  if (!found) throw impossible("funnel_id", "funnel_missing", `The funnel ${funnel_id} is not there.`);
  const { travellers, meta } = await travel(db, workspaceId, found.definition, range, timezone);
  const names = found.definition.steps.map((step) => step.name);
  const query = {
    path: "/api/v1/funnels/analyze",
    body: { definition: found.definition, from: formatInstant(range.from), to: formatInstant(range.to), timezone },
  };
  return { type, title, query, meta, data: { kind: "funnel", steps: stepsOf(names, travellers) } };
}

function dataOf(section: Exclude<Section, Retention | Funnel>, answer: Answer | undefined, words: Record<string, string>): FilledData {
  const { rows = [], totals = {}, totalsComparison = {} } = answer ?? {};
  switch (section.type) {
    case "text": {
      const text = section.text.replace(PLACEHOLDER, (_, name: string) =>
        isMeasure(name) ? written(name, totals[name] ?? null) : (words[name] ?? ""),
      );
      return { kind: "text", paragraphs: text.split(/\n{2,}/) };
    }
    case "metrics":
      return {
        kind: "tiles",
        tiles: section.measures.map((measure) => ({
          measure,
          value: totals[measure] ?? null,
          comparison: totalsComparison[measure] ?? null,
        })),
      };
    case "table":
      return { kind: "table", columns: [...section.group_by, ...section.measures], rows: rows.map(rowOf), totals };
    case "leaderboard": {
      const ranked = rows.filter((row) => !row.other).map((row, index) => ({ rank: index + 1, ...rowOf(row) }));
      const measures = [...new Set<string>([section.measure, "executions"])];
      return { kind: "table", columns: ["rank", section.by, ...measures], rows: ranked, totals };
    }
    case "chart": {
      const { measure, chart, group_by = "agent" } = section;
      if (chart === "heatmap") {
        const cells = rows
          .filter((row) => !row.other)
          .map(({ group, values }) => ({
            day_of_week: Number(group?.day_of_week),
            hour_of_day: Number(group?.hour_of_day),
            value: values[measure] ?? null,
          }));
        return { kind: "heatmap", measure, cells };
      }
      if (chart !== "bar") return seriesOf(section, rows);
      const bars = rows.map(({ group, other, values }) => ({
        name: (group?.[group_by] as string | null) ?? null,
        other: other ?? false,
        value: values[measure] ?? null,
      }));
      return { kind: "bars", measure, bars };
    }
  }
}

const rowOf = ({ group, other, values }: Row): Record<string, unknown> => ({ ...group, ...(other ? { other: true } : {}), ...values });

/**
 * Fills sections one after the other from one snapshot, each through the kernel.
 * @param nowUs the snapshot's moment: a cohort's cell is complete when its bucket has ended by then
 * @param onSection told before each section: its place and how many there are
 */
export async function fillSections(
  db: Db,
  workspaceId: string,
  request: RunRequest,
  range: TimeRange,
  nowUs: EpochUs,
  onSection: (place: number, section: Section) => Promise<void>,
): Promise<Filled[]> {
  const { timezone, filters } = request;
  const words = { from: request.from, to: request.to, workspace: workspaceId, report: request.name };
  const filled: Filled[] = [];
  for (const [place, section] of request.sections.entries()) {
    await onSection(place, section);
    if (section.type === "retention") {
      filled.push(await retentionOf(db, workspaceId, section, request, range, nowUs));
      continue;
    }
    if (section.type === "funnel") {
      filled.push(await funnelOf(db, workspaceId, section, request, range));
      continue;
    }
    const ask = askOf(section);
    const [answer] = ask ? await together(db, [prepare(workspaceId, { ...ask, ...range, timezone, filters }, range.to)]) : [];
    const query = ask
      ? { ...ask, from: formatInstant(range.from), to: formatInstant(range.to), timezone, ...(filters.length > 0 ? { filters } : {}) }
      : null;
    filled.push({
      type: section.type,
      title: section.title ?? null,
      query,
      meta: answer?.meta ?? null,
      data: dataOf(section, answer, words),
    });
  }
  return filled;
}

/** @throws AppError impossible, with the path, for a section that cannot be asked */
export function checkSections(sections: readonly Section[], filtered: boolean, check: (query: Omit<Query, "timezone">) => void): void {
  for (const [place, section] of sections.entries()) {
    if ((section.type === "retention" || section.type === "funnel") && filtered)
      throw impossible(`sections.${place}`, "not_applicable", `The filters of a report do not apply to a ${section.type}.`);
    if (section.type === "text") placeholdersOf(section.text, `sections.${place}.text`);
    if (section.type === "chart" && section.granularity !== undefined && (section.chart === "bar" || section.chart === "heatmap"))
      throw impossible(`sections.${place}.granularity`, "not_applicable", `A ${section.chart} has no granularity.`);
    if (section.type === "chart" && section.chart === "heatmap" && section.group_by !== undefined)
      throw impossible(`sections.${place}.group_by`, "not_applicable", "A heatmap is grouped by hour and day of the week.");
    const ask = askOf(section);
    if (ask) check(ask);
  }
}
