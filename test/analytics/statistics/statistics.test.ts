import { describe, expect, it } from "vitest";
import { changePoints, MIN_SEGMENT } from "../../../src/analytics/statistics/change-points.ts";
import { directionOf } from "../../../src/analytics/statistics/direction.ts";
import { movingAverages } from "../../../src/analytics/statistics/moving.ts";
import {
  mannWhitney,
  twoProportions,
  twoSidedP,
} from "../../../src/analytics/statistics/significance.ts";
import {
  autocorrelation,
  decomposeStl,
  seasonalStrength,
} from "../../../src/analytics/statistics/stl.ts";
import { random } from "../../support/days.ts";

/** Normal numbers by Box and Muller. */
function normal(next: () => number) {
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}
const points = (values: number[]) => values.map((value, place) => ({ place, value }));
const permutations = (list: number[]): number[][] =>
  list.length <= 1
    ? [list]
    : list.flatMap((each, index) =>
        permutations([...list.slice(0, index), ...list.slice(index + 1)]).map((rest) => [
          each,
          ...rest,
        ]),
      );
const kendallS = (values: number[]) =>
  values.reduce(
    (sum, a, i) => sum + values.slice(i + 1).reduce((s, b) => s + Math.sign(b - a), 0),
    0,
  );

describe("direction", () => {
  it("has the exact p of Mann-Kendall, as counting all orders gives it", () => {
    const next = random(3);
    for (const n of [3, 4, 5, 6, 7]) {
      const all = permutations(Array.from({ length: n }, (_, index) => index)).map(kendallS);
      for (let round = 0; round < 20; round++) {
        const values = Array.from({ length: n }, () => next());
        const s = Math.abs(kendallS(values));
        const { p_value, method } = directionOf(points(values));
        expect(method).toBe("exact");
        expect(p_value).toBeCloseTo(
          all.filter((each) => Math.abs(each) >= s).length / all.length,
          12,
        );
      }
    }
  });

  it("agrees with simulated orders where it approximates, ties included", () => {
    const next = random(5);
    const values = Array.from({ length: 24 }, () => Math.floor(next() * 6));
    for (let i = 16; i < 24; i++) values[i] = (values[i] ?? 0) + 1;
    const s = Math.abs(kendallS(values));
    let beyond = 0;
    const rounds = 20_000;
    for (let round = 0; round < rounds; round++) {
      const shuffled = [...values];
      for (let i = shuffled.length - 1; i > 0; i--) {
        const j = Math.floor(next() * (i + 1));
        [shuffled[i], shuffled[j]] = [shuffled[j] ?? 0, shuffled[i] ?? 0];
      }
      if (Math.abs(kendallS(shuffled)) >= s) beyond++;
    }
    const { p_value, method } = directionOf(points(values));
    expect(method).toBe("normal");
    expect(Math.abs((p_value ?? 1) - beyond / rounds)).toBeLessThan(0.02);
  });

  it("finds the slope of a line under outliers and gaps, and says nothing below three points or of a constant", () => {
    const line = Array.from({ length: 30 }, (_, place) => ({
      place: place * (place % 3 === 0 ? 1 : 1),
      value: 5 + 2 * place,
    }));
    line[7] = { place: 7, value: 10_000 };
    const found = directionOf(line.filter(({ place }) => place % 5 !== 0));
    expect(found).toMatchObject({ trend: "up" });
    expect(found.slope).toBeCloseTo(2, 6);
    expect(directionOf(points([1, 2]))).toMatchObject({
      trend: "none",
      p_value: null,
      method: null,
    });
    expect(directionOf(points([4, 4, 4, 4]))).toMatchObject({
      trend: "none",
      p_value: null,
      slope: 0,
    });
    expect(directionOf(points([1, 2, 3]))).toMatchObject({ trend: "none", method: "exact" });
    expect(directionOf(points([9, 7, 5, 4, 2, 1]))).toMatchObject({ trend: "down" });
  });
});

describe("the slope of a direction", () => {
  it.each([3, 4, 5, 40, 41, 2_000])(
    "is the median of the slopes of all pairs of %d points, also of equal ones",
    (n) => {
      const next = random(n);
      const points = Array.from({ length: n }, (_, place) => ({
        place: 2 * place,
        value: Math.floor(next() * 9),
      }));
      const slopes = points
        .flatMap((a, i) =>
          points.slice(i + 1).map((b) => (b.value - a.value) / (b.place - a.place)),
        )
        .sort((a, b) => a - b);
      const [lower, upper] = [(slopes.length - 1) >> 1, slopes.length >> 1];
      expect(directionOf(points).slope).toBe(
        ((slopes[lower] ?? Number.NaN) + (slopes[upper] ?? Number.NaN)) / 2,
      );
    },
  );

  it("is refused for more points than can be compared with each other, whoever asks", () => {
    const points = Array.from({ length: 2_001 }, (_, place) => ({ place, value: place }));
    expect(() => directionOf(points)).toThrow(
      expect.objectContaining({ code: "too_many_buckets", kind: "unprocessable" }),
    );
  });
});

