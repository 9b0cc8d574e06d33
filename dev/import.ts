import { statSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { SingleBar } from "cli-progress";
import { cellOf, mappingOf, PRESETS, type Preset, sourcesOf } from "./import-mapping.ts";
import { progressFile } from "./import-progress.ts";
import { type Layout, readRows } from "./import-rows.ts";
import { sendRows } from "./import-send.ts";
import { numberFrom } from "./settings.ts";
import { developerToken } from "./token.ts";

const USAGE = `npm run import -- <file>[.gz] [options]     NDJSON by .ndjson, .jsonl or .json; tabs by .tsv; else CSV with a header
  --sample                 the sample that comes with the project (of --preset cdnow: its own)
  --preset <name>          ${Object.keys(PRESETS).join(", ")}
  --map field=column       a field of the execution from a column (repeatable), e.g. --map started_at=ts --map metadata.region=zone;
                           a column of NDJSON may lie deeper: --map model=call.model
  --delimiter <text>       between the cells of a line, e.g. ";"
  --set field=value        the same value for every row (repeatable), e.g. --set agent_id=crawler
  --workspace <id>         default demo
  --url <url>              default http://127.0.0.1:$PORT
  --token <jwt>            default: a developer's token of the local instance
  --restart                from the first row, also if an earlier import stopped half-way
`;
const ROWS_PER_REQUEST = 5000;
/**
 * Seconds at a stretch. Before it has answered once, an instance that cannot be reached is one that
 * was not started.
 */
const PATIENCE = { busy: 300, away: 300 };
const MAX_SHOWN = 10;
const MAX_COLUMNS = 50;

const options = {
  sample: { type: "boolean", default: false },
  preset: { type: "string" },
  map: { type: "string", multiple: true, default: [] as string[] },
  set: { type: "string", multiple: true, default: [] as string[] },
  delimiter: { type: "string" },
  workspace: { type: "string", default: "demo" },
  url: { type: "string", default: `http://127.0.0.1:${numberFrom("PORT", 8787, 65_535)}` },
  token: { type: "string" },
  restart: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

/**
 * Counts the rows and checks that all mapped columns occur in them: a misspelt one would be absent
 * in silence.
 * @throws Error that names the existing columns
 */
async function survey(file: string, layout: Layout, sources: readonly string[]): Promise<number> {
  let rows = 0;
  const [missing, seen] = [new Set(sources), new Set<string>()];
  for await (const read of readRows(file, layout)) {
    rows++;
    if (!("row" in read)) continue;
    for (const column of missing)
      if (cellOf(read.row, column) !== undefined) missing.delete(column);
    if (seen.size < MAX_COLUMNS) for (const column of Object.keys(read.row)) seen.add(column);
  }
  const [column] = missing;
  if (rows > 0 && column !== undefined)
    throw new Error(
      `--map …=${column}: no row has a column "${column}". Columns: ${[...seen].join(", ")} (delimiters other than a comma: --delimiter)`,
    );
  return rows;
}

async function run(): Promise<void> {
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const sample =
    values.preset === "cdnow" ? "cdnow-sample.txt.gz" : "azure-llm-inference-2023-conv.csv.gz";
  const file = values.sample ? path.join(import.meta.dirname, "sample", sample) : positionals[0];
  if (values.help || !file) {
    console.log(USAGE);
    process.exit(values.help ? 0 : 1);
  }
  if (!/^https?:/.test(values.url) || !URL.canParse(values.url))
    throw new Error(`--url ${values.url}: write http://host:port`);
  const preset = values.preset ?? (values.sample ? "azure-llm" : undefined);
  if (preset !== undefined && !PRESETS[preset])
    throw new Error(`Unknown preset "${preset}"; presets: ${Object.keys(PRESETS).join(", ")}`);
  const chosen = preset ? PRESETS[preset] : undefined;
  if (chosen && values.map.length + values.set.length > 0)
    throw new Error("A preset has a mapping of its own: leave --map and --set away.");
  const {
    into,
    columns,
    map: mapping,
  }: Preset = chosen ?? { into: "executions", map: mappingOf(values.map, values.set) };
  const token =
    values.token ?? (await developerToken({ workspaces: [values.workspace], role: "admin" }));

  // The progress of an import is found by its file, mapping and target.
  const { size, mtimeMs } = statSync(file);
  const identity = [
    path.resolve(file),
    size,
    mtimeMs,
    preset,
    values.map,
    values.set,
    values.delimiter,
    values.url,
    values.workspace,
  ];
  const progress = progressFile(identity);
  if (values.restart) progress.remove();
  const resumed = progress.read();
  if (resumed.rows > 0)
    console.log(
      `Resuming after row ${resumed.rows}, where an earlier import stopped (--restart starts again).`,
    );

  const intake = { url: values.url, into, workspace: values.workspace, token };
  const layout = { columns, delimiter: values.delimiter };
  const total = await survey(file, layout, sourcesOf(values.map));
  const bar = new SingleBar({
    format: "{bar} {percentage}%  {value} of {total} rows  {speed} rows/s  {eta_formatted} left",
    hideCursor: true,
    clearOnComplete: false,
    noTTYOutput: true,
    notTTYSchedule: 2000,
  });
  const started = Date.now();
  bar.start(total, resumed.rows, { speed: 0 });
  const counts: Record<string, number> = {
    created: 0,
    updated: 0,
    duplicate: 0,
    conflict: 0,
    invalid: 0,
    ...resumed.counts,
  };
  const refused: string[] = [];
  let number = 0;
  let [lines, numbers]: [string[], number[]] = [[], []];
  const flush = async () => {
    if (lines.length === 0) return;
    const patience = number - lines.length > resumed.rows ? PATIENCE : { ...PATIENCE, away: 0 };
    const { data } = await sendRows(intake, lines, patience, (text) => console.error(text));
    for (const [result, count] of Object.entries(data.counts))
      counts[result] = (counts[result] ?? 0) + count;
    for (const item of data.results)
      refused.push(
        `row ${numbers[item.line - 1]}: ${item.result} ${item.path ?? ""} ${item.detail ?? ""}`.trim(),
      );
    progress.write({ rows: number, counts });
    [lines, numbers] = [[], []];
    bar.update(number, {
      speed: Math.round((number - resumed.rows) / ((Date.now() - started) / 1000)),
    });
  };
  try {
    for await (const read of readRows(file, layout)) {
      number++;
      if (number <= resumed.rows) continue;
      if ("broken" in read) {
        counts.invalid = (counts.invalid ?? 0) + 1;
        refused.push(`row ${number}: invalid ${read.broken}`);
        continue;
      }
      lines.push(JSON.stringify(mapping(read.row, number)));
      numbers.push(number);
      if (lines.length === ROWS_PER_REQUEST) await flush();
    }
    await flush();
    bar.update(number);
  } finally {
    bar.stop();
  }
  progress.remove();
  console.log(
    Object.entries(counts)
      .map(([result, count]) => `${result} ${count}`)
      .join(", "),
  );
  for (const line of refused.slice(0, MAX_SHOWN)) console.log(`  ${line}`);
  if (refused.length > MAX_SHOWN) console.log(`  and ${refused.length - MAX_SHOWN} more`);
}

try {
  await run();
} catch (error) {
  const cause =
    error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : "";
  console.error(`${error instanceof Error ? error.message : String(error)}${cause}`);
  process.exit(1);
}
