import type { Context as HonoContext } from "hono";
import type { AppEnv } from "./router.ts";

/**
 * An absolute URL of this Worker. The caller chooses the Host header: it is used only without a
 * PUBLIC_URL, where the platform routes requests by it.
 * @param path begins with a slash; may have a query
 */
export function publicUrl(c: HonoContext<AppEnv>, path: string): string {
  return `${c.get("ctx").config.PUBLIC_URL ?? new URL(c.req.url).origin}${path}`;
}
