import { sql } from "drizzle-orm";
import { bigint, index, integer, jsonb, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { instant, job } from "./columns.ts";

/** The content of a report. `definition` has the shape of features/reports/schema.ts. */
export const reports = pgTable(
  "reports",
  {
    workspaceId: text("workspace_id").notNull(),
    id: text("id").notNull(),
    name: text("name").notNull(),
    description: text("description"),
    definition: jsonb("definition").notNull(),
    createdAt: instant("created_at").notNull(),
    updatedAt: instant("updated_at").notNull(),
    createdBy: text("created_by").notNull(),
  },
  (t) => [primaryKey({ columns: [t.workspaceId, t.id] })],
);

/** Reports as they were made: the definition of that time, over a fixed range. */
export const reportRuns = pgTable(
  "report_runs",
  {
    ...job(),
    reportId: text("report_id").notNull(),
    request: jsonb("request").notNull(),
    /** Percent, and the section at work. */
    progress: integer("progress").notNull().default(0),
    section: text("section"),
    file: jsonb("file"),
    downloads: bigint("downloads", { mode: "number" }).notNull().default(0),
  },
  (t) => [
    primaryKey({ columns: [t.workspaceId, t.id] }),
    index("report_runs_report").on(t.workspaceId, t.reportId, t.createdAt),
    index("report_runs_open").on(t.status, t.leaseUntil),
    index("report_runs_unfinished").on(t.workspaceId).where(sql`status in ('queued', 'running')`),
  ],
);

/** Links to a run for people without a token. Only the hash of a link's secret is kept. */
export const reportShares = pgTable(
  "report_shares",
  {
    tokenHash: text("token_hash").primaryKey(),
    id: text("id").notNull(),
    workspaceId: text("workspace_id").notNull(),
    runId: text("run_id").notNull(),
    passwordSalt: text("password_salt"),
    passwordHash: text("password_hash"),
    views: bigint("views", { mode: "number" }).notNull().default(0),
    /** Wrong passwords from everywhere within the hour that ends then. */
    failures: integer("failures").notNull().default(0),
    windowEndsAt: instant("window_ends_at"),
    createdAt: instant("created_at").notNull(),
    createdBy: text("created_by").notNull(),
    expiresAt: instant("expires_at").notNull(),
    revokedAt: instant("revoked_at"),
  },
  (t) => [index("report_shares_run").on(t.workspaceId, t.runId)],
);

/** Visitors who have tried the password of a link, by the hash of their address. */
export const reportShareVisitors = pgTable(
  "report_share_visitors",
  {
    tokenHash: text("token_hash").notNull(),
    visitor: text("visitor").notNull(),
    workspaceId: text("workspace_id").notNull(),
    /** Wrong passwords since the last right one, and the moment before which no other is tried. */
    failures: integer("failures").notNull(),
    lockedUntil: instant("locked_until"),
    triedAt: instant("tried_at").notNull(),
    /** When it last had the right password. */
    openedAt: instant("opened_at"),
  },
  (t) => [
    primaryKey({ columns: [t.tokenHash, t.visitor] }),
    index("report_share_visitors_age").on(t.triedAt),
  ],
);

/** Sections that a workspace begins its reports with, beside those that every workspace has. */
export const reportTemplates = pgTable(
  "report_templates",
  {
    workspaceId: text("workspace_id").notNull(),
    id: text("id").notNull(),
    name: text("name").notNull(),
    description: text("description").notNull(),
    sections: jsonb("sections").notNull(),
    createdAt: instant("created_at").notNull(),
    createdBy: text("created_by").notNull(),
  },
  (t) => [primaryKey({ columns: [t.workspaceId, t.id] })],
);
