import { createRoute, z } from "@hono/zod-openapi";
import { webhookSecret } from "../../../delivery/signatures.ts";
import { requirePermission } from "../../../http/auth.ts";
import { problemResponses } from "../../../http/errors.ts";
import { jsonContent } from "../../../http/metrics-route.ts";
import { resourceParam, workspaceQuery } from "../../../http/resource-routes.ts";
import { createRouter } from "../../../http/router.ts";
import { getReportRun } from "../runs/queries.ts";
import { listDeliveries } from "./delivery-queries.ts";
import { deliveryShape } from "./schema.ts";

const tags = ["Reports"];
const router = createRouter();

router.openapi(
  createRoute({
    method: "get",
    path: "/reports/runs/{id}/deliveries",
    tags,
    summary: "Deliveries of a run: recipients and their answers",
    middleware: [requirePermission("read:reports")] as const,
    request: { query: workspaceQuery, params: resourceParam },
    responses: {
      200: jsonContent(
        "In the order of the recipients.",
        z.object({ data: z.array(deliveryShape) }),
      ),
      ...problemResponses("malformed", "not_found"),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const workspaceId = c.get("workspaceId");
    const { id } = c.req.valid("param");
    await getReportRun(ctx, workspaceId, id);
    return c.json({ data: await listDeliveries(ctx, workspaceId, id) }, 200);
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/reports/webhook-secret",
    tags,
    summary: "The secret that signs this workspace's webhooks",
    description:
      "Standard Webhooks: webhook-id, webhook-timestamp and webhook-signature (v1, HMAC-SHA256).",
    middleware: [requirePermission("manage:jobs")] as const,
    request: { query: workspaceQuery },
    responses: {
      200: jsonContent("The secret.", z.object({ data: z.object({ secret: z.string() }) })),
      ...problemResponses("malformed"),
    },
  }),
  async (c) => {
    const secret = await webhookSecret(c.get("ctx").config, c.get("workspaceId"));
    return c.json({ data: { secret } }, 200);
  },
);

export default router;
