CREATE TABLE "events" (
	"workspace_id" text NOT NULL,
	"id" text NOT NULL,
	"event_type" text NOT NULL,
	"event_name" text,
	"user_id" text NOT NULL,
	"session_id" text,
	"occurred_at" timestamp(6) with time zone NOT NULL,
	"properties" jsonb,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "events_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
CREATE TABLE "execution_keys" (
	"workspace_id" text NOT NULL,
	"id" text NOT NULL,
	"started_at" timestamp(6) with time zone NOT NULL,
	CONSTRAINT "execution_keys_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
CREATE TABLE "executions" (
	"workspace_id" text NOT NULL,
	"id" text NOT NULL,
	"agent_id" text NOT NULL,
	"user_id" text NOT NULL,
	"status" text NOT NULL,
	"started_at" timestamp(6) with time zone NOT NULL,
	"ended_at" timestamp(6) with time zone,
	"duration_given_ms" bigint,
	"duration_ms" bigint GENERATED ALWAYS AS (coalesce(duration_given_ms, round(extract(epoch from ended_at - started_at) * 1000)::bigint)) STORED,
	"credits" numeric(20,6),
	"tokens_in" bigint,
	"tokens_out" bigint,
	"model" text,
	"parent_execution_id" text,
	"environment" text,
	"version" text,
	"error_type" text,
	"error_message" text,
	"metadata" jsonb,
	"revision" integer DEFAULT 0 NOT NULL,
	"settled" integer DEFAULT 0 NOT NULL,
	"stale" boolean DEFAULT false NOT NULL,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"heard_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "executions_workspace_id_started_at_id_pk" PRIMARY KEY("workspace_id","started_at","id"),
	CONSTRAINT "executions_status" CHECK (status in ('running', 'success', 'failure', 'timeout', 'cancelled'))
) PARTITION BY RANGE ("started_at");
--> statement-breakpoint
CREATE TABLE "execution_metrics_daily" (
	"workspace_id" text NOT NULL,
	"grain" text NOT NULL,
	"bucket" timestamp(6) with time zone NOT NULL,
	"agent_id" text DEFAULT '' NOT NULL,
	"status" text DEFAULT '' NOT NULL,
	"model" text DEFAULT '' NOT NULL,
	"environment" text DEFAULT '' NOT NULL,
	"version" text DEFAULT '' NOT NULL,
	"error_type" text DEFAULT '' NOT NULL,
	"executions" bigint NOT NULL,
	"errors" bigint NOT NULL,
	"duration_count" bigint NOT NULL,
	"duration_sum_ms" numeric NOT NULL,
	"duration_sum_squares" numeric NOT NULL,
	"duration_min_ms" bigint,
	"duration_max_ms" bigint,
	"credits" numeric NOT NULL,
	"tokens_in" numeric NOT NULL,
	"tokens_out" numeric NOT NULL,
	"sketch_keys" integer[] NOT NULL,
	"sketch_counts" integer[] NOT NULL,
	"user_ids" text[] NOT NULL,
	"agent_ids" text[] NOT NULL,
	CONSTRAINT "execution_metrics_daily_pk" PRIMARY KEY("workspace_id","grain","bucket","agent_id","model","environment","version","error_type","status")
);
--> statement-breakpoint
CREATE TABLE "execution_metrics_hourly" (
	"workspace_id" text NOT NULL,
	"grain" text NOT NULL,
	"bucket" timestamp(6) with time zone NOT NULL,
	"agent_id" text DEFAULT '' NOT NULL,
	"status" text DEFAULT '' NOT NULL,
	"executions" bigint NOT NULL,
	"errors" bigint NOT NULL,
	"duration_count" bigint NOT NULL,
	"duration_sum_ms" numeric NOT NULL,
	"duration_sum_squares" numeric NOT NULL,
	"duration_min_ms" bigint,
	"duration_max_ms" bigint,
	"credits" numeric NOT NULL,
	"tokens_in" numeric NOT NULL,
	"tokens_out" numeric NOT NULL,
	"sketch_keys" integer[] NOT NULL,
	"sketch_counts" integer[] NOT NULL,
	"user_ids" text[] NOT NULL,
	"agent_ids" text[] NOT NULL,
	CONSTRAINT "execution_metrics_hourly_workspace_id_grain_bucket_agent_id_status_pk" PRIMARY KEY("workspace_id","grain","bucket","agent_id","status")
);
--> statement-breakpoint
CREATE TABLE "rollup_differences" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "rollup_differences_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"found_at" timestamp(6) with time zone NOT NULL,
	"unit" text NOT NULL,
	"workspace_id" text NOT NULL,
	"bucket" timestamp(6) with time zone NOT NULL,
	"detail" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "rollup_marks" (
	"unit" text NOT NULL,
	"workspace_id" text NOT NULL,
	"bucket" timestamp(6) with time zone NOT NULL,
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "rollup_marks_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	CONSTRAINT "rollup_marks_unit_workspace_id_bucket_id_pk" PRIMARY KEY("unit","workspace_id","bucket","id")
);
--> statement-breakpoint
CREATE TABLE "user_activity_daily" (
	"workspace_id" text NOT NULL,
	"bucket" timestamp(6) with time zone NOT NULL,
	"user_id" text NOT NULL,
	"status" text NOT NULL,
	"executions" bigint NOT NULL,
	"errors" bigint NOT NULL,
	"duration_count" bigint NOT NULL,
	"duration_sum_ms" numeric NOT NULL,
	"duration_sum_squares" numeric NOT NULL,
	"duration_min_ms" bigint,
	"duration_max_ms" bigint,
	"credits" numeric NOT NULL,
	"tokens_in" numeric NOT NULL,
	"tokens_out" numeric NOT NULL,
	"sketch_keys" integer[] NOT NULL,
	"sketch_counts" integer[] NOT NULL,
	"user_ids" text[] NOT NULL,
	"agent_ids" text[] NOT NULL,
	CONSTRAINT "user_activity_daily_workspace_id_bucket_user_id_status_pk" PRIMARY KEY("workspace_id","bucket","user_id","status")
);
--> statement-breakpoint
CREATE TABLE "workspaces" (
	"id" text PRIMARY KEY NOT NULL,
	"stale_after_minutes" integer,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE INDEX "events_time" ON "events" USING btree ("workspace_id","occurred_at","id");--> statement-breakpoint
CREATE INDEX "events_user" ON "events" USING btree ("workspace_id","user_id","occurred_at");--> statement-breakpoint
CREATE INDEX "executions_agent" ON "executions" USING btree ("workspace_id","agent_id","started_at");--> statement-breakpoint
CREATE INDEX "executions_user" ON "executions" USING btree ("workspace_id","user_id","started_at");--> statement-breakpoint
CREATE INDEX "executions_running" ON "executions" USING btree ("workspace_id","started_at") WHERE status = 'running';--> statement-breakpoint
-- Added by hand from here: drizzle-kit does not know partitions. A month is built beside the table and attached, because
-- ATTACH does not stop readers and writers, which CREATE ... PARTITION OF does. Without the lock two callers could attach twice.
CREATE FUNCTION "ensure_execution_partition"("month" timestamp with time zone) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	first timestamptz := date_trunc('month', month, 'UTC');
	next timestamptz := date_trunc('month', first + interval '32 days', 'UTC');
	name text := 'executions_' || to_char(first AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('ensure_execution_partition'));
	IF to_regclass(format('%I', name)) IS NULL THEN
		EXECUTE format('CREATE TABLE %I (LIKE executions INCLUDING ALL)', name);
		EXECUTE format('ALTER TABLE executions ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, first, next);
	END IF;
END $$;
--> statement-breakpoint
-- Compiling our statements at run time takes longer than running them; a server that allows it leaves that out.
DO $$ BEGIN
	EXECUTE format('ALTER DATABASE %I SET jit = off', current_database());
EXCEPTION WHEN insufficient_privilege THEN
	RAISE NOTICE 'jit stays as the server has it';
END $$;
