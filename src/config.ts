import { z } from "zod";
import { DEADLINES } from "./db/deadlines.ts";
import { isQuota, QUOTAS, type Quotas } from "./db/quotas.ts";

const flag = z.enum(["true", "false"]).transform((value) => value === "true");
const count = z.string().regex(/^\d+$/, "must be a whole number").transform(Number);
const list = z.string().transform((value) =>
  value
    .split(",")
    .map((item) => item.trim())
    .filter(Boolean),
);
const optional = z
  .string()
  .default("")
  .transform((value) => value || undefined);

/** Whether it is an http(s) URL without query and fragment; a proxy may add a path. */
function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && `${url.search}${url.hash}` === "";
}

/** `name=number` pairs over the defaults. */
const quotas = list.transform((items, ctx): Quotas => {
  const given = items.map((item) => /^(\w+)=(\d{1,9})$/.exec(item)?.slice(1) ?? [item]);
  for (const [name = "", number] of given)
    if (number === undefined || !isQuota(name))
      ctx.addIssue({ code: "custom", message: `does not know "${name}"` });
  return { ...QUOTAS, ...Object.fromEntries(given.map(([name, n]) => [name, Number(n)])) };
});

const schema = z
  .object({
    ENVIRONMENT: z.enum(["local", "test", "production"]).default("production"),
    DATABASE_URL: z.string().min(1),
    /** The local endpoint that replaces Neon's, e.g. http://127.0.0.1:5490. */
    NEON_ENDPOINT: optional,
    JWT_SECRET_KEY: optional,
    JWT_JWKS_URL: optional,
    JWT_ISSUER: optional,
    JWT_AUDIENCE: optional,
    /** Tolerance for the `exp`, `nbf` and `iat` of a token. */
    JWT_LEEWAY_SECONDS: count
      .default(60)
      .refine((seconds) => seconds <= 300, "must be at most 300"),
    HOURLY_ROLLUP_ENABLED: flag.default(true),
    DAILY_ROLLUP_ENABLED: flag.default(true),
    RETENTION_MONTHS: count.default(0),
    STALE_AFTER_MINUTES: count.default(1440),
    /** The time limit of a statement that a caller waits for. */
    STATEMENT_TIMEOUT_SECONDS: count
      .default(DEADLINES.request / 1000)
      .refine((seconds) => seconds >= 1 && seconds <= 60, "must be 1 to 60"),
    CORS_ORIGINS: list.default([]),
    /** Limits of a workspace, e.g. `funnels=500,exports_per_day=2000`. */
    QUOTAS: quotas.default(QUOTAS),
    MAX_EXPORT_ROWS: count.default(1_000_000),
    EXPORT_RETENTION_DAYS: count.default(90),
    /** Limits of connections to a workspace's feed, for one user and in total. */
    REALTIME_SOCKETS_PER_USER: count.default(100),
    REALTIME_SOCKETS_PER_WORKSPACE: count.default(1_000),
    /** The public URL of this Worker, for links in messages, e.g. https://analytics.example.com. */
    PUBLIC_URL: optional
      .refine((url) => url === undefined || isOrigin(url), "must be an http or https URL")
      .transform((url) => url?.replace(/\/+$/, "")),
    MAIL_PROVIDER: optional.pipe(z.enum(["resend", "postmark"]).optional()),
    MAIL_API_KEY: optional,
    MAIL_FROM: optional,
    /** Signs links and webhooks; absent: keys are derived from JWT_SECRET_KEY. */
    LINK_SECRET_KEY: optional,
  })
  .refine((config) => config.JWT_SECRET_KEY ?? config.JWT_JWKS_URL, {
    path: ["JWT_SECRET_KEY"],
    message: "set this or JWT_JWKS_URL",
  })
  .refine((config) => !config.LINK_SECRET_KEY || config.LINK_SECRET_KEY.length >= 32, {
    path: ["LINK_SECRET_KEY"],
    message: "needs at least 32 characters",
  })
  .refine((config) => !config.JWT_SECRET_KEY || config.JWT_SECRET_KEY.length >= 32, {
    path: ["JWT_SECRET_KEY"],
    message: "needs at least 32 characters (RFC 7518, 3.2)",
  });

export type Config = z.output<typeof schema>;

/** Variables and secrets that the Worker knows. */
export const CONFIG_NAMES: readonly string[] = Object.keys(schema.shape);

const parsed = new WeakMap<object, Config>();

/** Variables and secrets, parsed once for each `env`; a bad value is named, its content is not. */
export function readConfig(env: object): Config {
  const known = parsed.get(env);
  if (known) return known;
  const result = schema.safeParse(env);
  if (!result.success) {
    const faults = result.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`);
    throw new Error(`Configuration: ${faults.join("; ")}`);
  }
  parsed.set(env, result.data);
  return result.data;
}
