-- Decisions for the rows of a scan: a row is looked for beside the one before,
-- and what decisions have in common is kept.  Each is compared with plain SQL.
\set VERBOSITY terse
SET datestyle = iso;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE public.doc (id int PRIMARY KEY, level int, folder int, gone boolean DEFAULT false) WITH (autovacuum_enabled = off, fillfactor = 70);
CREATE TABLE public.part (id text PRIMARY KEY, level int) WITH (autovacuum_enabled = off);
ALTER TABLE authz.entities SET (autovacuum_enabled = off, fillfactor = 70);
INSERT INTO public.doc SELECT i, i % 10, i % 60 FROM generate_series(1, 4000) i;
INSERT INTO public.part SELECT repeat('x', i % 40) || i, i % 10 FROM generate_series(1, 4000) i;
SELECT authz.map_entity_type('Doc', 'doc', 'id', '["level"]', '[{"type": "Folder", "column": "folder"}]', "where" => 'NOT gone');
SELECT authz.map_entity_type('Part', 'part', 'id', '["level"]');
INSERT INTO authz.entities (uid, parents) SELECT authz.entity_uid('Folder', i::text), ARRAY[authz.entity_uid('Shelf', (i % 7)::text)] FROM generate_series(0, 59) i;
INSERT INTO authz.entities (uid, attrs, parents) SELECT authz.entity_uid('Stored', id::text), jsonb_build_object('level', level), ARRAY[authz.entity_uid('Folder', folder::text)] FROM public.doc;
INSERT INTO authz.entities (uid, attrs, parents) VALUES
	('User::"low"', '{"level": 2}', '{"Group::\"readers\""}'), ('User::"high"', '{"level": 7}', '{"Group::\"readers\"", "Group::\"writers\""}');
-- Filed under the principal, the resource, both and neither; and one that forbids.
INSERT INTO authz.policies (policy_id, policy) SELECT 'folder ' || i, format('permit (principal in Group::"readers", action == Action::"view", resource in Folder::"%s") when { resource has level && resource.level <= principal.level };', i) FROM generate_series(0, 59) i WHERE i % 4 < 2;
INSERT INTO authz.policies (policy_id, policy) SELECT 'mine ' || i, format('permit (principal == User::"high", action == Action::"view", resource == Stored::"%s");', i * 100) FROM generate_series(1, 40) i;
INSERT INTO authz.policies (policy_id, policy) VALUES
	('edit', 'permit (principal in Group::"writers", action == Action::"edit", resource in Shelf::"3") when { resource has level };'),
	('forbidden', 'forbid (principal, action == Action::"view", resource in Shelf::"5");'),
	('part', 'permit (principal, action == Action::"view", resource is Part) when { resource.level <= principal.level };');
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('other', 'level', 'permit (principal, action, resource) when { resource has level && resource.level == 3 };');

-- What must be, by the tables alone.  who_level: of the principal.
CREATE FUNCTION public.may_view(who_level int, level int, folder int) RETURNS boolean LANGUAGE sql IMMUTABLE
	RETURN folder % 4 < 2 AND level <= who_level AND folder % 7 <> 5;
CREATE FUNCTION public.differ(out seen bigint, out may bigint, out wrong bigint) LANGUAGE sql STABLE AS $$
	SELECT count(*), count(*) FILTER (WHERE got), count(*) FILTER (WHERE got IS DISTINCT FROM expected) FROM (
		SELECT authz.authz_check(authz.entity_uid('User', who), 'Action::"view"', authz.entity_uid('Doc', id::text)) AS got,
			NOT gone AND may_view(l, level, folder) AS expected FROM public.doc, (VALUES ('low', 2), ('high', 7)) u (who, l)
		UNION ALL SELECT authz.authz_check('User::"low"', 'Action::"view"', authz.entity_uid('Part', id)), level <= 2 FROM public.part
		UNION ALL SELECT authz.authz_check(authz.entity_uid('User', who), 'Action::"view"', uid),
			may_view(l, (attrs->>'level')::int, folder) OR who = 'high' AND folder % 7 <> 5 AND id % 100 = 0
			FROM authz.entities, LATERAL (SELECT authz.entity_uid_id(uid)::int AS id, authz.entity_uid_id(parents[1])::int AS folder) x, (VALUES ('low', 2), ('high', 7)) u (who, l)
			WHERE authz.entity_uid_type(uid) = 'Stored') each
