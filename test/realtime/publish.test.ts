import { afterEach, expect, it, vi } from "vitest";
import type { Context } from "../../src/context.ts";
import type { FeedPublication } from "../../src/realtime/protocol.ts";
import { publishExecutions } from "../../src/realtime/publish.ts";

afterEach(() => {
  vi.useRealTimers();
});

const feedOf = () => {
  const told: FeedPublication[][] = [];
  const errors: unknown[] = [];
  const behind: Promise<unknown>[] = [];
  const tell = async (_: string, list: FeedPublication[]) => void told.push(list);
  const ctx = {
    feed: { idFromName: (name: string) => name, get: () => ({ publish: tell }) },
    log: { error: (_: string, cause: unknown) => errors.push(cause) },
    waitUntil: (work: Promise<unknown>) => void behind.push(work),
  } as unknown as Context;
  return { ctx, told, errors, settled: () => Promise.all(behind) };
};
const created = (told: FeedPublication[][]) => told.flat().map((each) => each.created);

it("the publisher tells what a burst has published in one call", async () => {
  const { ctx, told, settled } = feedOf();
  for (let each = 0; each < 10; each++)
    publishExecutions(ctx, "burst", { type: "events", created: 1 });
  await settled();
  expect(told).toEqual([[{ type: "events", created: 10 }]]);
});

it("the publisher loses nothing of a burst when the request that began it is killed", async () => {
  vi.useFakeTimers();
  const { ctx, told } = feedOf();
  publishExecutions(ctx, "killed", { type: "events", created: 1 });
  // A request that is killed never wakes again.
  vi.clearAllTimers();
  publishExecutions(ctx, "killed", { type: "events", created: 2 });
  publishExecutions(ctx, "killed", { type: "events", created: 4 });
  await vi.advanceTimersByTimeAsync(200);
  expect(created(told)).toEqual([7]);
  publishExecutions(ctx, "killed", { type: "events", created: 8 });
  await vi.advanceTimersByTimeAsync(200);
  expect(created(told)).toEqual([7, 8]);
});

it("the publisher logs a feed that is down once for a burst, and continues with the next", async () => {
  const { ctx, told, errors, settled } = feedOf();
  const down = {
    ...ctx,
    feed: {
      ...ctx.feed,
      get: () => ({
        publish: async () => {
          throw new Error("down");
        },
      }),
    },
  };
  for (let each = 0; each < 5; each++)
    publishExecutions(down as unknown as Context, "down", { type: "events", created: 1 });
  await settled();
  expect(errors).toHaveLength(1);
  publishExecutions(ctx, "down", { type: "events", created: 1 });
  await settled();
  expect(created(told)).toEqual([1]);
});
