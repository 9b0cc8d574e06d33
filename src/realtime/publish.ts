import { joinFlight, newFlight, type SharedFlight } from "../cache/single-flight.ts";
import type { Context } from "../context.ts";
import { sleep } from "../lib/backoff.ts";
import { answerWithin } from "../lib/deadline.ts";
import { type FeedPublication, FRAME_EXECUTIONS } from "./protocol.ts";

/** Publications of a workspace within this time are sent in one call. */
const GATHER_MS = 25;

/** The time limit of a call to the feed. */
const LIMIT_MS = 5_000;

interface Gathering {
  list: FeedPublication[];
  telling: SharedFlight<void>;
}

/** Publications that wait, as data: if a request is killed, another one sends them. */
const waiting = new Map<string, Gathering>();

/** Merges publications of one type: counts add up, the first executions are kept. */
function joined(list: readonly FeedPublication[]): FeedPublication[] {
  const executions = list.filter((each) => each.type === "executions");
  const events = list.filter((each) => each.type === "events");
  const sum = (numbers: number[]) => numbers.reduce((total, each) => total + each, 0);
  const result: FeedPublication[] = [];
  if (executions.length > 0) {
    const created = sum(executions.map((each) => each.created));
    const updated = sum(executions.map((each) => each.updated));
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
 * Reports to a workspace's feed after the answer; a failure is only logged. Each request of a burst
 * waits with its own timer; the first to wake sends for all, and if it is killed another one does.
 */
export function publishExecutions(
  ctx: Context,
  workspaceId: string,
  publication: FeedPublication,
): void {
  const gathering = waiting.get(workspaceId) ?? { list: [], telling: newFlight<void>() };
  waiting.set(workspaceId, gathering);
  gathering.list.push(publication);
  const tell = async () => {
    const feed = ctx.feed.get(ctx.feed.idFromName(workspaceId));
    try {
      await answerWithin("The feed", LIMIT_MS, feed.publish(workspaceId, joined(gathering.list)));
    } catch (error) {
      ctx.log.error("publish", error);
    }
  };
  const send = async () => {
    await sleep(GATHER_MS);
    if (waiting.get(workspaceId) === gathering) waiting.delete(workspaceId);
    await joinFlight(gathering.telling, tell);
  };
  ctx.waitUntil(send());
}
