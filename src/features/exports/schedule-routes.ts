import { scheduleRoutes } from "../../http/schedules.ts";
import { getTemplate } from "./templates.ts";

export default scheduleRoutes({
  kind: "export",
  path: "/exports/schedules",
  tag: "Exports",
  target: "template_id",
  read: "read:exports",
  write: "write:exports",
  check: getTemplate,
});
