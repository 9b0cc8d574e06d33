import type { ReportTemplate } from "./schema.ts";
import type { ReportSection } from "./section-schema.ts";

const metrics = (
  title: string,
  ...measures: Extract<ReportSection, { type: "metrics" }>["measures"]
): ReportSection => ({
  type: "metrics",
  title,
  measures,
});
const line = (
  title: string,
  measure: Extract<ReportSection, { type: "chart" }>["measure"],
): ReportSection => ({
  type: "chart",
  title,
  chart: "line",
  measure,
});

/** Templates that every workspace has. */
const SYSTEM: Record<string, Omit<ReportTemplate, "id" | "system">> = {
  "executive-summary": {
    name: "Executive summary",
    description: "What ran, what failed, what it cost, who was served.",
    sections: [
      {
        type: "text",
        text: "{{executions}} executions between {{from}} and {{to}}, {{success_rate}} of the ended ones successful, for {{credits}} credits.",
      },
      metrics(
        "At a glance",
        "executions",
        "success_rate",
        "duration_p95",
        "credits",
        "active_users",
        "active_agents",
      ),
      line("Executions a day", "executions"),
      line("Credits a day", "credits"),
      {
        type: "leaderboard",
        title: "Agents by executions",
        by: "agent",
        measure: "executions",
        limit: 10,
      },
    ],
  },
  "agent-performance": {
    name: "Agent performance",
    description: "Every agent's volume, success and speed.",
    sections: [
      metrics(
        "All agents",
        "executions",
        "success_rate",
        "duration_p50",
        "duration_p95",
        "duration_p99",
      ),
      {
        type: "table",
        title: "Agents",
        measures: [
          "executions",
          "success_rate",
          "failures",
          "duration_avg",
          "duration_p95",
          "credits",
        ],
        group_by: ["agent"],
        limit: 100,
      },
      {
        type: "chart",
        title: "95th percentile of durations a day",
        chart: "line",
        measure: "duration_p95",
        group_by: "agent",
      },
      {
        type: "chart",
        title: "Executions by agent",
        chart: "bar",
        measure: "executions",
        group_by: "agent",
      },
    ],
  },
  credits: {
    name: "Credits",
    description: "Where credits and tokens went.",
    sections: [
      metrics("Consumption", "credits", "credits_avg", "tokens_in", "tokens_out", "executions"),
      { type: "chart", title: "Credits a day", chart: "area", measure: "credits" },
      {
        type: "table",
        title: "By model",
        measures: ["credits", "credits_avg", "tokens_in", "tokens_out", "executions"],
        group_by: ["model"],
      },
      {
        type: "leaderboard",
        title: "Agents by credits",
        by: "agent",
        measure: "credits",
        limit: 20,
      },
      { type: "leaderboard", title: "Users by credits", by: "user", measure: "credits", limit: 20 },
    ],
  },
  reliability: {
    name: "Reliability",
    description: "What failed, where and when.",
    sections: [
      metrics(
        "Ends",
        "success_rate",
        "failures",
        "timeouts",
        "cancellations",
        "errors",
        "duration_p99",
      ),
      line("Success rate a day", "success_rate"),
      {
        type: "table",
        title: "By type of error",
        measures: ["executions", "credits", "active_users"],
        group_by: ["error_type"],
        limit: 50,
      },
      { type: "chart", title: "Errors by hour of the week", chart: "heatmap", measure: "errors" },
    ],
  },
  "user-activity": {
    name: "User activity",
    description: "Who used the agents, and when.",
    sections: [
      metrics("Users", "active_users", "executions", "active_agents", "success_rate"),
      line("Active users a day", "active_users"),
      {
        type: "chart",
        title: "Executions by hour of the week",
        chart: "heatmap",
        measure: "executions",
      },
      { type: "retention", title: "Users who came back", granularity: "week" },
      {
        type: "leaderboard",
        title: "Users by executions",
        by: "user",
        measure: "executions",
        limit: 50,
      },
    ],
  },
};

export const SYSTEM_TEMPLATES: readonly ReportTemplate[] = Object.entries(SYSTEM).map(
  ([id, each]) => ({
    id,
    system: true,
    ...each,
  }),
);
