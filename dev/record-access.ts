import type { AnswerRecorder } from "./record-answers.ts";

const KEYS = "auth/api-keys";
const REVOCATIONS = "auth/revocations";
const SCOPES = ["read:metrics", "write:executions"];

/** API keys and revocations, from the first to the last; nothing of them stays. */
export async function askAccess(recorder: AnswerRecorder): Promise<void> {
  for (const as of ["admin", "viewer", "mixed", "outsider", "nobody"] as const)
    for (const path of ["auth/me", "auth/permissions", KEYS, REVOCATIONS])
      await recorder.ask({ path, as });
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    recorder.ask({ method: "POST", path, body, headers });
  const once = { "idempotency-key": "record-key" };
  const made = await post(KEYS, { name: "bot", scopes: SCOPES }, once);
  await post(KEYS, { name: "bot", scopes: SCOPES }, once);
  await post(KEYS, { name: "bot", scopes: ["manage:keys"] });
  await post(KEYS, { name: "bot", scopes: SCOPES, expires_at: "2020-01-01T00:00:00Z" });
  const { id = "none" } = (made.json?.data ?? {}) as { id?: string };
  await post(`${KEYS}/${id}/rotate`, { overlap_seconds: 60 });
  await post(`${KEYS}/none/rotate`, {});
  await recorder.ask({ path: KEYS });
  const revoked = await post(REVOCATIONS, { jti: "lost" });
  await post(REVOCATIONS, { user_id: "nobody", before: "2026-01-01T00:00:00Z" });
  await post(REVOCATIONS, { user_id: "nobody", before: "2199-01-01T00:00:00Z" });
  await recorder.ask({ path: REVOCATIONS });
  const { id: revocation = "none" } = (revoked.json?.data ?? {}) as { id?: string };
  for (const path of [`${KEYS}/${id}`, `${REVOCATIONS}/${revocation}`])
    for (let time = 0; time < 2; time++) await recorder.ask({ method: "DELETE", path });
}
