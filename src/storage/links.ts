import { errors, jwtVerify, SignJWT } from "jose";
import type { Config } from "../config.ts";
import { AppError } from "../lib/errors.ts";

const AUDIENCE = "shadower-download";
const encoder = new TextEncoder();

/** A key that opens nothing else: an API token is never a link, nor the other way round. @throws AppError unavailable without a secret */
async function keyOf({ LINK_SECRET_KEY, JWT_SECRET_KEY }: Config): Promise<Uint8Array> {
  const secret = LINK_SECRET_KEY ?? JWT_SECRET_KEY;
  if (!secret) throw new AppError("unavailable", "links_not_configured", "Set LINK_SECRET_KEY to give out links.");
  const base = await crypto.subtle.importKey("raw", encoder.encode(secret), "HKDF", false, ["deriveBits"]);
  const bits = await crypto.subtle.deriveBits(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: encoder.encode(AUDIENCE) },
    base,
    256,
  );
  return new Uint8Array(bits);
}

/** What a link leads to. */
export interface Target {
  workspaceId: string;
  id: string;
  file: number;
}

/** @param untilMs when the link ends */
export async function signLink(config: Config, { workspaceId, id, file }: Target, untilMs: number): Promise<string> {
  return new SignJWT({ ws: workspaceId, file })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(id)
    .setAudience(AUDIENCE)
    .setExpirationTime(Math.floor(untilMs / 1000))
    .sign(await keyOf(config));
}

/** @throws AppError gone for a link that has ended, not_found for any other text */
export async function readLink(config: Config, token: string, nowMs: number): Promise<Target> {
  try {
    const options = { audience: AUDIENCE, algorithms: ["HS256"], currentDate: new Date(nowMs) };
    const { payload } = await jwtVerify(token, await keyOf(config), options);
    const { sub, ws, file } = payload;
    if (typeof sub === "string" && typeof ws === "string" && typeof file === "number") return { workspaceId: ws, id: sub, file };
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw new AppError("gone", "link_expired", "This link has expired.");
    if (error instanceof AppError) throw error;
  }
  throw new AppError("not_found", "not_found", "There is no such link.");
}
