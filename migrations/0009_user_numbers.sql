-- Sets of users become bits over numbers. Rollups are carried over: nothing has to be rolled up again.
CREATE TABLE "user_counters" (
	"workspace_id" text PRIMARY KEY NOT NULL,
	"next" integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE "user_numbers" (
	"workspace_id" text NOT NULL,
	"user_id" text NOT NULL,
	"number" integer NOT NULL,
	CONSTRAINT "user_numbers_workspace_id_user_id_pk" PRIMARY KEY("workspace_id","user_id")
);
--> statement-breakpoint
INSERT INTO "user_numbers" ("workspace_id", "user_id", "number")
	SELECT workspace_id, user_id, row_number() OVER (PARTITION BY workspace_id ORDER BY min(bucket), user_id) - 1
	FROM (
		SELECT workspace_id, bucket, unnest(user_ids) AS user_id FROM "execution_metrics_daily"
		UNION ALL
		SELECT workspace_id, bucket, unnest(user_ids) FROM "execution_metrics_hourly"
	) met
	GROUP BY workspace_id, user_id;
--> statement-breakpoint
INSERT INTO "user_counters" ("workspace_id", "next")
	SELECT workspace_id, count(*) FROM "user_numbers" GROUP BY workspace_id;
--> statement-breakpoint
CREATE UNIQUE INDEX "user_numbers_number" ON "user_numbers" USING btree ("workspace_id","number");
--> statement-breakpoint
-- True. Its cost is that of a row that is read for nothing: a look-up by a key then never reads all of a small table.
CREATE FUNCTION "found_by_key"("value" integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 1000 AS $$
BEGIN
	RETURN true;
END $$;
--> statement-breakpoint
ALTER TABLE "execution_metrics_daily" ADD COLUMN "user_chunks" integer[] DEFAULT '{}' NOT NULL, ADD COLUMN "user_bits" bit(256)[] DEFAULT '{}' NOT NULL;
--> statement-breakpoint
ALTER TABLE "execution_metrics_hourly" ADD COLUMN "user_chunks" integer[] DEFAULT '{}' NOT NULL, ADD COLUMN "user_bits" bit(256)[] DEFAULT '{}' NOT NULL;
--> statement-breakpoint
ALTER TABLE "user_activity_daily" ADD COLUMN "user_chunks" integer[] DEFAULT '{}' NOT NULL, ADD COLUMN "user_bits" bit(256)[] DEFAULT '{}' NOT NULL;
--> statement-breakpoint
UPDATE "execution_metrics_daily" r SET (user_chunks, user_bits) = (
	SELECT coalesce(array_agg(chunk ORDER BY chunk), '{}'), coalesce(array_agg(bits ORDER BY chunk), '{}')
	FROM (
		SELECT n.number / 256 AS chunk, bit_or(set_bit(repeat('0', 256)::bit(256), n.number % 256, 1)) AS bits
		FROM unnest(r.user_ids) u(id)
		JOIN "user_numbers" n ON n.workspace_id = r.workspace_id AND n.user_id = u.id
		GROUP BY 1
	) chunks
) WHERE user_ids <> '{}';
--> statement-breakpoint
UPDATE "execution_metrics_hourly" r SET (user_chunks, user_bits) = (
	SELECT coalesce(array_agg(chunk ORDER BY chunk), '{}'), coalesce(array_agg(bits ORDER BY chunk), '{}')
	FROM (
		SELECT n.number / 256 AS chunk, bit_or(set_bit(repeat('0', 256)::bit(256), n.number % 256, 1)) AS bits
		FROM unnest(r.user_ids) u(id)
		JOIN "user_numbers" n ON n.workspace_id = r.workspace_id AND n.user_id = u.id
		GROUP BY 1
	) chunks
) WHERE user_ids <> '{}';
--> statement-breakpoint
ALTER TABLE "execution_metrics_daily" DROP COLUMN "user_ids", ALTER COLUMN "user_chunks" DROP DEFAULT, ALTER COLUMN "user_bits" DROP DEFAULT;
--> statement-breakpoint
ALTER TABLE "execution_metrics_hourly" DROP COLUMN "user_ids", ALTER COLUMN "user_chunks" DROP DEFAULT, ALTER COLUMN "user_bits" DROP DEFAULT;
--> statement-breakpoint
ALTER TABLE "user_activity_daily" DROP COLUMN "user_ids", ALTER COLUMN "user_chunks" DROP DEFAULT, ALTER COLUMN "user_bits" DROP DEFAULT;
