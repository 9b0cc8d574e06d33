import { FINAL_BIT, MERGED } from "./message.ts";

/**
 * The rules by which messages about one execution become one row, whatever their order (docs/intake.md proves it):
 * a higher revision replaces the row; within a revision a field that a final message stated stands,
 * and one that only messages of the running execution gave takes their greatest value. Both are
 * joins of a semilattice.
 *
 * SQL texts: `e` is the execution before a message, `x` the message. `intake-queries.ts` folds them.
 */
type Field = (typeof MERGED)[number];

/**
 * All running messages of an execution together, as the database writes it: the 16 KiB of one
 * become 24 at most.
 */
export const MAX_JOINED_BYTES = 32 * 1024;

const METADATA_BIT = MERGED.find(({ column }) => column === "metadata")?.bit ?? 0;
const JOINS = `x.metadata is not null and x.settled = 0 and x.revision = e.revision
      and e.settled & ${METADATA_BIT} = 0`;
/**
 * Of a running message's metadata: `metadata`, what raises the stored one, key by key, or null;
 * `more`, by how many bytes that is longer; `bytes`, how long the stored one is, which a long chain
 * asks once. The stored document is unpacked once, and not for each key.
 */
export const ADDED_METADATA = `select jsonb_object_agg(n.key, n.value) as metadata,
    sum(octet_length(n.value::text)
      - coalesce(octet_length((o.known -> n.key)::text), -4 - octet_length(to_jsonb(n.key)::text))
    ) as more,
    case when count(n.key) > 0 and e.metadata is not null
      then coalesce(e.bytes, octet_length(e.metadata::text)) else e.bytes end as bytes
  from (
    select case when ${JOINS} then e.metadata || '{}' end as known,
      case when ${JOINS} then x.metadata end as said
    offset 0
  ) o
  cross join jsonb_each(o.said) n
  where not coalesce(n.value <= o.known -> n.key, false)`;
const IS_TOO_LARGE = `e.metadata is not null and a.bytes + a.more > ${MAX_JOINED_BYTES}`;

/** The fields that only running messages gave. An error is one fact: its message goes with its type. */
function joined({ column }: Field): string {
  if (column === "metadata") return "coalesce(e.metadata || a.metadata, e.metadata, x.metadata)";
  if (column === "error_message")
    return `case when x.error_type is null or e.error_type > x.error_type then e.error_message
      when e.error_type is null or x.error_type > e.error_type then x.error_message
      else greatest(e.error_message, x.error_message) end`;
  return `greatest(e.${column}, x.${column})`;
}

/** Whether a message of the running execution raises this field. */
function raises(field: Field): string {
  const { column, bit } = field;
  const isOther =
    column === "metadata"
      ? "(a.metadata is not null or e.metadata is null and x.metadata is not null)"
      : `e.${column} is distinct from ${joined(field)}`;
  return `e.settled & ${bit} = 0 and ${isOther}`;
}

/** Facts of one revision that the message states otherwise than the stored row: where, and when. */
const CONTRADICTIONS: [path: string, when: string][] = [
  ["started_at", "x.started_at <> e.started_at"],
  ["agent_id", "x.agent_id <> e.agent_id"],
  ["user_id", "x.user_id <> e.user_id"],
  ["status", `x.settled & e.settled & ${FINAL_BIT} <> 0 and x.status <> e.status`],
  ...MERGED.map(({ column, path, bit }): [string, string] => [
    path,
    `x.settled & e.settled & ${bit} <> 0 and x.${column} is distinct from e.${column}`,
  ]),
];
/** `path`: the first of them. */
const CONTRADICTED = `select case when x.revision <> e.revision then null
    ${CONTRADICTIONS.map(([path, when]) => `when ${when} then '${path}'`).join("\n    ")}
  end as path`;

