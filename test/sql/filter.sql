-- Decisions about all rows of an entity type at once.
\set VERBOSITY terse
SET search_path = authz, public;
BEGIN;

CREATE TABLE public.team (name text PRIMARY KEY, parent text);
CREATE TABLE public.person (id int PRIMARY KEY, level int, team text);
CREATE TABLE public.paper (id uuid PRIMARY KEY, owner_id int, team text, title text, level int, due timestamptz, labels text[], gone boolean NOT NULL DEFAULT false);
INSERT INTO public.team VALUES ('all', NULL), ('red', 'all'), ('blue', NULL);
INSERT INTO public.person VALUES (1, 3, 'red'), (2, 1, 'blue');
INSERT INTO public.paper
	SELECT format('00000000-0000-0000-0000-%s', lpad(n::text, 12, '0'))::uuid, n % 3 + 1, CASE n % 4 WHEN 0 THEN 'red' WHEN 1 THEN 'blue' WHEN 2 THEN 'all' END,
		CASE WHEN n % 5 > 0 THEN 'paper ' || n END, nullif(n % 6, 5), timestamptz '2026-01-01 00:00Z' + n * interval '1 day',
		CASE WHEN n % 2 = 0 THEN ARRAY['a', 'b'] ELSE '{}' END, n % 10 = 9
	FROM generate_series(1, 30) n;
SELECT map_entity_type('Team', 'public.team', 'name', parents => '[{"type": "Team", "column": "parent"}]');
SELECT map_entity_type('Person', 'public.person', 'id', attrs => '["level"]', parents => '[{"type": "Team", "column": "team"}]');
SELECT map_entity_type('Paper', 'public.paper', 'id',
	attrs => '{"owner": {"type": "Person", "column": "owner_id"}, "team": {"type": "Team", "column": "team"}, "title": "title", "level": "level", "due": "due", "labels": "labels"}',
	parents => '[{"type": "Team", "column": "team"}]', "where" => 'NOT gone');

-- What each policy becomes.
CREATE FUNCTION pg_temp.becomes(policy text) RETURNS TABLE (state text, condition text, reason text) LANGUAGE sql AS $$
	DELETE FROM policies WHERE policy_set = 'one';
	INSERT INTO policies (policy_set, policy_id, policy) VALUES ('one', 'p', becomes.policy);
	SELECT e.state, e.condition, e.reason
	FROM authz_explain_filter('Person::"1"', 'Action::"view"', 'Paper', policy_set => 'one') e;
$$;
SELECT * FROM pg_temp.becomes('permit (principal, action, resource);');
SELECT * FROM pg_temp.becomes('permit (principal, action, resource) when { principal.level > 7 };');
SELECT * FROM pg_temp.becomes('permit (principal, action, resource is Team);');
SELECT * FROM pg_temp.becomes('permit (principal, action, resource) when { principal.nothing };');
SELECT * FROM pg_temp.becomes('permit (principal, action, resource) when { resource.owner == principal };');
SELECT * FROM pg_temp.becomes('permit (principal, action, resource) when { resource.level <= principal.level };');
SELECT * FROM pg_temp.becomes('permit (principal, action, resource) unless { resource.level > 2 };');
SELECT * FROM pg_temp.becomes('permit (principal, action, resource) when { principal in resource.team };');
SELECT * FROM pg_temp.becomes('permit (principal, action, resource in Team::"all");');
SELECT * FROM pg_temp.becomes('permit (principal, action, resource == Paper::"00000000-0000-0000-0000-00000000000A");');
SELECT * FROM pg_temp.becomes('permit (principal, action, resource) when { resource.title like "50%*" };');
SELECT * FROM pg_temp.becomes('permit (principal, action, resource) when { resource.due < datetime("2026-01-03") };');
SELECT * FROM pg_temp.becomes('permit (principal, action, resource) when { resource.labels.contains("a") };');
SELECT * FROM pg_temp.becomes('permit (principal, action, resource) when { resource.level + 1 > 3 };');
SELECT * FROM pg_temp.becomes('permit (principal, action, resource) when { resource has title && resource.owner.level == 1 };');
SELECT * FROM pg_temp.becomes('permit (principal, action, resource) when { resource.getTag("x") == 1 };');

