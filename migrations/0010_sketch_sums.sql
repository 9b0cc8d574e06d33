ALTER TABLE "execution_metrics_daily" ADD COLUMN "sketch_sum" numeric;--> statement-breakpoint
ALTER TABLE "execution_metrics_hourly" ADD COLUMN "sketch_sum" numeric;--> statement-breakpoint
ALTER TABLE "user_activity_daily" ADD COLUMN "sketch_sum" numeric;--> statement-breakpoint
UPDATE "execution_metrics_daily" SET sketch_sum = (
	SELECT sum(c.n * ('1e' || 12 * (c.key - -1))::numeric) FROM unnest(sketch_keys, sketch_counts) c(key, n)
) WHERE cardinality(sketch_keys) >= 32 AND grain IN ('total', 'agent');
--> statement-breakpoint
UPDATE "execution_metrics_hourly" SET sketch_sum = (
	SELECT sum(c.n * ('1e' || 12 * (c.key - -1))::numeric) FROM unnest(sketch_keys, sketch_counts) c(key, n)
) WHERE cardinality(sketch_keys) >= 32;
