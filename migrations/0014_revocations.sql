CREATE TABLE "revocations" (
	"workspace_id" text NOT NULL,
	"id" text NOT NULL,
	"jti" text,
	"user_id" text,
	"before" timestamp(6) with time zone,
	"created_at" timestamp(6) with time zone DEFAULT now() NOT NULL,
	"created_by" text NOT NULL,
	CONSTRAINT "revocations_workspace_id_id_pk" PRIMARY KEY("workspace_id","id")
);
--> statement-breakpoint
CREATE UNIQUE INDEX "revocations_jti" ON "revocations" USING btree ("workspace_id","jti");--> statement-breakpoint
CREATE UNIQUE INDEX "revocations_user" ON "revocations" USING btree ("workspace_id","user_id");