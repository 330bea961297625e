-- Row-level security from policies.
\set VERBOSITY terse
SET search_path = public;
CREATE ROLE protect_reader;
CREATE SCHEMA protect_test;
SET search_path = protect_test, public;
CREATE TABLE team (name text PRIMARY KEY);
CREATE TABLE person (id int PRIMARY KEY, level int, team text, label text);
CREATE TABLE paper (id int PRIMARY KEY, owner_id int, team text, title text, level int, gone boolean NOT NULL DEFAULT false);
CREATE INDEX paper_owner ON paper (owner_id);
CREATE INDEX ON paper (team);
INSERT INTO team VALUES ('red'), ('blue');
INSERT INTO person VALUES (1, 3, 'red', 'x'), (2, 1, 'blue', NULL);
INSERT INTO paper SELECT n, n % 3 + 1, CASE n % 4 WHEN 0 THEN 'red' WHEN 1 THEN 'blue' END, 'paper ' || n, nullif(n % 6, 5), n % 10 = 9 FROM generate_series(1, 30) n;
SELECT authz.map_entity_type('Team', 'team', 'name');
SELECT authz.map_entity_type('Person', 'person', 'id', attrs => '["level", "label"]', parents => '[{"type": "Team", "column": "team"}]');
SELECT authz.map_entity_type('Paper', 'paper', 'id',
	attrs => '{"owner": {"type": "Person", "column": "owner_id"}, "team": {"type": "Team", "column": "team"}, "title": "title", "level": "level"}', "where" => 'NOT gone');
INSERT INTO authz.policies (policy_id, policy) VALUES
	('own', 'permit (principal, action, resource) when { resource.owner == principal };'),
	('team', 'permit (principal, action == Action::"view", resource) when { principal in resource.team && resource.level <= principal.level };'),
	('frozen', 'forbid (principal, action, resource) when { resource.title like "frozen*" };');

-- Who is asking is told by a gateway.
SELECT authz.gateway_register(session_user::regrole);
CREATE FUNCTION ask(who text) RETURNS text LANGUAGE sql AS
	$$ SELECT set_config('request.jwt.claims', CASE WHEN who <> '' THEN jsonb_build_object('principal', who)::text ELSE '' END, false) $$;
GRANT USAGE ON SCHEMA protect_test TO protect_reader;
GRANT ALL ON ALL TABLES IN SCHEMA protect_test TO protect_reader;

-- Errors.
SELECT authz.protect_table('paper');
SELECT authz.protect_table('pg_class', "select" => 'view');
SELECT authz.protect_table('paper', "select" => 'view', entity_type => 'Team');
SET ROLE protect_reader;
SELECT authz.protect_table('paper', "select" => 'view');
RESET ROLE;
SELECT authz.entity_mapper_grant('protect_reader');
SET ROLE protect_reader;
SELECT authz.protect_table('paper', "select" => 'view');
RESET ROLE;

SELECT authz.protect_table('paper', "select" => 'view', "insert" => 'create', "update" => 'edit', "delete" => 'Action::"delete"');
SELECT polname, polcmd, pg_get_expr(polqual, polrelid) AS using, pg_get_expr(polwithcheck, polrelid) AS with_check
FROM pg_policy WHERE polrelid = 'paper'::regclass ORDER BY polname;

-- Each sees what decisions allow, in one plan for all.
CREATE VIEW expected AS SELECT p.uid AS principal, array_agg(id ORDER BY id) AS ids
	FROM (VALUES ('Person::"1"'), ('Person::"2"'), ('Person::"007"'), ('Team::"red"')) p (uid), paper
	WHERE NOT gone AND authz.authz_check(p.uid::authz.entity_uid, 'Action::"view"', authz.entity_uid('Paper', id::text)) GROUP BY 1;
