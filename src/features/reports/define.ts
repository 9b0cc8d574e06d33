import { namedRange } from "../../analytics/named-ranges.ts";
import { type Query, rangeOf, resolve, zoneOf } from "../../analytics/plan.ts";
import type { TimeRange } from "../../analytics/range.ts";
import type { Config } from "../../config.ts";
import { AppError, impossible, notFound } from "../../lib/errors.ts";
import { outgoingUrl } from "../../lib/outgoing.ts";
import { type EpochUs, formatInstant } from "../../lib/time.ts";
import { checkSections } from "./fill.ts";
import { canMail } from "./mail.ts";
import type { Stored } from "./queries.ts";
import type { Definition, Recipient, ReportInput, RunRequest, Section } from "./schema.ts";
import { SYSTEM_TEMPLATES } from "./templates.ts";

function sectionsOf({ sections, template_id }: ReportInput): Section[] {
  if (sections && template_id !== undefined) throw impossible("template_id", "sections_twice", "Give sections or a template, not both.");
  if (sections) return sections;
  if (template_id === undefined) throw impossible("sections", "sections_missing", "Give sections or a template.");
  const template = SYSTEM_TEMPLATES.find(({ id }) => id === template_id);
  if (!template) throw notFound("template");
  return template.sections;
}

/** The range that a definition means at a moment. @throws AppError impossible for one that is none */
export function rangeAt(
  { range, timeframe, from, to, timezone }: Omit<Definition, "sections" | "format" | "filters" | "recipients">,
  now: EpochUs,
): TimeRange {
  if (range === undefined) return rangeOf({ timeframe, from, to }, now);
  if (timeframe !== undefined || from !== undefined || to !== undefined)
    throw impossible("range", "range_twice", "Give range, timeframe, or from and to: one of them.");
  return namedRange(range, now, timezone);
}

/** @throws AppError impossible for an address that does not fit its method */
function checkRecipient(config: Config, to: Recipient, path: string): void {
  if (to.method === "email") {
    if (!canMail(config)) throw impossible(`${path}.method`, "mail_not_configured", "No mail provider is configured.");
    return;
  }
  const { hostname } = outgoingUrl(to.url, `${path}.url`);
  if (to.method === "slack" && hostname !== "hooks.slack.com")
    throw impossible(`${path}.url`, "url_refused", "Slack's incoming webhooks are at https://hooks.slack.com/.");
}

/**
 * A report as it is stored: every name in it can be asked.
 * @throws AppError impossible, with the path; not_found for a template that is none
 */
export function definitionOf(config: Config, workspaceId: string, input: ReportInput, now: EpochUs): Definition {
  const { name: _, description: __, template_id: ___, sections: ____, timezone = "UTC", filters = [], recipients = [], ...rest } = input;
  const of: Definition = { ...rest, timezone: zoneOf(timezone), filters, recipients, sections: sectionsOf(input) };
  recipients.forEach((to, place) => {
    checkRecipient(config, to, `recipients.${place}`);
  });
  const range = rangeAt(of, now);
  const check = (query: Omit<Query, "timezone">) => void resolve(workspaceId, { ...query, ...range, timezone, filters }, range.to);
  of.sections.forEach((section, place) => {
    try {
      checkSections([section], filters.length > 0, check);
    } catch (error) {
      if (!(error instanceof AppError) || error.errors.some((each) => each.path.startsWith("filters"))) throw error;
      const errors = error.errors.map((each) => ({
        ...each,
        path: `sections.${place}.${each.path.replace(/^sections\.0\.?/, "")}`.replace(/\.$/, ""),
      }));
      throw new AppError(error.kind, error.code, error.message, { errors });
    }
  });
  return of;
}

/** What a run of a report at a moment is made of. */
export function requestAt({ name, description, definition }: Stored, now: EpochUs): RunRequest {
  const { sections, format, timezone, filters, recipients } = definition;
  const range = rangeAt(definition, now);
  return {
    name,
    description,
    sections,
    format,
    timezone,
    filters,
    recipients,
    from: formatInstant(range.from),
    to: formatInstant(range.to),
  };
}
