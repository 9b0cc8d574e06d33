import { env } from "cloudflare:workers";
import { neon, neonConfig } from "@neondatabase/serverless";
import { afterAll } from "vitest";

/**
 * This file's own database, made from the migrated template and dropped at the end. All doors of the Worker use it, for they
 * read DATABASE_URL from the same `env`.
 */
export async function useOwnDatabase(): Promise<void> {
  const server = env.DATABASE_URL;
  neonConfig.fetchEndpoint = () => `${env.NEON_ENDPOINT}/sql`;
  const admin = neon(server);
  const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
  await admin.query(`create database ${name} template shadower_template`);
  env.DATABASE_URL = server.replace(/\/postgres$/, `/${name}`);
  afterAll(async () => {
    env.DATABASE_URL = server;
    await admin.query(`drop database ${name} with (force)`);
  });
}
