/* The tables, their mappings, and the comparison. */
\set ON_ERROR_STOP on
CREATE EXTENSION IF NOT EXISTS authz;
CREATE SCHEMA filter_test;

CREATE TABLE filter_test.grp (name text PRIMARY KEY, parent text);
CREATE TABLE filter_test.usr (id int PRIMARY KEY, level smallint, name varchar, active boolean, team text, labels text[]);
CREATE TABLE filter_test.membership (user_id int, group_name text, PRIMARY KEY (user_id, group_name));
CREATE TABLE filter_test.folder (id bigint PRIMARY KEY, parent_id bigint, owner_id int, secret boolean, group_name text);
CREATE TABLE filter_test.doc (
	doc_id int PRIMARY KEY, folder_id bigint, owner_id int, group_name text, title text, level int NOT NULL, big bigint, public boolean,
	price numeric, created timestamptz, due date, span interval, ip inet, labels text[], numbers int[], editors int[], code uuid, meta jsonb,
	subject_type text, subject_id text, deleted boolean NOT NULL);

SELECT authz.map_entity_type('Group', 'filter_test.grp', id => 'name',
	parents => '[{"type": "Group", "column": "parent"}]');
SELECT authz.map_entity_type('User', 'filter_test.usr', id => 'id',
	attrs => '{"level": "level", "name": "name", "active": "active", "team": {"type": "Group", "column": "team"}, "labels": "labels"}',
	parents => '[{"type": "Group", "table": "filter_test.membership", "id": "user_id", "column": "group_name"}]');
SELECT authz.map_entity_type('Folder', 'filter_test.folder', id => 'id',
	attrs => '{"owner": {"type": "User", "column": "owner_id"}, "secret": "secret", "group": {"type": "Group", "column": "group_name"}}',
	parents => '[{"type": "Folder", "column": "parent_id"}, {"type": "Group", "column": "group_name"}]');
SELECT authz.map_entity_type('Doc', 'filter_test.doc', id => 'doc_id',
	attrs => '{"folder": {"type": "Folder", "column": "folder_id"}, "owner": {"type": "User", "column": "owner_id"},
		"group": {"type": "Group", "column": "group_name"}, "title": "title", "level": "level", "big": "big", "public": "public",
		"price": "price", "created": "created", "due": "due", "span": "span", "ip": "ip", "labels": "labels", "numbers": "numbers",
		"editors": {"type": "User", "column": "editors"}, "code": "code", "meta": "meta",
		"subject": {"type_column": "subject_type", "column": "subject_id", "types": {"user": "User", "group": "Group"}}}',
	parents => '[{"type": "Folder", "column": "folder_id"}]', "where" => 'NOT deleted');

/* Row-level security: who reads as filter_reader is who the claims say. */
DO $$ BEGIN
	IF to_regrole('authz_filter_reader') IS NULL THEN CREATE ROLE authz_filter_reader; END IF;
END $$;
GRANT USAGE ON SCHEMA filter_test TO authz_filter_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA filter_test TO authz_filter_reader;
SELECT authz.gateway_register(session_user::regrole);
SELECT authz.protect_table('filter_test.doc', "select" => 'view');

/* One principal, one action: all ways must give the same rows. */
CREATE FUNCTION filter_test.compare(place text, principal text, action text, type text, context jsonb) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	p authz.entity_uid := principal;
	a authz.entity_uid := action;
	condition text;
	expected authz.entity_uid[];
	by_filter authz.entity_uid[];
	by_list authz.entity_uid[];
	by_rls authz.entity_uid[];
	total bigint;
	last authz.entity_uid;
	page authz.entity_uid[];
BEGIN
	IF type = 'Doc' THEN
		SELECT count(*), array_agg(u ORDER BY u) FILTER (WHERE authz.authz_check(p, a, u, context)) INTO total, expected
		FROM (SELECT authz.entity_uid('Doc', doc_id::text) AS u FROM filter_test.doc WHERE NOT deleted OFFSET 0) x;
	ELSE
		SELECT count(*), array_agg(u ORDER BY u) FILTER (WHERE authz.authz_check(p, a, u, context)) INTO total, expected
		FROM (SELECT uid AS u FROM authz.entities WHERE authz.entity_uid_type(uid) = 'Item' OFFSET 0) x;
	END IF;
	condition := authz.authz_filter(p, a, type, context, 'd');
	IF type = 'Doc' THEN
		EXECUTE format('SELECT array_agg(authz.entity_uid(''Doc'', d.doc_id::text) ORDER BY authz.entity_uid(''Doc'', d.doc_id::text)) FROM filter_test.doc d WHERE %s', condition)
			INTO by_filter;
	ELSE
		EXECUTE format('SELECT array_agg(d.uid ORDER BY d.uid) FROM authz.entities d WHERE %s', condition) INTO by_filter;
	END IF;
	/* pages of five */
	LOOP
		SELECT array_agg(u ORDER BY n) INTO page
		FROM authz.authz_resources(p, a, type, context, last, 5) WITH ORDINALITY AS r (u, n);
		EXIT WHEN page IS NULL;
		by_list := by_list || page;
		last := page[cardinality(page)];
		EXIT WHEN cardinality(page) < 5;
	END LOOP;
	SELECT array_agg(u ORDER BY u) INTO by_list FROM unnest(by_list) u;
	/* A table's protection is for one action, and the context of none. */
	by_rls := expected;
	IF type = 'Doc' AND action = 'Action::"view"' AND context = '{}' THEN
		PERFORM set_config('request.jwt.claims', jsonb_build_object('principal', principal)::text, true);
		SET LOCAL ROLE authz_filter_reader;
		EXECUTE 'SELECT array_agg(authz.entity_uid(''Doc'', doc_id::text) ORDER BY authz.entity_uid(''Doc'', doc_id::text)) FROM filter_test.doc' INTO by_rls;
		RESET ROLE;
	END IF;
	IF by_filter IS NOT DISTINCT FROM expected AND by_list IS NOT DISTINCT FROM expected
		AND by_rls IS NOT DISTINCT FROM expected THEN
		RETURN (SELECT format('ok %s %s %s %s', total, coalesce(cardinality(expected), 0),
				count(*) FILTER (WHERE state = 'native'), count(*) FILTER (WHERE state = 'call'))
			FROM authz.authz_explain_filter(p, a, type, context));
	END IF;
	RETURN format(E'FAILED %s: %s %s %s %s\n  check  %s\n  filter %s\n  list   %s\n  rls    %s\n  condition %s\n%s', place, principal, action, type, context,
		expected, by_filter, by_list, by_rls, condition, (SELECT string_agg('  ' || policy, E'\n' ORDER BY policy_id) FROM authz.policies));
EXCEPTION WHEN OTHERS THEN
	RETURN format(E'FAILED %s: %s %s %s %s: %s\n  condition %s\n%s', place, principal, action, type, context, SQLERRM, condition,
		(SELECT string_agg('  ' || policy, E'\n' ORDER BY policy_id) FROM authz.policies));
END
$$;
