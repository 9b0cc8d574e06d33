import type { ChartDrawing } from "../chart-drawing.ts";
import { CONTENT_WIDTH, PAGE_MARGIN, type PdfSheet } from "./sheet.ts";

export function drawScene(sheet: PdfSheet, { width, height, shapes }: ChartDrawing): void {
  const scale = Math.min(1, CONTENT_WIDTH / width);
  sheet.need(height * scale + 8);
  const [x, y] = [
    (value: number) => PAGE_MARGIN + value * scale,
    (value: number) => sheet.y + value * scale,
  ];
  for (const shape of shapes) {
    if (shape.kind === "line")
      sheet.line(x(shape.x1), y(shape.y1), x(shape.x2), y(shape.y2), shape.color, shape.width);
    else if (shape.kind === "rect")
      sheet.rect(x(shape.x), y(shape.y), shape.width * scale, shape.height * scale, shape.color);
    else if (shape.kind === "path") {
      const points = shape.points.map(([px, py]) => [x(px), y(py)] as const);
      if (shape.fill) sheet.polygon(points, shape.fill, 0.2);
      else
        points.forEach(([px, py], index) => {
          const before = points[index - 1];
          if (before) sheet.line(before[0], before[1], px, py, shape.color, shape.width);
        });
    } else {
      const size = shape.size * scale;
      const length = sheet.widthOf(shape.text, size);
      const left = shape.anchor === "start" ? 0 : shape.anchor === "end" ? length : length / 2;
      sheet.write(shape.text, x(shape.x) - left, y(shape.y), size, shape.color);
    }
  }
  sheet.y += height * scale + 8;
}
