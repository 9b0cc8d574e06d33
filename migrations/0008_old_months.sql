CREATE INDEX "execution_metrics_hourly_running" ON "execution_metrics_hourly" USING btree ("workspace_id","bucket") WHERE grain = 'total' and status = 'running';
--> statement-breakpoint
-- Added by hand from here. Each partition costs every statement that may touch it eight locks, and a row of any past month made
-- one: whoever sent a row a month since 2000 made 323, for all workspaces. All that started before 2026, when the first rows
-- came that were no history of something else, now is in one partition; what comes later makes at most one a month of the calendar.
DO $$
DECLARE
	first CONSTANT timestamptz := '2026-01-01 00:00:00+00';
	names text;
	part record;
BEGIN
	CREATE TABLE "executions_old" (LIKE "executions" INCLUDING ALL);
	SELECT string_agg(quote_ident(attname), ', ') INTO names FROM pg_attribute
		WHERE attrelid = 'executions'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
	FOR part IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'executions'::regclass AND c.relname < 'executions_2026_01' ORDER BY 1
	LOOP
		EXECUTE format('ALTER TABLE executions DETACH PARTITION %I', part.relname);
		EXECUTE format('INSERT INTO executions_old (%s) SELECT %s FROM %I', names, names, part.relname);
		EXECUTE format('DROP TABLE %I', part.relname);
	END LOOP;
	EXECUTE format('ALTER TABLE executions ATTACH PARTITION executions_old FOR VALUES FROM (MINVALUE) TO (%L)', first);
END $$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION "ensure_execution_partition"("month" timestamp with time zone) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	first timestamptz := date_trunc('month', month, 'UTC');
	next timestamptz := date_trunc('month', first + interval '32 days', 'UTC');
	name text := 'executions_' || to_char(first AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
	IF first < '2026-01-01 00:00:00+00' THEN
		RETURN;
	END IF;
	PERFORM pg_advisory_xact_lock(hashtext('ensure_execution_partition'));
	IF to_regclass(format('%I', name)) IS NULL THEN
		EXECUTE format('CREATE TABLE %I (LIKE executions INCLUDING ALL)', name);
		EXECUTE format('ALTER TABLE executions ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, first, next);
	END IF;
END $$;
--> statement-breakpoint
-- Values that a statement finds by itself cannot tell the planner which partitions it needs; what EXECUTE is given can.
CREATE FUNCTION "execution_at"("workspace" text, "start" timestamp with time zone, "key" text) RETURNS SETOF "executions" LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
	RETURN QUERY EXECUTE 'SELECT * FROM executions WHERE workspace_id = ANY (ARRAY[(SELECT $1), (SELECT $1)]) AND started_at = $2 AND id = $3'
		USING workspace, start, key;
END $$;
--> statement-breakpoint
-- The first start of a run that has not ended, of those of an hour.
CREATE FUNCTION "running_since"("workspace" text, "hour" timestamp with time zone) RETURNS timestamp with time zone LANGUAGE plpgsql STABLE AS $$
DECLARE
	found timestamptz;
BEGIN
	IF hour IS NOT NULL THEN
		EXECUTE 'SELECT min(started_at) FROM executions WHERE workspace_id = (SELECT $1) AND status = ''running'' AND started_at >= $2 AND started_at < $3'
			INTO found USING workspace, hour, hour + interval '1 hour';
	END IF;
	RETURN found;
END $$;
