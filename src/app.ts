import access from "./features/access/routes.ts";
import agents from "./features/agents/routes.ts";
import comparisons from "./features/comparisons/routes.ts";
import credits from "./features/credits/routes.ts";
import errors from "./features/errors/routes.ts";
import events from "./features/events/routes.ts";
import executions from "./features/executions/routes.ts";
import executive from "./features/executive/routes.ts";
import exportJobs, { exportLinks } from "./features/exports/routes.ts";
import funnels from "./features/funnels/routes.ts";
import jobs from "./features/jobs/routes.ts";
import leaderboards from "./features/leaderboards/routes.ts";
import metrics from "./features/metrics/routes.ts";
import realtime from "./features/realtime/routes.ts";
import reports, { reportLinks } from "./features/reports/routes.ts";
import schedules from "./features/schedules/routes.ts";
import search from "./features/search/routes.ts";
import system from "./features/system/routes.ts";
import trends from "./features/trends/routes.ts";
import users from "./features/users/routes.ts";
import workspaces from "./features/workspaces/routes.ts";
import { authenticateRequest } from "./http/auth.ts";
import { renderError } from "./http/errors.ts";
import { allowOnly, notFoundAnswer } from "./http/methods.ts";
import { crossOrigin, withContext } from "./http/middleware.ts";
import { describeApi } from "./http/openapi.ts";
import { pathIds, routedPath } from "./http/path-id.ts";
import { limitQuery } from "./http/query-limits.ts";
import { createRouter } from "./http/router.ts";

const API = "/api/v1";
/** Features reached without `authenticate`: the feed checks its token itself, links are secrets. */
const PUBLIC = [realtime, exportLinks, reportLinks];
/** Features that need a user. `/exports/schedules` comes before `/exports/{id}`. */
const AUTHENTICATED = [
  executions,
  events,
  metrics,
  agents,
  users,
  funnels,
  errors,
  credits,
  executive,
  leaderboards,
  comparisons,
  trends,
  workspaces,
  search,
  schedules,
  exportJobs,
  reports,
  jobs,
  access,
];

export const app = createRouter({ getPath: routedPath });
app.onError(renderError);
app.use(withContext(), crossOrigin(), pathIds(), limitQuery());
app.route("/", system);
for (const feature of PUBLIC) app.route(API, feature);
app.use(`${API}/*`, authenticateRequest());
for (const feature of AUTHENTICATED) app.route(API, feature);
describeApi(app);
allowOnly(app);
app.notFound(notFoundAnswer);
