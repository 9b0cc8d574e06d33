import type { OpenAPIHono } from "@hono/zod-openapi";
import { sha256Hex } from "../lib/digest.ts";
import type { AppEnv } from "./router.ts";

const INFO = {
  openapi: "3.1.0",
  info: {
    title: "Shadower Analytics",
    version: "1",
    description:
      "Analytics of AI-agent executions. Every number can be recomputed; `meta` says what an answer is true for and where it comes from. Ids of agents, users and executions are percent-encoded in paths; each can also be given as the query's `id`, with `_` in its place (`/users/_?id=..`).",
  },
  security: [{ bearer: [] }, { key: [] }],
};

interface Operation {
  summary?: string;
  description?: string;
  parameters?: { name: string; in: string; required?: boolean }[];
}

/** Adds `/openapi.json` and `/docs`; both are built once and have an ETag. */
export function describeApi(app: OpenAPIHono<AppEnv>): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT, or an API key (sk_…)",
  });
  app.openAPIRegistry.registerComponent("securitySchemes", "key", {
    type: "apiKey",
    in: "header",
    name: "X-API-Key",
  });
  let built: { json: string; html: string; etag: string } | undefined;
  const build = async (server: string) => {
    const document = app.getOpenAPI31Document({ ...INFO, servers: [{ url: server }] });
    const json = JSON.stringify(document);
    const etag = `"${(await sha256Hex(json)).slice(0, 24)}"`;
    const html = pageOf(document.paths as Record<string, Record<string, Operation>>);
    return { json, html, etag };
  };
  const serve = (
    path: string,
    type: string,
    pick: (of: { json: string; html: string }) => string,
  ) =>
    app.get(path, async (c) => {
      // Only the result is shared: a request must not wait for another's promise.
      const document = built ?? (await build(c.get("ctx").config.PUBLIC_URL ?? "/"));
      built = document;
      const headers = {
        "content-type": type,
        etag: document.etag,
        "cache-control": "public, max-age=60",
      };
      if (c.req.header("if-none-match") === document.etag) return c.body(null, 304, headers);
      return c.body(pick(document), 200, {
        ...headers,
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
      });
    });
  serve("/openapi.json", "application/json", (of) => of.json);
  serve("/docs", "text/html; charset=utf-8", (of) => of.html);
}

const escapeHtml = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

/** A plain reference page of every route, without scripts and external resources. */
function pageOf(paths: Record<string, Record<string, Operation>>): string {
  const sections = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { summary = "", description = "", parameters = [] }]) => {
      const list = parameters
        .map(
          ({ name, in: place, required }) =>
            `<li><code>${escapeHtml(name)}</code> ${place}${required ? ", required" : ""}</li>`,
        )
        .join("");
      return `<section><h2><code>${method.toUpperCase()} ${escapeHtml(path)}</code></h2><p><b>${escapeHtml(summary)}</b> ${escapeHtml(description)}</p>${list ? `<ul>${list}</ul>` : ""}</section>`;
    }),
  );
  const style =
    "body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}code{background:#8882;padding:.1em .3em}h2{font-size:1.1rem;margin-top:2rem}ul{columns:3}";
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Shadower Analytics API</title><style>${style}</style><h1>Shadower Analytics API</h1><p>The full description with schemas: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1).</p>${sections.join("")}</html>`;
}
