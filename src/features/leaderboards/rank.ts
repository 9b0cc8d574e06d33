export interface Contender {
  id: string;
  score: number;
  /** Executions: decides between equal scores. */
  volume: number;
}

export interface RankedContender extends Contender {
  /** From 1; equal score and volume have the same rank, and the next one leaves the places out. */
  rank: number;
  previous_rank: number | null;
  /**
   * Places up (positive) or down since the period before; null for one that was not ranked then.
   */
  change: number | null;
  /** Share of the ranked, in percent, that stand no higher: (n - rank + 1) / n * 100. */
  percentile: number;
  badge: "gold" | "silver" | "bronze" | null;
}

const BADGES = ["gold", "silver", "bronze"] as const;

/**
 * By score, then volume, then id: the order is total, so that pages and repeated questions agree.
 */
export function compareContenders(a: Contender, b: Contender): number {
  const byFigures = b.score - a.score || b.volume - a.volume;
  if (byFigures !== 0 || a.id === b.id) return byFigures;
  return a.id < b.id ? -1 : 1;
}

/** Ranks ("1224") of contenders, in their order. */
export function ranksOf(contenders: readonly Contender[]): Map<string, number> {
  const ranks = new Map<string, number>();
  let rank = 0;
  let last: Contender | undefined;
  [...contenders].sort(compareContenders).forEach((each, index) => {
    if (!last || each.score !== last.score || each.volume !== last.volume) rank = index + 1;
    ranks.set(each.id, rank);
    last = each;
  });
  return ranks;
}

/** The board, best first. */
export function rankContenders(
  now: readonly Contender[],
  before: readonly Contender[],
): RankedContender[] {
  const ranks = ranksOf(now);
  const previous = ranksOf(before);
  return [...now].sort(compareContenders).map((each) => {
    const place = ranks.get(each.id) ?? 0;
    const earlier = previous.get(each.id) ?? null;
    return {
      ...each,
      rank: place,
      previous_rank: earlier,
      change: earlier === null ? null : earlier - place,
      percentile: ((now.length - place + 1) / now.length) * 100,
      badge: BADGES[place - 1] ?? null,
    };
  });
}
