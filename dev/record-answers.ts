import { createHash } from "node:crypto";
import { type ReadBody, readBody } from "./record-body.ts";
import { BASE_MS, type RecordedInstance } from "./record-instance.ts";
import { hasDrawnId, RecordedNames } from "./record-names.ts";

/** Callers; `CLAIMS` has the permissions of each. */
export type Asker = keyof typeof CLAIMS | "nobody" | "nonsense";

export const WORKSPACES = ["north", "south", "island"] as const;
const own = { workspaces: WORKSPACES, workspaceId: "north" };
const CLAIMS = {
  admin: { ...own, role: "admin" },
  member: { ...own, role: "member" },
  viewer: { ...own, role: "viewer" },
  powerless: { ...own, role: "none", permissions: ["read:executions"] },
  mixed: { workspaces: { north: "viewer", south: "admin", island: "none" } },
  outsider: { workspaces: ["elsewhere"], workspaceId: "elsewhere", role: "owner" },
};

export interface RecordedRequest {
  /** GET unless it is said. */
  method?: string;
  /** Under /api/v1 when it begins with neither / nor a scheme; a path of the host otherwise. */
  path: string;
  as?: Asker;
  headers?: Record<string, string>;
  /** Sent as JSON; a Buffer as it is. */
  body?: unknown;
}

export interface Answered {
  status: number;
  headers: Headers;
  readonly text: string;
  bytes: Buffer;
  /** Of a JSON answer. */
  json: { data?: unknown; page?: { next_cursor?: string | null } } | undefined;
}

/** One answer, as a recording keeps it. */
export interface RecordedAnswer {
  /** The request line, who asked, headers and body; numbered when it is asked again. */
  request: string;
  /** As the OpenAPI document names it. */
  operation: string;
  status: number;
  headers: Record<string, string>;
  body: string;
  sha256?: string;
}

interface Slot {
  request: string;
  operation: string;
  status: number;
  headers: Record<string, string>;
  read: ReadBody;
}

const KEPT_HEADERS = [
  ...["content-type", "content-disposition", "content-length", "content-range", "accept-ranges"],
  ...["etag", "link", "cache-control", "vary", "location", "retry-after", "allow"],
  ...["www-authenticate", "content-security-policy", "x-content-type-options", "referrer-policy"],
  ...["x-request-id", "strict-transport-security", "idempotency-replayed"],
  ...["access-control-allow-origin", "access-control-expose-headers"],
  ...["access-control-allow-methods", "access-control-allow-headers", "access-control-max-age"],
];
const MAX_BODY_KEY = 2_000;
const JOB_MS = 60_000;
const POLL_MS = 40;

/** Of thousands of answers few are read as JSON. */
function answeredOf(status: number, headers: Headers, bytes: Buffer): Answered {
  const type = headers.get("content-type") ?? "";
  // A part of a file is of the file's type.
  const isJson = /^application\/(problem\+)?json/.test(type) && status !== 206;
  return {
    ...{ status, headers, bytes },
    get text() {
      return bytes.toString();
    },
    get json() {
      return isJson && bytes.length > 0 ? JSON.parse(bytes.toString()) : undefined;
    },
  };
}

export class AnswerRecorder {
  readonly #instance: RecordedInstance;
  readonly #operations: { name: string; pattern: RegExp }[];
  readonly #slots: (Slot | undefined)[] = [];
  readonly #tokens = new Map<string, string>();
  #atMs = BASE_MS;

  /** @param operations names of the document, e.g. `GET /api/v1/agents/{id}` */
  constructor(instance: RecordedInstance, operations: readonly string[]) {
    this.#instance = instance;
    // Literal paths are matched before paths with parameters.
    this.#operations = [...operations]
      .sort((a, b) => a.split("{").length - b.split("{").length)
      .map((name) => ({
        name,
        pattern: new RegExp(`^${name.replace(/[.*]/g, "\\$&").replace(/\{\w+\}/g, "[^/]+")}$`),
      }));
  }

  get instance(): RecordedInstance {
    return this.#instance;
  }

  get atMs(): number {
    return this.#atMs;
  }

  /** The time of what is asked from here on. */
  async moveTo(atMs: number): Promise<void> {
    this.#atMs = await this.#instance.setClock(atMs);
  }

