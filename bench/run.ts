import { writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { busyFigure } from "./busy.ts";
import { exportFigures } from "./exports.ts";
import { intakeFigures } from "./intake.ts";
import { peerFigures } from "./peer.ts";
import { listFigures, seeded, summaryFigures } from "./reads.ts";
import { rollupFigure } from "./rollups.ts";
import { openStage } from "./stage.ts";
import { sustainedFigure } from "./sustained.ts";
import { type Figure, tableOf } from "./table.ts";
import { viewFigures } from "./views.ts";

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "1000000" },
    runs: { type: "string", default: "3" },
    only: { type: "string", default: "rollup,intake,busy,exports,summary,lists,views" },
    minutes: { type: "string", default: "10" },
    save: { type: "boolean", default: false },
    peer: { type: "string" },
  },
});
const [rows, runs, only] = [Number(values.rows), Number(values.runs), values.only.split(",")];
const SMALL = 1_000_000;
if (values.peer && !process.env.PEER_TOKEN)
  throw new Error("Set PEER_TOKEN to a token of the peer's largest workspace.");

const stage = await openStage();
const figures: Figure[] = [];
const views: Figure[] = [];
const duels: Figure[] = [];
const notes: string[] = [];
const add = (...more: Figure[]) => {
  figures.push(...more);
  console.error(tableOf(more));
};
try {
  if (only.includes("rollup")) add(await rollupFigure(stage, runs));
  if (only.includes("intake")) add(...(await intakeFigures(stage, runs, Math.min(rows, SMALL))));
  if (only.includes("busy")) add(await busyFigure(stage, runs, Math.min(rows, SMALL)));
  if (only.includes("exports")) add(...(await exportFigures(stage, runs, Math.min(rows, SMALL))));
  if (only.includes("sustained"))
    add(await sustainedFigure(stage, Number(values.minutes), Math.min(rows, SMALL)));
  if (values.peer || ["summary", "lists", "views"].some((part) => only.includes(part))) {
    const small = await seeded(stage, Math.min(rows, SMALL));
    const large = rows > SMALL ? await seeded(stage, rows) : small;
    for (const set of new Set([small, large]))
      notes.push(
        `rebuild of 90 days, ${set.rows.toLocaleString("en")} rows: ${Math.round(set.rebuilt).toLocaleString("en")} rows/s`,
      );
    if (only.includes("summary")) add(...(await summaryFigures(stage, small, large, runs)));
    if (only.includes("lists")) add(...(await listFigures(stage, small, runs)));
    if (only.includes("views")) {
      views.push(...(await viewFigures(stage, small, runs)));
      console.error(tableOf(views));
    }
    if (values.peer) {
      const peer = { port: Number(new URL(values.peer).port), token: process.env.PEER_TOKEN ?? "" };
      duels.push(...(await peerFigures(stage, small, peer, runs)));
      console.error(tableOf(duels));
    }
    for (const set of new Set([small, large])) await set.worker.stop();
  }
} finally {
  await stage.stop();
}

const machine = [
  os.cpus()[0]?.model.trim(),
  `${os.cpus().length} cores`,
  `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
  `Node ${process.version}`,
  "PostgreSQL 18 (embedded)",
  new Date().toISOString().slice(0, 10),
].join(", ");
const table = (title: string, list: Figure[]) =>
  list.length === 0 ? "" : `${title}${tableOf(list)}\n\n`;
const report = [
  table("## Against the limit\n\n", figures),
  table("## Against the peer\n\n", duels),
  table("## Views, 90 days at a million rows\n\n", views),
  notes.map((note) => `- ${note}`).join("\n"),
  `\n\nMachine: ${machine}. Median of ${runs} runs; the spread is that of the ratio.\n`,
].join("");
console.log(`\n${report}`);
if (values.save)
  writeFileSync(
    path.join(import.meta.dirname, "RESULTS.md"),
    `# Benchmark\n\n\`npm run bench -- --rows ${rows} --save\`\n\n${report}`,
  );