describe("change points", () => {
  /** The same cost and penalty by plain dynamic programming over all segmentations, without pruning. */
  function exhaustive(y: number[], penalty: number): number[] {
    const cost = (from: number, to: number) => {
      const part = y.slice(from, to);
      const center = part.reduce((a, b) => a + b, 0) / part.length;
      return part.reduce((sum, value) => sum + (value - center) ** 2, 0);
    };
    const best: { value: number; cuts: number[] }[] = [{ value: -penalty, cuts: [] }];
    for (let to = 1; to <= y.length; to++) {
      let found = { value: Number.POSITIVE_INFINITY, cuts: [] as number[] };
      for (let from = 0; from <= to - MIN_SEGMENT; from++) {
        const before = best[from];
        if (!before || before.value === Number.POSITIVE_INFINITY) continue;
        const value = before.value + cost(from, to) + penalty;
        if (value < found.value - 1e-9)
          found = { value, cuts: from === 0 ? [] : [...before.cuts, from] };
      }
      best[to] = found;
    }
    return best[y.length]?.cuts ?? [];
  }

  it("are those of an exhaustive search", () => {
    const next = random(17);
    const gauss = normal(next);
    for (let round = 0; round < 60; round++) {
      const levels = Array.from({ length: 1 + Math.floor(next() * 4) }, () => next() * 20);
      const y = levels.flatMap((level) =>
        Array.from({ length: 4 + Math.floor(next() * 15) }, () => level + gauss()),
      );
      const squares = y.slice(1).map((value, i) => (value - (y[i] ?? 0)) ** 2);
      const penalty =
        4 * (squares.reduce((p, q) => p + q, 0) / squares.length / 2) * Math.log(y.length);
      const smooth = y.map(
        (value, i) =>
          [y[i - 1] ?? value, value, y[i + 1] ?? value].sort((p, q) => p - q)[1] ?? value,
      );
      expect(changePoints(y).map((point) => point.index)).toEqual(exhaustive(smooth, penalty));
    }
  });

  it("find a step and leave noise and constants alone", () => {
    const gauss = normal(random(23));
    const y = Array.from({ length: 60 }, (_, i) => (i < 25 ? 10 : 30) + gauss());
    const found = changePoints(y);
    expect(found.map((point) => point.index)).toEqual([25]);
    expect(found[0]?.before).toBeCloseTo(10, 0);
    expect(found[0]?.after).toBeCloseTo(30, 0);
    expect(changePoints(Array.from({ length: 60 }, () => 4))).toEqual([]);
    expect(changePoints([1, 9, 1, 9, 1])).toEqual([]);
    const next = random(29);
    const poisson = (rate: number) => () => {
      let [n, p] = [0, next()];
      while (p > Math.exp(-rate)) {
        p *= next();
        n++;
      }
      return n;
    };
    const noises = {
      normal: gauss,
      lognormal: () => Math.exp(1.5 * gauss()),
      rare: poisson(0.1),
      seldom: poisson(0.5),
      often: poisson(5),
      rate: () => (next() < 0.1 ? next() : 1),
    };
    for (const [name, draw] of Object.entries(noises)) {
      const alarms = Array.from(
        { length: 200 },
        () => changePoints(Array.from({ length: 90 }, draw)).length,
      ).filter((count) => count > 0).length;
      expect([name, alarms, alarms < 20]).toEqual([name, alarms, true]);
    }
  });
});

describe("STL", () => {
  it("takes a series apart into what it was made of", () => {
    const gauss = normal(random(29));
    const season = [4, -1, -3, 0, 2, 1, -3];
    const parts = Array.from({ length: 84 }, (_, i) => ({
      trend: 50 + 0.4 * i,
      seasonal: season[i % 7] ?? 0,
      noise: 0.3 * gauss(),
    }));
    const y = parts.map(({ trend, seasonal, noise }) => trend + seasonal + noise);
    const found = decomposeStl(y, 7);
    y.forEach((value, i) => {
      expect(
        (found.trend[i] ?? 0) + (found.seasonal[i] ?? 0) + (found.remainder[i] ?? 0),
      ).toBeCloseTo(value, 9);
      expect(Math.abs((found.trend[i] ?? 0) - (parts[i]?.trend ?? 0))).toBeLessThan(0.8);
      expect(Math.abs((found.seasonal[i] ?? 0) - (parts[i]?.seasonal ?? 0))).toBeLessThan(1);
    });
    expect(seasonalStrength(found)).toBeGreaterThan(0.9);
    expect(autocorrelation(y, 7)).toBeGreaterThan(0.7);
  });

  it("is not moved by an outlier, and sees little season in noise", () => {
    const season = [4, -1, -3, 0, 2, 1, -3];
    const y = Array.from({ length: 70 }, (_, i) => 20 + (season[i % 7] ?? 0));
    y[33] = 500;
    const found = decomposeStl(y, 7);
    found.trend.forEach((value) => {
      expect(Math.abs(value - 20)).toBeLessThan(1);
    });
    expect(found.remainder[33]).toBeGreaterThan(450);
    const noise = Array.from({ length: 84 }, normal(random(31)));
    expect(autocorrelation(noise, 7)).toBeLessThan(1.96 / Math.sqrt(84) + 0.1);
    expect(() => decomposeStl([1, 2, 3], 7)).toThrow("two whole periods");
  });
});

