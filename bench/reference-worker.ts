import { neon, neonConfig } from "@neondatabase/serverless";

/** Physical references on the same runtime: an empty route, and an empty database round trip. */
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
