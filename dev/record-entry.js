// The entry of the Worker that is recorded. Imports run in their order: what stands in for the clock
// and for other servers comes first.

import worker from "./local-entry.js";
import { setClock } from "./record-clock.js";
import { takeSent } from "./record-outgoing.js";

export * from "./local-entry.js";

export default {
  ...worker,
  fetch(request, env, ctx) {
    setClock(request.headers.get("x-recorded-at"));
    if (new URL(request.url).pathname === "/cdn-cgi/recorded/sent")
      return Response.json(takeSent());
    return worker.fetch(request, env, ctx);
  },
};
