import { errors, jwtVerify, SignJWT } from "jose";
import { derivedKey } from "../auth/derived-keys.ts";
import type { Config } from "../config.ts";
import { AppError } from "../lib/errors.ts";

const AUDIENCE = "shadower-download";
/** The file of a link. */
export interface LinkTarget {
  workspaceId: string;
  id: string;
  file: number;
}

/** @param untilMs moment at which the link expires */
export async function signLink(
  config: Config,
  { workspaceId, id, file }: LinkTarget,
  untilMs: number,
): Promise<string> {
  return new SignJWT({ ws: workspaceId, file })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(id)
    .setAudience(AUDIENCE)
    .setExpirationTime(Math.floor(untilMs / 1000))
    .sign(await derivedKey(config, AUDIENCE));
}

/** @throws AppError gone for an expired link, not_found for any other text */
export async function readLink(config: Config, token: string, nowMs: number): Promise<LinkTarget> {
  try {
    const options = { audience: AUDIENCE, algorithms: ["HS256"], currentDate: new Date(nowMs) };
    const { payload } = await jwtVerify(token, await derivedKey(config, AUDIENCE), options);
    const { sub, ws, file } = payload;
    if (typeof sub === "string" && typeof ws === "string" && typeof file === "number")
      return { workspaceId: ws, id: sub, file };
  } catch (error) {
    if (error instanceof errors.JWTExpired)
      throw new AppError("gone", "link_expired", "This link has expired.");
    if (error instanceof AppError) throw error;
  }
  throw new AppError("not_found", "not_found", "There is no such link.");
}
