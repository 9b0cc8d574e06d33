import { sql } from "drizzle-orm";
import { beforeAll, expect, it } from "vitest";
import { z } from "zod";
import migration from "../../migrations/0008_old_months.sql?raw";
import { clientOf, tokenFor } from "../support/client.ts";
import { testContext } from "../support/context.ts";
import { useOwnDatabase } from "../support/database.ts";
import { runAll } from "../support/neighbour.ts";

beforeAll(useOwnDatabase);

it("a database with a partition for each old month keeps every row when it is migrated", async () => {
  const { db } = testContext();
  const api = clientOf(await tokenFor("upgrade"));
  // As the migration found it: 2003 and December 2025 have partitions of their own.
  await runAll(
    db,
    sql`drop index execution_metrics_hourly_running`,
    sql`drop function execution_at, running_since`,
    sql`drop table executions_old`,
    ...[
      ["2003_01", "2003-01-01", "2003-02-01"],
      ["2025_12", "2025-12-01", "2026-01-01"],
      ["2026_01", "2026-01-01", "2026-02-01"],
    ].map(([name, from, to]) =>
      sql.raw(
        `create table executions_${name} partition of executions for values from ('${from}T00:00:00Z') to ('${to}T00:00:00Z')`,
      ),
    ),
  );
  const starts = [
    "2003-01-01T00:00:00.000Z",
    "2003-01-31T23:59:59.999Z",
    "2025-12-31T23:59:59.999Z",
    "2026-01-01T00:00:00.000Z",
  ];
  for (const [index, at] of starts.entries())
    await runAll(
      db,
      sql`insert into executions (workspace_id, id, agent_id, user_id, status, started_at, ended_at, metadata, heard_at)
        values ('upgrade', ${`r${index}`}, 'a', 'u', 'success', ${at}::timestamptz, ${at}::timestamptz + interval '1500 milliseconds', '{"a": 1}', '2026-02-02T00:00:00Z')`,
      sql`insert into execution_keys values ('upgrade', ${`r${index}`}, ${at}::timestamptz)`,
    );
  const rows = () =>
    db.all({
      sql: sql`select e.*, e.tableoid::regclass::text as part from executions e order by started_at`,
      row: z.record(z.string(), z.unknown()),
    });
  const before = await rows();
  await runAll(db, ...migration.split("--> statement-breakpoint").map((text) => sql.raw(text)));
  const old = ["executions_old", "executions_old", "executions_old", "executions_2026_01"];
  expect(await rows()).toEqual(before.map((row, index) => ({ ...row, part: old[index] })));
  for (const [index, at] of starts.entries()) {
    const { body } = await api.get(`/api/v1/executions/r${index}`);
    expect(body.data).toMatchObject({ started_at: at, duration_ms: 1500, metadata: { a: 1 } });
  }
  const late = { id: "late", agent_id: "a", user_id: "u", status: "success" };
  const sent = await api.post("/api/v1/executions", {
    ...late,
    started_at: "2010-06-01T00:00:00Z",
  });
  expect(sent.body.data.results[0].result).toBe("created");
});
