import { beforeAll, describe, expect, it } from "vitest";
import { data, fillNumbers, rows, setPriceAndZone } from "../../support/numbers.ts";
import type { RawRow } from "../../support/oracle.ts";

beforeAll(async () => {
  await fillNumbers();
  await setPriceAndZone();
});

describe("metrics of executions", () => {
  it("give throughput over wall time, whole histograms and patterns", async () => {
    const execution = await data("/metrics/execution?timezone=Asia/Kolkata");
    expect(execution.throughput).toMatchObject({
      executions: rows.length,
      hours: 720,
      per_hour: rows.length / 720,
      per_day: rows.length / 30,
    });
    const sum = (list: { executions: number }[]) =>
      list.reduce((total, each) => total + each.executions, 0);
    expect(sum(execution.throughput.series)).toBe(rows.length);
    for (const slice of execution.latency.histogram) {
      const inside = rows.filter(
        (row) =>
          (row.duration_ms ?? 0) >= slice.from_ms &&
          (slice.to_ms === null || (row.duration_ms ?? 0) < slice.to_ms),
      ).length;
      const near = rows.filter((row) =>
        [slice.from_ms, slice.to_ms ?? 0].some(
          (edge) => edge > 0 && Math.abs((row.duration_ms ?? 0) - edge) <= edge * 0.02,
        ),
      ).length;
      expect(Math.abs(slice.executions - inside)).toBeLessThanOrEqual(near);
    }
    const hour = (row: RawRow) =>
      Number(
        new Intl.DateTimeFormat("en-GB", {
          timeZone: "Asia/Kolkata",
          hour: "2-digit",
          hourCycle: "h23",
        }).format(new Date(row.started_at)),
      );
    for (const cell of execution.patterns.peak_hours)
      expect(cell.executions).toBe(rows.filter((row) => hour(row) === cell.hour_of_day).length);
  });
});
