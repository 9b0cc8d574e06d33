import { z } from "@hono/zod-openapi";
import { PERMISSIONS, type Permission, ROLES } from "../../auth/actor.ts";
import { idInput, textInput } from "../../http/fields.ts";
import { isAskable, parseInstant } from "../../lib/time.ts";

/** A key cannot make keys: whoever has found it out could never be shut out again. */
export const SCOPES = PERMISSIONS.filter((permission) => permission !== "manage:keys");

export const permissionShape = z.enum(PERMISSIONS as [Permission, ...Permission[]]);
export const scopeShape = z.enum(SCOPES as [Permission, ...Permission[]]);

const MAX_OVERLAP_SECONDS = 7 * 86_400;
const DEFAULT_OVERLAP_SECONDS = 3_600;

const instantText = z
  .string()
  .refine((text) => isAskable(parseInstant(text) ?? -1), "must be an RFC 3339 time with an offset")
  .openapi({ format: "date-time", example: "2027-01-01T00:00:00Z" });

export const keyInput = z
  .strictObject({
    name: textInput(128).min(1),
    scopes: z.array(scopeShape).min(1).max(SCOPES.length),
    expires_at: instantText.nullish().openapi({ description: "Default: never." }),
  })
  .openapi("ApiKeyInput", {
    example: { name: "support bot", scopes: ["write:executions"], expires_at: null },
  });

export const rotationInput = z
  .strictObject({
    overlap_seconds: z
      .int()
      .min(0)
      .max(MAX_OVERLAP_SECONDS)
      .default(DEFAULT_OVERLAP_SECONDS)
      .openapi({ description: "So long the secret of before is accepted too." }),
  })
  .openapi("ApiKeyRotation");

export const keyShape = z
  .object({
    id: z.string(),
    name: z.string(),
    prefix: z.string().openapi({ description: "The begin of the key's text." }),
    scopes: z.array(z.string()),
    expires_at: z.string().nullable(),
    last_used_at: z.string().nullable().openapi({ description: "To the minute." }),
    previous_until: z.string().nullable().openapi({
      description: "Until then the secret before the last rotation is accepted too.",
    }),
    created_at: z.string(),
    created_by: z.string(),
  })
  .openapi("ApiKey");

export const newKeyShape = keyShape
  .extend({ secret: z.string().openapi({ description: "The key's text, shown only now." }) })
  .openapi("NewApiKey");

export const revocationInput = z
  .union([
    z.strictObject({ jti: textInput(256).min(1) }),
    z.strictObject({
      user_id: idInput,
      before: instantText.optional().openapi({ description: "Default: now." }),
    }),
  ])
  .openapi("RevocationInput", { example: { user_id: "ada" } });

export const revocationShape = z
  .object({
    id: z.string(),
    jti: z.string().nullable(),
    user_id: z.string().nullable(),
    before: z.string().nullable(),
    created_at: z.string(),
    created_by: z.string(),
  })
  .openapi("Revocation");

const roleShape = z.enum(ROLES).nullable();

export const permissionsShape = z
  .object({
    workspace_id: z.string(),
    role: roleShape.openapi({ description: "null for an API key and for an unknown role." }),
    permissions: z.array(permissionShape),
  })
  .openapi("Permissions");

export const meShape = z
  .object({
    kind: z.enum(["user", "key"]),
    id: z.string(),
    email: z.string().nullable(),
    key: z.object({ id: z.string(), name: z.string() }).nullable(),
    workspace_id: z.string().nullable().openapi({ description: "Of requests that name none." }),
    workspaces: z.array(permissionsShape),
    expires_at: z.string().nullable(),
  })
  .openapi("Me");
