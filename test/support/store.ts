import { expect } from "vitest";
import { type IntakeKind, storeChecked } from "../../src/intake/items.ts";

/** Stores new items through an intake, in chunks; each must be created. */
export async function store<M>(kind: IntakeKind<M>, items: readonly unknown[]): Promise<void> {
  for (let from = 0; from < items.length; from += 1000) {
    const part = items.slice(from, from + 1000);
    const results = await storeChecked(
      kind,
      part.map((item) => kind.check(item, Date.now(), { id: "", reproducible: false })),
    );
    expect(results.filter((result) => result.result !== "created")).toEqual([]);
  }
}
