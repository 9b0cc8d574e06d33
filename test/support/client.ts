import { env, exports } from "cloudflare:workers";
import { SignJWT } from "jose";

/** Claims of a test's token; the defaults are an admin of `workspace` for an hour. */
export async function tokenFor(
  workspace: string,
  { sub = "tester", ...claims }: { sub?: string; [claim: string]: unknown } = {},
  secret = env.JWT_SECRET_KEY,
): Promise<string> {
  return new SignJWT({ workspaceId: workspace, workspaces: [workspace], role: "admin", ...claims })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(sub)
    .setIssuedAt()
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(secret));
}

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads answers field by field and fails on what is not there
  body: any;
}

/** The Worker as a caller sees it: JSON in, JSON out. */
export function clientOf(token: string) {
  const send = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    const response = await exports.default.fetch(
      new Request(`https://shadower.test${path}`, {
        ...init,
        headers: { authorization: `Bearer ${token}`, ...init.headers },
      }),
    );
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === "" ? null : JSON.parse(text),
    };
  };
  const json = { "content-type": "application/json" };
  return {
    send,
    get: (path: string, headers: Record<string, string> = {}) => send(path, { headers }),
    post: (path: string, body: unknown, headers: Record<string, string> = {}) =>
      send(path, {
        method: "POST",
        headers: { ...json, ...headers },
        body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
      }),
    patch: (path: string, body: unknown) =>
      send(path, { method: "PATCH", headers: json, body: JSON.stringify(body) }),
  };
}
