import { isMeasure } from "../../../analytics/shapes/table.ts";
import { writableText } from "../../../lib/markup.ts";
import type { FilledSection } from "../runs/section-data.ts";
import type { ChartDrawing, DrawingShape } from "./chart-drawing.ts";
import { drawingOf } from "./charts.ts";
import type { ReportDocument } from "./document.ts";
import { documentSummary } from "./document.ts";
import {
  comparisonPrefix,
  FUNNEL_COLUMNS,
  fieldLabel,
  formattedChange,
  formattedValue,
  funnelRows,
} from "./labels.ts";

const ESCAPES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
export const escapedHtml = (text: unknown) =>
  writableText(String(text)).replace(/[&<>"']/g, (char) => ESCAPES[char] ?? char);

const STYLE = `
body { font: 14px/1.5 system-ui, sans-serif; color: #222; max-width: 820px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.about, .check { color: #666; font-size: .8rem; } .check summary { cursor: pointer; } pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.tiles { display: flex; flex-wrap: wrap; gap: .75rem; } .tile { flex: 1 1 150px; border: 1px solid #ddd; border-radius: 6px; padding: .6rem .8rem; }
.tile b { display: block; font-size: 1.25rem; } .tile span { color: #666; font-size: .8rem; }
.up { color: #00694b; } .down { color: #a33c00; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .3rem .5rem; border-bottom: 1px solid #ddd; text-align: left; overflow-wrap: anywhere; }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; } tfoot td { font-weight: 600; }
svg { width: 100%; height: auto; }
@media print { body { max-width: none; margin: 0; } section { break-inside: avoid; } .check { display: none; } thead { display: table-header-group; } }`;

const rounded = (value: number) => Number(value.toFixed(2));

function shapeOf(shape: DrawingShape): string {
  switch (shape.kind) {
    case "line":
      return `<line x1="${rounded(shape.x1)}" y1="${rounded(shape.y1)}" x2="${rounded(shape.x2)}" y2="${rounded(shape.y2)}" stroke="${shape.color}" stroke-width="${shape.width}"/>`;
    case "path": {
      const points = shape.points.map(([x, y]) => `${rounded(x)},${rounded(y)}`).join(" ");
      if (shape.fill)
        return `<polygon points="${points}" fill="${shape.fill}" fill-opacity="0.2"/>`;
      return `<polyline points="${points}" fill="none" stroke="${shape.color}" stroke-width="${shape.width}"/>`;
    }
    case "rect":
      return `<rect x="${rounded(shape.x)}" y="${rounded(shape.y)}" width="${rounded(shape.width)}" height="${rounded(shape.height)}" fill="${shape.color}"/>`;
    case "text":
      return `<text x="${rounded(shape.x)}" y="${rounded(shape.y)}" font-size="${shape.size}" fill="${shape.color}" text-anchor="${shape.anchor}">${escapedHtml(shape.text)}</text>`;
  }
}

const svgOf = ({ width, height, shapes }: ChartDrawing, title: string) =>
  `<svg viewBox="0 0 ${rounded(width)} ${rounded(height)}" role="img" aria-label="${escapedHtml(title)}" font-family="system-ui, sans-serif">${shapes.map(shapeOf).join("")}</svg>`;

const cellOf = (column: string, row: Record<string, unknown>) => {
  if (isMeasure(column)) return formattedValue(column, row[column]);
  return row.other && column !== "rank" ? "all others" : (row[column] ?? "none");
};

function tableOf({
  columns,
  rows,
  totals,
}: Extract<FilledSection["data"], { kind: "table" }>): string {
  const kind = (column: string) => (isMeasure(column) || column === "rank" ? ' class="n"' : "");
  const head = columns
    .map((column) => `<th scope="col"${kind(column)}>${escapedHtml(fieldLabel(column))}</th>`)
    .join("");
  const body = rows
    .map(
      (row) =>
        `<tr>${columns.map((column) => `<td${kind(column)}>${escapedHtml(cellOf(column, row))}</td>`).join("")}</tr>`,
    )
    .join("");
  const foot = columns
    .map(
      (column, index) =>
        `<td${kind(column)}>${isMeasure(column) ? escapedHtml(formattedValue(column, totals[column])) : index === 0 ? "Total" : ""}</td>`,
    )
    .join("");
  return `<table><thead><tr>${head}</tr></thead><tbody>${body}</tbody><tfoot><tr>${foot}</tr></tfoot></table>`;
}

/** A cell that may still grow is a dash, not a low number. */
function matrixOf({
  cohorts,
  granularity,
}: Extract<FilledSection["data"], { kind: "matrix" }>): string {
  const offsets = Math.max(0, ...cohorts.map(({ cells }) => cells.length));
  const head = Array.from(
    { length: offsets },
    (_, offset) => `<th scope="col" class="n">${offset}</th>`,
  ).join("");
  const rate = (value: number | null) => (value === null ? "–" : `${(value * 100).toFixed(1)} %`);
  const body = cohorts.map(({ cohort, size, cells }) => {
    const rates = Array.from(
      { length: offsets },
      (_, offset) =>
        `<td class="n">${cells[offset] ? escapedHtml(rate(cells[offset]?.rate ?? null)) : ""}</td>`,
    ).join("");
    return `<tr><th scope="row">${escapedHtml(cohort.slice(0, 10))}</th><td class="n">${size}</td>${rates}</tr>`;
  });
  return `<table><thead><tr><th scope="col">${escapedHtml(fieldLabel(granularity))}</th><th scope="col" class="n">Users</th>${head}</tr></thead><tbody>${body.join("")}</tbody></table>`;
}

function funnelOf({ steps }: Extract<FilledSection["data"], { kind: "funnel" }>): string {
  const cells = (row: readonly string[], tag: string) =>
    row
      .map(
        (cell, index) => `<${tag}${index === 0 ? "" : ' class="n"'}>${escapedHtml(cell)}</${tag}>`,
      )
      .join("");
  const body = funnelRows(steps).map((row) => `<tr>${cells(row, "td")}</tr>`);
  return `<table><thead><tr>${cells(FUNNEL_COLUMNS, "th")}</tr></thead><tbody>${body.join("")}</tbody></table>`;
}

function dataOf({ data, title }: FilledSection): string {
  if (data.kind === "text")
    return data.paragraphs.map((paragraph) => `<p>${escapedHtml(paragraph)}</p>`).join("");
  if (data.kind === "table") return tableOf(data);
  if (data.kind === "matrix") return matrixOf(data);
  if (data.kind === "tiles") {
    const tiles = data.tiles.map(({ measure, value, comparison }) => {
      const direction =
        comparison?.direction === "up" || comparison?.direction === "down"
          ? ` class="${comparison.direction}"`
          : "";
      const change = comparison
        ? `<span>${comparisonPrefix(data.elapsed)}${escapedHtml(formattedValue(measure, comparison.previous))} <i${direction}>${escapedHtml(formattedChange(comparison.change_ratio))}</i></span>`
        : "";
      return `<div class="tile">${escapedHtml(fieldLabel(measure))}<b>${escapedHtml(formattedValue(measure, value))}</b>${change}</div>`;
    });
    return `<div class="tiles">${tiles.join("")}</div>`;
  }
  const scene = drawingOf(data);
  if (data.kind === "funnel")
    return `${scene ? `<figure>${svgOf(scene, title ?? "Funnel")}</figure>` : ""}${funnelOf(data)}`;
  const about = `${title ?? ""}: ${fieldLabel(data.measure)}`;
  return scene
    ? `<figure>${svgOf(scene, about)}<figcaption class="about">${escapedHtml(fieldLabel(data.measure))}</figcaption></figure>`
    : "";
}

function checkOf({ query, meta }: FilledSection): string {
  if (!query || !meta) return "";
  const asked =
    typeof query.path === "string"
      ? query.body
        ? `POST ${query.path}\n${JSON.stringify(query.body)}`
        : `GET ${query.path}`
      : `POST /api/v1/metrics/query\n${JSON.stringify(query)}`;
  const text = `${asked}\n\n${JSON.stringify(meta)}`;
  return `<details class="check"><summary>How to check this</summary><pre>${escapedHtml(text)}</pre></details>`;
}

/** A page that needs nothing else: styles and drawings are in it, and no script. */
export function renderHtml(document: ReportDocument): string {
  const { report, sections } = document;
  const about = escapedHtml(documentSummary(document));
  const body = sections.map(
    (section) =>
      `<section>${section.title ? `<h2>${escapedHtml(section.title)}</h2>` : ""}${dataOf(section)}${checkOf(section)}</section>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapedHtml(report.name)}</title>
<meta http-equiv="content-security-policy" content="default-src 'none'; style-src 'unsafe-inline'"><style>${STYLE}</style></head>
<body><header><h1>${escapedHtml(report.name)}</h1>${report.description ? `<p>${escapedHtml(report.description)}</p>` : ""}<p class="about">${about}</p></header>
<main>${body.join("\n")}</main></body></html>
`;
}