SET plan_cache_mode = force_generic_plan;
PREPARE visible AS SELECT array_agg(id ORDER BY id) FROM paper;
PREPARE plan AS SELECT id FROM paper WHERE level > 0;
SELECT ask('Person::"1"') \g /dev/null
SET ROLE protect_reader; EXECUTE visible; RESET ROLE;
SELECT ids FROM expected WHERE principal = 'Person::"1"';
SELECT ask('Person::"2"') \g /dev/null
SET ROLE protect_reader; EXECUTE visible; RESET ROLE;
SELECT ids FROM expected WHERE principal = 'Person::"2"';
SELECT ask('Person::"007"') \g /dev/null
SET ROLE protect_reader; EXECUTE visible; RESET ROLE;
SELECT ask('') \g /dev/null
SET ROLE protect_reader; EXECUTE visible; RESET ROLE;

-- The plan is one that a person would have written: an index serves whoever asks.
SELECT ask('Person::"1"') \g /dev/null
CREATE FUNCTION plan_of(query text) RETURNS TABLE (index_used boolean, called_for_rows boolean) LANGUAGE plpgsql AS $$
DECLARE
	plan text := '';
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP plan := plan || line || E'\n'; END LOOP;
	RETURN QUERY SELECT plan LIKE '%paper_owner%', plan LIKE '%authz.protected%';
END $$;
SET enable_seqscan = off;
SET ROLE protect_reader;
SELECT * FROM plan_of('SELECT id FROM paper');
RESET ROLE;
BEGIN;
UPDATE authz.policies SET enabled = false WHERE policy_id = 'team';
SET LOCAL ROLE protect_reader;
SELECT * FROM plan_of('SELECT id FROM paper');
ROLLBACK;
RESET enable_seqscan;

-- A query is answered for one who is asking, whatever it does.
SET ROLE protect_reader;
BEGIN;
SELECT count(*) FROM paper WHERE set_config('request.jwt.claims', '{"principal": "Person::\"2\""}', true) IS NOT NULL;
ROLLBACK;
BEGIN;
SELECT set_config('request.jwt.claims', '{"principal": "Person::\"2\""}', true) IS NOT NULL AS changed, count(*) FROM (SELECT FROM paper OFFSET 0) x;
ROLLBACK;
RESET ROLE;

-- A policy that changes between two executions, here and rolled back; attributes that change.
BEGIN;
UPDATE authz.policies SET enabled = false WHERE policy_id = 'team';
SET LOCAL ROLE protect_reader; EXECUTE visible;
ROLLBACK;
SET ROLE protect_reader; EXECUTE visible; RESET ROLE;
BEGIN;
UPDATE person SET level = 0 WHERE id = 1;
SET LOCAL ROLE protect_reader; EXECUTE visible;
ROLLBACK;

-- What cannot be said in SQL is asked for each row; what fails is skipped, for a forbid too.
BEGIN;
INSERT INTO authz.policies (policy_id, policy) VALUES ('tagged', 'forbid (principal, action, resource) when { resource.hasTag("x") || resource.level == 4 };'),
	('label', 'permit (principal, action, resource) when { resource.title == "paper " && principal.label == "x" || resource.title == principal.label };');
SET LOCAL ROLE protect_reader; EXECUTE visible;
RESET ROLE;
SELECT ids FROM expected WHERE principal = 'Person::"1"';
SET LOCAL ROLE protect_reader;
SELECT called_for_rows FROM plan_of('SELECT id FROM paper');
SELECT count(*) FROM paper WHERE authz.protected_policy('\x00', 'default', 1, 'tagged', 'Action::"view"', 'Paper', paper);
ROLLBACK;
SELECT authz.run_time_text('\x00');

