import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { totals } from "./test/support/totals.ts";

const limits = { testTimeout: 60_000, hookTimeout: 60_000 };

export default defineConfig({
  test: {
    globalSetup: ["test/support/global-setup.ts"],
    maxWorkers: 2,
    silent: "passed-only",
    reporters: ["default", totals],
    projects: [
      {
        plugins: [
          cloudflareTest(({ inject }) => ({
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: {
              // What is sent stays unread: a consumer of its own time would outlive the test's file.
              queueProducers: { JOBS: "unread", DELIVERIES: "unread", ROLLUPS: "unread" },
              bindings: {
                ENVIRONMENT: "test",
                DATABASE_URL: inject("databaseUrl"),
                NEON_ENDPOINT: inject("neonEndpoint"),
                READER: inject("reader"),
                FUZZ_REQUESTS: process.env.FUZZ_REQUESTS ?? "1500",
                FUZZ_SEED: process.env.FUZZ_SEED ?? "1",
                PUBLIC_URL: "https://analytics.example.com",
                JWT_SECRET_KEY: "test-secret-of-at-least-32-characters",
              },
            },
          })),
        ],
        assetsInclude: ["**/*.gz"],
        test: {
          ...limits,
          name: "workerd",
          include: ["test/**/*.test.ts"],
          exclude: ["test/built/**"],
        },
      },
      {
        // Guarantees that show from outside only: the built Worker over HTTP, and the local instance.
        test: {
          ...limits,
          name: "built",
          environment: "node",
          include: ["test/built/**/*.test.ts"],
          globalSetup: ["test/built/support/build.ts"],
        },
      },
    ],
  },
});
