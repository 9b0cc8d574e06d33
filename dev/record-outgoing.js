// Stands before the built Worker while answers are recorded: what it sends to somebody else's server
// is kept and answered here, and reaches no network.
const realFetch = globalThis.fetch;
const sent = [];

/** What was sent since the last call, oldest first. */
export function takeSent() {
  return sent.splice(0);
}

globalThis.fetch = async (input, init) => {
  const request = new Request(input, init);
  const url = new URL(request.url);
  if (url.hostname === "127.0.0.1") return realFetch(input, init);
  const headers = Object.fromEntries(request.headers);
  sent.push({ url: url.href, headers, body: await request.text() });
  const isRefused = url.pathname.includes("refuse");
  return new Response(isRefused ? `refused ${url.href}` : "received", {
    status: isRefused ? 400 : 200,
  });
};
