// Stands before the built Worker of the local instance: the trigger of crons that the development
// server has, and the way to stop without cutting off who is being answered. A request waits by its
// own timer: another request's promise is not its own I/O.
import worker from "./index.js";

export * from "./index.js";

const STOPPING = { type: "about:blank", title: "Unavailable", status: 503, code: "stopping" };
const LONGEST_MS = 30_000;
const underWay = new Set();
let isStopping = false;

/** Counts a piece of work until it is done or nobody waits for it any more. */
async function counted(work, signal) {
  const entry = { since: Date.now() };
  underWay.add(entry);
  signal?.addEventListener("abort", () => underWay.delete(entry));
  try {
    return await work();
  } finally {
    underWay.delete(entry);
  }
}

function busy() {
  const oldest = Date.now() - LONGEST_MS;
  return [...underWay].filter(({ since }) => since > oldest).length;
}

async function stop(url) {
  isStopping = true;
  const end = Date.now() + Number(url.searchParams.get("within"));
  while (busy() > 0 && Date.now() < end) await scheduler.wait(20);
  return Response.json({ left: busy() });
}

async function runCron(url, env, ctx) {
  const cron = url.searchParams.get("cron") ?? "";
  try {
    await worker.scheduled({ cron, scheduledTime: Date.now(), noRetry() {} }, env, ctx);
    return new Response("ok\n");
  } catch (error) {
    return new Response(`${error}\n`, { status: 500 });
  }
}

function refuse() {
  return Response.json(
    { ...STOPPING, detail: "The local instance is being stopped." },
    { status: 503, headers: { "content-type": "application/problem+json", "retry-after": "5" } },
  );
}

export default {
  ...worker,
  fetch(request, env, ctx) {
    const url = new URL(request.url);
    const isOwn = request.headers.get("x-local-key") === env.LOCAL_KEY;
    if (url.pathname === "/cdn-cgi/handler/stop" && isOwn) return stop(url);
    if (isStopping) return refuse();
    const isCron = url.pathname === "/cdn-cgi/handler/scheduled";
    const answer = () => (isCron ? runCron(url, env, ctx) : worker.fetch(request, env, ctx));
    return counted(answer, request.signal);
  },
  async queue(batch, env, ctx) {
    if (isStopping) return batch.retryAll();
    return counted(() => worker.queue(batch, env, ctx));
  },
};