/** A message that names no user says nothing of it: one that does adds it, at any time. */
const NAMES_USER = "e.user_id is null and x.user_id is not null";
const ADDS = `x.settled & ~e.settled <> 0 or ${NAMES_USER}
  or x.settled = 0 and (e.stale
    or ${MERGED.map(raises).join("\n    or ")})`;
const MOVES = "x.revision > e.revision and x.started_at <> e.started_at";
const ENDS_BEFORE_START = "coalesce(x.ended_at < e.started_at, false)";
const ADVANCES = `${MOVES} or not ${ENDS_BEFORE_START} and (
  x.revision > e.revision or x.revision = e.revision and p.path is null and (${ADDS}))`;

export const MERGE_OUTCOMES = [
  "updated",
  "too_large",
  "end_before_start",
  "superseded",
  "contradiction",
  "duplicate",
] as const;
export type MergeOutcome = (typeof MERGE_OUTCOMES)[number];
const DECIDED = `select p.path,
    case when ${ADVANCES} then case when ${IS_TOO_LARGE} then 'too_large' else 'updated' end
      when ${ENDS_BEFORE_START} and x.revision >= e.revision then 'end_before_start'
      when x.revision < e.revision and x.settled <> 0 and e.settled = 0 then 'superseded'
      when p.path is not null then 'contradiction'
      else 'duplicate'
    end as outcome
  from (${CONTRADICTED} offset 0) p`;
const ALL_BITS = -1;
/**
 * The fate of the message: `outcome`, with the `path` of a contradiction; `kept`, the bits of
 * the fields that stay as they are, all unless the row changes; `taken`, of the others those that
 * the message settles, all for a higher revision.
 */
export const MERGE_VERDICT = `select d.outcome, d.path,
    case when d.outcome <> 'updated' then ${ALL_BITS}
      when x.revision > e.revision then 0 else e.settled end as kept,
    case when x.revision > e.revision then ${ALL_BITS} else x.settled end as taken
  from (${DECIDED} offset 0) d`;

/** A running message of the row's revision says that the run is alive, though nothing changes. */
export const IS_HEARD = "e.status = 'running' and x.settled = 0 and x.revision = e.revision";

/** The length of the metadata behind a message; null: nobody has asked. */
export const BYTES_BEHIND = `case when v.kept = ${ALL_BITS} then a.bytes
      when x.revision = e.revision and e.metadata is not null
        then a.bytes + coalesce(a.more, 0) end`;

interface StateColumn {
  column: string;
  type: string;
  /** Its value behind a message. */
  behind: string;
}
const unlessKept = (column: string, type: string, changed: string): StateColumn => ({
  column,
  type,
  behind: `case when v.kept = ${ALL_BITS} then e.${column} else ${changed} end`,
});
const mergedColumn = (field: Field): StateColumn => ({
  column: field.column,
  type: field.type,
  behind: `case when v.kept & ${field.bit} <> 0 then e.${field.column}
      when v.taken & ${field.bit} <> 0 then x.${field.column}
      else ${joined(field)} end`,
});
/** The statement of a message about an execution. A final status stands. */
export const STATED_COLUMNS: readonly StateColumn[] = [
  unlessKept("agent_id", "text", "x.agent_id"),
  unlessKept(
    "user_id",
    "text",
    `case when v.taken = ${ALL_BITS} then x.user_id else coalesce(e.user_id, x.user_id) end`,
  ),
  unlessKept(
    "status",
    "text",
    "case when v.taken <> 0 then x.status when v.kept <> 0 then e.status else 'running' end",
  ),
  unlessKept("started_at", "timestamptz", "coalesce(x.started_at, e.started_at)"),
  ...MERGED.map(mergedColumn),
  unlessKept("revision", "int", "x.revision"),
  unlessKept("settled", "int", "v.kept | x.settled"),
];
/** All of it. An update reopens a run that was closed because it fell silent. */
export const STATE_COLUMNS: readonly StateColumn[] = [
  ...STATED_COLUMNS,
  unlessKept("stale", "boolean", "false"),
];
