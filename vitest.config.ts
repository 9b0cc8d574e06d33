import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { totals } from "./test/support/totals.ts";

export default defineConfig({
  plugins: [
    cloudflareTest(({ inject }) => ({
      wrangler: { configPath: "./wrangler.toml" },
      miniflare: {
        bindings: {
          ENVIRONMENT: "test",
          DATABASE_URL: inject("databaseUrl"),
          NEON_ENDPOINT: inject("neonEndpoint"),
          READER: inject("reader"),
          PUBLIC_URL: "https://analytics.example.com",
          JWT_SECRET_KEY: "test-secret-of-at-least-32-characters",
        },
      },
    })),
  ],
  assetsInclude: ["**/*.gz"],
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    silent: "passed-only",
    reporters: ["default", totals],
  },
});
