import { type PreparedQuery, prepared, runInOneSnapshot } from "../../analytics/prepared.ts";
import type { Context } from "../../context.ts";
import { pathOf } from "../../http/path-id.ts";
import { hitRow, SEARCH_KINDS } from "./queries.ts";

export type SearchType = keyof typeof SEARCH_KINDS;
export const SEARCH_TYPES = Object.keys(SEARCH_KINDS) as [SearchType, ...SearchType[]];

export interface SearchHit {
  type: SearchType;
  id: string;
  title: string;
  detail: string | null;
  /** 3: the title or id is the text; 2: it begins with it; 1: its words do. */
  score: number;
  href: string;
}

/**
 * The words of the text as a query of prefixes: `rate lim` finds "rate limit". Everything but
 * letters and digits separates words.
 */
function wordsOf(text: string): string | null {
  const words = text.match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.length === 0 ? null : words.map((word) => `${word}:*`).join(" & ");
}

/** The best matches of each kind, all from one snapshot. */
export async function searchWorkspace(
  ctx: Context,
  workspaceId: string,
  text: string,
  types: readonly SearchType[],
  limit: number,
): Promise<Record<string, SearchHit[]>> {
  const asked = { workspaceId, text, words: wordsOf(text), limit };
  const parts = types.map((type): PreparedQuery<SearchHit[]> => {
    const { collection, find } = SEARCH_KINDS[type];
    const hrefOf = (id: string) => pathOf(collection, id, { workspace_id: workspaceId });
    return prepared({ sql: find(asked), row: hitRow }, (rows) =>
      rows.map((hit) => ({ type, ...hit, href: hrefOf(hit.id) })),
    );
  });
  const found = await runInOneSnapshot(ctx.db, parts);
  return Object.fromEntries(types.map((type, index) => [type, found[index] ?? []]));
}
