CREATE TABLE "execution_metrics_minutely" (
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
	"sketch_sum" numeric,
	"user_chunks" integer[] NOT NULL,
	"user_bits" bit(256)[] NOT NULL,
	"agent_ids" text[] NOT NULL,
	CONSTRAINT "execution_metrics_minutely_workspace_id_grain_bucket_agent_id_status_pk" PRIMARY KEY("workspace_id","grain","bucket","agent_id","status")
);
--> statement-breakpoint
ALTER TABLE "rollup_marks" ADD COLUMN "with_minutes" boolean;
--> statement-breakpoint
-- Added by hand from here. A version that knows nothing of minutes marks hours only: all minutes of such an hour are marked for it.
CREATE FUNCTION "mark_minutes"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO rollup_marks (unit, workspace_id, bucket, with_minutes)
		SELECT 'minute', NEW.workspace_id, NEW.bucket + n * interval '1 minute', true FROM generate_series(0, 59) n;
	RETURN NULL;
END $$;
--> statement-breakpoint
-- Its lock waits for every writer who has marked an hour already, and later ones wait for the end of this migration.
CREATE TRIGGER "rollup_marks_minutes" AFTER INSERT ON "rollup_marks" FOR EACH ROW
	WHEN (NEW.with_minutes IS NULL AND NEW.unit = 'hour' AND NEW.bucket >= date_trunc('hour', now(), 'UTC') - interval '3 hours')
	EXECUTE FUNCTION mark_minutes();
--> statement-breakpoint
INSERT INTO "rollup_marks" ("unit", "workspace_id", "bucket", "with_minutes")
	SELECT 'minute', workspace_id, bucket + n * interval '1 minute', true
	FROM (
		SELECT workspace_id, bucket FROM "execution_metrics_hourly"
			WHERE grain = 'total' AND bucket >= date_trunc('hour', now(), 'UTC') - interval '3 hours'
		UNION
		SELECT workspace_id, bucket FROM "rollup_marks"
			WHERE unit = 'hour' AND bucket >= date_trunc('hour', now(), 'UTC') - interval '3 hours'
	) hours
	CROSS JOIN generate_series(0, 59) n;