$$;
SELECT * FROM differ();

-- Two actions and two sets for each row; forwards, backwards and in no order.
SELECT way, count(*) FILTER (WHERE v <> (NOT gone AND may_view(7, level, folder))) AS view_wrong, count(*) FILTER (WHERE e <> (NOT gone AND folder % 7 = 3)) AS edit_wrong,
	count(*) FILTER (WHERE o <> (NOT gone AND level = 3)) AS other_wrong, count(*) FILTER (WHERE n) AS absent
FROM (
	SELECT way, level, folder, gone, authz.authz_check('User::"high"', 'Action::"view"', uid) AS v, authz.authz_check('User::"high"', 'Action::"edit"', uid) AS e,
		authz.authz_check('User::"high"', 'Action::"view"', uid, policy_set => 'other') AS o, authz.authz_check('User::"high"', 'Action::"view"', authz.entity_uid('Doc', '-' || id)) AS n
	FROM (SELECT way, doc.*, authz.entity_uid('Doc', id::text) AS uid FROM public.doc, generate_series(1, 3) way
		ORDER BY way, CASE way WHEN 1 THEN id WHEN 2 THEN -id ELSE hashint4(id) END) d) each
GROUP BY way ORDER BY way;
-- The reasons are those of a decision alone.
SELECT count(*) FILTER (WHERE (d).reasons <> (a).reasons OR (d).decision <> (a).decision) AS differ, count(*) FILTER (WHERE cardinality((d).reasons) > 1) AS several FROM (
	SELECT authz.authz_decide('User::"high"', 'Action::"view"', authz.entity_uid('Stored', id::text)) AS d,
		authz.authz_decide('User::"high"', 'Action::"view"', authz.entity_uid('Stored', id::text), entities => '[]') AS a FROM public.doc WHERE id % 5 = 0) each;

-- Rows that moved, died, came back, and stand where others were.
CREATE PROCEDURE public.churn(turn int) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE public.doc SET level = (level + 1) % 10 WHERE id % 5 = turn;
	UPDATE public.doc SET gone = NOT gone WHERE id % 11 = turn;
	DELETE FROM public.doc WHERE id % 9 = turn;
	INSERT INTO public.doc SELECT i, i % 7, i % 60 FROM generate_series(1, 4000) i WHERE i % 9 = turn AND i % 2 = 0 ORDER BY hashint4(i);
	UPDATE public.part SET level = 9 - level, id = id || '.' WHERE level % 5 = turn;
	UPDATE authz.entities SET attrs = jsonb_build_object('level', ((attrs->>'level')::int + 1) % 10) WHERE authz.entity_uid_type(uid) = 'Stored' AND hashint4(authz.entity_uid_id(uid)::int) % 5 = turn;
	DELETE FROM authz.entities WHERE authz.entity_uid_type(uid) = 'Stored' AND authz.entity_uid_id(uid)::int % 9 = turn;
	INSERT INTO authz.entities (uid, attrs, parents) SELECT authz.entity_uid('Stored', i::text), '{"level": 1}', ARRAY[authz.entity_uid('Folder', (i % 13)::text)] FROM generate_series(1, 4000) i WHERE i % 9 = turn AND i % 2 = 0 ORDER BY hashint4(i);
END $$;
CALL churn(0);
SELECT * FROM differ();
VACUUM public.doc, public.part, authz.entities;
CALL churn(1);
SELECT * FROM differ();
CALL churn(2);
VACUUM public.doc, public.part, authz.entities;
SELECT * FROM differ();
VACUUM (FREEZE) public.doc, public.part, authz.entities;
SELECT * FROM differ();
-- Of a transaction of its own, in the middle of it and in an inner one that fails.
BEGIN;
CALL churn(3);
SELECT * FROM differ();
SAVEPOINT inside;
CALL churn(4);
SELECT * FROM differ();
ROLLBACK TO inside;
SELECT * FROM differ();
ROLLBACK;
SELECT * FROM differ();

