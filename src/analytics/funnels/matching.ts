/**
 * Steps with an occurrence each. A further occurrence is added where the others can make room for
 * it (augmenting paths, Kuhn 1955).
 */
export class StepMatching {
  private readonly masks: readonly number[];
  private readonly holders = new Map<number, number | undefined>();

  /** @param masks of each unit, the steps that it can take */
  constructor(masks: readonly number[], steps: readonly number[]) {
    this.masks = masks;
    for (const step of steps) this.holders.set(step, undefined);
  }

  /** The steps that a further unit could take: free ones, and those whose holder could move. */
  openSteps(): number[] {
    let open = 0;
    for (let before = -1; before !== open; ) {
      before = open;
      for (const [step, holder] of this.holders)
        if (holder === undefined || (this.masks[holder] ?? 0) & open) open |= 1 << step;
    }
    return [...this.holders.keys()].filter((step) => open & (1 << step));
  }

  /** @returns whether there was room */
  add(unit: number, tried = new Set<number>()): boolean {
    for (const [step, holder] of this.holders) {
      if (((this.masks[unit] ?? 0) & (1 << step)) === 0 || tried.has(step)) continue;
      tried.add(step);
      if (holder !== undefined && !this.add(holder, tried)) continue;
      this.holders.set(step, unit);
      return true;
    }
    return false;
  }
}

/** The first of ascending numbers that is not below `least`; infinity without one. */
export function firstFrom(ascending: readonly number[], least: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? 0) < least) low = middle + 1;
    else high = middle;
  }
  return ascending[low] ?? Number.POSITIVE_INFINITY;
}
