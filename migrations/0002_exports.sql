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
CREATE TABLE "export_schedules" (
	"workspace_id" text NOT NULL,
	"id" text NOT NULL,
	"name" text NOT NULL,
	"template_id" text NOT NULL,
	"recurrence" jsonb NOT NULL,
	"timezone" text NOT NULL,
	"enabled" boolean DEFAULT true NOT NULL,
	"next_run_at" timestamp(6) with time zone NOT NULL,
	"last_run_at" timestamp(6) with time zone,
	"created_at" timestamp(6) with time zone NOT NULL,
	"created_by" text NOT NULL,
	CONSTRAINT "export_schedules_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
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
CREATE INDEX "export_schedules_due" ON "export_schedules" USING btree ("next_run_at");--> statement-breakpoint
CREATE INDEX "exports_time" ON "exports" USING btree ("workspace_id","created_at","id");--> statement-breakpoint
CREATE INDEX "exports_open" ON "exports" USING btree ("status","lease_until");