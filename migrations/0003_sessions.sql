CREATE TABLE "session_edges_daily" (
	"workspace_id" text NOT NULL,
	"bucket" timestamp(6) with time zone NOT NULL,
	"user_id" text NOT NULL,
	"started_at" timestamp(6) with time zone NOT NULL,
	"ended_at" timestamp(6) with time zone NOT NULL,
	"activities" bigint NOT NULL,
	CONSTRAINT "session_edges_daily_workspace_id_bucket_user_id_started_at_pk" PRIMARY KEY("workspace_id","bucket","user_id","started_at")
);
--> statement-breakpoint
CREATE TABLE "sessions_daily" (
	"workspace_id" text NOT NULL,
	"bucket" timestamp(6) with time zone NOT NULL,
	"sessions" bigint NOT NULL,
	"singles" bigint NOT NULL,
	"activities" bigint NOT NULL,
	"length_sum_us" numeric NOT NULL,
	"length_min_us" bigint,
	"length_max_us" bigint,
	"classes" integer[] NOT NULL,
	"sketch_keys" integer[] NOT NULL,
	"sketch_counts" integer[] NOT NULL,
	"user_ids" text[] NOT NULL,
	CONSTRAINT "sessions_daily_workspace_id_bucket_pk" PRIMARY KEY("workspace_id","bucket")
);
--> statement-breakpoint
-- Days from before have no sessions yet: they wait for their first run, and are read from raw rows until then.
INSERT INTO "rollup_marks" ("unit", "workspace_id", "bucket")
	SELECT 'session', workspace_id, bucket FROM "user_activity_daily" GROUP BY workspace_id, bucket
	UNION SELECT 'session', workspace_id, date_trunc('day', occurred_at, 'UTC') FROM "events" GROUP BY 2, 3;
