CREATE TABLE "daily_uses" (
	"workspace_id" text NOT NULL,
	"name" text NOT NULL,
	"day" date NOT NULL,
	"uses" integer NOT NULL,
	CONSTRAINT "daily_uses_workspace_id_name_pk" PRIMARY KEY("workspace_id","name")
);
--> statement-breakpoint
CREATE TABLE "turns" (
	"queue" text NOT NULL,
	"workspace_id" text NOT NULL,
	"served_at" timestamp(6) with time zone NOT NULL,
	CONSTRAINT "turns_queue_workspace_id_pk" PRIMARY KEY("queue","workspace_id")
);
--> statement-breakpoint
ALTER TABLE "report_deliveries" ADD COLUMN "not_before" timestamp(6) with time zone;--> statement-breakpoint
ALTER TABLE "exports" ADD COLUMN "cut_off" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "report_runs" ADD COLUMN "cut_off" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "report_runs" ADD COLUMN "schedule_id" text;--> statement-breakpoint
ALTER TABLE "schedules" ADD COLUMN "failures" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "schedules" ADD COLUMN "paused" jsonb;--> statement-breakpoint
CREATE INDEX "report_deliveries_unfinished" ON "report_deliveries" USING btree ("workspace_id") WHERE status in ('waiting', 'sending');--> statement-breakpoint
CREATE INDEX "exports_unfinished" ON "exports" USING btree ("workspace_id") WHERE status in ('queued', 'running');--> statement-breakpoint
CREATE INDEX "report_runs_unfinished" ON "report_runs" USING btree ("workspace_id") WHERE status in ('queued', 'running');