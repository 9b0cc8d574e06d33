import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { AnswerRecorder } from "./record-answers.ts";
import { compareRecordings } from "./record-compare.ts";
import { AGENTS, sendData, USERS } from "./record-data.ts";
import { documentedOperations } from "./record-document.ts";
import { startRecorded } from "./record-instance.ts";
import { askQuestions } from "./record-questions.ts";
import { askReads } from "./record-reads.ts";

/**
 * Records what the Worker answers, so that two versions of it can be compared byte for byte:
 * `npm run record -- a.json`, the same with the other version, and
 * `npm run record -- --compare a.json b.json`.
 */
const USAGE = "npm run record -- <out.json> [--questions 2000] | --compare <a.json> <b.json>";

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
    tell("data is in");
    await askReads(recorder, operations, {
      "/api/v1/agents": ["writer", ...new Set(Object.values(AGENTS).flat())],
      "/api/v1/users": USERS.north.slice(0, 9),
      "/api/v1/executions": ["north-1", "north-2"],
      "/api/v1/workspaces": ["north", "south", "island", "elsewhere"],
      "/api/v1/trends": ["executions", "success_rate", "duration_p95", "credits"],
      "/api/v1/leaderboards/agents": ["writer", "調査員"],
    });
    tell("reads");
    await askQuestions(recorder, questions);
    tell("questions");
    const answers = recorder.answers().map((answer) => JSON.stringify(answer));
    writeFileSync(file, `[\n${answers.join(",\n")}\n]\n`);
    tell(`${answers.length} answers in ${file}`);
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
