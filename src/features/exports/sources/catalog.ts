import { agentSource, errorSource, metricsSource, userSource } from "./computed-sources.ts";
import { eventSource, executionSource } from "./raw-sources.ts";
import type { ExportSource } from "./source.ts";

/** Everything that can be exported; a further source is one entry. */
export const EXPORT_SOURCES = {
  executions: executionSource,
  events: eventSource,
  agents: agentSource,
  users: userSource,
  errors: errorSource,
  metrics: metricsSource,
} as const satisfies Record<string, ExportSource>;
export type SourceName = keyof typeof EXPORT_SOURCES;
export const SOURCE_NAMES = Object.keys(EXPORT_SOURCES) as [SourceName, ...SourceName[]];
