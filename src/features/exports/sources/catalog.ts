import { agents, errors, metrics, users } from "./computed-sources.ts";
import { events, executions } from "./raw-sources.ts";
import type { Source } from "./source.ts";

/** Everything that can be exported; a further source is one entry. */
export const SOURCES = {
  executions,
  events,
  agents,
  users,
  errors,
  metrics,
} as const satisfies Record<string, Source>;
export type SourceName = keyof typeof SOURCES;
export const SOURCE_NAMES = Object.keys(SOURCES) as [SourceName, ...SourceName[]];
