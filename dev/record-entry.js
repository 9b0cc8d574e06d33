// The entry of the Worker that is recorded. Imports are run in their order: the clock comes first.

import worker from "./local-entry.js";
import { setClock } from "./record-clock.js";

export * from "./local-entry.js";

export default {
  ...worker,
  fetch(request, env, ctx) {
    setClock(request.headers.get("x-recorded-at"));
    return worker.fetch(request, env, ctx);
  },
};
