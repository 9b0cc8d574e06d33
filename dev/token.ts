import { parseArgs } from "node:util";
import { SignJWT } from "jose";
import { localSecret } from "./settings.ts";

export interface TokenOptions {
  workspaces: string[];
  role: string;
  user?: string;
  /** Its validity, e.g. "30d". */
  expires?: string;
}

/** A developer's token for the local instance. */
export function developerToken({
  workspaces,
  role,
  user = "developer",
  expires = "30d",
}: TokenOptions): Promise<string> {
  return new SignJWT({ email: `${user}@example.com`, workspaceId: workspaces[0], workspaces, role })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setSubject(user)
    .setIssuedAt()
    .setExpirationTime(expires)
    .sign(new TextEncoder().encode(localSecret()));
}

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: {
      workspace: { type: "string", multiple: true, default: ["demo"] },
      role: { type: "string", default: "admin" },
      user: { type: "string", default: "developer" },
      expires: { type: "string", default: "30d" },
    },
  });
  const { role, user, expires, workspace } = values;
  const workspaces = workspace.flatMap((list) => list.split(","));
  console.log(await developerToken({ role, user, expires, workspaces }));
}

if (import.meta.main) {
  try {
    await run();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
}
