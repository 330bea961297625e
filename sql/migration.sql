/* migration: coming from Supabase and OpenFGA. */

CREATE FUNCTION authz.migrate_supabase() RETURNS SETOF text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	made record;
BEGIN
	IF to_regnamespace('auth') IS NULL THEN
		CREATE SCHEMA auth;
		RETURN NEXT 'made schema auth';
	END IF;
	GRANT USAGE ON SCHEMA auth TO PUBLIC;
	FOR made IN SELECT * FROM (VALUES
		('jwt', 'jsonb', 'SELECT coalesce(authz.claims(), ''{}'')'),
		('uid', 'uuid', 'SELECT (authz.claims() ->> ''sub'')::uuid'),
		('role', 'text', 'SELECT authz.claims() ->> ''role'''),
		('email', 'text', 'SELECT authz.claims() ->> ''email''')) AS f (name, type, body)
	LOOP
		IF to_regprocedure(format('auth.%I()', made.name)) IS NOT NULL THEN
			RAISE EXCEPTION 'function auth.%() is there already', made.name
				USING ERRCODE = 'duplicate_function',
					HINT = 'Drop it first, if nothing else of its schema is in use.';
		END IF;
		/* Definer: who is asking may know what its token says, whatever else it may call. */
		EXECUTE format('CREATE FUNCTION auth.%I() RETURNS %s LANGUAGE sql STABLE SECURITY DEFINER'
			' SET search_path = pg_catalog, pg_temp AS %L', made.name, made.type, made.body);
		EXECUTE format('COMMENT ON FUNCTION auth.%I() IS %L', made.name,
			'As in Supabase: of the claims of who is asking; null when nobody is');
		RETURN NEXT format('made function auth.%s()', made.name);
	END LOOP;
END
$$;
COMMENT ON FUNCTION authz.migrate_supabase() IS
	'Makes auth.uid(), auth.role(), auth.jwt() and auth.email(), so that row-level security written for Supabase keeps running; says what it did';

