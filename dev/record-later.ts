import type { AnswerRecorder } from "./record-answers.ts";
import type { RecordedThings } from "./record-changes.ts";
import { isSettled } from "./record-jobs.ts";

const DAY_MS = 86_400_000;

/** A day later schedules have run; when their time is over files are gone, and then all is deleted. */
export async function askLater(
  recorder: AnswerRecorder,
  { reports, subjects }: RecordedThings,
  { exported, run }: { exported: string; run: string },
): Promise<void> {
  const { instance } = recorder;
  await recorder.moveTo(recorder.atMs + DAY_MS);
  await instance.cron("* * * * *");
  for (const path of ["exports", "reports/runs"])
    await recorder.lookUntil<{ status: string }[]>(path, (list) => list.every(isSettled));
  const lists = ["exports?limit=3", "reports/runs?limit=3", "reports/usage", "users/churn"];
  for (const path of [...lists, "exports/schedules", "reports/schedules", "credits/budgets"])
    await recorder.ask({ path });
  await instance.cron("*/5 * * * *");
  await recorder.ask({ path: "executions?status=timeout&limit=20" });
  await recorder.moveTo(recorder.atMs + 91 * DAY_MS);
  await instance.cron("0 1 * * *");
  for (const path of [`exports/${exported}`, `reports/runs/${run}`]) await recorder.ask({ path });
  for (const path of [`exports/${exported}/files/0`, `reports/runs/${run}/download`])
    await recorder.ask({ path });
  const [report = "none"] = reports;
  await recorder.ask({ method: "POST", path: `exports/${exported}/links`, body: {} });
  for (const path of [`exports/${exported}`, `reports/${report}`, "reports/schedules/none"]) {
    await recorder.ask({ method: "DELETE", path });
    await recorder.ask({ path });
  }
  for (const [path, ids] of Object.entries(subjects))
    for (const id of path.endsWith("/errors") ? [] : ids)
      await recorder.ask({ method: "DELETE", path: `${path}/${id}` });
}
