import type { Context as HonoContext } from "hono";
import type { AppEnv } from "./router.ts";

/**
 * An absolute URL of this Worker. The Host header is the caller's word: it counts only where PUBLIC_URL is not set, and there the
 * platform answers for it, for a Worker is reached through its own routes only.
 * @param path begins with a slash; may have a query
 */
export function publicUrl(c: HonoContext<AppEnv>, path: string): string {
  return `${c.get("ctx").config.PUBLIC_URL ?? new URL(c.req.url).origin}${path}`;
}
