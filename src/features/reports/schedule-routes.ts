import { scheduleRoutes } from "../../http/schedules.ts";
import { getReport } from "./queries.ts";

export default scheduleRoutes({
  kind: "report",
  path: "/reports/schedules",
  tag: "Reports",
  target: "report_id",
  read: "read:reports",
  write: "write:reports",
  check: getReport,
});
