import type { Context } from "../context.ts";
import { sleep } from "../lib/backoff.ts";
import { FRAME_EXECUTIONS, type Publication } from "./protocol.ts";

/** Publications of a burst go together: one call a workspace for all that happens in this time. */
const GATHER_MS = 25;

/** What waits to be told, as data: a request that is killed leaves its publication to the next one. */
const waiting = new Map<string, Publication[]>();

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

/**
 * Tells a workspace's feed, behind the answer: a feed that is down is logged and nothing else. Each request sends what waits when
 * its own time has come, its publication or others' too: none depends on another's request.
 */
export function publish(ctx: Context, workspaceId: string, publication: Publication): void {
  const list = waiting.get(workspaceId) ?? [];
  waiting.set(workspaceId, list);
  list.push(publication);
  const send = async () => {
    await sleep(GATHER_MS);
    const gathered = waiting.get(workspaceId);
    if (!gathered) return;
    waiting.delete(workspaceId);
    const feed = ctx.feed.get(ctx.feed.idFromName(workspaceId));
    await feed.publish(workspaceId, joined(gathered));
  };
  ctx.waitUntil(send());
}
