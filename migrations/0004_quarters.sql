CREATE TABLE "execution_quarters_daily" (
	"workspace_id" text NOT NULL,
	"grain" text NOT NULL,
	"bucket" timestamp(6) with time zone NOT NULL,
	"agent_id" text DEFAULT '' NOT NULL,
	"status" text DEFAULT '' NOT NULL,
	"quarters" integer[] NOT NULL,
	"executions" integer[] NOT NULL,
	CONSTRAINT "execution_quarters_daily_pk" PRIMARY KEY("workspace_id","grain","bucket","agent_id","status")
);
--> statement-breakpoint
CREATE INDEX "execution_metrics_hourly_agent" ON "execution_metrics_hourly" USING btree ("workspace_id","agent_id","bucket") INCLUDE ("status","executions") WHERE grain = 'agent';
--> statement-breakpoint
-- An agent's users and the groups of errors are then read from the index alone.
DROP INDEX "executions_agent";--> statement-breakpoint
CREATE INDEX "executions_agent" ON "executions" USING btree ("workspace_id","agent_id","started_at") INCLUDE ("user_id","status","credits");--> statement-breakpoint
DROP INDEX "executions_failed";--> statement-breakpoint
CREATE INDEX "executions_failed" ON "executions" USING btree ("workspace_id","started_at") INCLUDE ("id","agent_id","user_id","error_fingerprint","credits") WHERE error_fingerprint is not null;
