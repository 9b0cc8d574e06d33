import { createRouter } from "../../http/router.ts";
import definitions from "./definition/routes.ts";
import templates from "./definition/template-routes.ts";
import runs from "./runs/routes.ts";
import starts from "./runs/start-routes.ts";
import deliveries from "./sharing/delivery-routes.ts";
import shares, { sharedFiles } from "./sharing/routes.ts";

/** Routes that need no token: the link in the path is a secret. */
export const reportLinks = sharedFiles;

/** Routes that need a user. Literal paths such as `/reports/runs` come before `/reports/{id}`. */
const router = createRouter();
for (const part of [templates, runs, deliveries, shares, definitions, starts])
  router.route("/", part);
export default router;