-- A row that cannot be asked is skipped for that policy, a forbid too.
INSERT INTO policies (policy_id, policy) VALUES
	('own', 'permit (principal, action, resource) when { resource.owner == principal };'),
	('team', 'permit (principal, action == Action::"view", resource in Team::"all") when { resource.level <= principal.level };'),
	('untitled', 'forbid (principal, action == Action::"edit", resource) unless { resource.title like "paper*" };'),
	('odd', 'forbid (principal, action == Action::"view", resource) when { resource.getTag("hidden") == true };');
SELECT authz_filter('Person::"1"', 'Action::"edit"', 'Paper', table_alias => 'The paper');
CREATE FUNCTION pg_temp.rows_of(filter text) RETURNS SETOF uuid LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE 'SELECT id FROM public.paper p WHERE ' || filter || ' ORDER BY id';
END $$;
SELECT action, (SELECT count(*) FROM pg_temp.rows_of(authz_filter('Person::"1"', action::entity_uid, 'Paper', table_alias => 'p'))),
	ARRAY(SELECT id FROM public.paper WHERE NOT gone AND authz_check('Person::"1"', action::entity_uid, entity_uid('Paper', id::text)) ORDER BY id)
	= ARRAY(SELECT pg_temp.rows_of(authz_filter('Person::"1"', action::entity_uid, 'Paper', table_alias => 'p'))) AS same
FROM (VALUES ('Action::"view"'), ('Action::"edit"'), ('Action::"other"')) a (action);

-- Pages, complete and in order.
SELECT entity_uid_id(r) FROM authz_resources('Person::"1"', 'Action::"view"', 'Paper', "limit" => 3) r;
SELECT entity_uid_id(r) FROM authz_resources('Person::"1"', 'Action::"view"', 'Paper', after => 'Paper::"00000000-0000-0000-0000-000000000004"', "limit" => 3) r;
SELECT count(*) FROM authz_resources('Person::"1"', 'Action::"view"', 'Paper', "limit" => NULL);
SELECT authz_principals('Action::"view"', 'Paper::"00000000-0000-0000-0000-000000000003"', 'Person');
SELECT authz_principals('Action::"edit"', 'Paper::"00000000-0000-0000-0000-000000000004"', 'Person');
SELECT authz_actions('Person::"1"', 'Paper::"00000000-0000-0000-0000-000000000003"');

-- Stored entities.
INSERT INTO entities (uid, attrs) VALUES
	('Note::"a"', '{"owner": {"__entity": {"type": "Person", "id": "1"}}}'), ('Note::"b"', '{"owner": "x"}'), ('Note::"c"', '{}'), ('Note0::"a"', '{}');
SELECT authz_filter('Person::"1"', 'Action::"edit"', 'Note', table_alias => 'e');
SELECT authz_resources('Person::"1"', 'Action::"other"', 'Note');

-- Errors.
SAVEPOINT s;
SELECT authz_filter('Person::"1"', 'Action::"view"', 'no type');
ROLLBACK TO s;
SELECT authz_filter('Person::"1"', NULL, 'Paper');
ROLLBACK TO s;
SELECT authz_resources('Person::"1"', 'Action::"view"', 'Paper', "limit" => 0);
ROLLBACK TO s;
SELECT authz_resources('Person::"1"', 'Action::"view"', 'Paper', after => 'Note::"a"');
ROLLBACK TO s;
-- A value that Cedar has not raises, as a decision does.
UPDATE public.paper SET due = 'infinity' WHERE id = '00000000-0000-0000-0000-000000000002';
SELECT count(*) FROM pg_temp.rows_of((SELECT replace(condition, 'paper.', 'p.') FROM pg_temp.becomes('permit (principal, action, resource) when { resource.due > datetime("2026-01-03") };')));
ROLLBACK TO s;
CREATE TABLE public.sheet (id int PRIMARY KEY, meta jsonb, list jsonb[]);
INSERT INTO public.sheet VALUES (1, '1', '{1}'), (2, '"x"', '{}'), (3, '[1]', NULL);
SELECT map_entity_type('Sheet', 'public.sheet', 'id', attrs => '["meta", "list"]');
INSERT INTO policies (policy_set, policy_id, policy) VALUES ('sheets', 'meta', 'permit (principal, action == Action::"equal", resource) when { resource.meta != "x" };'),
	('sheets', 'less', 'permit (principal, action == Action::"less", resource) when { resource.meta < 2 };'),
	('sheets', 'list', 'permit (principal, action == Action::"list", resource) when { resource.list.contains(1) };');
