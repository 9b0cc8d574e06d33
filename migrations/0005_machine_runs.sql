ALTER TABLE "executions" ALTER COLUMN "user_id" DROP NOT NULL;
--> statement-breakpoint
-- Added by hand: partitions have the constraint by themselves too, and keep it.
DO $$
DECLARE
	part regclass;
BEGIN
	FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'executions'::regclass LOOP
		EXECUTE format('ALTER TABLE %s ALTER COLUMN "user_id" DROP NOT NULL', part);
	END LOOP;
END $$;
