import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";
import pg from "pg";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { migrate } from "../../../dev/migrate.ts";

const name = `migrate_${randomUUID().replaceAll("-", "")}`;
const url = inject("databaseUrl").replace(/\/postgres$/, `/${name}`);

async function run<R extends pg.QueryResultRow>(statement: string, at = url): Promise<R[]> {
  const client = new pg.Client({ connectionString: at });
  await client.connect();
  try {
    return (await client.query<R>(statement)).rows;
  } finally {
    await client.end();
  }
}

beforeAll(() => run(`create database ${name}`, inject("databaseUrl")));
afterAll(() => run(`drop database ${name} with (force)`, inject("databaseUrl")));

it("the migrator lets several migrations of one database wait for each other, and applies each once", async () => {
  await Promise.all([migrate(url), migrate(url), migrate(url)]);
  const [counted] = await run<{ all: number; different: number }>(
    `select count(*)::int as all, count(distinct created_at)::int as different
     from drizzle.__drizzle_migrations`,
  );
  expect(counted?.all).toBe(counted?.different);
  expect(counted?.all).toBeGreaterThan(0);
});

it("the migrator refuses a database that is newer than the code, and leaves it as it is", async () => {
  await run(
    "insert into drizzle.__drizzle_migrations (hash, created_at) values ('later', 4102444800000)",
  );
  const count = "select count(*)::int as applied from drizzle.__drizzle_migrations";
  const before = await run(count);
  await expect(migrate(url)).rejects.toThrow(/^DATABASE_URL: .*code that is as new/);
  expect(await run(count)).toEqual(before);
  await run("delete from drizzle.__drizzle_migrations where hash = 'later'");
});

/** `npm run db:migrate` with these variables. */
const command = (variables: Record<string, string>) =>
  promisify(execFile)(process.execPath, ["dev/migrate.ts"], {
    env: { ...process.env, ...variables },
  });

it("the migrator ignores libpq's variables, and names what is wrong with the address", async () => {
  const libpq = { PGSSLMODE: "require", PGOPTIONS: "-c no_such_setting=1", PGDATABASE: "none" };
  expect(await command({ ...libpq, DATABASE_URL: url })).toMatchObject({
    stdout: "The database is up to date.\n",
  });
  await expect(command({ DATABASE_URL: "http://localhost/x" })).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining("DATABASE_URL must be postgres://"),
  });
  await expect(command({ DATABASE_URL: "postgres://u:p@localhost:1/x" })).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /^The database \(DATABASE_URL\) cannot be reached: .*ECONNREFUSED/,
    ),
  });
});
