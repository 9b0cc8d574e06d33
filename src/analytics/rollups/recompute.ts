import { type SQL, sql } from "drizzle-orm";
import { keyInList } from "../../db/scope.ts";
import { ROLLUP_TABLES, type RollupUnit } from "./definition.ts";
import { GRAINS_OF_UNIT, grainColumns, grainRows, hasGrainColumn } from "./grain-rows.ts";
import { FIRST_MINUTE } from "./marks.ts";
import { PRESENCE_COLUMNS, presenceRows, QUARTER_COLUMNS, quarterRows } from "./quarters.ts";
import { bucketLength, bucketRows, type RollupBucket, sourceTables } from "./raw-parts.ts";
import { EDGE_COLUMNS, edgeRows, SESSION_COLUMNS, sessionRows } from "./session-rows.ts";

/** Rows that a run writes into one table. */
interface Written {
  /** Its name for an operator. */
  name: string;
  table: string;
  columns: SQL;
  rows: SQL;
  /** Which of the table's rows are meant: a further condition on it. */
  only?: SQL;
  /** A bucket without any row of it is read from elsewhere. */
  isOptional?: boolean;
}

const ofGrains = (unit: RollupUnit): Written[] =>
  GRAINS_OF_UNIT[unit].map((grain) => ({
    name: grain.grain,
    table: grain.table,
    columns: grainColumns(grain),
    rows: grainRows(grain),
    ...(hasGrainColumn(grain)
      ? { only: sql` and ${sql.identifier(grain.table)}.grain = ${grain.grain}` }
      : {}),
  }));

/** Everything that a run of a unit writes. */
function writtenBy(unit: RollupUnit): Written[] {
  if (unit === "minute" || unit === "hour") return ofGrains(unit);
  if (unit === "session")
    return [
      {
        name: "sessions",
        table: "sessions_daily",
        columns: SESSION_COLUMNS,
        rows: sessionRows(),
      },
      {
        name: "session edges",
        table: "session_edges_daily",
        columns: EDGE_COLUMNS,
        rows: edgeRows(),
      },
    ];
  return [
    ...ofGrains(unit),
    {
      name: "presence",
      table: "user_presence_daily",
      columns: PRESENCE_COLUMNS,
      rows: presenceRows(),
    },
    {
      name: "quarters",
      table: "execution_quarters_daily",
      columns: QUARTER_COLUMNS,
      rows: quarterRows(),
      isOptional: true,
    },
  ];
}

/** A changed hour changes its day, and the sessions of that: they wait for their own runs. */
const marksOfDays = (buckets: readonly RollupBucket[]) => sql`
  insert into rollup_marks (unit, workspace_id, bucket)
  select distinct u.unit, w.workspace_id, date_trunc('day', w.bucket, 'UTC')
  from ${bucketRows(buckets)}
  cross join (values ('day'), ('session')) u(unit)`;

/**
 * Statements that replace the rollup rows of these buckets. They belong in one REPEATABLE READ
 * transaction: marks and raw rows are then of one snapshot, and a second run that took the same
 * marks fails and is tried again.
 */
export function replaceRollups(unit: RollupUnit, buckets: readonly RollupBucket[]): SQL[] {
  const using = sql`using ${bucketRows(buckets)}`;
  const same = (table: string) => {
    const row = sql.identifier(table);
    return sql`${row}.workspace_id = w.workspace_id and ${row}.bucket = w.bucket`;
  };
  const inserts = writtenBy(unit).map(
    ({ table, columns, rows }, index) => sql`,
  ${sql.identifier(`insert_${index}`)} as (
    insert into ${sql.identifier(table)} (${columns})${rows}
  )`,
  );
  return [
    sql`delete from rollup_marks ${using} where unit = ${unit} and ${same("rollup_marks")}`,
    ...(unit === "hour" ? [marksOfDays(buckets)] : []),
    ...ROLLUP_TABLES[unit].map(
      (table) => sql`delete from ${sql.identifier(table)} ${using} where ${same(table)}`,
    ),
    sql`with ${sourceTables(unit, buckets, true)}${sql.join(inserts)}
  select 1 where false`,
  ];
}

/** Stored rows that are not what raw rows give, and the other way round: counted by bucket. */
function differingRows({ name, table, columns, rows, only, isOptional }: Written): SQL {
  const at = sql.identifier(table);
  const stored = sql`
      select ${columns} from (
        select s.* from asked w
        cross join lateral (
          select ${at}.* from ${at}
          where ${keyInList("w", table)} and ${at}.bucket = w.bucket${only ?? sql``}
          offset 0
        ) s
      ) s`;
  const raw = sql`select * from (${rows}) as g(${columns})`;
  const where = isOptional
    ? sql`
    where exists (
      select from ${at} t where t.workspace_id = r.workspace_id and t.bucket = r.bucket
    )`
    : sql``;
  return sql`
    select workspace_id, bucket, ${name} || ': ' || count(*) || ' rows differ' as detail
    from ((${raw} except all ${stored}) union all (${stored} except all ${raw})) r${where}
    group by 1, 2`;
}

/**
 * Rows that differ between the stored rollups of these buckets and what the raw rows give now,
 * leaving out buckets with a mark, and minutes that nobody reads. One statement, so one snapshot.
 * Columns: workspace_id, bucket, detail.
 */
export function differingRollups(unit: RollupUnit, buckets: readonly RollupBucket[]): SQL {
  const parts = writtenBy(unit).map(differingRows);
  const rows = sql`with ${sourceTables(unit, buckets, false)}
  select * from (${sql.join(parts, sql`\n    union all`)}) r`;
  const isMarked = sql`m.unit = ${unit} and m.bucket = r.bucket`;
  if (unit === "minute")
    return sql`${rows}
  where r.bucket >= ${FIRST_MINUTE} and not exists (
    select from rollup_marks m
    where m.workspace_id = r.workspace_id and ${isMarked}
  )`;
  return sql`${rows}
  where not exists (
    select from rollup_marks m
    where m.workspace_id = r.workspace_id
      and (${isMarked}
        or m.unit = 'hour' and m.bucket >= r.bucket
          and m.bucket < r.bucket + ${bucketLength(unit)})
  )`;
}
