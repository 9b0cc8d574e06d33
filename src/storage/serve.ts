import { AppError } from "../lib/errors.ts";

interface Span {
  offset: number;
  length: number;
}

/** One range of a `Range` header (RFC 9110, 14.2); undefined: the whole is to be sent. @throws AppError for one that lies outside */
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

const matches = (header: string, etag: string) =>
  header.split(",").some((each) => [etag, `W/${etag}`, "*"].includes(each.trim()));

/**
 * An object as a download: one range, ETag, conditions, and a name to save it under.
 * @throws AppError not_found when there is no such object; range for one outside of it
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
    "content-disposition": `attachment; filename="${name.replace(/[^\w.-]/g, "_")}"; filename*=UTF-8''${encodeURIComponent(name.toWellFormed())}`,
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
 * Whether somebody was sent a file to read, and not a look at its head, a part of it, or that it has not changed. A range from
 * the first byte to the end is a whole file: some programs ask for it so.
 */
export const isWholeRead = (request: Request, answer: Response): boolean =>
  request.method !== "HEAD" &&
  (answer.status === 200 ||
    (answer.status === 206 && request.headers.get("range")?.trim() === "bytes=0-"));
