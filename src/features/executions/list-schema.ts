import { z } from "@hono/zod-openapi";
import { textInput } from "../../http/fields.ts";
import { fieldName } from "../../http/metrics-params.ts";
import {
  callerIdParam,
  DEFAULT_LIMIT,
  instantParam,
  pageParams,
  wholeNumberParam,
  workspaceParam,
} from "../../http/params.ts";
import { checkWork } from "../../lib/budget.ts";
import { AppError } from "../../lib/errors.ts";
import { keysOf } from "../../lib/key-path.ts";
import { EXECUTION_STATUSES } from "../../store/execution.ts";
import type { ExecutionList } from "../../store/executions.ts";
import { MAX_COUNT } from "./schema.ts";

const decimalParam = z
  .string()
  .regex(/^\d{1,12}(\.\d{1,6})?$/, "must be a decimal with at most 6 decimals");

export const executionListParams = z
  .object({
    ...workspaceParam,
    ...pageParams,
    agent_id: callerIdParam.optional(),
    user_id: callerIdParam.optional(),
    status: z.enum(EXECUTION_STATUSES).optional(),
    model: textInput(256).optional(),
    environment: textInput(128).optional(),
    from: instantParam.optional(),
    to: instantParam.optional(),
    min_duration_ms: wholeNumberParam(0, MAX_COUNT).optional(),
    max_duration_ms: wholeNumberParam(0, MAX_COUNT).optional(),
    min_credits: decimalParam.optional(),
    max_credits: decimalParam.optional(),
  })
  .catchall(textInput(1024));

const METADATA = "metadata.";

export function executionListQuery(given: z.output<typeof executionListParams>): ExecutionList {
  const { workspace_id: _, limit = DEFAULT_LIMIT, ...rest } = given;
  const others = Object.entries(rest).filter(
    ([name]) => !Object.hasOwn(executionListParams.shape, name),
  ) as [string, string][];
  const unknown = others.find(
    ([name]) => !fieldName.safeParse(name).success || !name.startsWith(METADATA),
  )?.[0];
  if (unknown !== undefined) {
    const message = `Unknown parameter "${unknown}".`;
    throw new AppError("malformed", "invalid_request", message, {
      errors: [{ path: `query.${unknown}`, code: "unknown_field", message }],
    });
  }
  checkWork("filters", others.length, "query");
  return {
    ...rest,
    limit,
    metadata: others.map(([name, value]) => [keysOf(name.slice(METADATA.length)), value]),
  };
}