SELECT a, array_agg(r) FROM unnest('{equal,less,list}'::text[]) a, LATERAL authz_resources('Person::"1"', entity_uid('Action', a), 'Sheet', policy_set => 'sheets') r GROUP BY a ORDER BY a;
SAVEPOINT t;
INSERT INTO public.sheet VALUES (4, 'null');
SELECT authz_resources('Person::"1"', 'Action::"equal"', 'Sheet', policy_set => 'sheets');
ROLLBACK TO t;
INSERT INTO public.sheet VALUES (4, '1.5');
SELECT authz_resources('Person::"1"', 'Action::"less"', 'Sheet', policy_set => 'sheets');
ROLLBACK TO s;
-- What another role has mapped is read as that role, not with the rights that a list runs with.
CREATE ROLE filter_mapper;
SELECT entity_mapper_grant('filter_mapper');
CREATE SCHEMA filter_lair AUTHORIZATION filter_mapper;
CREATE TABLE public.box (id int PRIMARY KEY, shelf int, keeper int);
INSERT INTO public.box VALUES (1, 2, 2), (2, 3, 3);
SELECT map_entity_type('Box', 'public.box', 'id', attrs => '{"keeper": {"type": "Shelf", "column": "keeper"}}', parents => '[{"type": "Shelf", "column": "shelf"}]');
SET LOCAL ROLE filter_mapper;
CREATE TABLE filter_lair.shelf AS SELECT * FROM (VALUES (1, NULL), (2, 1), (3, NULL)) v (id, over);
CREATE FUNCTION filter_lair.spring(id int) RETURNS boolean LANGUAGE plpgsql AS
	$$ BEGIN IF current_user <> 'filter_mapper' THEN RAISE 'sprung by %', current_user; END IF; RETURN true; END $$;
SELECT map_entity_type('Shelf', 'filter_lair.shelf', 'id', attrs => '["over"]', parents => '[{"type": "Shelf", "column": "over"}]', "where" => 'filter_lair.spring(id)');
RESET ROLE;
INSERT INTO policies (policy_set, policy_id, policy) VALUES ('boxes', 'in', 'permit (principal, action == Action::"in", resource) when { resource in Shelf::"1" };'),
	('boxes', 'of', 'permit (principal, action == Action::"of", resource) when { resource.keeper.over == 1 };');
SELECT authz_resources('Person::"1"', 'Action::"in"', 'Box', policy_set => 'boxes');
SELECT authz_resources('Person::"1"', 'Action::"of"', 'Box', policy_set => 'boxes');
SELECT state, reason FROM authz_explain_filter('Person::"1"', 'Action::"of"', 'Box', policy_set => 'boxes');
ROLLBACK TO s;
-- The policy has gone since the filter was made.
SELECT authz_filter('Person::"1"', 'Action::"view"', 'Paper', table_alias => 'p') AS filter \gset
DELETE FROM policies WHERE policy_id = 'odd';
SELECT count(*) FROM pg_temp.rows_of(:'filter');
ROLLBACK TO s;
-- Nobody may ask who has not been granted it.
CREATE ROLE filter_nobody;
SET LOCAL ROLE filter_nobody;
SELECT authz_resources('Person::"1"', 'Action::"view"', 'Paper');
ROLLBACK TO s;
ROLLBACK;
