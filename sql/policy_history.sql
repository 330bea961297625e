/* policy_history: what a policy set was before. */

CREATE TABLE authz.policy_history (
	policy_set text COLLATE "C" NOT NULL,
	kind text COLLATE "C" NOT NULL CHECK (kind IN ('policy', 'link', 'schema')),
	id text COLLATE "C" NOT NULL,
	content jsonb NOT NULL,
	policy text GENERATED ALWAYS AS (coalesce(content ->> 'policy', content ->> 'schema')) STORED,
	valid_from bigint NOT NULL,
	valid_to bigint NOT NULL,
	author text NOT NULL,
	changed_at timestamptz NOT NULL,
	transaction_id xid8 NOT NULL,
	PRIMARY KEY (policy_set, valid_to, kind, id)
);
COMMENT ON TABLE authz.policy_history IS
	'Rows of authz.policies, authz.policy_links and authz.schema as they were before a change; written by triggers';
COMMENT ON COLUMN authz.policy_history.policy_set IS 'As in authz.policies';
COMMENT ON COLUMN authz.policy_history.kind IS 'policy, link or schema';
COMMENT ON COLUMN authz.policy_history.id IS 'policy_id or link_id; empty for a schema';
COMMENT ON COLUMN authz.policy_history.content IS 'The other columns of the row';
COMMENT ON COLUMN authz.policy_history.policy IS 'The text of a policy or schema';
COMMENT ON COLUMN authz.policy_history.valid_from IS 'The first version of the policy set that had the row';
COMMENT ON COLUMN authz.policy_history.valid_to IS 'The version that no longer had it';
COMMENT ON COLUMN authz.policy_history.author IS 'The session user who changed or deleted the row';
COMMENT ON COLUMN authz.policy_history.changed_at IS 'When: the start of that transaction';
COMMENT ON COLUMN authz.policy_history.transaction_id IS 'In which transaction';
SELECT pg_extension_config_dump('authz.policy_history', '');

