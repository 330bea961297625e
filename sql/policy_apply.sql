/* policy_apply: policies as code. */

CREATE FUNCTION authz.current_policy_set() RETURNS text
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_current_policy_set';
COMMENT ON FUNCTION authz.current_policy_set() IS 'The setting authz.policy_set, also in a session that has not loaded the library yet';

CREATE FUNCTION authz.policies_parse(source text, schema text DEFAULT NULL,
	OUT ordinal integer, OUT policy_id text, OUT policy text)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
AS 'MODULE_PATHNAME', 'authz_policies_parse';
COMMENT ON FUNCTION authz.policies_parse(text, text) IS
	'The policies of a .cedar file by their @id, each with the text around it; what does not parse or validate is refused with its position. Holds off other writers of policies';

CREATE FUNCTION authz.policy_with_id(policy_id text, policy text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_policy_with_id';
COMMENT ON FUNCTION authz.policy_with_id(text, text) IS
	'The text of a policy with its id as the annotation @id';

CREATE FUNCTION authz.policies_apply(source text, policy_set text DEFAULT NULL, schema text DEFAULT NULL,
	prune boolean DEFAULT false, dry_run boolean DEFAULT false)
RETURNS TABLE (action text, id text, old text, new text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	in_set text := coalesce(policies_apply.policy_set, authz.current_policy_set());
	in_force text := (SELECT s.schema FROM authz.schema s WHERE s.policy_set = in_set);
	wanted text := coalesce(policies_apply.schema, in_force);
	ids text[];
	texts text[];
BEGIN
	IF in_set = '' THEN
		RAISE EXCEPTION 'a policy set has a name' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	SELECT coalesce(array_agg(p.policy_id ORDER BY p.ordinal), '{}'), coalesce(array_agg(p.policy ORDER BY p.ordinal), '{}')
	INTO ids, texts FROM authz.policies_parse(source, wanted) p;

	RETURN QUERY
		SELECT CASE WHEN in_force = wanted THEN 'unchanged' ELSE 'schema' END, NULL::text, in_force, wanted
		WHERE wanted IS NOT NULL
	UNION ALL
		(SELECT CASE WHEN p.policy_id IS NULL THEN 'insert' WHEN n.id IS NULL THEN 'delete'
				WHEN p.policy = n.policy THEN 'unchanged' ELSE 'update' END,
			coalesce(n.id, p.policy_id), p.policy, n.policy
		FROM unnest(ids, texts) WITH ORDINALITY n (id, policy, ordinal)
		FULL JOIN (SELECT * FROM authz.policies WHERE policy_set = in_set) p ON p.policy_id = n.id
		WHERE prune OR n.id IS NOT NULL
		ORDER BY n.ordinal, p.policy_id COLLATE "C");

	BEGIN
		/* One command: what belongs together is checked when all of it is there. */
		WITH wanted_policies AS (
			SELECT n.id, n.policy, (n.ordinal + CASE WHEN prune THEN 0
				ELSE coalesce((SELECT max(p.ordinal) FROM authz.policies p WHERE p.policy_set = in_set AND p.policy_id <> ALL (ids)), 0) END)::integer AS ordinal
			FROM unnest(ids, texts) WITH ORDINALITY n (id, policy, ordinal)
		), gone AS (
			DELETE FROM authz.policies p WHERE prune AND p.policy_set = in_set AND p.policy_id <> ALL (ids)
		), changed AS (
			UPDATE authz.policies p SET policy = n.policy, ordinal = n.ordinal FROM wanted_policies n
			WHERE p.policy_set = in_set AND p.policy_id = n.id AND (p.policy, p.ordinal) IS DISTINCT FROM (n.policy, n.ordinal)
		), replaced AS (
			UPDATE authz.schema s SET schema = wanted WHERE s.policy_set = in_set AND s.schema <> wanted
		), made AS (
			INSERT INTO authz.schema (policy_set, schema) SELECT in_set, wanted
			WHERE wanted IS NOT NULL AND in_force IS NULL
		)
		INSERT INTO authz.policies (policy_set, policy_id, policy, ordinal)
		SELECT in_set, n.id, n.policy, n.ordinal FROM wanted_policies n
		WHERE NOT EXISTS (SELECT FROM authz.policies p WHERE p.policy_set = in_set AND p.policy_id = n.id);
		IF dry_run THEN
			RAISE EXCEPTION 'dry run' USING ERRCODE = 'AZ001';
		END IF;
	EXCEPTION WHEN SQLSTATE 'AZ001' THEN
		NULL;
	END;
END $$;
COMMENT ON FUNCTION authz.policies_apply(text, text, text, boolean, boolean) IS
	'Make a policy set (default: the setting authz.policy_set) hold the policies of a .cedar file, named by @id, and a schema; with prune, no others. Gives the difference: insert, update, delete, unchanged or schema. A dry run changes nothing';

CREATE FUNCTION authz.policies_dump(policy_set text DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(string_agg(separator || policy, '' ORDER BY place), '')
	FROM (SELECT place, policy,
				 CASE WHEN place > 1 AND right(lag(policy) OVER (ORDER BY place), 1) <> E'\n'
					  AND (ordinal = lag(ordinal) OVER (ORDER BY place) + 1) IS NOT TRUE THEN E'\n' ELSE '' END AS separator
		  FROM (SELECT row_number() OVER (ORDER BY p.ordinal, p.policy_id) AS place, p.ordinal,
					   authz.policy_with_id(p.policy_id, p.policy) AS policy
				FROM authz.policies p
				WHERE p.policy_set = coalesce(policies_dump.policy_set, authz.current_policy_set())) x) y;
END;
COMMENT ON FUNCTION authz.policies_dump(text) IS
	'A policy set as a .cedar file, byte for byte what was applied; policies that were written otherwise come last, each with its @id';

CREATE TABLE authz.policy_tests (
	policy_set text COLLATE "C" NOT NULL DEFAULT 'default' CHECK (policy_set <> ''),
	name text COLLATE "C" NOT NULL CHECK (name <> ''),
	principal authz.entity_uid NOT NULL,
	action authz.entity_uid NOT NULL,
	resource authz.entity_uid NOT NULL,
	context jsonb NOT NULL DEFAULT '{}',
	entities jsonb,
	decision text NOT NULL CHECK (decision IN ('allow', 'deny')),
	reasons text[],
	PRIMARY KEY (policy_set, name)
);
COMMENT ON TABLE authz.policy_tests IS 'Requests to a policy set, with the decision that they must get';
COMMENT ON COLUMN authz.policy_tests.policy_set IS 'As in authz.policies';
COMMENT ON COLUMN authz.policy_tests.name IS 'What policy_test calls it';
COMMENT ON COLUMN authz.policy_tests.principal IS 'As authz_decide has it';
COMMENT ON COLUMN authz.policy_tests.action IS 'As authz_decide has it';
COMMENT ON COLUMN authz.policy_tests.resource IS 'As authz_decide has it';
COMMENT ON COLUMN authz.policy_tests.context IS 'As authz_decide has it';
COMMENT ON COLUMN authz.policy_tests.entities IS
	'As authz_decide has it: Cedar''s entities JSON, over the stored entities';
COMMENT ON COLUMN authz.policy_tests.decision IS 'allow or deny';
COMMENT ON COLUMN authz.policy_tests.reasons IS
	'The ids of the policies that must determine it, in any order; null: any';
SELECT pg_extension_config_dump('authz.policy_tests', '');

CREATE FUNCTION authz.policy_test_results(policy_set text, OUT name text, OUT ok boolean, OUT problem text)
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	t record;
	d record;
BEGIN
	FOR t IN SELECT * FROM authz.policy_tests p WHERE p.policy_set = policy_test_results.policy_set ORDER BY p.name
	LOOP
		policy_test_results.name := t.name;
		BEGIN
			d := authz.authz_decide(t.principal, t.action, t.resource, t.context, t.entities, t.policy_set);
			problem := CASE WHEN d.decision <> t.decision
				THEN format('wanted %s, got %s by %s', t.decision, d.decision,
					CASE WHEN d.reasons = '{}' THEN 'no policy' ELSE array_to_string(d.reasons, ', ') END)
				WHEN NOT (d.reasons @> t.reasons AND d.reasons <@ t.reasons)
				THEN format('wanted reasons %s, got %s', t.reasons, d.reasons) END;
		EXCEPTION WHEN OTHERS THEN
			problem := format('%s (%s)', SQLERRM, SQLSTATE);
		END;
		ok := problem IS NULL;
		RETURN NEXT;
	END LOOP;
END $$;
COMMENT ON FUNCTION authz.policy_test_results(text) IS
	'Ask the requests of authz.policy_tests for a policy set: whether each gets the decision that it must, and if not, what is wrong';

CREATE FUNCTION authz.policy_test(policy_set text DEFAULT NULL) RETURNS SETOF text
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH results AS MATERIALIZED (
		SELECT row_number() OVER () AS n, r.*
		FROM authz.policy_test_results(coalesce(policy_test.policy_set, authz.current_policy_set())) r
	)
	SELECT line FROM (
		SELECT 0 AS n, '1..' || count(*) AS line FROM results
		UNION ALL
		SELECT n, CASE WHEN ok THEN 'ok ' ELSE 'not ok ' END || n || ' - '
			|| replace(replace(name, E'\n', ' '), '#', E'\\#') || coalesce(E'\n# ' || replace(problem, E'\n', E'\n# '), '')
		FROM results) lines
	ORDER BY n;
END;
COMMENT ON FUNCTION authz.policy_test(text) IS
	'The tests of a policy set (default: the setting authz.policy_set) as TAP, the Test Anything Protocol';

CREATE FUNCTION authz.policy_test_broken(policy_set text) RETURNS text
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(string_agg(format('%s: %s', r.name, r.problem), E'\n' ORDER BY r.name), '')
	FROM authz.policy_test_results(policy_test_broken.policy_set) r WHERE NOT r.ok;
END;
COMMENT ON FUNCTION authz.policy_test_broken(text) IS
	'The tests of a policy set that are broken, with what is wrong, for authz.enforce_policy_tests; empty when there are none';

CREATE FUNCTION authz.policy_tests_after_row() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_policy_tests_after_row';
COMMENT ON FUNCTION authz.policy_tests_after_row() IS 'Trigger: notes which sets'' tests have to hold at COMMIT';
CREATE TRIGGER after_row AFTER INSERT OR UPDATE ON authz.policy_tests
	FOR EACH ROW EXECUTE FUNCTION authz.policy_tests_after_row();
ALTER TABLE authz.policy_tests ENABLE ALWAYS TRIGGER after_row;

CREATE FUNCTION authz.policy_tests_apply(tests jsonb, policy_set text DEFAULT NULL, prune boolean DEFAULT true)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	in_set text := coalesce(policy_tests_apply.policy_set, authz.current_policy_set());
	n bigint;
BEGIN
	IF prune THEN
		DELETE FROM authz.policy_tests p WHERE p.policy_set = in_set
			AND p.name NOT IN (SELECT t ->> 'name' FROM jsonb_array_elements(tests) t WHERE t ->> 'name' IS NOT NULL);
	END IF;
	INSERT INTO authz.policy_tests AS p (policy_set, name, principal, action, resource, context, entities, decision, reasons)
	SELECT in_set, t ->> 'name', (t ->> 'principal')::authz.entity_uid, (t ->> 'action')::authz.entity_uid,
		(t ->> 'resource')::authz.entity_uid, coalesce(t -> 'context', '{}'), nullif(t -> 'entities', 'null'), t ->> 'decision',
		CASE WHEN jsonb_typeof(t -> 'reasons') = 'array' THEN ARRAY(SELECT jsonb_array_elements_text(t -> 'reasons')) END
	FROM jsonb_array_elements(tests) t
	ON CONFLICT (policy_set, name) DO UPDATE SET principal = excluded.principal, action = excluded.action,
		resource = excluded.resource, context = excluded.context, entities = excluded.entities,
		decision = excluded.decision, reasons = excluded.reasons;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END $$;
COMMENT ON FUNCTION authz.policy_tests_apply(jsonb, text, boolean) IS
	'Make a policy set have these tests, an array of {"name", "principal", "action", "resource", "context", "entities", "decision", "reasons"}; with prune, no others. Gives their number';

REVOKE ALL ON FUNCTION authz.current_policy_set(), authz.policies_parse(text, text), authz.policy_with_id(text, text),
	authz.policies_apply(text, text, text, boolean, boolean), authz.policies_dump(text),
	authz.policy_test_results(text), authz.policy_test(text), authz.policy_test_broken(text),
	authz.policy_tests_after_row(), authz.policy_tests_apply(jsonb, text, boolean) FROM PUBLIC;
