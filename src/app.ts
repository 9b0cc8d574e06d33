import { authenticate } from "./auth/middleware.ts";
import agents from "./features/agents/routes.ts";
import comparisons from "./features/comparisons/routes.ts";
import credits from "./features/credits/routes.ts";
import errors from "./features/errors/routes.ts";
import events from "./features/events/routes.ts";
import executions from "./features/executions/routes.ts";
import executive from "./features/executive/routes.ts";
import funnels from "./features/funnels/routes.ts";
import leaderboards from "./features/leaderboards/routes.ts";
import metrics from "./features/metrics/routes.ts";
import search from "./features/search/routes.ts";
import system from "./features/system/routes.ts";
import trends from "./features/trends/routes.ts";
import users from "./features/users/routes.ts";
import workspaces from "./features/workspaces/routes.ts";
import { renderError } from "./http/errors.ts";
import { allowOnly, notFoundAnswer } from "./http/methods.ts";
import { cors, withContext } from "./http/middleware.ts";
import { describe } from "./http/openapi.ts";
import { createRouter } from "./http/router.ts";
import realtime from "./realtime/routes.ts";

const API = "/api/v1";
const ANALYTICS = [metrics, agents, users, funnels, errors, credits, executive, leaderboards, comparisons, trends, workspaces, search];
const FEATURES = [executions, events, ...ANALYTICS];

export const app = createRouter();
app.onError(renderError);
app.use(withContext(), cors());
app.route("/", system);
// The feed authenticates before its upgrade, and otherwise than by a header.
app.route(API, realtime);
app.use(`${API}/*`, authenticate());
for (const feature of FEATURES) app.route(API, feature);
describe(app);
allowOnly(app);
app.notFound(notFoundAnswer);