-- Writing: the old row for USING, the new one for WITH CHECK.
SET ROLE protect_reader;
BEGIN;
INSERT INTO paper VALUES (101, 1, 'red', 'mine', 1) RETURNING id;
UPDATE paper SET title = 'still mine' WHERE id = 101 RETURNING title;
UPDATE paper SET level = level + 1 FROM team WHERE team.name = paper.team AND paper.id = 101 RETURNING paper.level;
SAVEPOINT s;
INSERT INTO paper VALUES (102, 2, 'red', 'not mine', 1);
ROLLBACK TO s;
UPDATE paper SET owner_id = 2 WHERE id = 101;
ROLLBACK TO s;
UPDATE paper SET title = 'frozen now' WHERE id = 101;
ROLLBACK TO s;
INSERT INTO paper VALUES (103, 1, 'red', 'gone', 1, true);
ROLLBACK TO s;
-- visible to the team, but not to be changed
UPDATE paper SET title = 'x' WHERE id = 4 RETURNING id;
DELETE FROM paper WHERE id IN (4, 101) RETURNING id;
MERGE INTO paper USING (VALUES (3), (4)) v (n) ON paper.id = v.n WHEN MATCHED THEN UPDATE SET title = 'merged';
ROLLBACK;
BEGIN;
MERGE INTO paper USING (VALUES (3)) v (n) ON paper.id = v.n WHEN MATCHED THEN UPDATE SET title = 'merged';
SELECT title FROM paper WHERE id = 3;
COPY (SELECT id FROM paper WHERE id < 10 ORDER BY id) TO STDOUT;
SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_indexscan = off;
COPY paper (id) TO STDOUT;
ROLLBACK;
RESET ROLE;

-- As a call, where there is no plan for it: by the values that are handed in.
SELECT authz.protected('Action::"edit"', 'Paper', p) FROM paper p WHERE id = 3;
SELECT authz.protected('Action::"edit"', 'Paper', p) FROM (SELECT 3 AS id, 2 AS owner_id, NULL::text AS team, 't' AS title, 1 AS level OFFSET 0) p;
SELECT authz.protected('Action::"edit"', 'Paper', p) FROM (SELECT 3 AS id OFFSET 0) p;
SELECT authz.protected('Action::"edit"', 'Paper', p) FROM (SELECT 3 AS id, 2 AS owner_id, 42 AS team, 43::bigint AS title, 1 AS level OFFSET 0) p;
SELECT authz.protected('Action::"edit"', 'Paper', p) FROM (SELECT 3 AS id, 2 AS owner_id, '{x}'::text[] AS team, 't' AS title, 1 AS level OFFSET 0) p;

-- Views of the invoker's, inheritance, partitions.
CREATE VIEW papers WITH (security_invoker = true) AS SELECT * FROM paper;
CREATE TABLE part (id int NOT NULL, owner_id int, kind int) PARTITION BY LIST (kind);
CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
CREATE TABLE part_2 (kind int, owner_id int, id int NOT NULL);
ALTER TABLE part ATTACH PARTITION part_2 FOR VALUES IN (2);
INSERT INTO part SELECT n, n % 3, n % 2 + 1 FROM generate_series(1, 9) n;
GRANT SELECT ON papers, part, part_1 TO protect_reader;
SELECT authz.map_entity_type('Part', 'part', 'id', attrs => '{"owner": {"type": "Person", "column": "owner_id"}}');
SELECT authz.protect_table('part', "select" => 'view');
SET ROLE protect_reader;
SELECT count(*) FROM papers;
SELECT array_agg(id ORDER BY id) FROM part;
RESET ROLE;

-- A new row is in what it says itself, whatever the table still has.
CREATE TABLE node (id int PRIMARY KEY, parent int, boss int, level int NOT NULL DEFAULT 1);
CREATE TABLE item (id int PRIMARY KEY, shelf text);
INSERT INTO node VALUES (1, NULL, 1), (2, 1, 2), (3, NULL, 2);
INSERT INTO item VALUES (1, 'a'), (2, 'b');
CREATE ROLE protect_visitor;
GRANT USAGE ON SCHEMA protect_test TO protect_visitor;
GRANT ALL ON node, item TO protect_visitor, protect_reader;
SELECT authz.map_entity_type('Node', 'node', 'id', attrs => '{"level": "level", "boss": {"type": "Node", "column": "boss"}}',
	parents => '[{"type": "Node", "column": "parent"}]');
