import { malformed } from "../lib/errors.ts";
import { uuidv7 } from "../lib/ids.ts";

/** An id made by the server; `again` is true when the same request, sent again, makes the same one. */
export interface GeneratedId {
  id: string;
  reproducible: boolean;
}

/**
 * Ids for items that bring none, by their place in the body. With an `Idempotency-Key` they follow from it, so that a request
 * sent again stores nothing twice.
 * @param scope what is asked, where the same key may be used for different things
 * @throws AppError malformed for a key that is empty or too long
 */
export async function idGenerator(
  request: Request,
  workspaceId: string,
  nowMs: number,
  scope = "",
): Promise<(place: number) => GeneratedId> {
  const key = request.headers.get("idempotency-key");
  if (key === null) return () => ({ id: uuidv7(nowMs), reproducible: false });
  if (key === "" || key.length > 255)
    throw malformed(
      "header.idempotency-key",
      "invalid_idempotency_key",
      "Idempotency-Key must have 1 to 255 characters.",
    );
  const digest = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode(`${workspaceId}\n${scope}${key}`),
  );
  const prefix = [...new Uint8Array(digest).slice(0, 16)]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
  return (place) => ({ id: `${prefix}-${place}`, reproducible: true });
}
