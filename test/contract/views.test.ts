import { beforeAll, describe, expect, it } from "vitest";
import { clientOf, tokenFor } from "../support/client.ts";
import {
  ask,
  BERLIN_CHANGE,
  EMPTY,
  expectDescribed,
  FUTURE,
  fillViews,
  NOW,
  names,
  ONE,
  urlOf,
  W,
} from "../support/view-workspace.ts";

beforeAll(fillViews);

describe.each(names)("%s", (_, view) => {
  it("answers an empty workspace with what is empty, and nothing that is not there", async () => {
    const { status, body } = await ask(view, EMPTY, "timeframe=30d");
    expect(status).toBe(view.object ? 404 : 200);
    if (!view.object) expectDescribed(view, body);
  });

  it("answers one row, and ties, as its description says, in a zone with a clock change, and in the future", async () => {
    for (const workspace of view.path.includes("{error}") ? [W] : [ONE, W]) {
      for (const range of ["timeframe=30d", BERLIN_CHANGE, FUTURE]) {
        const { status, body } = await ask(view, workspace, range);
        expect([
          view.path,
          workspace,
          range,
          status,
          status === 200 ? "" : JSON.stringify(body),
        ]).toEqual([view.path, workspace, range, 200, ""]);
        expectDescribed(view, body);
        expect(body.meta.as_of).toMatch(/^20/);
      }
    }
  });

  it("says the same twice, the second time from the cache", async () => {
    const first = await ask(view, W, "timeframe=90d");
    const second = await ask(view, W, "timeframe=90d");
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(second.body.meta.cached).toBe(true);
    expect(second.body.data).toEqual(first.body.data);
  });

  it("is closed to a user of another workspace and to nobody", async () => {
    const stranger = clientOf(await tokenFor("views-stranger", { role: "owner" }));
    const url = urlOf(
      view,
      W,
      "timeframe=30d",
      view.path.includes("{workspace}") ? "" : `workspace_id=${W}`,
    );
    const closed =
      view.method === "GET" ? await stranger.get(url) : await stranger.post(url, view.body);
    expect(closed.status).toBe(view.path.includes("{workspace}") ? 404 : 403);
    // Within their own workspace the objects of this one do not exist.
    const own = await (view.method === "GET"
      ? stranger.get(urlOf({ ...view }, "views-stranger", "timeframe=30d"))
      : stranger.post(urlOf(view, "", ""), view.body));
    expect(own.status).toBe(view.object ? 404 : 200);
    expect(JSON.stringify(own.body.data ?? null)).not.toContain("Boom");
    const nobody = clientOf("none");
    expect(
      (await (view.method === "GET" ? nobody.get(url) : nobody.post(url, view.body))).status,
    ).toBe(401);
  });

  if (!view.rolled) return;
  it("reads no raw row where rollups cover the range", async () => {
    const day = (ago: number) =>
      `${new Date(NOW - ago * 86_400_000).toISOString().slice(0, 10)}T00:00:00Z`;
    const { status, body } = await ask(
      view,
      W,
      `from=${day(20)}&to=${day(2)}`,
      view.method === "GET" ? "explain=true" : "",
      {
        "cache-control": "no-cache",
      },
    );
    expect(status).toBe(200);
    if (view.method === "GET") expect(body.meta.plan).toBeDefined();
    expect([view.path, body.meta.sources.raw.rows]).toEqual([view.path, 0]);
  });
});
