import { isMeasure } from "../../../../analytics/shapes/table.ts";
import type { FilledData, FilledSection } from "../../runs/section-data.ts";
import { drawingOf } from "../charts.ts";
import { documentSummary, type ReportDocument } from "../document.ts";
import {
  comparisonPrefix,
  FUNNEL_COLUMNS,
  fieldLabel,
  formattedChange,
  formattedValue,
  funnelRows,
} from "../labels.ts";
import { drawScene } from "./draw-chart.ts";
import { addOutline, type OutlineEntry } from "./outline.ts";
import { CONTENT_WIDTH, PAGE_MARGIN, PdfSheet } from "./sheet.ts";

const [INK, QUIET, RULE] = ["#222222", "#666666", "#dddddd"];
const SIZE = 9;
const ROW = 15;
const GAP = 6;

interface Column {
  title: string;
  right: boolean;
}

/** Widths by what the cells need, within the page; the widest columns give way first. */
function widthsOf(
  sheet: PdfSheet,
  columns: readonly Column[],
  rows: readonly string[][],
): number[] {
  const wanted = columns.map(
    ({ title }, index) =>
      Math.max(
        ...[title, ...rows.map((row) => row[index] ?? "")].map((text) => sheet.widthOf(text, SIZE)),
      ) + GAP,
  );
  const total = wanted.reduce((sum, width) => sum + width, 0);
  if (total <= CONTENT_WIDTH) {
    const [first = 0] = wanted;
    return wanted.map((width, index) => (index === 0 ? first + CONTENT_WIDTH - total : width));
  }
  let limit = CONTENT_WIDTH;
  for (let step = 0; step < 40; step++) {
    const sum = wanted.reduce((all, width) => all + Math.min(width, limit), 0);
    if (sum <= CONTENT_WIDTH) break;
    limit *= 0.92;
  }
  return wanted.map((width) => Math.min(width, limit));
}

function drawTable(
  sheet: PdfSheet,
  columns: readonly Column[],
  rows: readonly string[][],
  totals: readonly string[] | undefined,
): void {
  const widths = widthsOf(sheet, columns, totals ? [...rows, [...totals]] : rows);
  const draw = (cells: readonly string[], color: string) => {
    let x = PAGE_MARGIN;
    cells.forEach((cell, index) => {
      const width = widths[index] ?? 0;
      const text = sheet.fitted(cell, width - GAP, SIZE);
      sheet.write(
        text,
        columns[index]?.right ? x + width - GAP - sheet.widthOf(text, SIZE) : x,
        sheet.y + 10,
        SIZE,
        color,
      );
      x += width;
    });
    sheet.y += ROW;
    sheet.line(PAGE_MARGIN, sheet.y - 1, PAGE_MARGIN + CONTENT_WIDTH, sheet.y - 1, RULE, 0.5);
  };
  const head = () =>
    draw(
      columns.map(({ title }) => title),
      QUIET,
    );
  sheet.need(3 * ROW);
  head();
  for (const row of rows) {
    if (sheet.need(ROW)) head();
    draw(row, INK);
  }
  if (totals) {
    if (sheet.need(ROW)) head();
    draw(totals, INK);
  }
  sheet.y += 8;
}

function tableOf(
  sheet: PdfSheet,
  { columns, rows, totals }: Extract<FilledData, { kind: "table" }>,
): void {
  const cell = (column: string, row: Record<string, unknown>) => {
    if (isMeasure(column)) return formattedValue(column, row[column]);
    return row.other && column !== "rank" ? "all others" : String(row[column] ?? "none");
  };
  drawTable(
    sheet,
    columns.map((column) => ({
      title: fieldLabel(column),
      right: isMeasure(column) || column === "rank",
    })),
    rows.map((row) => columns.map((column) => cell(column, row))),
    columns.map((column, index) =>
      isMeasure(column) ? formattedValue(column, totals[column]) : index === 0 ? "Total" : "",
    ),
  );
}

/** A cell that may still grow is a dash, not a low number. */
function matrixOf(
  sheet: PdfSheet,
  { cohorts, granularity }: Extract<FilledData, { kind: "matrix" }>,
): void {
  const offsets = Math.max(0, ...cohorts.map(({ cells }) => cells.length));
  const columns = [
    { title: fieldLabel(granularity), right: false },
    { title: "Users", right: true },
    ...Array.from({ length: offsets }, (_, offset) => ({ title: String(offset), right: true })),
  ];
  const rows = cohorts.map(({ cohort, size, cells }) => [
    cohort.slice(0, 10),
    String(size),
    ...Array.from({ length: offsets }, (_, offset) => {
      const cell = cells[offset];
      return cell ? (cell.rate === null ? "–" : `${(cell.rate * 100).toFixed(0)} %`) : "";
    }),
  ]);
  drawTable(sheet, columns, rows, undefined);
}

