import { createRouter } from "../../http/router.ts";
import templates from "./definition/template-routes.ts";
import files, { downloads } from "./runs/file-routes.ts";
import jobs from "./runs/routes.ts";

/** Routes that need no token: the link in the path is signed. */
export const exportLinks = downloads;

/** Routes that need a user. `/exports/templates` comes before `/exports/{id}`. */
const router = createRouter();
for (const part of [templates, jobs, files]) router.route("/", part);
export default router;
