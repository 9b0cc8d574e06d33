import { neonConfig } from "@neondatabase/serverless";
import { sql } from "drizzle-orm";
import { PgDialect } from "drizzle-orm/pg-core";
import { expect } from "vitest";
import { z } from "zod";
import { type Db, type Statement, withVerbs } from "../../src/db/client.ts";

/** Cost of one statement. */
export interface Cost {
  text: string;
  /** Pages of tables and indexes that were read. */
  buffers: number;
  /** Rows that went through the nodes of the plan: a set that is read anew for each row shows here, not in the pages. */
  rows: number;
  /** Tables and indexes that were locked. */
  locks: number;
  /** Partitions of `executions` among them. */
  partitions: number;
  plan: string;
}

const dialect = new PgDialect();
const literal = (value: unknown): string => {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value))
    return literal(
      `{${value.map((each) => (each === null ? "NULL" : JSON.stringify(String(each)))).join(",")}}`,
    );
  const text = String(value);
  return text.includes("\\")
    ? `E'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`
    : `'${text.replaceAll("'", "''")}'`;
};
/** The statement with its parameters in it, of unknown type as a driver sends them. */
const inlined = (text: string, params: readonly unknown[]) =>
  text.replaceAll(/\$(\d+)/g, (_, index) => literal(params[Number(index) - 1]));

/** Runs the statements of a transaction, takes them back, and gives the plan and the locks of each. */
const EXPLAINED = sql`create or replace function explained(statements text[]) returns jsonb language plpgsql as $$
  declare found jsonb := '[]'; statement text; plan json; locks bigint; partitions bigint;
  begin
    begin
      foreach statement in array statements loop
        execute 'explain (analyze, buffers, timing off, format json) ' || statement into plan;
        select count(*), count(distinct c.oid) filter (where c.relkind = 'r' and exists (select from pg_inherits i where i.inhrelid = c.oid)) into locks, partitions
          from pg_locks l join pg_class c on c.oid = l.relation
          where l.pid = pg_backend_pid() and l.locktype = 'relation' and c.relnamespace = 'public'::regnamespace;
        found := found || jsonb_build_object('plan', plan, 'locks', locks, 'partitions', partitions);
      end loop;
      raise exception 'take it back' using errcode = 'P0999';
    exception when sqlstate 'P0999' then null;
    end;
    return found;
  end $$`;

interface Node {
  "Node Type": string;
  "Subplan Name"?: string;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Actual Rows": number;
  "Actual Loops": number;
  "Rows Removed by Filter"?: number;
  "Rows Removed by Join Filter"?: number;
  "Shared Hit Blocks"?: number;
  "Shared Read Blocks"?: number;
  Plans?: Node[];
}
const explained = z.object({
  plan: z.array(z.object({ Plan: z.custom<Node>() })),
  locks: z.number(),
  partitions: z.number(),
});
const nodesOf = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];
const pages = (node: Node) => (node["Shared Hit Blocks"] ?? 0) + (node["Shared Read Blocks"] ?? 0);
const drawn = (node: Node, depth = 0): string =>
  `${" ".repeat(depth)}${node["Subplan Name"] ?? ""} ${node["Node Type"]} ${node["Relation Name"] ?? ""} ${node["Index Name"] ?? ""} rows=${node["Actual Rows"]} loops=${node["Actual Loops"]} pages=${pages(node)}\n${(node.Plans ?? []).map((each) => drawn(each, depth + 1)).join("")}`;

function costOf(
  text: string,
  { plan: [top], locks, partitions }: z.output<typeof explained>,
): Cost {
  const root = top?.Plan;
  if (!root) throw new Error("The statement has no plan");
  const nodes = nodesOf(root);
  // A part that changes rows runs behind the rest, and is in no sum of the root's.
  const parts = nodes.filter((node) => node === root || node["Subplan Name"]?.startsWith("CTE"));
  const through = nodes.map(
    (node) =>
      node["Actual Loops"] *
      (node["Actual Rows"] +
        (node["Rows Removed by Filter"] ?? 0) +
        (node["Rows Removed by Join Filter"] ?? 0)),
  );
  return {
    text,
    buffers: parts.reduce((sum, node) => sum + pages(node), 0),
    rows: through.reduce((sum, rows) => sum + rows, 0),
    locks,
    partitions,
    plan: drawn(root),
  };
}

/**
 * Costs of the statements of a transaction, which is rolled back. The locks of a statement include
 * those of the statements before it.
 */
async function costsOf(db: Db, texts: readonly string[]): Promise<Cost[]> {
  const row = await db.maybe({
    sql: sql`select explained(${sql.param([...texts])}::text[]) as found`,
    row: z.object({ found: explained.array() }),
  });
  return texts.map((text, index) => {
    const found = row?.found[index];
    if (!found) throw new Error("The statement was not explained");
    return costOf(text, found);
  });
}

/**
 * Runs works one after the other: what is measured is not in the isolation of what runs, and would
 * meet what another writes between the two.
 */
function takingTurns() {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work);
    last = next.catch(() => undefined);
    return next;
  };
}

/** A database that notes what each statement costs just before it runs it. */
export async function measured(db: Db): Promise<{ db: Db; costs: Cost[] }> {
  await db.run(EXPLAINED);
  const costs: Cost[] = [];
  const inTurn = takingTurns();
  const measure = async (statements: readonly Statement<unknown>[]) => {
    const texts = statements.map(({ sql: statement }) => {
      const { sql: text, params } = dialect.sqlToQuery(statement);
      return inlined(text, params);
    });
    costs.push(...(await costsOf(db, texts)));
  };
  return {
    costs,
    db: withVerbs({
      all: (statement) =>
        inTurn(async () => {
          await measure([statement]);
          return db.all(statement);
        }),
      transaction: (statements, options) =>
        inTurn(async () => {
          await measure(statements);
          return db.transaction(statements, options);
        }),
    }),
  };
}

const sent = z.object({ query: z.string(), params: z.array(z.unknown()) });
const body = z.union([
  z.object({ queries: z.array(sent) }),
  sent.transform((one) => ({ queries: [one] })),
]);

/** Costs of the statements that this isolate sends while `work` runs, measured before each is sent. */
export async function costsDuring(db: Db, work: () => Promise<unknown>): Promise<Cost[]> {
  await db.run(EXPLAINED);
  const costs: Cost[] = [];
  neonConfig.fetchFunction = async (url: string, init: RequestInit) => {
    const texts = body
      .parse(JSON.parse(String(init.body)))
      .queries.filter(({ query }) => !/^select (set_config|explained)/.test(query))
      .map(({ query, params }) => inlined(query, params));
    if (texts.length > 0) costs.push(...(await costsOf(db, texts)));
    return fetch(url, init);
  };
  try {
    await work();
  } finally {
    neonConfig.fetchFunction = undefined;
  }
  return costs;
}

/** Each statement reads fewer pages than `buffers`, and moves fewer rows than `rows`. */
export function expectCheap(costs: readonly Cost[], buffers: number, rows: number): void {
  expect(costs.length).toBeGreaterThan(0);
  for (const cost of costs) {
    const what = `${cost.buffers} pages, ${cost.rows} rows: ${cost.text.slice(0, 800)}`;
    expect(cost.buffers, `${what}\n${cost.plan}`).toBeLessThan(buffers);
    expect(cost.rows, `${what}\n${cost.plan}`).toBeLessThan(rows);
  }
}
