export interface Figure {
  name: string;
  /** Unit of the figure and its reference, e.g. "rows/s". */
  unit: string;
  /** One pair for each run; the reference is measured in the same run. */
  runs: { ours: number; reference: number }[];
  reference: string;
  /** Direction of the ratio, and its target. */
  ratio: "ours/reference" | "reference/ours";
  target?: { at: "least" | "most"; value: number };
}

export const median = (values: readonly number[]) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
};

const short = (value: number) =>
  Math.abs(value) >= 100
    ? Math.round(value).toLocaleString("en")
    : value.toFixed(value >= 10 ? 1 : 2);

export function rowOf({ name, unit, runs, reference, ratio, target }: Figure): string[] {
  const ratios = runs.map((run) =>
    ratio === "ours/reference" ? run.ours / run.reference : run.reference / run.ours,
  );
  const middle = median(ratios);
  const met =
    target === undefined
      ? ""
      : (target.at === "least" ? middle >= target.value : middle <= target.value)
        ? "yes"
        : "NO";
  const spread = `${short(Math.min(...ratios))}-${short(Math.max(...ratios))}`;
  const wanted =
    target === undefined ? "" : `${target.at === "least" ? ">=" : "<="} ${target.value}`;
  return [
    name,
    short(middle),
    spread,
    wanted,
    met,
    `${short(median(runs.map((run) => run.ours)))} ${unit}`,
    `${short(median(runs.map((run) => run.reference)))} (${reference})`,
  ];
}

const HEAD = ["figure", "ratio", "spread", "target", "met", "ours", "reference"];

/** A Markdown table. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = figures.map(rowOf);
  const widths = HEAD.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(HEAD), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
