import type { Context } from "../context.ts";
import type { Publication } from "./protocol.ts";

/** Tells a workspace's feed, behind the answer: a feed that is down is logged and nothing else. */
export function publish(ctx: Context, workspaceId: string, publication: Publication): void {
  const stub = ctx.feed.get(ctx.feed.idFromName(workspaceId));
  ctx.waitUntil(stub.publish(workspaceId, publication));
}
