import type { SQL } from "drizzle-orm";
import { expect, it } from "vitest";
import { prepareQuery } from "../../../src/analytics/ask.ts";
import { errorGroups } from "../../../src/analytics/errors/error-groups.ts";
import { occurrenceTexts, packedOccurrences } from "../../../src/analytics/funnels/occurrences.ts";
import type { Query } from "../../../src/analytics/query.ts";
import { replaceRollups } from "../../../src/analytics/rollups/recompute.ts";
import { wholeBuckets } from "../../../src/analytics/time/range.ts";
import { cohortCounts } from "../../../src/analytics/users/cohorts.ts";
import { MONTH_DAYS, userLifecycle } from "../../../src/analytics/users/lifecycle.ts";
import { sessionFigures } from "../../../src/analytics/users/sessions.ts";
import { type Statement, withVerbs } from "../../../src/db/client.ts";
import { parseInstant } from "../../../src/lib/time.ts";
import { listExecutions } from "../../../src/store/executions.ts";
import { sqlText } from "../../support/sql-text.ts";

const W = "acme";
const at = (text: string) => parseInstant(text) ?? Number.NaN;
const NOW = at("2026-10-15T12:34:56Z");
const DAYS = { from: at("2026-10-01T00:00:00Z"), to: at("2026-10-05T00:00:00Z") };
const BERLIN = "Europe/Berlin";

function question(query: Partial<Query>): SQL[] {
  const whole: Query = { measures: ["executions"], timezone: "UTC", ...query };
  return [prepareQuery(W, whole, NOW).statement.sql];
}

/** The statements that a piece of work sends, none of which finds a row. */
async function sentBy(work: (db: ReturnType<typeof withVerbs>) => Promise<unknown>) {
  const sent: SQL[] = [];
  const all = async <T>(statement: Statement<T>): Promise<T[]> => {
    sent.push(statement.sql);
    return [];
  };
  await work(withVerbs({ all, transaction: (statements) => Promise.all(statements.map(all)) }));
  return sent;
}

const STATEMENTS: Record<string, () => SQL[] | Promise<SQL[]>> = {
  "summary-of-30-days": () =>
    question({ timeframe: "30d", measures: ["executions", "success_rate", "credits"] }),
  "series-by-hour-in-kolkata": () =>
    question({
      from: at("2026-10-01T18:30:00Z"),
      to: at("2026-10-02T18:30:00Z"),
      timezone: "Asia/Kolkata",
      granularity: "hour",
    }),
  "groups-by-agent-with-quantiles": () =>
    question({
      ...DAYS,
      measures: ["executions", "duration_p95"],
      group_by: ["agent"],
      order_by: [{ measure: "duration_p95", direction: "desc" }],
      limit: 10,
    }),
  "compared-days": () =>
    question({
      ...DAYS,
      measures: ["executions", "active_users"],
      granularity: "day",
      compare: "previous_period",
    }),
  "filtered-by-metadata": () =>
    question({ ...DAYS, filters: [{ field: "metadata.region", op: "eq", value: "eu" }] }),
  "groups-by-hour-of-day": () => question({ ...DAYS, timezone: BERLIN, group_by: ["hour_of_day"] }),
  "rollup-of-hours": () =>
    replaceRollups("hour", [{ workspaceId: W, bucket: "2026-10-01T05:00:00.000Z" }]),
  "rollup-of-days": () =>
    replaceRollups("day", [{ workspaceId: W, bucket: "2026-10-01T00:00:00.000Z" }]),
  "rollup-of-sessions": () =>
    replaceRollups("session", [{ workspaceId: W, bucket: "2026-10-01T00:00:00.000Z" }]),
  "lifecycle-of-users": () => {
    const days = wholeBuckets(DAYS, "day", BERLIN, MONTH_DAYS);
    return [userLifecycle(W, days, BERLIN).statement.sql];
  },
  "cohorts-by-week": () => {
    const range = { from: DAYS.from, to: at("2026-10-29T00:00:00Z") };
    const kinds = { entry: { of: "activity" }, back: { of: "success" } } as const;
    const weeks = wholeBuckets(range, "week", BERLIN);
    return [cohortCounts(W, weeks, BERLIN, kinds, 4).statement.sql];
  },
  sessions: () => {
    const range = { from: DAYS.from, to: DAYS.to + 3_600_000_000 };
    return [sessionFigures(W, range).statement.sql];
  },
  "error-groups": () => [
    errorGroups(W, DAYS, { agentId: "writer", status: "open", limit: 20 }).statement.sql,
  ],
  "funnel-occurrences": () => {
    const steps = [
      { kind: "event" as const, event_type: "signup" },
      {
        kind: "execution" as const,
        filters: [{ field: "agent", op: "eq" as const, value: "writer" }],
      },
    ];
    const options = { property: "properties.plan" };
    const packed = packedOccurrences(W, DAYS, steps, ["steps.0", "steps.1"], 1000, options);
    return [occurrenceTexts(packed, 1000)];
  },
  "list-of-executions": () =>
    sentBy((db) =>
      listExecutions(db, W, {
        ...DAYS,
        agent_id: "writer",
        status: "failure",
        metadata: [[["region"], "eu"]],
        limit: 100,
      }),
    ),
};

it.each(Object.entries(STATEMENTS))(
  "The statement of %s is the one that its file shows",
  async (name, statements) => {
    const texts = (await statements()).map(sqlText);
    expect(texts.length).toBeGreaterThan(0);
    await expect(`${texts.join(";\n\n")};\n`).toMatchFileSnapshot(`${name}.sql`);
  },
);