function drawTiles(
  sheet: PdfSheet,
  { tiles, elapsed }: Extract<FilledData, { kind: "tiles" }>,
): void {
  const [across, height] = [3, 54];
  const width = (CONTENT_WIDTH - (across - 1) * GAP) / across;
  tiles.forEach(({ measure, value, comparison }, index) => {
    if (index % across === 0) sheet.need(height + GAP);
    const x = PAGE_MARGIN + (index % across) * (width + GAP);
    sheet.rect(x, sheet.y, width, height, null, RULE);
    sheet.write(sheet.fitted(fieldLabel(measure), width - 16, 8), x + 8, sheet.y + 14, 8, QUIET);
    sheet.write(
      sheet.fitted(formattedValue(measure, value), width - 16, 13),
      x + 8,
      sheet.y + 31,
      13,
      INK,
    );
    if (comparison) {
      const text = `${comparisonPrefix(elapsed)}${formattedValue(measure, comparison.previous)} (${formattedChange(comparison.change_ratio)})`;
      sheet.write(sheet.fitted(text, width - 16, 8), x + 8, sheet.y + 46, 8, QUIET);
    }
    if (index % across === across - 1 || index === tiles.length - 1) sheet.y += height + GAP;
  });
}

function drawSection(sheet: PdfSheet, { data }: FilledSection): void {
  if (data.kind === "text") {
    for (const paragraph of data.paragraphs) {
      sheet.paragraph(paragraph, 10, INK);
      sheet.y += 4;
    }
  } else if (data.kind === "tiles") drawTiles(sheet, data);
  else if (data.kind === "table") tableOf(sheet, data);
  else if (data.kind === "matrix") matrixOf(sheet, data);
  else if (data.kind === "funnel") {
    const scene = drawingOf(data);
    if (scene) drawScene(sheet, scene);
    drawTable(
      sheet,
      FUNNEL_COLUMNS.map((title, index) => ({ title, right: index > 0 })),
      funnelRows(data.steps),
      undefined,
    );
  } else {
    const scene = drawingOf(data);
    sheet.write(fieldLabel(data.measure), PAGE_MARGIN, sheet.y + 8, 8, QUIET);
    sheet.y += 12;
    if (scene) drawScene(sheet, scene);
  }
  sheet.y += 10;
}

/** Room that a section's heading needs together with the first lines of what follows. */
function firstNeed({ data }: FilledSection): number {
  if (data.kind === "series" || data.kind === "bars" || data.kind === "heatmap")
    return 26 + (drawingOf(data)?.height ?? 0);
  return 90;
}

/**
 * A4 pages with vector drawings, an outline, page numbers, a title and a language. The same
 * document gives the same bytes.
 */
export async function renderPdf(document: ReportDocument): Promise<Uint8Array> {
  const { default: font } = await import("dejavu-fonts-ttf/ttf/DejaVuSansCondensed.ttf");
  const sheet = await PdfSheet.begin(font);
  const { report, as_of, sections } = document;
  const made = new Date(as_of);
  sheet.document.setTitle(report.name, { showInWindowTitleBar: true });
  sheet.document.setLanguage("en");
  sheet.document.setProducer("Shadower Analytics");
  sheet.document.setCreationDate(made);
  sheet.document.setModificationDate(made);
  sheet.paragraph(report.name, 20, INK);
  if (report.description) sheet.paragraph(report.description, 10, INK);
  sheet.paragraph(documentSummary(document), 8, QUIET);
  sheet.y += 10;
  const entries: OutlineEntry[] = [];
  for (const section of sections) {
    sheet.need(firstNeed(section));
    if (section.title) {
      entries.push({ title: section.title, page: sheet.page, y: sheet.page.getHeight() - sheet.y });
      sheet.paragraph(section.title, 13, INK);
      sheet.y += 4;
    }
    drawSection(sheet, section);
  }
  sheet.number(report.name);
  addOutline(sheet.pdf, sheet.document, entries);
  return sheet.document.save();
}
