import type { Context } from "../../../context.ts";
import { expireJobs } from "../../../jobs/expiry.ts";
import { exportQueue } from "../queries.ts";
import { removeExportFiles } from "./files.ts";

/** Removes the files of exports whose retention has ended; the exports stay, as expired. */
export const expireExports = (ctx: Context): Promise<number> =>
  expireJobs(exportQueue(ctx), ({ workspaceId, id }) => removeExportFiles(ctx, workspaceId, id));
