import { prepareQuery } from "../../../analytics/ask.ts";
import { JourneyTally } from "../../../analytics/funnels/journey-tally.ts";
import { runFunnel } from "../../../analytics/funnels/run-funnel.ts";
import { runInOneSnapshot } from "../../../analytics/prepared.ts";
import { wholeBuckets } from "../../../analytics/time/range.ts";
import type { TimeRange } from "../../../analytics/time/time-range.ts";
import { cohortCounts } from "../../../analytics/users/cohorts.ts";
import type { ActivityKind } from "../../../analytics/users/presence.ts";
import { checkCells, matrixOf } from "../../../analytics/users/retention.ts";
import type { Db } from "../../../db/client.ts";
import type { SnapshotSource } from "../../../db/snapshot.ts";
import { unprocessable } from "../../../lib/errors.ts";
import { type EpochUs, formatInstant } from "../../../lib/time.ts";
import { findFunnel } from "../../../store/funnels.ts";
import { RETENTION_OFFSETS, sectionQuery } from "../definition/section-query.ts";
import type { ReportSection } from "../definition/section-schema.ts";
import { localMoment } from "../render/document.ts";
import type { RunRequest } from "./schema.ts";
import { type FilledData, type FilledSection, sectionData } from "./section-data.ts";

type Retention = Extract<ReportSection, { type: "retention" }>;

/**
 * Users by their first activity, and when they came back. Filters do not apply: the first activity
 * of a user is the first of all.
 */
async function retentionOf(
  db: Db,
  workspaceId: string,
  section: Retention,
  { timezone }: RunRequest,
  range: TimeRange,
  nowUs: EpochUs,
): Promise<FilledSection> {
  const { granularity = "week", mode = "classic", title, type } = section;
  const buckets = wholeBuckets(range, granularity, timezone);
  checkCells(buckets.length, RETENTION_OFFSETS);
  const sign: ActivityKind = { of: "activity" };
  const of = { entry: sign, back: sign };
  const [counts] = await runInOneSnapshot(db, [
    cohortCounts(workspaceId, buckets, timezone, of, RETENTION_OFFSETS),
  ]);
  const asked = {
    from: formatInstant(range.from),
    to: formatInstant(range.to),
    timezone,
    granularity,
    mode,
    max_offset: String(RETENTION_OFFSETS),
    workspace_id: workspaceId,
  };
  const data: FilledData = {
    kind: "matrix",
    granularity,
    mode,
    cohorts: matrixOf(counts, buckets, mode, nowUs, RETENTION_OFFSETS),
  };
  return {
    type,
    title,
    query: { path: `/api/v1/users/retention?${new URLSearchParams(asked)}` },
    meta: counts.meta,
    data,
  };
}

type Funnel = Extract<ReportSection, { type: "funnel" }>;

/**
 * A saved funnel as it is in the snapshot.
 * @throws AppError unprocessable if it was deleted
 */
async function funnelOf(
  store: SnapshotSource,
  workspaceId: string,
  { funnel_id, title, type }: Funnel,
  { timezone }: RunRequest,
  range: TimeRange,
  nowUs: EpochUs,
): Promise<FilledSection> {
  const found = await findFunnel(store.db, workspaceId, funnel_id);
  if (!found)
    throw unprocessable("funnel_id", "funnel_missing", `The funnel ${funnel_id} is not there.`);
  const { definition } = found;
  const names = definition.steps.map((step) => step.name);
  const tally = new JourneyTally(names);
  const asked = { definition, range, timezone, now: nowUs };
  const meta = await runFunnel(store, workspaceId, asked, (user) => tally.add(user));
  const query = {
    path: "/api/v1/funnels/analyze",
    body: {
      definition,
      from: formatInstant(range.from),
      to: formatInstant(range.to),
      timezone,
    },
  };
  return { type, title, query, meta, data: { kind: "funnel", steps: tally.steps() } };
}

/**
 * Fills sections one after the other from one snapshot, each through the kernel.
 * @param nowUs moment of the snapshot: buckets that end later are incomplete
 * @param onSection called before each section with its place
 */
export async function fillSections(
  store: SnapshotSource,
  workspaceId: string,
  request: RunRequest,
  range: TimeRange,
  nowUs: EpochUs,
  onSection: (place: number, section: ReportSection) => Promise<void>,
): Promise<FilledSection[]> {
  const { timezone, filters } = request;
  const words = {
    from: localMoment(request.from, timezone),
    to: localMoment(request.to, timezone),
    workspace: workspaceId,
    report: request.name,
  };
  const filled: FilledSection[] = [];
  for (const [place, section] of request.sections.entries()) {
    await onSection(place, section);
    if (section.type === "retention") {
      filled.push(await retentionOf(store.db, workspaceId, section, request, range, nowUs));
      continue;
    }
    if (section.type === "funnel") {
      filled.push(await funnelOf(store, workspaceId, section, request, range, nowUs));
      continue;
    }
    const asked = sectionQuery(section);
    const ask = asked && { ...asked, filters: [...(asked.filters ?? []), ...filters] };
    const [answer] = ask
      ? await runInOneSnapshot(store.db, [
          prepareQuery(workspaceId, { ...ask, ...range, timezone }, nowUs),
        ])
      : [];
    const query = ask
      ? {
          ...ask,
          from: formatInstant(range.from),
          to: formatInstant(range.to),
          timezone,
          filters: ask.filters.length > 0 ? ask.filters : undefined,
        }
      : null;
    filled.push({
      type: section.type,
      title: section.title ?? null,
      query,
      meta: answer?.meta ?? null,
      data: sectionData(section, answer, words),
    });
  }
  return filled;
}
