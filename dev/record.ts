import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { askAccess } from "./record-access.ts";
import { AnswerRecorder } from "./record-answers.ts";
import { makeChanges } from "./record-changes.ts";
import { compareRecordings } from "./record-compare.ts";
import { sendData } from "./record-data.ts";
import { documentedOperations } from "./record-document.ts";
import { askFeed } from "./record-feed.ts";
import { startRecorded } from "./record-instance.ts";
import { askJobs } from "./record-jobs.ts";
import { askLater } from "./record-later.ts";
import { askQuestions } from "./record-questions.ts";
import { askReads } from "./record-reads.ts";
import { askRefusals, askSystem } from "./record-refusals.ts";

/**
 * Records what the Worker answers, so that two versions of it can be compared byte for byte:
 * `npm run record -- a.json`, the same with the other version, and
 * `npm run record -- --compare a.json b.json`.
 */
const USAGE = "npm run record -- <out.json> [--questions 2000] | --compare <a.json> <b.json>";

/** Ids for the paths of what is only read. */
const SUBJECTS = {
  "/api/v1/agents": ["writer", "org/planner", "агент-поиска", "..", "keeper"],
  "/api/v1/users": ["ada", "auth0|edsger", "иван", "美咲", "moana"],
  "/api/v1/executions": ["north-1", "north-2"],
  "/api/v1/workspaces": ["north", "south", "island", "elsewhere"],
  "/api/v1/trends": ["executions", "success_rate", "duration_p95", "credits"],
  "/api/v1/leaderboards/agents": ["writer", "調査員"],
};

/** @throws Error that names the operations that were not asked */
async function record(file: string, questions: number): Promise<void> {
  const begun = performance.now();
  const tell = (what: string) =>
    console.log(`${((performance.now() - begun) / 1000).toFixed(1).padStart(6)} s  ${what}`);
  const instance = await startRecorded();
  try {
    const operations = await documentedOperations(instance);
    const recorder = new AnswerRecorder(
      instance,
      operations.map(({ name }) => name),
    );
    await sendData(recorder);
    tell("data");
    const things = await makeChanges(recorder);
    tell("changes");
    const made = await askJobs(recorder, things);
    tell("exports and reports");
    await askReads(recorder, operations, {
      ...SUBJECTS,
      ...things.subjects,
      "/api/v1/exports": [made.exported],
      "/api/v1/reports/runs": [made.run],
    });
    tell("reads");
    await askQuestions(recorder, questions);
    tell("questions");
    await askSystem(recorder);
    await askRefusals(recorder, operations);
    tell("refusals");
    await askAccess(recorder);
    tell("access");
    await askFeed(recorder);
    await askLater(recorder, things, made);
    tell("what comes later");
    const answers = recorder.answers().map((answer) => JSON.stringify(answer));
    writeFileSync(file, `[\n${answers.join(",\n")}\n]\n`);
    tell(`${answers.length} answers in ${file}`);
    const unasked = recorder.unasked();
    if (unasked.length > 0) throw new Error(`Not asked: ${unasked.join(", ")}`);
  } finally {
    await instance.close();
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { compare: { type: "boolean" }, questions: { type: "string", default: "2000" } },
});
const [first, second] = positionals;
if (values.compare && first && second)
  process.exitCode = compareRecordings([first, second], console.log) === 0 ? 0 : 1;
else if (first && !second && /^\d+$/.test(values.questions))
  await record(first, Number(values.questions));
else {
  console.error(USAGE);
  process.exitCode = 2;
}