SELECT authz.map_entity_type('Item', 'item', 'id', parents => '[{"type": "Shelf", "column": "shelf"}]');
SELECT authz.protect_table(t, 'view', 'edit', 'edit', 'edit') FROM unnest('{node,item}'::regclass[]) t;
BEGIN;
INSERT INTO authz.entities (uid, parents) VALUES ('Shelf::"a"', '{"Room::\"1\""}'), ('Shelf::"b"', '{"Room::\"2\""}');
INSERT INTO authz.policies (policy_id, policy) VALUES ('tree', 'permit (principal, action, resource) when { resource in Node::"1" };'),
	('room', 'permit (principal, action, resource) when { resource in Room::"1" };');
SET LOCAL ROLE protect_visitor;
SELECT array_agg(id ORDER BY id) AS nodes, (SELECT array_agg(id ORDER BY id) FROM item) AS items FROM node;
INSERT INTO node VALUES (4, 2) RETURNING id;
INSERT INTO item VALUES (4, 'a') RETURNING id;
UPDATE node SET level = 2 WHERE id = 4 RETURNING level;
SAVEPOINT s;
UPDATE node SET parent = 3 WHERE id = 2;
ROLLBACK TO s;
UPDATE item SET shelf = 'b' WHERE id = 1;
ROLLBACK TO s;
INSERT INTO item VALUES (5, 'b');
ROLLBACK;
BEGIN;
INSERT INTO authz.policies (policy_id, policy) VALUES ('boss', 'permit (principal, action, resource is Node) when { resource.boss.level < 5 };');
SET LOCAL ROLE protect_visitor;
UPDATE node SET level = 9 WHERE id = 3;
UPDATE node SET level = 9 WHERE id = 2;
ROLLBACK;

-- Who maps must see the rows: else the condition asks for itself.
SELECT authz.unmap_entity_type('Node');
SELECT authz.map_entity_type('Node', 'node', 'id', attrs => '["level"]', parents => '[{"type": "Node", "column": "parent"}]', security => 'invoker');
BEGIN;
INSERT INTO authz.policies (policy_id, policy) VALUES ('tree', 'permit (principal, action, resource) when { resource in Node::"1" };');
SET LOCAL ROLE protect_reader;
SELECT count(*) FROM node;
ROLLBACK;

-- A column that is called like its table is not the row.
CREATE TYPE decoy AS (id int);
CREATE TABLE vault (id int PRIMARY KEY, vault decoy);
INSERT INTO vault VALUES (1, '(2)'), (2, '(1)');
GRANT SELECT ON vault TO protect_reader;
SELECT authz.map_entity_type('Vault', 'vault', 'id');
SELECT authz.protect_table('vault', 'view');
BEGIN;
INSERT INTO authz.policies (policy_id, policy) VALUES ('vault', 'permit (principal, action, resource == Vault::"1");');
SET LOCAL ROLE protect_reader;
SELECT id FROM vault;
ROLLBACK;

-- Names of the caller's own do not reach into the condition.
CREATE FUNCTION evil(int, int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'caught'; RETURN true; END $$;
CREATE OPERATOR = (LEFTARG = int, RIGHTARG = int, FUNCTION = evil);
SET search_path = protect_test, pg_catalog;
SET ROLE protect_reader;
SELECT array_agg(id ORDER BY id) FROM part;
RESET ROLE;
RESET search_path;
SET search_path = protect_test, public;

-- Away again.
SELECT authz.unprotect_table('paper');
SELECT relrowsecurity, (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid) FROM pg_class c WHERE oid = 'paper'::regclass;
SELECT authz.unprotect_table('part');
SELECT authz.unmap_entity_type(t) FROM unnest(ARRAY['Part', 'Paper', 'Person', 'Team', 'Node', 'Item', 'Vault']) t;
SELECT authz.gateway_unregister(session_user::regrole);
DELETE FROM authz.policies;
\set VERBOSITY default
SET client_min_messages = warning;
DROP SCHEMA protect_test CASCADE;
DROP OWNED BY protect_reader;
DROP ROLE protect_reader;
DROP OWNED BY protect_visitor;
DROP ROLE protect_visitor;
