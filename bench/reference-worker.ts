import { neon, neonConfig } from "@neondatabase/serverless";

/** The physical references on the same runtime: a route that does nothing, and a database round trip that asks nothing. */
export default {
  async fetch(
    request: Request,
    env: { DATABASE_URL: string; NEON_ENDPOINT: string },
  ): Promise<Response> {
    if (!request.url.endsWith("/select")) return new Response("hello");
    neonConfig.fetchEndpoint = () => `${env.NEON_ENDPOINT}/sql`;
    return Response.json(await neon(env.DATABASE_URL).query("select 1 as one"));
  },
};
