import { expect, it } from "vitest";
import { app } from "../src/app.ts";

interface Registered {
  method: string;
  path: string;
}

const isParameter = (segment: string) => segment.startsWith(":");

/** Whether the earlier route also answers the path of a later one, by a parameter for a literal. */
function shadows(earlier: Registered, later: Registered): boolean {
  const ours = earlier.path.split("/");
  const theirs = later.path.split("/");
  if (earlier.method !== later.method || ours.length !== theirs.length) return false;
  const matches = ours.every((segment, place) => isParameter(segment) || segment === theirs[place]);
  return (
    matches &&
    ours.some((segment, place) => isParameter(segment) && !isParameter(theirs[place] ?? ""))
  );
}

function shadowedRoutes(routes: readonly Registered[]): string[] {
  return routes.flatMap((later, place) =>
    routes
      .slice(0, place)
      .filter((earlier) => shadows(earlier, later))
      .map((earlier) => `${later.method} ${later.path} is answered by ${earlier.path}`),
  );
}

/** Middleware and the 405 answers of known paths are registered for every method. */
const handlers = app.routes.filter(({ method }) => method !== "ALL");

it("No literal path is shadowed by a parameter route that is registered before it", () => {
  expect(handlers.length).toBeGreaterThan(100);
  expect(shadowedRoutes(handlers)).toEqual([]);
});

it("A literal path that is registered after a parameter route is found", () => {
  const reversed = shadowedRoutes(handlers.toReversed());
  expect(reversed).toContain("GET /api/v1/exports/templates is answered by /api/v1/exports/:id");
  expect(reversed).toContain("GET /api/v1/reports/runs is answered by /api/v1/reports/:id");
});