-- A query goes on with what it saw when it began.
BEGIN;
DECLARE of_old CURSOR FOR SELECT count(*) OVER () AS n, authz.authz_check('User::"high"', 'Action::"view"', authz.entity_uid('Doc', id::text)) IS DISTINCT FROM (NOT gone AND may_view(7, level, folder)) AS wrong FROM public.doc;
DECLARE row_by_row CURSOR FOR SELECT authz.authz_check('User::"high"', 'Action::"view"', authz.entity_uid('Doc', id::text)) IS DISTINCT FROM (NOT gone AND may_view(7, level, folder)) AS wrong FROM public.doc;
CREATE FUNCTION public.fetch_wrong(cursor refcursor, n int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	wrong bigint := 0;
	row record;
BEGIN
	FOR i IN 1..n LOOP
		FETCH cursor INTO row;
		EXIT WHEN NOT FOUND;
		wrong := wrong + row.wrong::int;
	END LOOP;
	RETURN wrong;
END $$;
SELECT fetch_wrong('of_old', 1000), fetch_wrong('row_by_row', 1000);
UPDATE public.doc SET level = 9 - level;
DELETE FROM public.doc WHERE id % 3 = 0;
SELECT fetch_wrong('of_old', 1000), fetch_wrong('row_by_row', 1000);
SELECT fetch_wrong('of_old', 100000), fetch_wrong('row_by_row', 100000);
COMMIT;
SELECT * FROM differ();

-- A column that old rows do not have, and one that is changed between two decisions.
ALTER TABLE public.doc ADD COLUMN extra int DEFAULT 7;
SELECT authz.unmap_entity_type('Doc');
SELECT authz.map_entity_type('Doc', 'doc', 'id', '["level", "extra"]', '[{"type": "Folder", "column": "folder"}]', "where" => 'NOT gone');
INSERT INTO authz.policies (policy_id, policy) VALUES ('extra', 'permit (principal, action == Action::"extra", resource) when { resource.extra == 7 };');
UPDATE public.doc SET extra = 8 WHERE id % 2 = 0;
SELECT count(*) FILTER (WHERE authz.authz_check('User::"low"', 'Action::"extra"', authz.entity_uid('Doc', id::text)) <> (NOT gone AND extra = 7)) AS wrong, count(*) FILTER (WHERE extra = 7) AS extra FROM public.doc;
CREATE FUNCTION public.add_column(name text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('ALTER TABLE public.part ADD COLUMN %I text DEFAULT %L', name, repeat('y', 100));
	EXECUTE format('UPDATE public.part SET %I = level', name);
	RETURN 1;
END $$;
CREATE TABLE public.copy AS SELECT row_number() OVER () AS n, id, level FROM public.part;
SELECT count(*) FILTER (WHERE authz.authz_check('User::"low"', 'Action::"view"', authz.entity_uid('Part', id)) <> (level <= 2)) AS wrong,
	count(CASE WHEN n IN (1500, 3000) THEN add_column('c' || n) END) AS changed FROM public.copy;

-- More folders, and folders of folders, than a statement keeps: what a row is in is not forgotten with the row.
CREATE TABLE public.box (id int PRIMARY KEY, rack int, hall int);
INSERT INTO public.box SELECT i, 3 * i, i % 13 FROM generate_series(1, 4000) i;
INSERT INTO authz.entities (uid, parents) SELECT authz.entity_uid('Hall', hall::text), '{"House::\"1\""}' FROM generate_series(0, 12) hall;
INSERT INTO authz.entities (uid, parents) SELECT authz.entity_uid('Rack', rack::text), ARRAY[authz.entity_uid('Hall', hall::text)] FROM public.box;
INSERT INTO authz.entities (uid, parents) SELECT authz.entity_uid('Crate', id::text), ARRAY[authz.entity_uid('Rack', rack::text)] FROM public.box;
INSERT INTO authz.entities (uid, parents) SELECT authz.entity_uid('Item', id::text || repeat('x', id % 50)), ARRAY[authz.entity_uid('Crate', id::text)] FROM public.box;
SELECT authz.map_entity_type('Box', 'box', 'id', '[]', '[{"type": "Rack", "column": "rack"}]');
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('house', 'house', 'permit (principal, action, resource in House::"1");'),
	('house', 'hall', 'forbid (principal, action, resource in Hall::"7");');
CREATE FUNCTION public.house(out items bigint, out boxes bigint, out by_context bigint, out wrong bigint) LANGUAGE sql STABLE AS $$
	SELECT count(*) FILTER (WHERE item), count(*) FILTER (WHERE box), count(*) FILTER (WHERE crate), count(*) FILTER (WHERE item <> (hall <> 7) OR box <> (hall <> 7) OR crate <> (hall <> 7)) FROM (
		SELECT hall, authz.authz_check('User::"low"', 'Action::"view"', authz.entity_uid('Item', id::text || repeat('x', id % 50)), policy_set => 'house') AS item,
			authz.authz_check('User::"low"', 'Action::"view"', authz.entity_uid('Box', id::text), policy_set => 'house') AS box,
			authz.authz_check('User::"low"', 'Action::"view"', authz.entity_uid('Crate', id::text), jsonb_build_object('n', id), policy_set => 'house') AS crate FROM public.box) each
$$;
SELECT * FROM house();
SELECT * FROM house();
SELECT * FROM house();
SELECT count(*) FROM public.box WHERE hall <> 7;

-- Ids that are compressed in the row.
CREATE TABLE public.long (id text PRIMARY KEY, level int);
INSERT INTO public.long SELECT repeat('long', 700) || i, i % 10 FROM generate_series(1, 50) i;
SELECT count(*) FILTER (WHERE pg_column_size(id) < 1000) AS compressed FROM public.long;
SELECT authz.map_entity_type('Long', 'long', 'id', '["level"]');
SELECT count(*) AS rows, count(*) FILTER (WHERE authz.authz_check('User::"low"', 'Action::"view"', authz.entity_uid('Long', id), policy_set => 'other') <> (level = 3)) AS wrong FROM public.long, generate_series(1, 2);
UPDATE public.long SET level = level + 1 WHERE level < 9;
SELECT count(*) AS rows, count(*) FILTER (WHERE authz.authz_check('User::"low"', 'Action::"view"', authz.entity_uid('Long', id), policy_set => 'other') <> (level = 3)) AS wrong FROM public.long, generate_series(1, 2);
SELECT authz.unmap_entity_type('Long');
DROP TABLE public.long;

-- Integers as jsonb has them are those of the policies, each equal to itself alone.
CREATE TABLE public.number AS SELECT n::numeric FROM unnest(ARRAY['0', '1', '-1', '7', '9999', '10000', '-10000', '10001', '99999999', '100000000', '100000001', '-123456789012', '1000000000000', '9999999999999999',
	'10000000000000000', '-99990000', '123400000000', '100000000000000000', '9223372036854775807', '-9223372036854775808', '1e3', '20000000000000000']) n;
INSERT INTO authz.policies (policy_set, policy_id, policy) SELECT 'numbers', n, format('permit (principal, action == Action::"%s", resource) when { context.n == %s };', n, CASE WHEN n < 0 THEN format('(%s)', n) ELSE n::text END) FROM public.number;
SELECT count(*) FILTER (WHERE authz.authz_check('User::"low"', authz.entity_uid('Action', p.n::text), 'Doc::"1"', jsonb_build_object('n', c.n), policy_set => 'numbers')) AS equal,
	count(*) FILTER (WHERE authz.authz_check('User::"low"', authz.entity_uid('Action', p.n::text), 'Doc::"1"', jsonb_build_object('n', c.n), policy_set => 'numbers') <> (p.n = c.n)) AS wrong,
	count(*) FROM public.number p, public.number c;

SELECT authz.unmap_entity_type('Doc'), authz.unmap_entity_type('Part'), authz.unmap_entity_type('Box');
DELETE FROM authz.policies;
DELETE FROM authz.policy_versions;
DELETE FROM authz.entities;
ALTER TABLE authz.entities RESET (fillfactor, autovacuum_enabled);
DROP TABLE public.doc, public.part, public.copy, public.number, public.box;
DROP FUNCTION public.may_view, public.differ, public.fetch_wrong, public.add_column, public.house;
DROP PROCEDURE public.churn;
