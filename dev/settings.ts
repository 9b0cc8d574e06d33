import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

/** Folder of everything the local instance keeps: database, objects, its own secret. */
export const dataDir = path.resolve(process.env.DATA_DIR ?? ".data");

/** The local instance's JWT secret: given by JWT_SECRET_KEY, or made once and kept. */
export function localSecret(): string {
  if (process.env.JWT_SECRET_KEY) return process.env.JWT_SECRET_KEY;
  const file = path.join(dataDir, "jwt.secret");
  if (!existsSync(file)) {
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(file, randomBytes(32).toString("hex"), { mode: 0o600 });
  }
  return readFileSync(file, "utf8");
}

/** A whole number from a variable. @throws Error that names the variable */
export function numberFrom(name: string, fallback: number, max: number): number {
  const text = process.env[name];
  if (text === undefined || text === "") return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > max)
    throw new Error(`${name} must be a whole number up to ${max}, not "${text}".`);
  return value;
}
