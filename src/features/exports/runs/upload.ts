import type { Context } from "../../../context.ts";
import { AppError } from "../../../lib/errors.ts";
import { storedObject } from "../../../storage/stored.ts";
import type { ExportProgress } from "./queries.ts";

/** Size of every part but the last: R2 requires equal sizes, and at least this one. */
export const PART_BYTES = 5 * 1024 * 1024;

export type UploadedPart = ExportProgress["uploaded"][number];

/**
 * Gathers the bytes of one part in a buffer that serves all parts: megabytes of garbage for each
 * part would fill the isolate.
 */
export class PartBuffer {
  readonly #buffer = new Uint8Array(PART_BYTES);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /**
   * Takes the bytes that fit.
   * @returns the others
   */
  fill(bytes: Uint8Array): Uint8Array {
    const taken = bytes.subarray(0, PART_BYTES - this.#size);
    this.#buffer.set(taken, this.#size);
    this.#size += taken.length;
    return bytes.subarray(taken.length);
  }

  get isFull(): boolean {
    return this.#size === PART_BYTES;
  }

  /** Empties the buffer. The bytes are valid until the next `fill`. */
  take(): Uint8Array {
    const bytes = this.#buffer.subarray(0, this.#size);
    this.#size = 0;
    return bytes;
  }
}

/**
 * Thrown when an upload can never be completed: R2 keeps an unfinished one for a week, and a late
 * attempt may have overwritten its parts.
 */
export class UploadLost extends AppError {
  constructor(cause: unknown) {
    super("unavailable", "upload_lost", "The upload is lost.", { cause });
  }
}

/** R2 errors: NoSuchUpload, InvalidPart, parts too small, parts of unequal size. */
const LOST = /\((10024|10025|10011|10048)\)/;
const asLost = (error: unknown): never => {
  throw error instanceof Error && LOST.test(error.message) ? new UploadLost(error) : error;
};

/** An object that grows part by part; another attempt can continue it. */
export class MultipartUpload {
  readonly #upload: R2MultipartUpload;
  readonly done: UploadedPart[];

  private constructor(upload: R2MultipartUpload, done: UploadedPart[]) {
    this.#upload = upload;
    this.done = done;
  }

  /** @param asOf the moment of the snapshot, stored with the object */
  static async begin(
    ctx: Context,
    key: string,
    contentType: string,
    asOf: string,
  ): Promise<MultipartUpload> {
    const options = { httpMetadata: { contentType }, customMetadata: { as_of: asOf } };
    return new MultipartUpload(
      await storedObject(ctx.files.createMultipartUpload(key, options)),
      [],
    );
  }

  static resume(
    ctx: Context,
    key: string,
    { uploadId, uploaded }: ExportProgress,
  ): MultipartUpload {
    return new MultipartUpload(ctx.files.resumeMultipartUpload(key, uploadId), [...uploaded]);
  }

  get id(): string {
    return this.#upload.uploadId;
  }

  /** Bytes of the stored parts. */
  get bytes(): number {
    return this.done.reduce((sum, part) => sum + part.bytes, 0);
  }

  /**
   * @param rows number of rows that end in the part
   * @throws UploadLost
   */
  async add(bytes: Uint8Array, rows: number): Promise<void> {
    const partNumber = this.done.length + 1;
    const part = storedObject(this.#upload.uploadPart(partNumber, bytes).catch(asLost));
    const [{ etag }, digest] = await Promise.all([part, crypto.subtle.digest("SHA-256", bytes)]);
    this.done.push({
      partNumber,
      etag,
      rows,
      bytes: bytes.length,
      sha256: new Uint8Array(digest).toHex(),
    });
  }

  /** @throws UploadLost */
  async complete(): Promise<void> {
    const parts = this.done.map(({ partNumber, etag }) => ({ partNumber, etag }));
    await storedObject(this.#upload.complete(parts).catch(asLost));
  }

  /** Removes what was uploaded. A missing upload is not a failure. */
  async abort(): Promise<void> {
    await storedObject(this.#upload.abort()).catch(() => undefined);
  }
}
