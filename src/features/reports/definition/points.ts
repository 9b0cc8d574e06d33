import { DEFAULT_GROUPS } from "../../../analytics/plan/plan.ts";
import { countBuckets } from "../../../analytics/time/range.ts";
import type { TimeRange } from "../../../analytics/time/time-range.ts";
import { checkWork } from "../../../lib/budget.ts";
import type { RunRequest } from "../runs/schema.ts";
import { RETENTION_OFFSETS, sectionQuery } from "./section-query.ts";
import type { ReportSection } from "./section-schema.ts";

/** Values that a section may show: one for each bucket, group and measure. */
function pointsOf(section: ReportSection, range: TimeRange): number {
  if (section.type === "retention") {
    const buckets = countBuckets(range, section.granularity ?? "week");
    return buckets * Math.min(buckets, RETENTION_OFFSETS + 1);
  }
  const ask = section.type === "text" ? undefined : sectionQuery(section);
  if (!ask) return 1;
  const buckets = ask.granularity ? countBuckets(range, ask.granularity) : 1;
  const groups = ask.group_by ? (ask.limit ?? DEFAULT_GROUPS) + 1 : 1;
  return buckets * groups * ask.measures.length;
}

/**
 * Checks that a report fits into memory. A page of a PDF takes ten times the memory of its values.
 * @throws AppError unprocessable with the number of values, at the largest section
 */
export function checkReportSize(
  { sections, format }: Pick<RunRequest, "sections" | "format">,
  range: TimeRange,
): void {
  const points = sections.map((section) => pointsOf(section, range));
  const all = points.reduce((sum, each) => sum + each, 0);
  const largest = points.indexOf(Math.max(...points));
  checkWork(
    format === "pdf" ? "pdfPoints" : "reportPoints",
    all,
    `sections.${largest}`,
    "Take a coarser granularity, a shorter range, fewer groups or fewer sections.",
  );
}
