import { strToU8, zipSync } from "fflate";
import { isMeasure, measureColumn } from "../../../analytics/shapes/table.ts";
import type { FileColumn } from "../../../formats/columns.ts";
import { csvText } from "../../../formats/csv-text.ts";
import { sheetNames } from "../../../formats/sheet-names.ts";
import type { XlsxSheet } from "../../../formats/xlsx.ts";
import type { FilledData, FilledSection } from "../runs/section-data.ts";
import type { ReportDocument } from "./document.ts";

const text = (...names: string[]) => names.map((name): FileColumn => ({ name, kind: "text" }));
/** Names of columns, each once and none that of the time. */
function unique(names: readonly string[]): string[] {
  const taken = new Set(["bucket", "complete"]);
  return names.map((name) => {
    let free = name;
    for (let next = 2; taken.has(free); next++) free = `${name} (${next})`;
    taken.add(free);
    return free;
  });
}

function tableOf(data: FilledData): Pick<XlsxSheet, "columns" | "rows"> {
  switch (data.kind) {
    case "text":
      return {
        columns: text("text"),
        rows: data.paragraphs.map((paragraph) => ({ text: paragraph })),
      };
    case "tiles":
      return {
        columns: [
          ...text("measure"),
          ...(["value", "previous", "change"] as const).map(
            (name): FileColumn => ({ name, kind: "decimal" }),
          ),
          { name: "change_ratio", kind: "float" },
          { name: "elapsed", kind: "boolean" },
        ],
        rows: data.tiles.map(({ measure, value, comparison }) => ({
          measure,
          value,
          previous: comparison?.previous ?? null,
          change: comparison?.change ?? null,
          change_ratio: comparison?.change_ratio ?? null,
          elapsed: data.elapsed,
        })),
      };
    case "series": {
      const names = unique(data.series.map(({ name }) => name ?? "none"));
      const rows = data.buckets.map((bucket, place) =>
        Object.fromEntries([
          ["bucket", bucket],
          ["complete", data.complete?.[place] ?? true],
          ...data.series.map(({ values }, index) => [names[index], values[place] ?? null]),
        ]),
      );
      return {
        columns: [
          ...text("bucket"),
          { name: "complete", kind: "boolean" },
          ...names.map((name): FileColumn => ({ name, kind: "float" })),
        ],
        rows,
      };
    }
    case "bars":
      return {
        columns: [...text("name"), { name: "other", kind: "boolean" }, measureColumn(data.measure)],
        rows: data.bars.map(({ name, other, value }) => ({ name, other, [data.measure]: value })),
      };
    case "heatmap":
      return {
        columns: [
          { name: "day_of_week", kind: "integer" },
          { name: "hour_of_day", kind: "integer" },
          measureColumn(data.measure),
        ],
        rows: data.cells.map(({ day_of_week, hour_of_day, value }) => ({
          day_of_week,
          hour_of_day,
          [data.measure]: value,
        })),
      };
    case "funnel":
      return {
        columns: [
          { name: "step", kind: "integer" },
          ...text("name"),
          ...(["users", "dropped_users", "in_progress_users"] as const).map(
            (name): FileColumn => ({ name, kind: "integer" }),
          ),
          ...(
            [
              "conversion_rate",
              "step_conversion_rate",
              "drop_off_rate",
              "median_ms",
              "p90_ms",
            ] as const
          ).map((name): FileColumn => ({ name, kind: "float" })),
        ],
        rows: data.steps.map(({ time_to_convert_ms: time, ...step }) => ({
          ...step,
          median_ms: time?.median ?? null,
          p90_ms: time?.p90 ?? null,
        })),
      };
    case "matrix":
      return {
        columns: [
          ...text("cohort"),
          ...(["size", "offset", "users"] as const).map(
            (name): FileColumn => ({ name, kind: "integer" }),
          ),
          { name: "rate", kind: "float" },
          { name: "complete", kind: "boolean" },
        ],
        rows: data.cohorts.flatMap(({ cohort, size, cells }) =>
          cells.map((cell) => ({ cohort, size, ...cell })),
        ),
      };
    case "table":
      return { columns: data.columns.map((name) => columnOf(name)), rows: data.rows };
  }
}

function columnOf(name: string): FileColumn {
  if (name === "rank") return { name, kind: "integer" };
  return isMeasure(name) ? measureColumn(name) : { name, kind: "text" };
}

/** One sheet a section, with names that a spreadsheet takes: short, and each once. */
export function sectionSheets(sections: readonly FilledSection[]): XlsxSheet[] {
  const names = sheetNames(
    sections.map(({ title, type }, index) => `${index + 1} ${title ?? type}`),
  );
  return sections.map(({ data }, index) => ({ name: names[index] ?? "", ...tableOf(data) }));
}

/** A zip with a CSV for each section. Its times are fixed: the same report is the same file. */
export function renderCsvZip({ sections }: ReportDocument): Uint8Array {
  const files = sectionSheets(sections).map(
    // Some file systems refuse these beside what spreadsheets refuse.
    ({ name, columns, rows }) =>
      [`${name.replace(/[<>|"]/g, " ")}.csv`, strToU8(csvText(columns, rows))] as const,
  );
  return zipSync(Object.fromEntries(files), { mtime: new Date("2000-01-01T00:00:00Z") });
}
