import type { Context } from "../../context.ts";
import type { Progress } from "./queries.ts";

/** Parts of a multipart upload are of one size, the last one aside, and at least this large (R2). */
export const PART_BYTES = 5 * 1024 * 1024;

export type Uploaded = Progress["uploaded"][number];

/** Bytes that wait for their part. */
export class Parts {
  readonly #chunks: Uint8Array[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#size += bytes.length;
  }

  /** The first bytes, at most so many, and takes them away. */
  take(most: number): Uint8Array {
    const part = new Uint8Array(Math.min(most, this.#size));
    let filled = 0;
    while (filled < part.length) {
      const chunk = this.#chunks[0] ?? new Uint8Array(0);
      const taken = chunk.subarray(0, part.length - filled);
      part.set(taken, filled);
      filled += taken.length;
      if (taken.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(taken.length);
    }
    this.#size -= part.length;
    return part;
  }
}

/** An object that grows part by part, and can be gone on with by another attempt. */
export class Upload {
  readonly #upload: R2MultipartUpload;
  readonly done: Uploaded[];

  private constructor(upload: R2MultipartUpload, done: Uploaded[]) {
    this.#upload = upload;
    this.done = done;
  }

  static async begin(ctx: Context, key: string, contentType: string): Promise<Upload> {
    return new Upload(await ctx.files.createMultipartUpload(key, { httpMetadata: { contentType } }), []);
  }

  static resume(ctx: Context, key: string, { uploadId, uploaded }: Progress): Upload {
    return new Upload(ctx.files.resumeMultipartUpload(key, uploadId), [...uploaded]);
  }

  get id(): string {
    return this.#upload.uploadId;
  }

  /** @param rows those that the part brings to their end */
  async add(bytes: Uint8Array, rows: number): Promise<void> {
    const partNumber = this.done.length + 1;
    const [{ etag }, digest] = await Promise.all([this.#upload.uploadPart(partNumber, bytes), crypto.subtle.digest("SHA-256", bytes)]);
    this.done.push({ partNumber, etag, rows, bytes: bytes.length, sha256: new Uint8Array(digest).toHex() });
  }

  async complete(): Promise<void> {
    await this.#upload.complete(this.done.map(({ partNumber, etag }) => ({ partNumber, etag })));
  }

  /** Takes away what was uploaded; an upload that is gone already is no failure. */
  async abort(): Promise<void> {
    await this.#upload.abort().catch(() => undefined);
  }
}