describe("moving averages", () => {
  it("are what their definitions say", () => {
    const y = [3, 5, 8, 1, 9, 4];
    const { sma, ema, wma } = movingAverages(y, 3);
    expect(sma).toEqual([null, null, 16 / 3, 14 / 3, 6, 14 / 3]);
    expect(wma).toEqual([
      null,
      null,
      (3 + 10 + 24) / 6,
      (5 + 16 + 3) / 6,
      (8 + 2 + 27) / 6,
      (1 + 18 + 12) / 6,
    ]);
    expect(ema).toEqual([3, 4, 6, 3.5, 6.25, 5.125]);
  });
});

describe("significance", () => {
  it("of two shares is the textbook's z (Fleiss 2003, 40 of 100 against 60 of 120)", () => {
    const found = twoProportions({ hits: 40, of: 100 }, { hits: 60, of: 120 });
    const pooled = 100 / 220;
    expect(found.z).toBeCloseTo(
      (0.4 - 0.5) / Math.sqrt(pooled * (1 - pooled) * (1 / 100 + 1 / 120)),
      12,
    );
    expect(found.p_value).toBeCloseTo(0.1378, 3);
    expect(twoProportions({ hits: 2, of: 4 }, { hits: 1, of: 4 })).toMatchObject({
      tested: false,
      p_value: null,
    });
    expect(twoProportions({ hits: 0, of: 0 }, { hits: 1, of: 4 })).toMatchObject({ tested: false });
    // Shares that are the same beyond doubt, however many runs there are; Fisher's exact p of such a table is 1.
    for (const hits of [0, 1])
      expect(
        twoProportions({ hits: hits * 400, of: 400 }, { hits: hits * 30, of: 30 }),
      ).toMatchObject({
        tested: true,
        p_value: 1,
        significant: false,
      });
    expect(twoProportions({ hits: 3, of: 3 }, { hits: 90, of: 90 })).toMatchObject({
      tested: false,
    });
    for (const [z, p] of [
      [1.959964, 0.05],
      [2.575829, 0.01],
      [3.290527, 0.001],
      [0, 1],
    ] as const)
      expect(twoSidedP(z)).toBeCloseTo(p, 6);
  });

  it("of durations is Mann and Whitney's, as comparing every pair gives it", () => {
    const next = random(41);
    for (let round = 0; round < 30; round++) {
      const draw = (n: number, shift: number) =>
        Array.from({ length: n }, () => Math.floor(next() * 12) + shift);
      const [a, b] = [
        draw(9 + Math.floor(next() * 20), 0),
        draw(9 + Math.floor(next() * 20), Math.floor(next() * 4)),
      ];
      const cells = (list: number[]) =>
        [...new Set(list)]
          .sort((x, y) => x - y)
          .map((key) => ({ key, count: list.filter((each) => each === key).length }));
      const u = a.reduce(
        (sum, x) => sum + b.reduce((s, y) => s + (x > y ? 1 : x === y ? 0.5 : 0), 0),
        0,
      );
      const n = a.length + b.length;
      const ties = cells([...a, ...b]).reduce((sum, { count }) => sum + count ** 3 - count, 0);
      const variance = ((a.length * b.length) / 12) * (n + 1 - ties / (n * (n - 1)));
      const found = mannWhitney(cells(a), cells(b));
      expect(found.z).toBeCloseTo((u - (a.length * b.length) / 2) / Math.sqrt(variance), 9);
      expect(found.superiority).toBeCloseTo(u / (a.length * b.length), 12);
    }
    expect(mannWhitney([{ key: 1, count: 7 }], [{ key: 2, count: 100 }])).toMatchObject({
      tested: false,
    });
    expect(mannWhitney([{ key: 1, count: 10 }], [{ key: 1, count: 10 }])).toMatchObject({
      tested: false,
    });
  });
});