/* A row of one of the three tables: which it is, and what it says. */
CREATE FUNCTION authz.policy_row_content(r jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN r - ARRAY['policy_set', 'policy_id', 'link_id', 'ordinal', 'since'];
COMMENT ON FUNCTION authz.policy_row_content(jsonb) IS
	'What a row of policies, policy_links or schema says, without its key';

CREATE FUNCTION authz.policy_state(version bigint, policy_set text DEFAULT NULL)
RETURNS TABLE (kind text, id text, content jsonb)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	in_set text := coalesce(policy_state.policy_set, authz.current_policy_set());
	newest bigint := authz.policy_version(in_set);
	wanted bigint := policy_state.version;
BEGIN
	IF wanted IS NULL OR wanted < 0 OR wanted > newest THEN
		RAISE EXCEPTION 'policy set "%" has no version %', in_set, wanted
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('Its version is %s.', newest);
	END IF;
	RETURN QUERY
		SELECT 'policy', p.policy_id, authz.policy_row_content(to_jsonb(p)) FROM authz.policies p
		WHERE p.policy_set = in_set AND coalesce(p.since, 0) <= wanted
	UNION ALL
		SELECT 'link', l.link_id, authz.policy_row_content(to_jsonb(l)) FROM authz.policy_links l
		WHERE l.policy_set = in_set AND coalesce(l.since, 0) <= wanted
	UNION ALL
		SELECT 'schema', '', authz.policy_row_content(to_jsonb(s)) FROM authz.schema s
		WHERE s.policy_set = in_set AND coalesce(s.since, 0) <= wanted
	UNION ALL
		SELECT h.kind, h.id, h.content FROM authz.policy_history h
		WHERE h.policy_set = in_set AND h.valid_to > wanted AND h.valid_from <= wanted;
END $$;
COMMENT ON FUNCTION authz.policy_state(bigint, text) IS
	'The policies, links and schema of a policy set as they were in a version';

CREATE FUNCTION authz.policy_diff(a bigint, b bigint, policy_set text DEFAULT NULL)
RETURNS TABLE (action text, kind text, id text, old jsonb, new jsonb)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN x.kind IS NULL THEN 'insert' WHEN y.kind IS NULL THEN 'delete' ELSE 'update' END,
		coalesce(x.kind, y.kind), coalesce(x.id, y.id), x.content, y.content
	FROM authz.policy_state(policy_diff.a, policy_diff.policy_set) x
	FULL JOIN authz.policy_state(policy_diff.b, policy_diff.policy_set) y ON x.kind = y.kind AND x.id = y.id
	WHERE x.content IS DISTINCT FROM y.content
	ORDER BY 2, 3;
END;
COMMENT ON FUNCTION authz.policy_diff(bigint, bigint, text) IS
	'What changed in a policy set from version a to version b: insert, update, delete of a policy, link or schema';

CREATE FUNCTION authz.policy_restore(version bigint, policy_set text DEFAULT NULL)
RETURNS TABLE (action text, kind text, id text, old jsonb, new jsonb)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	in_set text := coalesce(policy_restore.policy_set, authz.current_policy_set());
	diff record;
	rows jsonb;
BEGIN
	/* Holds off other writers. */
	PERFORM authz.policies_parse('');
	SELECT jsonb_agg(to_jsonb(d)) INTO rows
	FROM authz.policy_diff(authz.policy_version(in_set), policy_restore.version, in_set) d;
	/* One command: what belongs together is checked when all of it is there. */
	WITH d AS MATERIALIZED (
		SELECT * FROM jsonb_to_recordset(rows) AS d (action text, kind text, id text, old jsonb, new jsonb)
	), policies_gone AS (
		DELETE FROM authz.policies p USING d WHERE d.kind = 'policy' AND d.action = 'delete' AND p.policy_set = in_set AND p.policy_id = d.id
	), policies_changed AS (
		UPDATE authz.policies p SET policy = d.new ->> 'policy', enabled = (d.new ->> 'enabled')::boolean FROM d
		WHERE d.kind = 'policy' AND d.action = 'update' AND p.policy_set = in_set AND p.policy_id = d.id
	), policies_made AS (
		INSERT INTO authz.policies (policy_set, policy_id, policy, enabled)
		SELECT in_set, d.id, d.new ->> 'policy', (d.new ->> 'enabled')::boolean FROM d WHERE d.kind = 'policy' AND d.action = 'insert'
	), links_gone AS (
		DELETE FROM authz.policy_links l USING d WHERE d.kind = 'link' AND d.action = 'delete' AND l.policy_set = in_set AND l.link_id = d.id
	), links_changed AS (
		UPDATE authz.policy_links l SET template_id = d.new ->> 'template_id', principal = (d.new ->> 'principal')::authz.entity_uid,
			resource = (d.new ->> 'resource')::authz.entity_uid, enabled = (d.new ->> 'enabled')::boolean FROM d
		WHERE d.kind = 'link' AND d.action = 'update' AND l.policy_set = in_set AND l.link_id = d.id
	), links_made AS (
		INSERT INTO authz.policy_links (policy_set, link_id, template_id, principal, resource, enabled)
		SELECT in_set, d.id, d.new ->> 'template_id', (d.new ->> 'principal')::authz.entity_uid,
			(d.new ->> 'resource')::authz.entity_uid, (d.new ->> 'enabled')::boolean
		FROM d WHERE d.kind = 'link' AND d.action = 'insert'
	), schema_gone AS (
		DELETE FROM authz.schema s USING d WHERE d.kind = 'schema' AND d.action = 'delete' AND s.policy_set = in_set
	), schema_changed AS (
		UPDATE authz.schema s SET schema = d.new ->> 'schema', check_entities = (d.new ->> 'check_entities')::boolean FROM d
		WHERE d.kind = 'schema' AND d.action = 'update' AND s.policy_set = in_set
	)
	INSERT INTO authz.schema (policy_set, schema, check_entities)
	SELECT in_set, d.new ->> 'schema', (d.new ->> 'check_entities')::boolean FROM d WHERE d.kind = 'schema' AND d.action = 'insert';
	RETURN QUERY SELECT * FROM jsonb_to_recordset(rows) AS d (action text, kind text, id text, old jsonb, new jsonb);
END $$;
COMMENT ON FUNCTION authz.policy_restore(bigint, text) IS
	'Make a policy set as it was in a version, which is a new version of it; gives what that changed';

CREATE FUNCTION authz.authz_decide(
	principal authz.entity_uid, action authz.entity_uid, resource authz.entity_uid,
	context jsonb, entities jsonb, policy_set text, as_of bigint,
	OUT decision text, OUT reasons text[], OUT errors jsonb, OUT policy_version bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	BEGIN
		PERFORM FROM authz.policy_restore(as_of, authz_decide.policy_set);
		SELECT d.decision, d.reasons, d.errors INTO decision, reasons, errors
		FROM authz.authz_decide(principal, action, resource, context, entities, authz_decide.policy_set) d;
		RAISE EXCEPTION 'as of' USING ERRCODE = 'AZ001';
	EXCEPTION WHEN SQLSTATE 'AZ001' THEN
		policy_version := as_of;
	END;
END $$;
COMMENT ON FUNCTION authz.authz_decide(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text, bigint) IS
	'The decision by the policies, links and schema of an earlier version of the set, and by the entities of now';

CREATE FUNCTION authz.policy_what_if(proposed text, requests jsonb DEFAULT NULL, policy_set text DEFAULT NULL,
	schema text DEFAULT NULL, prune boolean DEFAULT false)
RETURNS TABLE (n bigint, principal authz.entity_uid, action authz.entity_uid, resource authz.entity_uid,
	decision text, reasons text[], new_decision text, new_reasons text[])
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	in_set text := coalesce(policy_what_if.policy_set, authz.current_policy_set());
	asked jsonb := coalesce(requests, (SELECT jsonb_agg(to_jsonb(t) ORDER BY t.name) FROM authz.policy_tests t WHERE t.policy_set = in_set), '[]');
	before jsonb;
	after jsonb;
BEGIN
	FOR round IN 1 .. 2 LOOP
		BEGIN
			IF round = 2 THEN
				PERFORM FROM authz.policies_apply(proposed, in_set, policy_what_if.schema, prune);
			END IF;
			SELECT jsonb_agg(to_jsonb(d) ORDER BY r.n) INTO after
			FROM jsonb_array_elements(asked) WITH ORDINALITY r (request, n),
				LATERAL authz.authz_decide((request ->> 'principal')::authz.entity_uid, (request ->> 'action')::authz.entity_uid,
					(request ->> 'resource')::authz.entity_uid, coalesce(request -> 'context', '{}'),
					nullif(request -> 'entities', 'null'), in_set) d;
			IF round = 2 THEN
				RAISE EXCEPTION 'what if' USING ERRCODE = 'AZ001';
			END IF;
			before := after;
		EXCEPTION WHEN SQLSTATE 'AZ001' THEN
			NULL;
		END;
	END LOOP;
	RETURN QUERY
		SELECT r.n, (request ->> 'principal')::authz.entity_uid, (request ->> 'action')::authz.entity_uid,
			(request ->> 'resource')::authz.entity_uid,
			was ->> 'decision', ARRAY(SELECT jsonb_array_elements_text(was -> 'reasons')),
			is_now ->> 'decision', ARRAY(SELECT jsonb_array_elements_text(is_now -> 'reasons'))
		FROM jsonb_array_elements(asked) WITH ORDINALITY r (request, n)
		JOIN jsonb_array_elements(before) WITH ORDINALITY x (was, n) USING (n)
		JOIN jsonb_array_elements(after) WITH ORDINALITY y (is_now, n) USING (n)
		WHERE was ->> 'decision' <> is_now ->> 'decision'
		ORDER BY r.n;
END $$;
COMMENT ON FUNCTION authz.policy_what_if(text, jsonb, text, text, boolean) IS
	'Which requests (an array of {"principal", "action", "resource", "context", "entities"}; null: those of authz.policy_tests) would get another decision if a .cedar file were applied; changes nothing';

REVOKE ALL ON FUNCTION authz.policy_row_content(jsonb), authz.policy_state(bigint, text), authz.policy_diff(bigint, bigint, text), authz.policy_restore(bigint, text),
	authz.authz_decide(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text, bigint),
	authz.policy_what_if(text, jsonb, text, text, boolean) FROM PUBLIC;
