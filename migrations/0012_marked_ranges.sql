-- The marked buckets of a unit that begin in [first, last), each as a range of its length. A bucket that is being written has
-- thousands of marks: each bucket is found by one probe of the index. The plans of its statements are kept by the session.
CREATE FUNCTION "marked_ranges"(workspace text, of_unit text, length interval, first timestamptz, last timestamptz)
RETURNS tstzmultirange LANGUAGE plpgsql STABLE AS $$
DECLARE
	at timestamptz;
	found tstzrange[] := '{}';
BEGIN
	SELECT m.bucket INTO at FROM rollup_marks m
		WHERE m.unit = of_unit AND m.workspace_id = (SELECT workspace) AND m.bucket >= first AND m.bucket < last
		ORDER BY m.bucket LIMIT 1;
	WHILE at IS NOT NULL LOOP
		found := found || tstzrange(at, at + length);
		SELECT m.bucket INTO at FROM rollup_marks m
			WHERE m.unit = of_unit AND m.workspace_id = (SELECT workspace) AND m.bucket > at AND m.bucket < last
			ORDER BY m.bucket LIMIT 1;
	END LOOP;
	RETURN tstzmultirange(VARIADIC found);
END $$;
