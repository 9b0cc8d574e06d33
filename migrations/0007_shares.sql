CREATE TABLE "report_share_visitors" (
	"token_hash" text NOT NULL,
	"visitor" text NOT NULL,
	"workspace_id" text NOT NULL,
	"failures" integer NOT NULL,
	"locked_until" timestamp(6) with time zone,
	"tried_at" timestamp(6) with time zone NOT NULL,
	"opened_at" timestamp(6) with time zone,
	CONSTRAINT "report_share_visitors_token_hash_visitor_pk" PRIMARY KEY("token_hash","visitor")
);
--> statement-breakpoint
ALTER TABLE "report_shares" ADD COLUMN "window_ends_at" timestamp(6) with time zone;--> statement-breakpoint
CREATE INDEX "report_share_visitors_age" ON "report_share_visitors" USING btree ("tried_at");--> statement-breakpoint
ALTER TABLE "report_shares" DROP COLUMN "locked_until";