import { app } from "./app.ts";
import { handleQueue } from "./queue.ts";
import { handleCron } from "./scheduled.ts";

export { Feed } from "./feed.ts";

export default {
  fetch: app.fetch,
  scheduled: handleCron,
  queue: handleQueue,
} satisfies ExportedHandler<Env>;
