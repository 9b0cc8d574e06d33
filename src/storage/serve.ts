import { AppError } from "../lib/errors.ts";

interface Span {
  offset: number;
  length: number;
}

/**
 * The single range of a `Range` header (RFC 9110, 14.2), or undefined for the whole file.
 * @throws AppError range_not_satisfiable
 */
function spanOf(header: string | null, size: number): Span | undefined {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return undefined;
  const from = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const to = first === "" || last === "" ? size - 1 : Math.min(size - 1, Number(last));
  if (from > to || from >= size)
    throw new AppError(
      "range_not_satisfiable",
      "range_not_satisfiable",
      `The file has ${size} bytes.`,
    );
  return { offset: from, length: to - from + 1 };
}

/** RFC 6266: a plain name, and the whole one for clients that can read it. */
function dispositionOf(name: string): string {
  const plain = name.replace(/[^\w.-]/g, "_");
  const encoded = encodeURIComponent(name.toWellFormed());
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

const matches = (header: string, etag: string) =>
  header.split(",").some((each) => [etag, `W/${etag}`, "*"].includes(each.trim()));

/**
 * Serves an object as a download: one range, ETag, conditions, and a file name.
 * @throws AppError not_found for a missing object; range_not_satisfiable
 */
export async function serveObject(
  files: R2Bucket,
  key: string,
  request: Request,
  name: string,
  contentType: string,
): Promise<Response> {
  const head = await files.head(key);
  if (!head) throw new AppError("not_found", "not_found", "There is no such file.");
  const headers = new Headers({
    "content-type": contentType,
    "content-disposition": dispositionOf(name),
    "accept-ranges": "bytes",
    "cache-control": "private, no-store",
    etag: head.httpEtag,
    "last-modified": head.uploaded.toUTCString(),
  });
  const known = request.headers.get("if-none-match");
  if (known !== null && matches(known, head.httpEtag))
    return new Response(null, { status: 304, headers });
  const condition = request.headers.get("if-range");
  const span =
    condition === null || condition === head.httpEtag
      ? spanOf(request.headers.get("range"), head.size)
      : undefined;
  const object = await files.get(key, {
    onlyIf: { etagMatches: head.etag },
    ...(span ? { range: span } : {}),
  });
  if (!object || !("body" in object))
    throw new AppError("not_found", "not_found", "There is no such file.");
  headers.set("content-length", String(span?.length ?? head.size));
  if (span)
    headers.set(
      "content-range",
      `bytes ${span.offset}-${span.offset + span.length - 1}/${head.size}`,
    );
  return new Response(object.body, { status: span ? 206 : 200, headers });
}

/**
 * Whether a response sent the whole file, not its head, a part of it, or "not changed". A range from
 * the first byte to the end is a whole file: some programs request it so.
 */
export const isWholeRead = (request: Request, answer: Response): boolean =>
  request.method !== "HEAD" &&
  (answer.status === 200 ||
    (answer.status === 206 && request.headers.get("range")?.trim() === "bytes=0-"));