  /** Asks and keeps the answer, a millisecond later than what was asked before. */
  async ask(request: RecordedRequest): Promise<Answered> {
    await this.moveTo(this.#atMs + 1);
    return this.askNow(request);
  }

  /** The same at the time that it is; several may be under way, and are kept as they were asked. */
  async askNow(request: RecordedRequest): Promise<Answered> {
    const place = this.#slots.push(undefined) - 1;
    const { method = "GET", as = "admin", headers = {}, body } = request;
    const answered = await this.look(request);
    const type = answered.headers.get("content-type") ?? "";
    const kept = KEPT_HEADERS.flatMap((name) => {
      const value = answered.headers.get(name);
      return value === null ? [] : [[name, value] as const];
    });
    const said = Buffer.isBuffer(body) ? `${body.length} bytes` : JSON.stringify(body);
    const words = [
      `${method} ${urlOf(request.path)}`,
      ...(as === "admin" ? [] : [`as ${as}`]),
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      ...(said === undefined ? [] : [said.slice(0, MAX_BODY_KEY)]),
    ];
    this.#slots[place] = {
      request: words.join(" | "),
      operation: this.#operationOf(method, request.path),
      status: answered.status,
      headers: Object.fromEntries(kept),
      read: await readBody(type, answered.bytes, answered.status === 200),
    };
    return answered;
  }

  /** Keeps what no request of `ask` can have: frames of the feed, messages to other servers. */
  keep(request: string, operation: string, status: number, body: string): void {
    this.#slots.push({ request, operation, status, headers: {}, read: { text: body } });
  }

  /** Looks without keeping until what is there will do. @throws Error when that takes too long */
  async lookUntil<T>(path: string, isOver: (data: T) => boolean): Promise<T> {
    for (const end = Date.now() + JOB_MS; Date.now() < end; ) {
      const { json, text } = await this.look({ path });
      if (json?.data === undefined) throw new Error(`${path}: ${text}`);
      if (isOver(json.data as T)) return json.data as T;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    throw new Error(`${path} does not come to its end.`);
  }

  /** Asks without keeping the answer. */
  async look(request: RecordedRequest): Promise<Answered> {
    const { method = "GET", path, as = "admin", headers = {}, body } = request;
    const token = await this.#tokenOf(as);
    const answer = await fetch(`${this.#instance.url}${urlOf(path)}`, {
      method,
      redirect: "manual",
      headers: {
        "x-recorded-at": String(this.#atMs),
        "x-request-id": "recorded",
        // A packed answer says nothing of its length.
        "accept-encoding": "identity",
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(body === undefined || Buffer.isBuffer(body)
          ? {}
          : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined
        ? {}
        : { body: Buffer.isBuffer(body) ? new Uint8Array(body) : JSON.stringify(body) }),
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    return answeredOf(answer.status, answer.headers, bytes);
  }

  /** Operations of the document that nothing was asked of. */
  unasked(): string[] {
    const asked = new Set(this.#slots.map((slot) => slot?.operation));
    return this.#operations.map(({ name }) => name).filter((name) => !asked.has(name));
  }

  /** All answers, in the order of their questions, without what differs between two runs. */
  answers(): RecordedAnswer[] {
    const host = new URL(this.#instance.url).host;
    const names = new RecordedNames(new Map([[host, "<host>"], ...this.#digests()]));
    const seen = new Map<string, number>();
    return this.#slots.map((slot, index) => {
      if (!slot) throw new Error("An answer is still under way.");
      const tell = (text: string) => names.normalize(text, String(index));
      const line = tell(slot.request);
      const times = (seen.get(line) ?? 0) + 1;
      seen.set(line, times);
      const { text, sha256 } = slot.read;
      const body = tell(text);
      const isSame = body === text;
      const headers = Object.entries(slot.headers).map(([name, value]) => [name, tell(value)]);
      return {
        request: times === 1 ? line : `${line} #${times}`,
        operation: slot.operation,
        status: slot.status,
        headers: Object.fromEntries(headers),
        body,
        // Bytes with an id of this run in them are others in each run.
        ...(sha256 && isSame ? { sha256 } : {}),
      };
    });
  }

  /** Digests of files with an id of this run in them, which are others in each run. */
  #digests(): [string, string][] {
    return this.#slots.flatMap((slot): [string, string][] => {
      const etag = slot?.headers.etag?.replaceAll('"', "");
      if (!slot || !etag || !hasDrawnId(slot.read.text)) return [];
      const sha256 = createHash("sha256").update(slot.read.text).digest("hex");
      return [etag, slot.read.sha256 ?? sha256].map((digest) => [digest, "<digest>"]);
    });
  }

  #operationOf(method: string, path: string): string {
    const { pathname } = new URL(urlOf(path), "http://recorded");
    const line = `${method} ${pathname}`;
    return this.#operations.find(({ pattern }) => pattern.test(line))?.name ?? `other: ${method}`;
  }

  async #tokenOf(as: Asker): Promise<string> {
    if (as === "nobody") return "";
    if (as === "nonsense") return "e30.e30.e30";
    const known = this.#tokens.get(as) ?? (await this.#instance.token({ ...CLAIMS[as], sub: as }));
    this.#tokens.set(as, known);
    return known;
  }
}

const urlOf = (path: string) => (path.startsWith("/") ? path : `/api/v1/${path}`);
