import type { Permission } from "../../auth/actor.ts";
import type { ScheduleTable } from "../../jobs/schedules.ts";

export interface ScheduleKind {
  kind: ScheduleTable["kind"];
  /** Path of the list. */
  path: string;
  tag: string;
  /** Field that names the template or the report. */
  target: "template_id" | "report_id";
  read: Permission;
  write: Permission;
}

export const SCHEDULE_KINDS: readonly ScheduleKind[] = [
  {
    kind: "export",
    path: "/exports/schedules",
    tag: "Exports",
    target: "template_id",
    read: "read:exports",
    write: "write:exports",
  },
  {
    kind: "report",
    path: "/reports/schedules",
    tag: "Reports",
    target: "report_id",
    read: "read:reports",
    write: "write:reports",
  },
];
