import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../../context.ts";
import { AppError } from "../../../lib/errors.ts";

/**
 * Guessing a password costs time, for the one who guesses: wrong ones are counted by link and network address, so that a stranger
 * who has the link holds nobody else's door. Guesses from many addresses are bounded for the link as a whole; addresses that have had
 * the right password are outside of that bound.
 */
const encoder = new TextEncoder();
/** The most that the platform's Web Crypto allows. */
const ITERATIONS = 100_000;
/** Wrong passwords in a row that an address may give; each further one doubles its wait. */
const FREE_FAILURES = 5;
const LOCK_SECONDS = 30;
const MAX_LOCK_SECONDS = 3_600;
/** Wrong passwords of all addresses in an hour. */
const LINK_FAILURES = 100;
/** How long an address is remembered after its last try. */
const REMEMBERED_DAYS = 30;

const nothing = z.unknown();

/** PBKDF2 with SHA-512 (RFC 8018). */
export async function passwordHash(password: string, salt: string): Promise<Uint8Array> {
  const key = await crypto.subtle.importKey(
    "raw",
    encoder.encode(password.normalize("NFKC")),
    "PBKDF2",
    false,
    ["deriveBits"],
  );
  return new Uint8Array(
    await crypto.subtle.deriveBits(
      { name: "PBKDF2", hash: "SHA-512", salt: encoder.encode(salt), iterations: ITERATIONS },
      key,
      512,
    ),
  );
}

/** An IPv4 address, or the network of an IPv6 one (64 bits: what one customer has). */
export function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.toLowerCase().split("::");
  const [first, last] = [head, tail ?? ""].map((part) => (part === "" ? [] : part.split(":")));
  const gap = Array<string>(tail === undefined ? 0 : 8).fill("0");
  return [
    ...(first ?? []),
    ...gap.slice((first?.length ?? 0) + (last?.length ?? 0)),
    ...(last ?? []),
  ]
    .slice(0, 4)
    .join(":");
}

/** Only a hash of the address is kept, and another one for each link. */
async function visitorOf(tokenHash: string, address: string): Promise<string> {
  const text = encoder.encode(`${tokenHash} ${networkOf(address)}`);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", text)).toHex().slice(0, 32);
}

interface Lock {
  tokenHash: string;
  salt: string;
  hash: string;
}

const isFull = sql`(s.window_ends_at > now() and s.failures >= ${LINK_FAILURES}::int)`;
const of = (tokenHash: string, visitor: string) =>
  sql`v.token_hash = ${tokenHash} and v.visitor = ${visitor}`;

/** Counts a try before it is looked at, so that many at once are not one. @returns whether it may be looked at */
async function countTry(ctx: Context, tokenHash: string, visitor: string): Promise<boolean> {
  const isKnown = sql`exists (select from report_share_visitors v
    where ${of(tokenHash, visitor)} and v.opened_at is not null)`;
  const failures = sql`case when v.tried_at < now() - interval '1 day' then 1 else v.failures + 1 end`;
  const own = await ctx.db.maybe({
    sql: sql`insert into report_share_visitors as v
        (token_hash, visitor, workspace_id, failures, tried_at)
      select s.token_hash, ${visitor}, s.workspace_id, 1, now() from report_shares s
        where s.token_hash = ${tokenHash} and (not ${isFull} or ${isKnown})
      on conflict (token_hash, visitor) do update set failures = ${failures}, tried_at = now(),
        locked_until = case when ${failures} >= ${FREE_FAILURES}::int then now() + make_interval(
          secs => least(${MAX_LOCK_SECONDS}::int,
            ${LOCK_SECONDS}::int * 2 ^ least(20, ${failures} - ${FREE_FAILURES}::int))) end
        where v.locked_until is null or v.locked_until <= now()
      returning v.visitor`,
    row: nothing,
  });
  if (!own) return false;
  const counted = await ctx.db.maybe({
    sql: sql`update report_shares s set
        failures = case when s.window_ends_at > now() then s.failures + 1 else 1 end,
        window_ends_at = case when s.window_ends_at > now() then s.window_ends_at
          else now() + interval '1 hour' end
      where s.token_hash = ${tokenHash} and (not ${isFull} or ${isKnown}) returning s.id`,
    row: nothing,
  });
  return counted !== undefined;
}

/** Whole seconds until the next try of a visitor is looked at; both locks may hold it. */
async function waitOf(ctx: Context, tokenHash: string, visitor: string): Promise<number> {
  const found = await ctx.db.maybe({
    sql: sql`select ceil(extract(epoch from greatest(v.locked_until,
        case when ${isFull} and v.opened_at is null then s.window_ends_at end, now()) - now()))::int
        as seconds
      from report_shares s left join report_share_visitors v on ${of(tokenHash, visitor)}
      where s.token_hash = ${tokenHash}`,
    row: z.object({ seconds: z.number() }),
  });
  return Math.max(1, found?.seconds ?? 1);
}

/**
 * Looks whether a password is the one of a link.
 * @throws AppError forbidden for a wrong one, rate_limited (with the time that is left) while no try is looked at
 */
export async function checkPassword(
  ctx: Context,
  { tokenHash, salt, hash }: Lock,
  { password, address }: { password: string; address: string },
): Promise<void> {
  const visitor = await visitorOf(tokenHash, address);
  if (!(await countTry(ctx, tokenHash, visitor)))
    throw new AppError("rate_limited", "too_many_passwords", "Too many wrong passwords.", {
      retryAfterSeconds: await waitOf(ctx, tokenHash, visitor),
    });
  const given = await passwordHash(password, salt);
  if (!crypto.subtle.timingSafeEqual(given, Uint8Array.fromHex(hash)))
    throw new AppError("forbidden", "wrong_password", "The password is wrong.");
  await ctx.db.run(sql`with known as (
        update report_share_visitors v set failures = 0, locked_until = null, opened_at = now()
          where ${of(tokenHash, visitor)}
      )
      update report_shares s set failures = greatest(0, s.failures - 1)
        where s.token_hash = ${tokenHash}`);
}

/** Forgets addresses that have not come for long. */
export async function forgetVisitors(ctx: Context): Promise<void> {
  await ctx.db.run(sql`delete from report_share_visitors v
      where v.tried_at < now() - make_interval(days => ${REMEMBERED_DAYS}::int)`);
}
