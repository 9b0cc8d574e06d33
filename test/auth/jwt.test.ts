import { env } from "cloudflare:workers";
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { authenticateToken } from "../../src/auth/jwt.ts";
import { readConfig } from "../../src/config.ts";
import { clientOf, tokenFor } from "../support/client.ts";
import { useOwnDatabase } from "../support/database.ts";

beforeAll(useOwnDatabase);
const W = "auth";
const SUMMARY = "/api/v1/metrics/summary?timeframe=7d";
const key = () => new TextEncoder().encode(env.JWT_SECRET_KEY);
const statusWith = async (token: string, path = SUMMARY) => {
  const { status, body } = await clientOf(token).get(path);
  return [status, body.code];
};
const signed = (claims: Record<string, unknown>, expires: string | number = "1h") =>
  new SignJWT(claims)
    .setProtectedHeader({ alg: "HS256" })
    .setSubject("s")
    .setExpirationTime(expires)
    .sign(key());

const statusWithClaims = async (claims: Record<string, unknown>) =>
  statusWith(
    await new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).setSubject("s").sign(key()),
  );

describe("a token", () => {
  it("is needed", async () => {
    const answer = await clientOf("").send(SUMMARY, { headers: { authorization: "" } });
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(answer.body).toMatchObject({
      status: 401,
      code: "missing_token",
      request_id: expect.any(String),
    });
  });

  it("is refused when it has expired, also if it was accepted before", async () => {
    expect(
      await statusWith(await signed({ workspaces: [W] }, Math.floor(Date.now() / 1000) - 61)),
    ).toEqual([401, "invalid_token"]);
    const config = readConfig(env);
    const token = await signed({ workspaces: [W] }, "1h");
    expect((await authenticateToken(config, token, Date.now())).id).toBe("s");
    vi.useFakeTimers({ now: Date.now() + 3_700_000 });
    await expect(authenticateToken(config, token, Date.now())).rejects.toMatchObject({
      code: "invalid_token",
    });
    vi.useRealTimers();
  });

  it("is refused with the algorithm none, another algorithm, another secret, or a part cut off", async () => {
    const none = new UnsecuredJWT({ workspaces: [W] })
      .setSubject("s")
      .setExpirationTime("1h")
      .encode();
    const { privateKey } = await generateKeyPair("RS256");
    const rs256 = await new SignJWT({ workspaces: [W] })
      .setProtectedHeader({ alg: "RS256" })
      .setSubject("s")
      .setExpirationTime("1h")
      .sign(privateKey);
    const hs512 = await new SignJWT({ workspaces: [W] })
      .setProtectedHeader({ alg: "HS512" })
      .setSubject("s")
      .setExpirationTime("1h")
      .sign(new Uint8Array(64));
    const forged = await tokenFor(W, {}, "another-secret-of-at-least-32-characters");
    const good = await tokenFor(W);
    for (const token of [none, rs256, hs512, forged, good.slice(0, -4), "a.b.c", "x"])
      expect(await statusWith(token)).toEqual([401, "invalid_token"]);
    expect(await statusWith(good)).toEqual([200, undefined]);
  });

  it("is refused without an expiry, without a subject, and with malformed claims", async () => {
    const without = (claims: Record<string, unknown>) =>
      new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(key());
    const exp = Math.floor(Date.now() / 1000) + 600;
    for (const claims of [
      { sub: "s", workspaces: [W] },
      { exp, workspaces: [W] },
      { exp, sub: "s", workspaces: "all" },
      { exp, sub: "a\u0000b", workspaces: [W] },
      { exp, sub: "ü".repeat(129), workspaces: [W] },
      { exp, sub: 7, workspaces: [W] },
      { exp, sub: "\ud800", workspaces: [W] },
      { exp, sub: "", workspaces: [W] },
      { exp: "soon", sub: "s", workspaces: [W] },
    ]) {
      expect(await statusWith(await without(claims))).toEqual([401, "invalid_token"]);
    }
  });

  it("is not refused for what only concerns its reach: no e-mail, an unknown role, no workspace of its own", async () => {
    const common = { workspaces: [W], workspaceId: W };
    for (const claims of [
      { email: null, workspaces: [W] },
      { email: 7, ...common, permissions: [1, "read:metrics"] },
      { workspaces: { [W]: "viewer", other: "god" }, workspaceId: W, email: [] },
      { ...common, role: "god", permissions: ["read:metrics"] },
      { ...common, permissions: null, role: null },
      { ...common, permissions: "read:metrics" },
      { workspaces: ["../x", 7, null, W] },
      { workspaces: { "../x": "admin", [W]: "viewer" } },
      { ...common, workspaceId: null },
      { ...common, workspaceId: 7 },
      { workspaces: null, workspaceId: W },
      { ...common, aud: ["a", "b"], jti: 7, iss: 7, scope: null, amr: {} },
    ])
      expect(await statusWith(await signed(claims))).toEqual([200, undefined]);
    expect(await statusWith(await signed({ ...common, role: "god" }))).toEqual([
      403,
      "permission_missing",
    ]);
    const inOther = await signed({ workspaces: { [W]: "viewer", other: "god" } });
    expect(await statusWith(inOther, `${SUMMARY}&workspace_id=other`)).toEqual([
      403,
      "permission_missing",
    ]);
  });

  it("with a malformed workspace id has no workspace, and with an end that no clock can hold is good", async () => {
    expect(await statusWith(await signed({ workspaces: ["../x"] }))).toEqual([
      400,
      "workspace_missing",
    ]);
    for (const exp of [1e15, 1e300]) {
      const token = await new SignJWT({ workspaces: [W], exp })
        .setProtectedHeader({ alg: "HS256" })
        .setSubject("s")
        .sign(key());
      const user = await authenticateToken(readConfig(env), token, Date.now());
      expect(new Date(user.expiresAtMs).getUTCFullYear()).toBe(9999);
      const { status, body } = await clientOf(token).post("/api/v1/realtime/tickets", {});
      expect([status, body.data?.workspace_id]).toEqual([201, W]);
    }
  });

  it("may be of a clock that is a minute ahead or behind, and no more", async () => {
    const now = Math.floor(Date.now() / 1000);
    const of = (claims: Record<string, unknown>) =>
      statusWithClaims({ workspaces: [W], exp: now + 600, ...claims });
    for (const claims of [{ nbf: now + 50 }, { iat: now + 50 }, { exp: now - 50 }])
      expect(await of(claims)).toEqual([200, undefined]);
    for (const claims of [{ nbf: now + 120 }, { iat: now + 120 }, { exp: now - 70 }])
      expect(await of(claims)).toEqual([401, "invalid_token"]);
  });

  it("with a header of any other shape is refused, and nothing is out of reach", async () => {
    const part = (value: unknown) =>
      btoa(JSON.stringify(value)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    const payload = part({ sub: "s", exp: 4_000_000_000, workspaces: [W] });
    for (const header of [
      { alg: 5 },
      { alg: null },
      { alg: ["HS256"] },
      {},
      [],
      5,
      null,
      { alg: "HS256", crit: 1 },
      { alg: "RS256", kid: {} },
    ])
      expect(await statusWith(`${part(header)}.${payload}.AAAA`)).toEqual([401, "invalid_token"]);
  });

  it("must be from the issuer and for the audience that are configured", async () => {
    const config = {
      ...readConfig(env),
      JWT_ISSUER: "https://id.example",
      JWT_AUDIENCE: "analytics",
    };
    const good = { workspaces: [W], iss: "https://id.example", aud: "analytics" };
    expect((await authenticateToken(config, await signed(good), Date.now())).kind).toBe("user");
    for (const wrong of [
      { ...good, aud: "other" },
      { ...good, iss: "https://evil.example" },
      { workspaces: [W] },
    ]) {
      await expect(
        authenticateToken(config, await signed(wrong), Date.now()),
      ).rejects.toMatchObject({ kind: "unauthenticated" });
    }
  });

  it("is checked against a key set for RS256, ES256 and EdDSA, and not with the shared secret's algorithm there", async () => {
    const pairs = await Promise.all(
      ["RS256", "ES256", "EdDSA"].map(async (alg) => ({
        alg,
        ...(await generateKeyPair(alg, { extractable: true })),
      })),
    );
    const keys = await Promise.all(
      pairs.map(async ({ alg, publicKey }) => ({ ...(await exportJWK(publicKey)), alg, kid: alg })),
    );
    const url = "https://id.example/keys.json";
    const fetched = vi
      .spyOn(globalThis, "fetch")
      .mockImplementation(async () => Response.json({ keys }));
    const { JWT_SECRET_KEY: _, ...rest } = readConfig(env);
    const config = { ...rest, JWT_SECRET_KEY: undefined, JWT_JWKS_URL: url };
    for (const { alg, privateKey } of pairs) {
      const token = await new SignJWT({ workspaces: [W] })
        .setProtectedHeader({ alg, kid: alg })
        .setSubject(alg)
        .setExpirationTime("1h")
        .sign(privateKey);
      expect((await authenticateToken(config, token, Date.now())).id).toBe(alg);
    }
    expect(fetched).toHaveBeenCalled();
    await expect(
      authenticateToken(config, await signed({ workspaces: [W] }), Date.now()),
    ).rejects.toMatchObject({ code: "invalid_token" });
    fetched.mockRejectedValue(new TypeError("connection refused"));
    const [pair] = pairs;
    if (!pair) throw new Error("no key");
    const token = await new SignJWT({ workspaces: [W] })
      .setProtectedHeader({ alg: pair.alg, kid: pair.alg })
      .setSubject("x")
      .setExpirationTime("1h")
      .sign(pair.privateKey);
    await expect(
      authenticateToken(
        { ...config, JWT_JWKS_URL: "https://down.example/keys" },
        token,
        Date.now(),
      ),
    ).rejects.toMatchObject({
      kind: "unavailable",
    });
    fetched.mockRestore();
  });

  it("that names no key is tried with each, and one of a new key has the set fetched again", async () => {
    const pairs = await Promise.all(
      [0, 1, 2].map(() => generateKeyPair("RS256", { extractable: true })),
    );
    const published = await Promise.all(
      pairs.map(async ({ publicKey }, index) => ({
        ...(await exportJWK(publicKey)),
        kid: `${index}`,
        alg: "RS256",
      })),
    );
    let keys = published.slice(0, 2);
    const fetched = vi
      .spyOn(globalThis, "fetch")
      .mockImplementation(async () => Response.json({ keys }));
    const config = { ...readConfig(env), JWT_JWKS_URL: "https://keys.example/two" };
    const tokenOf = (index: number, header: object) => {
      const pair = pairs[index];
      if (!pair) throw new Error("no key");
      return new SignJWT({ workspaces: [W] })
        .setProtectedHeader({ alg: "RS256", ...header })
        .setSubject(`s${index}`)
        .setExpirationTime("3h")
        .sign(pair.privateKey);
    };
    for (const index of [0, 1])
      expect((await authenticateToken(config, await tokenOf(index, {}), Date.now())).id).toBe(
        `s${index}`,
      );
    await expect(authenticateToken(config, await tokenOf(2, {}), Date.now())).rejects.toMatchObject(
      { code: "invalid_token" },
    );
    expect(fetched).toHaveBeenCalledTimes(1);
    keys = published.slice(1);
    const rotated = await tokenOf(2, { kid: "2" });
    await expect(authenticateToken(config, rotated, Date.now())).rejects.toMatchObject({
      code: "invalid_token",
    });
    vi.useFakeTimers({ now: Date.now() + 31_000, toFake: ["Date"] });
    expect((await authenticateToken(config, rotated, Date.now())).id).toBe("s2");
    vi.useRealTimers();
    expect(fetched).toHaveBeenCalledTimes(2);
    fetched.mockRestore();
  });
});

describe("a key set", () => {
  const setOf = async (count: number) => {
    const pairs = await Promise.all(
      Array.from({ length: count }, () => generateKeyPair("RS256", { extractable: true })),
    );
    const keys = await Promise.all(pairs.map(({ publicKey }) => exportJWK(publicKey)));
    const tokenOf = (index: number, claims: Record<string, unknown> = {}) =>
      new SignJWT({ workspaces: [W], jti: crypto.randomUUID(), ...claims })
        .setProtectedHeader({ alg: "RS256" })
        .setSubject("s")
        .setExpirationTime("9h")
        .sign((pairs[index] as CryptoKeyPair).privateKey);
    return { keys, tokenOf };
  };
  const config = (name: string) => ({
    ...readConfig(env),
    JWT_JWKS_URL: `https://sets.example/${name}`,
  });
  const outcome = async (name: string, token: string) => {
    try {
      return (await authenticateToken(config(name), token, Date.now())).kind;
    } catch (error) {
      return (error as { code?: string }).code;
    }
  };

  it("that cannot be fetched again stays good for an hour, and is not asked for at once", async () => {
    const { keys, tokenOf } = await setOf(1);
    const fetched = vi
      .spyOn(globalThis, "fetch")
      .mockImplementation(async () => Response.json({ keys }));
    expect(await outcome("away", await tokenOf(0))).toBe("user");
    const start = Date.now();
    fetched.mockImplementation(() => Promise.reject(new TypeError("connection refused")));
    vi.useFakeTimers({ now: start + 20 * 60_000, toFake: ["Date"] });
    for (let each = 0; each < 5; each++)
      expect(await outcome("away", await tokenOf(0))).toBe("user");
    expect(fetched).toHaveBeenCalledTimes(2);
    vi.setSystemTime(start + 61 * 60_000);
    for (let each = 0; each < 5; each++)
      expect(await outcome("away", await tokenOf(0))).toBe("keys_unavailable");
    expect(fetched).toHaveBeenCalledTimes(3);
    fetched.mockImplementation(async () => Response.json({ keys }));
    vi.setSystemTime(start + 62 * 60_000);
    expect(await outcome("away", await tokenOf(0))).toBe("user");
    vi.useRealTimers();
    fetched.mockRestore();
  });

  it("is fetched again for a signature of none of its keys, once in 30 s however many are forged", async () => {
    const [old, next] = [await setOf(2), await setOf(1)];
    const start = Date.now();
    const fetched = vi
      .spyOn(globalThis, "fetch")
      .mockImplementation(async () => Response.json({ keys: old.keys }));
    expect(await outcome("rotated", await old.tokenOf(1))).toBe("user");
    fetched.mockImplementation(async () => Response.json({ keys: next.keys }));
    expect(await outcome("rotated", await next.tokenOf(0))).toBe("invalid_token");
    vi.useFakeTimers({ now: start + 31_000, toFake: ["Date"] });
    expect(await outcome("rotated", await next.tokenOf(0))).toBe("user");
    for (let each = 0; each < 5; each++)
      expect(await outcome("rotated", await old.tokenOf(0))).toBe("invalid_token");
    expect(fetched).toHaveBeenCalledTimes(2);
    vi.useRealTimers();
    fetched.mockRestore();
  });

  it("that cannot be parsed, or is too large, or elsewhere, is out of reach", async () => {
    const { keys, tokenOf } = await setOf(1);
    const answers: Record<string, () => Response> = {
      text: () => new Response("<html>"),
      list: () => Response.json(keys),
      large: () => Response.json({ keys, more: "x".repeat(100_000) }),
      moved: () => new Response(null, { status: 302, headers: { location: "https://x.example" } }),
    };
    for (const [name, answer] of Object.entries(answers)) {
      const fetched = vi.spyOn(globalThis, "fetch").mockImplementation(async () => answer());
      expect([name, await outcome(name, await tokenOf(0))]).toEqual([name, "keys_unavailable"]);
      fetched.mockRestore();
    }
  });

  it("with a key that is broken is good for the others, and claims are told of as with one key", async () => {
    const { keys, tokenOf } = await setOf(2);
    const broken = { kty: "RSA", n: "AQAB", e: "AQAB" };
    const fetched = vi
      .spyOn(globalThis, "fetch")
      .mockImplementation(async () => Response.json({ keys: [broken, ...keys] }));
    expect(await outcome("broken", await tokenOf(1))).toBe("user");
    const early = await tokenOf(1, { nbf: Math.floor(Date.now() / 1000) + 600 });
    await expect(authenticateToken(config("broken"), early, Date.now())).rejects.toThrow("nbf");
    fetched.mockRestore();
  });
});

describe("a workspace", () => {
  it("must be in the token", async () => {
    expect(await statusWith(await tokenFor(W), `${SUMMARY}&workspace_id=other`)).toEqual([
      403,
      "workspace_forbidden",
    ]);
    expect(await statusWith(await tokenFor(W, { workspaceId: "other" }))).toEqual([
      403,
      "workspace_forbidden",
    ]);
    expect(
      await statusWith(await tokenFor(W, { workspaces: [W, "b"], workspaceId: undefined })),
    ).toEqual([400, "workspace_missing"]);
    expect(
      await statusWith(await tokenFor(W, { workspaces: [W, "b"] }), `${SUMMARY}&workspace_id=b`),
    ).toEqual([200, undefined]);
  });

  it("has the role that the token's map gives there, and no other", async () => {
    const token = await tokenFor(W, { workspaces: { [W]: "viewer", b: "admin" }, role: "owner" });
    const item = { agent_id: "a", user_id: "u", status: "running" };
    const inA = await clientOf(token).post("/api/v1/executions", item);
    expect([inA.status, inA.body.code]).toEqual([403, "permission_missing"]);
    expect((await clientOf(token).post("/api/v1/executions?workspace_id=b", item)).status).toBe(
      201,
    );
  });
});

describe("a permission", () => {
  const write = { agent_id: "a", user_id: "u", status: "running" };
  it.each([
    ["viewer", 403],
    ["analyst", 403],
    ["member", 201],
    ["admin", 201],
    ["owner", 201],
  ])("of the role %s answers an intake with %i", async (role, status) => {
    expect(
      (await clientOf(await tokenFor(W, { role })).post("/api/v1/executions", write)).status,
    ).toBe(status);
  });

  it("may be granted by the token beside its role", async () => {
    const token = await tokenFor(W, { role: "viewer", permissions: ["write:executions"] });
    expect((await clientOf(token).post("/api/v1/executions", write)).status).toBe(201);
  });
});
