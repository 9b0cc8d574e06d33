CREATE TABLE "report_deliveries" (
	"workspace_id" text NOT NULL,
	"id" text NOT NULL,
	"run_id" text NOT NULL,
	"recipient" jsonb NOT NULL,
	"status" text NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"answer" text,
	"created_at" timestamp(6) with time zone NOT NULL,
	"attempted_at" timestamp(6) with time zone,
	"delivered_at" timestamp(6) with time zone,
	CONSTRAINT "report_deliveries_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
CREATE TABLE "dead_letters" (
	"id" text PRIMARY KEY NOT NULL,
	"workspace_id" text,
	"type" text NOT NULL,
	"body" jsonb NOT NULL,
	"reason" text NOT NULL,
	"attempts" integer NOT NULL,
	"dead_at" timestamp(6) with time zone NOT NULL,
	"replayed_at" timestamp(6) with time zone,
	"replayed_by" text
);
--> statement-breakpoint
CREATE TABLE "export_templates" (
	"workspace_id" text NOT NULL,
	"id" text NOT NULL,
	"name" text NOT NULL,
	"description" text,
	"request" jsonb NOT NULL,
	"created_at" timestamp(6) with time zone NOT NULL,
	"created_by" text NOT NULL,
	CONSTRAINT "export_templates_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
CREATE TABLE "exports" (
	"workspace_id" text NOT NULL,
	"id" text NOT NULL,
	"source" text NOT NULL,
	"format" text NOT NULL,
	"request" jsonb NOT NULL,
	"status" text NOT NULL,
	"as_of" timestamp(6) with time zone,
	"rows_done" bigint DEFAULT 0 NOT NULL,
	"rows_expected" bigint,
	"files" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"progress" jsonb,
	"error_code" text,
	"error_message" text,
	"attempts" integer DEFAULT 0 NOT NULL,
	"claim" text,
	"lease_until" timestamp(6) with time zone,
	"template_id" text,
	"schedule_id" text,
	"created_at" timestamp(6) with time zone NOT NULL,
	"created_by" text NOT NULL,
	"started_at" timestamp(6) with time zone,
	"finished_at" timestamp(6) with time zone,
	"expires_at" timestamp(6) with time zone,
	CONSTRAINT "exports_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
CREATE TABLE "report_runs" (
	"workspace_id" text NOT NULL,
	"id" text NOT NULL,
	"report_id" text NOT NULL,
	"request" jsonb NOT NULL,
	"status" text NOT NULL,
	"progress" integer DEFAULT 0 NOT NULL,
	"section" text,
	"as_of" timestamp(6) with time zone,
	"file" jsonb,
	"error_code" text,
	"error_message" text,
	"attempts" integer DEFAULT 0 NOT NULL,
	"claim" text,
	"lease_until" timestamp(6) with time zone,
	"downloads" bigint DEFAULT 0 NOT NULL,
	"created_at" timestamp(6) with time zone NOT NULL,
	"created_by" text NOT NULL,
	"started_at" timestamp(6) with time zone,
	"finished_at" timestamp(6) with time zone,
	"expires_at" timestamp(6) with time zone,
	CONSTRAINT "report_runs_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
CREATE TABLE "report_shares" (
	"token_hash" text PRIMARY KEY NOT NULL,
	"id" text NOT NULL,
	"workspace_id" text NOT NULL,
	"run_id" text NOT NULL,
	"password_salt" text,
	"password_hash" text,
	"views" bigint DEFAULT 0 NOT NULL,
	"failures" integer DEFAULT 0 NOT NULL,
	"locked_until" timestamp(6) with time zone,
	"created_at" timestamp(6) with time zone NOT NULL,
	"created_by" text NOT NULL,
	"expires_at" timestamp(6) with time zone NOT NULL,
	"revoked_at" timestamp(6) with time zone
);
--> statement-breakpoint
CREATE TABLE "report_templates" (
	"workspace_id" text NOT NULL,
	"id" text NOT NULL,
	"name" text NOT NULL,
	"description" text NOT NULL,
	"sections" jsonb NOT NULL,
	"created_at" timestamp(6) with time zone NOT NULL,
	"created_by" text NOT NULL,
	CONSTRAINT "report_templates_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
CREATE TABLE "reports" (
	"workspace_id" text NOT NULL,
	"id" text NOT NULL,
	"name" text NOT NULL,
	"description" text,
	"definition" jsonb NOT NULL,
	"created_at" timestamp(6) with time zone NOT NULL,
	"updated_at" timestamp(6) with time zone NOT NULL,
	"created_by" text NOT NULL,
	CONSTRAINT "reports_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
CREATE TABLE "schedules" (
	"workspace_id" text NOT NULL,
	"kind" text NOT NULL,
	"id" text NOT NULL,
	"name" text NOT NULL,
	"target_id" text NOT NULL,
	"recurrence" jsonb NOT NULL,
	"timezone" text NOT NULL,
	"enabled" boolean DEFAULT true NOT NULL,
	"next_run_at" timestamp(6) with time zone NOT NULL,
	"last_run_at" timestamp(6) with time zone,
	"created_at" timestamp(6) with time zone NOT NULL,
	"created_by" text NOT NULL,
	CONSTRAINT "schedules_workspace_id_kind_id_pk" PRIMARY KEY("workspace_id","kind","id")
);
--> statement-breakpoint
CREATE INDEX "report_deliveries_run" ON "report_deliveries" USING btree ("workspace_id","run_id");--> statement-breakpoint
CREATE INDEX "exports_time" ON "exports" USING btree ("workspace_id","created_at","id");--> statement-breakpoint
CREATE INDEX "exports_open" ON "exports" USING btree ("status","lease_until");--> statement-breakpoint
CREATE INDEX "report_runs_report" ON "report_runs" USING btree ("workspace_id","report_id","created_at");--> statement-breakpoint
CREATE INDEX "report_runs_open" ON "report_runs" USING btree ("status","lease_until");--> statement-breakpoint
CREATE INDEX "report_shares_run" ON "report_shares" USING btree ("workspace_id","run_id");--> statement-breakpoint
CREATE INDEX "schedules_due" ON "schedules" USING btree ("kind","next_run_at");