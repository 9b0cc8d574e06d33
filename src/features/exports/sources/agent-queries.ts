import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Db } from "../../../db/client.ts";
import { inWorkspace } from "../../../db/scope.ts";
import type { FileRow } from "../../../formats/columns.ts";

const describedAgent = z.object({
  id: z.string(),
  name: z.string().nullable(),
  labels: z.array(z.string()),
});

/** Adds names and labels to rows of agents. */
export async function withAgentNames(
  db: Db,
  workspaceId: string,
  rows: readonly FileRow[],
): Promise<FileRow[]> {
  const described = await db.all({
    sql: sql`
      select a.id, a.name, a.labels
      from agents a
      where ${inWorkspace(workspaceId, "a")}`,
    row: describedAgent,
  });
  const agents = new Map(described.map((agent) => [agent.id, agent]));
  return rows.map((row) => {
    const { name = null, labels = [] } = agents.get(String(row.agent_id)) ?? {};
    return { ...row, name, labels };
  });
}
