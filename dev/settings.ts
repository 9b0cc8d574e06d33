import { randomBytes } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";

/** Folder of everything the local instance keeps: database, objects, its own secret. */
export const dataDir = path.resolve(process.env.DATA_DIR || ".data");

// A connection string says all about a connection. Of libpq's variables (PGSSLMODE, PGOPTIONS,
// PGDATA ...) each would change it or the server behind the back of who wrote it, in this process
// and in its children.
for (const name of Object.keys(process.env)) if (name.startsWith("PG")) delete process.env[name];

const MIN_SECRET = 32;

/**
 * Makes the folder of the instance, or a folder in it.
 * @throws Error that names the folder which cannot be written to, and the variable that chooses
 * another
 */
export function ensureDataDir(...parts: string[]): string {
  const folder = path.join(dataDir, ...parts);
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    return folder;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(
      `${folder} cannot be written to (${code}). Choose another folder: DATA_DIR=/path npm start`,
    );
  }
}

/**
 * The local instance's JWT secret: given by JWT_SECRET_KEY, or made once and kept.
 * @throws Error that names the file or the variable whose value is no key
 */
export function localSecret(): string {
  const given = process.env.JWT_SECRET_KEY;
  const file = path.join(dataDir, "jwt.secret");
  if (!given && !existsSync(file)) {
    ensureDataDir();
    // Moved to its place when it is whole: a full disk, or a kill, must not leave half of it.
    const draft = `${file}.${process.pid}`;
    writeFileSync(draft, randomBytes(32).toString("hex"), { mode: 0o600 });
    renameSync(draft, file);
  }
  const secret = given || readFileSync(file, "utf8").trim();
  if (secret.length >= MIN_SECRET) return secret;
  throw new Error(
    given
      ? `JWT_SECRET_KEY needs at least ${MIN_SECRET} characters.`
      : `${file} has no key of at least ${MIN_SECRET} characters. Put the old key back, or delete the file to get a new one; tokens of the old key are then refused.`,
  );
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
