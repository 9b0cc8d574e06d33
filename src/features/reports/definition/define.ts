import { planQuery } from "../../../analytics/plan/plan.ts";
import { type Query, rangeOfQuery } from "../../../analytics/query.ts";
import { namedRange } from "../../../analytics/time/calendar-ranges.ts";
import { wholeBuckets } from "../../../analytics/time/range.ts";
import type { TimeRange } from "../../../analytics/time/time-range.ts";
import { checkCells } from "../../../analytics/users/retention.ts";
import type { Context } from "../../../context.ts";
import { AppError, unprocessable } from "../../../lib/errors.ts";
import { type EpochUs, formatInstant } from "../../../lib/time.ts";
import { findFunnel } from "../../../store/funnels.ts";
import { zoneIn } from "../../../store/workspaces.ts";
import type { StoredRunRequest } from "../runs/schema.ts";
import { checkReportSize } from "./points.ts";
import type { StoredReport } from "./queries.ts";
import { recipientsOf } from "./recipients.ts";
import type { ReportDefinition, ReportInput } from "./schema.ts";
import { checkSections, RETENTION_OFFSETS } from "./section-query.ts";
import type { ReportSection } from "./section-schema.ts";
import { getReportTemplate } from "./template-queries.ts";

async function sectionsOf(
  ctx: Context,
  workspaceId: string,
  { sections, template_id }: ReportInput,
): Promise<ReportSection[]> {
  if (sections && template_id !== undefined)
    throw unprocessable("template_id", "sections_twice", "Give sections or a template, not both.");
  if (sections) return sections;
  if (template_id === undefined)
    throw unprocessable("sections", "sections_missing", "Give sections or a template.");
  return (await getReportTemplate(ctx, workspaceId, template_id)).sections;
}

/**
 * The range of a definition at a moment.
 * @throws AppError unprocessable for an invalid range
 */
export function rangeAt(
  {
    range,
    timeframe,
    from,
    to,
    timezone,
  }: Omit<ReportDefinition, "sections" | "format" | "filters" | "recipients">,
  now: EpochUs,
): TimeRange {
  if (range === undefined) return rangeOfQuery({ timeframe, from, to }, now);
  if (timeframe !== undefined || from !== undefined || to !== undefined)
    throw unprocessable(
      "range",
      "range_twice",
      "Give range, timeframe, or from and to: one of them.",
    );
  return namedRange(range, now, timezone);
}

/**
 * Checks a report, and returns its definition as it is stored.
 * @param stored the definition that it replaces: recipients with masked URLs are taken from it
 * @throws AppError unprocessable, with the path; not_found for an unknown template
 */
export async function definitionOf(
  ctx: Context,
  workspaceId: string,
  input: ReportInput,
  stored?: ReportDefinition,
): Promise<ReportDefinition> {
  const now = ctx.now() * 1000;
  const {
    name: _,
    description: __,
    template_id: ___,
    sections: ____,
    timezone: asked,
    filters = [],
    recipients = [],
    ...rest
  } = input;
  const of: ReportDefinition = {
    ...rest,
    timezone: await zoneIn(ctx, workspaceId, asked),
    filters,
    recipients: recipientsOf(ctx.config, recipients, stored?.recipients ?? []),
    sections: await sectionsOf(ctx, workspaceId, input),
  };
  checkReportSize(of, rangeAt(of, now));
  checkSectionQueries(workspaceId, of, rangeAt(of, now));
  for (const [place, section] of of.sections.entries()) {
    if (section.type !== "funnel") continue;
    if (!(await findFunnel(ctx.db, workspaceId, section.funnel_id)))
      throw unprocessable(
        `sections.${place}.funnel_id`,
        "unknown_funnel",
        "There is no such funnel in this workspace.",
      );
  }
  return of;
}

/** @throws AppError unprocessable, with the path, for a section with an invalid query */
export function checkSectionQueries(
  workspaceId: string,
  { sections, timezone, filters }: Pick<ReportDefinition, "sections" | "timezone" | "filters">,
  range: TimeRange,
): void {
  const check = (query: Omit<Query, "timezone">) =>
    void planQuery(workspaceId, { ...query, ...range, timezone, filters }, range.to);
  sections.forEach((section, place) => {
    try {
      if (section.type === "retention")
        checkCells(
          wholeBuckets(range, section.granularity ?? "week", timezone).length,
          RETENTION_OFFSETS,
          "granularity",
        );
      checkSections([section], filters.length > 0, check);
    } catch (error) {
      if (
        !(error instanceof AppError) ||
        error.errors.some((each) => each.path.startsWith("filters"))
      )
        throw error;
      const under = (path: string) =>
        [`sections.${place}`, path.replace(/^sections\.0\.?/, "")].filter(Boolean).join(".");
      throw new AppError(error.kind, error.code, error.message, {
        errors: error.errors.map((each) => ({ ...each, path: under(each.path) })),
      });
    }
  });
}

/** The request of a run of a report at a moment. */
export function runRequestAt(
  { name, description, definition }: StoredReport,
  now: EpochUs,
): StoredRunRequest {
  const { sections, format, timezone, filters, recipients } = definition;
  const range = rangeAt(definition, now);
  return {
    name,
    description,
    sections,
    format,
    timezone,
    filters,
    recipients,
    from: formatInstant(range.from),
    to: formatInstant(range.to),
  };
}