/* A name of OpenFGA as one of Cedar. */
CREATE FUNCTION authz.openfga_name(name text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN name ~ '^[A-Za-z_]' THEN '' ELSE '_' END || regexp_replace(name, '[^A-Za-z0-9_]', '_', 'g');
COMMENT ON FUNCTION authz.openfga_name(text) IS 'For import_openfga: a name of a type or relation as an identifier';

/* The parts that a relation's definition is made of: what, of which relation, from where. */
CREATE FUNCTION authz.openfga_parts(definition jsonb, OUT kind text, OUT relation text, OUT tupleset text) RETURNS SETOF record
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH RECURSIVE part AS (
		SELECT definition AS d
		UNION ALL
		SELECT child FROM part, jsonb_array_elements(coalesce(d #> '{union,child}', d #> '{intersection,child}',
			jsonb_build_array(d #> '{difference,base}', d #> '{difference,subtract}'))) AS child
		WHERE d ?| ARRAY['union', 'intersection', 'difference'])
	SELECT k, coalesce(d #>> ARRAY[k, 'computedUserset', 'relation'], d #>> ARRAY[k, 'relation']), d #>> ARRAY[k, 'tupleset', 'relation']
	FROM part, jsonb_object_keys(d) k;
END;
COMMENT ON FUNCTION authz.openfga_parts(jsonb) IS
	'For import_openfga: this, computedUserset, tupleToUserset, and how they are put together';

/*
 * When a relation with an "and" or a "but not" holds, as a Cedar expression; the
 * others are memberships, member says how one is asked.
 */
CREATE FUNCTION authz.openfga_condition(relations jsonb, relation text, definition jsonb, member text, depth int) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	other text;
BEGIN
	IF depth > 32 THEN
		RAISE EXCEPTION 'relation "%" is defined by itself', relation USING ERRCODE = 'invalid_parameter_value';
	ELSIF definition ? 'this' THEN
		RETURN format(member, authz.openfga_name(relation) || '__direct');
	ELSIF definition ? 'computedUserset' THEN
		other := definition #>> '{computedUserset,relation}';
		IF NOT EXISTS (SELECT FROM authz.openfga_parts(relations -> other) WHERE kind IN ('intersection', 'difference')) THEN
			RETURN format(member, authz.openfga_name(other));
		END IF;
		RETURN authz.openfga_condition(relations, other, relations -> other, member, depth + 1);
	ELSIF definition ? 'union' OR definition ? 'intersection' THEN
		RETURN (SELECT '(' || string_agg(authz.openfga_condition(relations, relation, child, member, depth + 1),
				CASE WHEN definition ? 'union' THEN ' || ' ELSE ' && ' END ORDER BY n) || ')'
			FROM jsonb_array_elements(coalesce(definition #> '{union,child}', definition #> '{intersection,child}')) WITH ORDINALITY AS c (child, n));
	ELSIF definition ? 'difference' THEN
		RETURN format('(%s && !%s)', authz.openfga_condition(relations, relation, definition #> '{difference,base}', member, depth + 1),
			authz.openfga_condition(relations, relation, definition #> '{difference,subtract}', member, depth + 1));
	END IF;
	RAISE EXCEPTION 'relation "%" cannot be imported', relation
		USING ERRCODE = 'feature_not_supported',
			DETAIL = 'It takes members "from" another object beside an "and" or a "but not".',
			HINT = 'Give the part with "from" a relation of its own.';
END
$$;
COMMENT ON FUNCTION authz.openfga_condition(jsonb, text, jsonb, text, int) IS 'For import_openfga: when a relation holds';

CREATE FUNCTION authz.import_openfga(model jsonb, tuples jsonb, policy_set text DEFAULT NULL,
	OUT entities bigint, OUT policies bigint, OUT schema text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	in_set text := coalesce(policy_set, authz.current_policy_set());
	bad text;
	member text := 'principal in resource["%1$s"]';
	everyone text;
BEGIN
	IF model ->> 'schema_version' NOT IN ('1.1', '1.2') OR jsonb_typeof(model -> 'type_definitions') IS DISTINCT FROM 'array'
		OR jsonb_typeof(tuples) IS DISTINCT FROM 'array' THEN
		RAISE EXCEPTION 'this is no authorization model of OpenFGA, or these are no tuples'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Export them as JSON; the schema version is 1.1 or 1.2.';
	END IF;
	IF coalesce(model -> 'conditions', '{}') <> '{}' OR jsonb_path_exists(tuples, '$[*].**.condition ? (@ != null)') THEN
		RAISE EXCEPTION 'conditions of OpenFGA cannot be imported' USING ERRCODE = 'feature_not_supported',
			HINT = 'Write the condition into the policy, by the context.';
	END IF;

	CREATE TEMP TABLE fga_relation ON COMMIT DROP AS
		SELECT t ->> 'type' AS type, r.key AS relation, r.value AS definition, t -> 'relations' AS relations,
			NOT EXISTS (SELECT FROM authz.openfga_parts(r.value) WHERE kind IN ('intersection', 'difference')) AS pure
		FROM jsonb_array_elements(model -> 'type_definitions') t, jsonb_each(coalesce(t -> 'relations', '{}')) r;
	CREATE TEMP TABLE fga_part ON COMMIT DROP AS
		SELECT r.type, r.relation, r.pure, p.kind, p.relation AS of, p.tupleset FROM pg_temp.fga_relation r, authz.openfga_parts(r.definition) p;
	CREATE TEMP TABLE fga_tuple ON COMMIT DROP AS
		SELECT split_part(x ->> 'object', ':', 1) AS type, substr(x ->> 'object', strpos(x ->> 'object', ':') + 1) AS id,
			x ->> 'relation' AS relation, split_part(x ->> 'user', ':', 1) AS user_type,
			substr(split_part(x ->> 'user', '#', 1), strpos(x ->> 'user', ':') + 1) AS user_id, nullif(split_part(x ->> 'user', '#', 2), '') AS user_relation
		FROM (SELECT coalesce(e -> 'key', e) AS x FROM jsonb_array_elements(tuples) e) e;

	SELECT format('%s#%s', type, relation) INTO bad FROM pg_temp.fga_tuple
		WHERE NOT EXISTS (SELECT FROM pg_temp.fga_relation r WHERE r.type = fga_tuple.type AND r.relation = fga_tuple.relation) LIMIT 1;
	IF bad IS NOT NULL THEN
		RAISE EXCEPTION 'the model does not have the relation "%" of a tuple', bad USING ERRCODE = 'invalid_parameter_value';
	END IF;
	/* Other characters become "_": no two may become one, for what is in the one would be in the other. */
	SELECT string_agg(source, ', ' ORDER BY source COLLATE "C") INTO bad FROM (
		SELECT format('type "%s"', t ->> 'type') AS source, authz.openfga_name(t ->> 'type') AS name
			FROM jsonb_array_elements(model -> 'type_definitions') t
		UNION SELECT format('type "%s"', user_type), authz.openfga_name(user_type) FROM pg_temp.fga_tuple
		UNION SELECT format('relation "%s#%s"', type, relation), concat(authz.openfga_name(type), '__', authz.openfga_name(relation),
				CASE WHEN NOT pure THEN '__direct' END) FROM pg_temp.fga_relation) names
		GROUP BY name HAVING count(*) > 1 ORDER BY 1 LIMIT 1;
	IF bad IS NOT NULL THEN
		RAISE EXCEPTION 'these would have one name in Cedar: %', bad
			USING ERRCODE = 'duplicate_object', HINT = 'Rename one of them in the model and the tuples.';
	END IF;
	/* What is of an "and" or a "but not" is no matter of the hierarchy. */
	SELECT format('%s#%s', type, relation) INTO bad FROM pg_temp.fga_relation r WHERE NOT pure AND (
		EXISTS (SELECT FROM pg_temp.fga_tuple t WHERE t.user_type = r.type AND t.user_relation = r.relation)
		OR EXISTS (SELECT FROM pg_temp.fga_part p WHERE p.of = r.relation AND (p.kind = 'tupleToUserset' OR (p.kind = 'computedUserset' AND p.pure AND p.type = r.type)))) LIMIT 1;
	IF bad IS NOT NULL THEN
		RAISE EXCEPTION 'relation "%" cannot be imported', bad
			USING ERRCODE = 'feature_not_supported',
				DETAIL = 'Others take members from it, and it is defined by an "and" or a "but not".';
	END IF;
	FOR everyone IN SELECT DISTINCT user_type FROM pg_temp.fga_tuple WHERE user_id = '*' AND user_relation IS NULL ORDER BY 1 LOOP
		member := format('%s || (principal is %s && OpenFGA::Everyone::%s in resource["%%1$s"])', member, authz.openfga_name(everyone), replace(to_json(everyone)::text, '%', '%%'));
	END LOOP;
	member := '(' || member || ')';

	CREATE TEMP TABLE fga_object ON COMMIT DROP AS
		SELECT type, id FROM pg_temp.fga_tuple UNION SELECT user_type, user_id FROM pg_temp.fga_tuple WHERE user_id <> '*' OR user_relation IS NOT NULL;
	/* A set of users for each object and relation (type__relation::"id"), and what is in it. */
	CREATE TEMP TABLE fga_edge ON COMMIT DROP AS
		SELECT CASE WHEN t.user_id = '*' AND t.user_relation IS NULL THEN 'OpenFGA::Everyone'
				ELSE concat(authz.openfga_name(t.user_type), '__' || authz.openfga_name(t.user_relation)) END AS child_type,
			CASE WHEN t.user_id = '*' AND t.user_relation IS NULL THEN t.user_type ELSE t.user_id END AS child_id,
			concat(authz.openfga_name(t.type), '__', authz.openfga_name(t.relation), CASE WHEN NOT p.pure THEN '__direct' END) AS parent_type, t.id AS parent_id
		FROM pg_temp.fga_tuple t JOIN pg_temp.fga_part p USING (type, relation) WHERE p.kind = 'this'
		UNION
		SELECT concat(authz.openfga_name(p.type), '__', authz.openfga_name(p.of)), o.id, concat(authz.openfga_name(p.type), '__', authz.openfga_name(p.relation)), o.id
		FROM pg_temp.fga_part p JOIN pg_temp.fga_object o USING (type) WHERE p.pure AND p.kind = 'computedUserset' AND p.of <> p.relation
		UNION
		SELECT concat(authz.openfga_name(t.user_type), '__', authz.openfga_name(p.of)), t.user_id, concat(authz.openfga_name(p.type), '__', authz.openfga_name(p.relation)), t.id
		FROM pg_temp.fga_part p JOIN pg_temp.fga_tuple t ON t.type = p.type AND t.relation = p.tupleset
			JOIN pg_temp.fga_relation o ON o.type = t.user_type AND o.relation = p.of
		WHERE p.pure AND p.kind = 'tupleToUserset' AND t.user_relation IS NULL AND (p.type, p.relation, t.id) <> (t.user_type, p.of, t.user_id);

	WITH node AS (
		SELECT authz.openfga_name(type) AS type, id, (
			SELECT jsonb_object_agg(name, jsonb_build_object('__entity', jsonb_build_object('type', concat(authz.openfga_name(o.type), '__', name), 'id', o.id)))
			FROM (SELECT concat(authz.openfga_name(r.relation), CASE WHEN NOT r.pure THEN '__direct' END) AS name FROM pg_temp.fga_relation r WHERE r.type = o.type) n) AS attrs
		FROM pg_temp.fga_object o
		UNION ALL
		SELECT DISTINCT child_type, child_id, NULL::jsonb FROM pg_temp.fga_edge e
		WHERE NOT EXISTS (SELECT FROM pg_temp.fga_object o WHERE authz.openfga_name(o.type) = e.child_type AND o.id = e.child_id))
	INSERT INTO authz.entities (uid, attrs, parents)
		SELECT authz.entity_uid(type, id), coalesce(attrs, '{}'), coalesce((
			SELECT array_agg(authz.entity_uid(e.parent_type, e.parent_id)) FROM pg_temp.fga_edge e WHERE e.child_type = node.type AND e.child_id = node.id), '{}')
		FROM node;
	GET DIAGNOSTICS entities = ROW_COUNT;
	INSERT INTO authz.policies (policy_set, policy_id, policy)
		SELECT in_set, format('%s#%s', type, relation), format(E'permit (principal, action == Action::%s, resource is %s)\nwhen { %s };',
			to_json(relation), authz.openfga_name(type),
			CASE WHEN pure THEN format(member, authz.openfga_name(relation)) ELSE authz.openfga_condition(relations, relation, definition, member, 0) END)
		FROM pg_temp.fga_relation;
	GET DIAGNOSTICS policies = ROW_COUNT;

	/* Every type with what may be in what, as the tuples have it, and an action for each relation. */
	WITH node AS (
		SELECT DISTINCT authz.openfga_name(t ->> 'type') AS type FROM jsonb_array_elements(model -> 'type_definitions') t
		UNION SELECT child_type FROM pg_temp.fga_edge UNION SELECT parent_type FROM pg_temp.fga_edge
		UNION SELECT concat(authz.openfga_name(r.type), '__', authz.openfga_name(r.relation), CASE WHEN NOT r.pure THEN '__direct' END) FROM pg_temp.fga_relation r
		UNION SELECT 'OpenFGA::Everyone'),
	declared AS (
		SELECT n.type, format('entity %s%s%s;', regexp_replace(n.type, '^.*::', ''),
			(SELECT ' in [' || string_agg(DISTINCT e.parent_type, ', ' ORDER BY e.parent_type) || ']' FROM pg_temp.fga_edge e WHERE e.child_type = n.type),
			(SELECT ' {' || string_agg(format('%s: %s', to_json(a.name), authz.openfga_name(a.type) || '__' || a.name), ', ' ORDER BY a.name) || '}'
			FROM (SELECT r.type, concat(authz.openfga_name(r.relation), CASE WHEN NOT r.pure THEN '__direct' END) AS name FROM pg_temp.fga_relation r) a
			WHERE authz.openfga_name(a.type) = n.type)) AS text
		FROM node n)
	SELECT string_agg(CASE WHEN type LIKE 'OpenFGA::%' THEN format('namespace OpenFGA { %s }', text) ELSE text END, E'\n' ORDER BY type) || E'\n' || (
		SELECT string_agg(format('action %s appliesTo { principal: [%s], resource: [%s] };', to_json(relation),
			(SELECT string_agg(authz.openfga_name(t ->> 'type'), ', ' ORDER BY t ->> 'type') FROM jsonb_array_elements(model -> 'type_definitions') t), types), E'\n' ORDER BY relation)
		FROM (SELECT relation, string_agg(authz.openfga_name(type), ', ' ORDER BY type) AS types FROM pg_temp.fga_relation GROUP BY relation) r)
	INTO schema FROM declared;
	DROP TABLE pg_temp.fga_relation, pg_temp.fga_part, pg_temp.fga_tuple, pg_temp.fga_object, pg_temp.fga_edge;
END
$$;
COMMENT ON FUNCTION authz.import_openfga(jsonb, jsonb, text) IS
	'Turns an authorization model of OpenFGA (JSON, schema 1.1) and its tuples into policies and entities: check(user:anne, viewer, document:1) is then authz_check(user::"anne", Action::"viewer", document::"1"); gives how many of both, and a schema that they fit';

REVOKE ALL ON FUNCTION authz.migrate_supabase(), authz.openfga_name(text), authz.openfga_parts(jsonb),
	authz.openfga_condition(jsonb, text, jsonb, text, int), authz.import_openfga(jsonb, jsonb, text) FROM PUBLIC;
