import type { Context } from "../context.ts";
import { sleep } from "../lib/backoff.ts";
import { FRAME_EXECUTIONS, type Publication } from "./protocol.ts";

/** Publications of a burst go together: one call a workspace for all that happens in this time. */
const GATHER_MS = 25;

/** A gathering that has not been sent by then belongs to a request that was killed. */
const MAX_GATHER_MS = 5_000;

const waiting = new Map<string, { since: number; list: Publication[] }>();

/** Joins publications of one type: counts add up, executions are the first ones. */
function joined(list: readonly Publication[]): Publication[] {
  const executions = list.filter((each) => each.type === "executions");
  const events = list.filter((each) => each.type === "events");
  const sum = (numbers: number[]) => numbers.reduce((total, each) => total + each, 0);
  const result: Publication[] = [];
  if (executions.length > 0) {
    const [created, updated] = [
      sum(executions.map((each) => each.created)),
      sum(executions.map((each) => each.updated)),
    ];
    result.push({
      type: "executions",
      created,
      updated,
      executions: executions.flatMap((each) => each.executions).slice(0, FRAME_EXECUTIONS),
    });
  }
  if (events.length > 0)
    result.push({ type: "events", created: sum(events.map((each) => each.created)) });
  return result;
}

/** Tells a workspace's feed, behind the answer: a feed that is down is logged and nothing else. */
export function publish(ctx: Context, workspaceId: string, publication: Publication): void {
  const pending = waiting.get(workspaceId);
  if (pending && Date.now() - pending.since < MAX_GATHER_MS) {
    pending.list.push(publication);
    return;
  }
  const mine = { since: Date.now(), list: [publication] };
  waiting.set(workspaceId, mine);
  const send = async () => {
    await sleep(GATHER_MS);
    if (waiting.get(workspaceId) === mine) waiting.delete(workspaceId);
    await ctx.feed.get(ctx.feed.idFromName(workspaceId)).publish(workspaceId, joined(mine.list));
  };
  ctx.waitUntil(send());
}
