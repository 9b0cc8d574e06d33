import { describe, expect, it } from "vitest";
import { axisTicks, drawingOf } from "../../../../src/features/reports/render/charts.ts";

describe("drawings", () => {
  it("have round axisTicks that cover the values", () => {
    for (const most of [0.003, 0.97, 1, 7, 10, 99, 1234, 5_000_001]) {
      const steps = axisTicks(most);
      expect(steps[0]).toBe(0);
      expect(steps.at(-1)).toBeGreaterThanOrEqual(most * (1 - 1e-9));
      expect(steps.length).toBeLessThanOrEqual(7);
      expect((steps.at(-1) ?? 0) - most).toBeLessThanOrEqual((steps[1] ?? 0) * (1 + 1e-9));
    }
  });

  it("keep every shape inside the frame, and no label on another", () => {
    const buckets = Array.from({ length: 97 }, (_, i) =>
      new Date(Date.UTC(2026, 0, 1 + i)).toISOString(),
    );
    const long = "a very long name of an agent that nobody would want to read in a legend";
    const scenes = [
      drawingOf({
        kind: "series",
        chart: "line",
        measure: "executions",
        buckets,
        series: [{ name: null, values: buckets.map((_, i) => (i % 9 ? i * i : null)) }],
      }),
      drawingOf({
        kind: "series",
        chart: "area",
        measure: "credits",
        buckets: buckets.slice(0, 1),
        series: Array.from({ length: 5 }, () => ({ name: long, values: [3] })),
      }),
      drawingOf({ kind: "series", chart: "line", measure: "credits", buckets: [], series: [] }),
      drawingOf({
        kind: "bars",
        measure: "executions",
        bars: Array.from({ length: 20 }, (_, i) => ({
          name: long,
          other: i === 19,
          value: 10 ** (i / 3),
        })),
      }),
      drawingOf({
        kind: "heatmap",
        measure: "errors",
        cells: [{ day_of_week: 7, hour_of_day: 23, value: 5 }],
      }),
    ];
    for (const scene of scenes) {
      if (!scene) throw new Error("no scene");
      const texts = scene.shapes.flatMap((shape) => {
        if (shape.kind === "rect")
          expect(
            shape.x >= 0 &&
              shape.y >= 0 &&
              shape.x + shape.width <= scene.width &&
              shape.y + shape.height <= scene.height,
          ).toBe(true);
        if (shape.kind === "path")
          for (const [x, y] of shape.points)
            expect(x >= 0 && x <= scene.width && y >= 0 && y <= scene.height).toBe(true);
        if (shape.kind !== "text") return [];
        const width = shape.text.length * shape.size * 0.55;
        const left =
          shape.anchor === "start"
            ? shape.x
            : shape.anchor === "end"
              ? shape.x - width
              : shape.x - width / 2;
        return [{ left, right: left + width, top: shape.y - shape.size, bottom: shape.y + 2 }];
      });
      for (const [index, a] of texts.entries()) {
        expect(
          a.left >= -1 && a.right <= scene.width + 1 && a.top >= -1 && a.bottom <= scene.height + 1,
        ).toBe(true);
        for (const b of texts.slice(index + 1))
          expect(a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom).toBe(
            false,
          );
      }
    }
  });
});
