CREATE TABLE "agents" (
	"workspace_id" text NOT NULL,
	"id" text NOT NULL,
	"name" text,
	"labels" text[] DEFAULT '{}' NOT NULL,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "agents_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
CREATE TABLE "error_states" (
	"workspace_id" text NOT NULL,
	"fingerprint" text NOT NULL,
	"status" text NOT NULL,
	"note" text,
	"changed_at" timestamp(6) with time zone NOT NULL,
	"changed_by" text NOT NULL,
	CONSTRAINT "error_states_workspace_id_fingerprint_pk" PRIMARY KEY("workspace_id","fingerprint")
);
--> statement-breakpoint
CREATE TABLE "funnels" (
	"workspace_id" text NOT NULL,
	"id" text NOT NULL,
	"name" text NOT NULL,
	"description" text,
	"definition" jsonb NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"created_by" text NOT NULL,
	CONSTRAINT "funnels_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
CREATE TABLE "user_presence_daily" (
	"workspace_id" text NOT NULL,
	"bucket" timestamp(6) with time zone NOT NULL,
	"user_id" text NOT NULL,
	"present" bit(96) NOT NULL,
	"succeeded" bit(96) NOT NULL,
	CONSTRAINT "user_presence_daily_workspace_id_bucket_user_id_pk" PRIMARY KEY("workspace_id","bucket","user_id")
);
--> statement-breakpoint
CREATE TABLE "budgets" (
	"workspace_id" text NOT NULL,
	"period" text NOT NULL,
	"credits" numeric(20,6) NOT NULL,
	"updated_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"updated_by" text NOT NULL,
	CONSTRAINT "budgets_workspace_id_period_pk" PRIMARY KEY("workspace_id","period")
);
--> statement-breakpoint
-- What makes two errors the same: type and message without quoted text, ids, numbers and places in files. Immutable: a generated column calls it.
CREATE FUNCTION "error_fingerprint"("type" text, "message" text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT substr(md5(lower(type || E'\n' ||
		regexp_replace(regexp_replace(regexp_replace(regexp_replace(coalesce(message, ''),
			'(?<!\w)(''[^'']*''|"[^"]*"|`[^`]*`|«[^»]*»|“[^”]*”)(?!\w)', '?', 'g'),
			'\m((?=\w*\d)\w+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{12,})\M', '#', 'g'),
			'[-+]?#([-+.,:]*#)*', '#', 'g'),
			'\s+', ' ', 'g'))), 1, 16)
$$;
--> statement-breakpoint
ALTER TABLE "executions" ADD COLUMN "error_fingerprint" text GENERATED ALWAYS AS (case when error_type is not null then error_fingerprint(error_type, error_message) end) STORED;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "name" text;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "timezone" text;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "credit_price" numeric(20, 10);--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "currency" text;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "retention_days" integer;--> statement-breakpoint
CREATE INDEX "user_presence_user" ON "user_presence_daily" USING btree ("workspace_id","user_id","bucket");--> statement-breakpoint
CREATE INDEX "executions_error" ON "executions" USING btree ("workspace_id","error_fingerprint","started_at") WHERE error_fingerprint is not null;--> statement-breakpoint
CREATE INDEX "executions_failed" ON "executions" USING btree ("workspace_id","started_at") WHERE error_fingerprint is not null;--> statement-breakpoint
-- Days that were rolled up before have no presence yet: they wait for their next run, and are read from raw rows until then.
INSERT INTO "rollup_marks" ("unit", "workspace_id", "bucket") SELECT DISTINCT 'day', workspace_id, bucket FROM "user_activity_daily";
--> statement-breakpoint
-- Search reads the words of errors from here; only failed runs are in it.
CREATE INDEX "executions_error_text" ON "executions" USING gin (to_tsvector('simple', regexp_replace(coalesce(error_type, '') || ' ' || coalesce(error_message, ''), '[^[:alnum:]]+', ' ', 'g'))) WHERE error_fingerprint is not null;
