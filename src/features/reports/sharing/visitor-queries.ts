import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../../context.ts";

/** Wrong passwords in a row that an address has; each further one doubles its wait. */
const FREE_FAILURES = 5;
const LOCK_SECONDS = 30;
const MAX_LOCK_SECONDS = 3_600;
/** Wrong passwords of all addresses in an hour. */
const LINK_FAILURES = 100;
/** Days that an address is kept after its last try. */
const REMEMBERED_DAYS = 30;

const anyRow = z.unknown();

/** A network address at a link, both as hashes. */
export interface ShareVisitor {
  tokenHash: string;
  visitor: string;
}

const isFull = sql`(s.window_ends_at > now() and s.failures >= ${LINK_FAILURES}::int)`;
const isVisitor = ({ tokenHash, visitor }: ShareVisitor) =>
  sql`v.token_hash = ${tokenHash} and v.visitor = ${visitor}`;
/** Whether the address has given the right password before. */
const isKnown = (visitor: ShareVisitor) => sql`
  exists (
    select
    from report_share_visitors v
    where ${isVisitor(visitor)}
      and v.opened_at is not null
  )`;
const failures = sql`
  case when v.tried_at < now() - interval '1 day' then 1 else v.failures + 1 end`;
const lockSeconds = sql`
  least(
    ${MAX_LOCK_SECONDS}::int,
    ${LOCK_SECONDS}::int * 2 ^ least(20, ${failures} - ${FREE_FAILURES}::int)
  )`;

/** @returns whether the lock of the address allows a try */
async function countVisitorTry(ctx: Context, visitor: ShareVisitor): Promise<boolean> {
  const counted = await ctx.db.maybe({
    sql: sql`
      insert into report_share_visitors as v
        (token_hash, visitor, workspace_id, failures, tried_at)
      select s.token_hash, ${visitor.visitor}, s.workspace_id, 1, now()
      from report_shares s
      where s.token_hash = ${visitor.tokenHash}
        and (not ${isFull} or ${isKnown(visitor)})
      on conflict (token_hash, visitor) do update
        set failures = ${failures},
          tried_at = now(),
          locked_until = case
            when ${failures} >= ${FREE_FAILURES}::int
            then now() + make_interval(secs => ${lockSeconds})
          end
        where v.locked_until is null
          or v.locked_until <= now()
      returning v.visitor`,
    row: anyRow,
  });
  return counted !== undefined;
}

/** @returns whether the limit of the link allows a try */
async function countLinkTry(ctx: Context, visitor: ShareVisitor): Promise<boolean> {
  const counted = await ctx.db.maybe({
    sql: sql`
      update report_shares s
      set failures = case when s.window_ends_at > now() then s.failures + 1 else 1 end,
        window_ends_at = case
          when s.window_ends_at > now() then s.window_ends_at
          else now() + interval '1 hour'
        end
      where s.token_hash = ${visitor.tokenHash}
        and (not ${isFull} or ${isKnown(visitor)})
      returning s.id`,
    row: anyRow,
  });
  return counted !== undefined;
}

/**
 * Counts a try before its password is checked, so that concurrent tries each count.
 * @returns whether the password may be checked
 */
export async function countPasswordTry(ctx: Context, visitor: ShareVisitor): Promise<boolean> {
  return (await countVisitorTry(ctx, visitor)) && (await countLinkTry(ctx, visitor));
}

/** @returns whole seconds until both locks allow the next try of a visitor, at least 1 */
export async function secondsUntilTry(ctx: Context, visitor: ShareVisitor): Promise<number> {
  const found = await ctx.db.maybe({
    sql: sql`
      select
        ceil(extract(epoch from
          greatest(
            v.locked_until,
            case when ${isFull} and v.opened_at is null then s.window_ends_at end,
            now()
          ) - now()
        ))::int as seconds
      from report_shares s
      left join report_share_visitors v on ${isVisitor(visitor)}
      where s.token_hash = ${visitor.tokenHash}`,
    row: z.object({ seconds: z.number() }),
  });
  return Math.max(1, found?.seconds ?? 1);
}

/** Takes back the try that was counted: its password was right. */
export async function saveOpened(ctx: Context, visitor: ShareVisitor): Promise<void> {
  await ctx.db.run(sql`
    with known as (
      update report_share_visitors v
      set failures = 0, locked_until = null, opened_at = now()
      where ${isVisitor(visitor)}
    )
    update report_shares s
    set failures = greatest(0, s.failures - 1)
    where s.token_hash = ${visitor.tokenHash}`);
}

/** Deletes addresses whose last try was long ago. */
export async function forgetVisitors(ctx: Context): Promise<void> {
  await ctx.db.run(sql`
    delete from report_share_visitors v
    where v.tried_at < now() - make_interval(days => ${REMEMBERED_DAYS}::int)`);
}
