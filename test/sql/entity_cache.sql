-- What is kept of entities between statements is never believed against the rows.
-- After each change: what decisions say, beside what a query says; nothing may differ.
SET client_min_messages = warning;
ALTER TABLE authz.entities SET (fillfactor = 10, autovacuum_enabled = off);
CREATE TABLE public.item (id int PRIMARY KEY, level int, above int) WITH (fillfactor = 10, autovacuum_enabled = off);
SELECT authz.map_entity_type('Item', 'item', 'id', '["level"]', '[{"type": "Item", "column": "above"}]');
INSERT INTO authz.policies (policy_id, policy) VALUES
	('high', 'permit (principal, action == Action::"high", resource) when { principal has level && principal.level > 5 };'),
	('top', 'permit (principal in Item::"1", action == Action::"in", resource);'),
	('stored', 'permit (principal in E::"1", action == Action::"in", resource);');
CREATE FUNCTION public.differ() RETURNS TABLE (uid authz.entity_uid, action text, decided boolean, plain boolean) LANGUAGE sql VOLATILE AS $$
	WITH RECURSIVE ids AS (SELECT id FROM generate_series(1, 8) id),
	up AS (SELECT 'E' AS type, i.id, i.id AS at FROM ids i UNION SELECT 'Item', i.id, i.id FROM ids i
		UNION SELECT up.type, up.id, next.above FROM up, LATERAL (
			SELECT above FROM public.item WHERE up.type = 'Item' AND item.id = up.at
			UNION ALL SELECT authz.entity_uid_id(p)::int FROM authz.entities e, unnest(e.parents) p WHERE up.type = 'E' AND e.uid = authz.entity_uid('E', up.at::text)) next),
	plain AS (
		SELECT authz.entity_uid(type, id::text) AS uid, 'in' AS action, bool_or(at = 1) AS plain FROM up GROUP BY type, id
		UNION ALL SELECT authz.entity_uid('E', id::text), 'high', coalesce((SELECT (attrs ->> 'level')::int > 5 FROM authz.entities e WHERE e.uid = authz.entity_uid('E', id::text)), false) FROM ids
		UNION ALL SELECT authz.entity_uid('Item', id::text), 'high', coalesce((SELECT level > 5 FROM public.item WHERE item.id = ids.id), false) FROM ids)
	SELECT p.uid, p.action, d.decided, p.plain FROM plain p,
		LATERAL (SELECT authz.authz_check(p.uid, authz.entity_uid('Action', p.action), 'Doc::"1"', '{}'::jsonb) AS decided) d
	WHERE d.decided <> p.plain
$$;
CREATE FUNCTION public.e(id int, level int, above int DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
	INSERT INTO authz.entities (uid, attrs, parents) VALUES (authz.entity_uid('E', id::text), jsonb_build_object('level', level),
		CASE WHEN above IS NULL THEN '{}' ELSE ARRAY[authz.entity_uid('E', above::text)] END)
	ON CONFLICT (uid) DO UPDATE SET attrs = excluded.attrs, parents = excluded.parents;
	INSERT INTO public.item VALUES (id, level, above) ON CONFLICT (id) DO UPDATE SET level = excluded.level, above = excluded.above;
$$;
CREATE FUNCTION public.gone(id int) RETURNS void LANGUAGE sql AS $$
	DELETE FROM authz.entities WHERE uid = authz.entity_uid('E', gone.id::text);
	DELETE FROM public.item WHERE item.id = gone.id;
$$;
SELECT e(1, 0), e(2, 0, 1), e(3, 9, 2), e(4, 9, 3) \g /dev/null
SELECT * FROM differ();
SELECT authz.authz_check('E::"4"', 'Action::"in"', 'Doc::"1"') AND authz.authz_check('Item::"4"', 'Action::"in"', 'Doc::"1"') AS "in";

-- Updated, moved away on its way up, deleted, a row for a parent that had none.
SELECT e(4, 0, 3) \g /dev/null
SELECT * FROM differ();
SELECT e(2, 0) \g /dev/null
SELECT * FROM differ();
SELECT e(2, 0, 1) \g /dev/null
SELECT * FROM differ();
SELECT gone(2) \g /dev/null
SELECT * FROM differ();
SELECT * FROM differ();
SELECT e(2, 0, 1) \g /dev/null
SELECT * FROM differ();
SELECT gone(3) \g /dev/null
SELECT * FROM differ();

-- Places of dead rows are given to new ones, of the same entity even: without VACUUM, which would be noticed,
-- pruning frees those in the middle of a HOT chain.
CREATE PROCEDURE public.churn(id int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..40 LOOP
		PERFORM e(id, i % 2 * 9);
		COMMIT;
		IF EXISTS (SELECT FROM differ()) THEN
			RAISE EXCEPTION 'differs after % changes', i;
		END IF;
		COMMIT;
	END LOOP;
END $$;
CALL churn(5);
SELECT (ctid::text::point)[1] < 40 AS places_are_taken_again FROM public.item WHERE id = 5;
-- The very place that the kept version had, by a later version.
CREATE PROCEDURE public.revisit() LANGUAGE plpgsql AS $$
DECLARE item_at tid; stored_at tid; item_back boolean := false; stored_back boolean := false;
BEGIN
	FOR i IN 1..3 LOOP
		PERFORM e(5, 0);
		COMMIT;
	END LOOP;
	PERFORM * FROM differ();
	SELECT ctid INTO item_at FROM public.item WHERE id = 5;
	SELECT ctid INTO stored_at FROM authz.entities WHERE uid = 'E::"5"';
	COMMIT;
	FOR i IN 1..500 LOOP
		IF NOT item_back THEN
			UPDATE public.item SET level = 9 WHERE id = 5 RETURNING ctid = item_at INTO item_back;
		END IF;
		IF NOT stored_back THEN
			UPDATE authz.entities SET attrs = '{"level": 9}' WHERE uid = 'E::"5"' RETURNING ctid = stored_at INTO stored_back;
		END IF;
		COMMIT;
	END LOOP;
	RAISE WARNING 'back at its place: %, %', item_back, stored_back;
END $$;
CALL revisit();
SELECT * FROM differ();
-- The same with other entities taking the places.
CREATE PROCEDURE public.churn_many() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..60 LOOP
		PERFORM e(6 + i % 3, i % 2 * 9, 1 + i % 2);
		PERFORM gone(6 + (i + 1) % 3);
		COMMIT;
		IF EXISTS (SELECT FROM differ()) THEN
			RAISE EXCEPTION 'differs after % changes', i;
		END IF;
		COMMIT;
	END LOOP;
END $$;
CALL churn_many();

-- Rewritten: xmin stays, places change. First another entity comes to stand where one was, of the same transaction.
TRUNCATE authz.entities;
TRUNCATE public.item;
SELECT * FROM differ();
BEGIN;
SELECT e(1, 0), e(2, 9), e(3, 0), e(4, 9), e(5, 0) \g /dev/null
COMMIT;
SELECT * FROM differ();
SELECT gone(1), e(2, 0) \g /dev/null
VACUUM FULL authz.entities;
VACUUM FULL public.item;
SELECT * FROM differ();
-- Then another version of the same: asked within the transaction that writes it, and updated there.
TRUNCATE authz.entities;
TRUNCATE public.item;
BEGIN;
SELECT e(1, 9) \g /dev/null
SELECT * FROM differ();
SELECT e(1, 0) \g /dev/null
COMMIT;
VACUUM FULL authz.entities;
VACUUM FULL public.item;
SELECT * FROM differ();
CLUSTER public.item USING item_pkey;
SELECT * FROM differ();
ALTER TABLE public.item SET UNLOGGED;
SELECT * FROM differ();

-- Rolled back, whole and in part; the place is given away.
BEGIN;
SELECT e(1, 9) \g /dev/null
SELECT * FROM differ();
ROLLBACK;
SELECT * FROM differ();
BEGIN;
SAVEPOINT s;
SELECT e(6, 9, 1) \g /dev/null
SELECT * FROM differ();
ROLLBACK TO s;
SELECT e(6, 0) \g /dev/null
SELECT * FROM differ();
COMMIT;
SELECT * FROM differ();

-- Frozen, and the file cut off at its end.
VACUUM (FREEZE) authz.entities;
VACUUM (FREEZE) public.item;
SELECT * FROM differ();
INSERT INTO public.item SELECT i, 9, 1 FROM generate_series(100, 3000) i;
SELECT authz.authz_check('Item::"3000"', 'Action::"high"', 'Doc::"1"') AS last;
DELETE FROM public.item WHERE id >= 100;
VACUUM public.item;
SELECT authz.authz_check('Item::"3000"', 'Action::"high"', 'Doc::"1"') AS last_gone;
SELECT * FROM differ();

-- An older snapshot beside a newer one.
SELECT e(1, 9), e(2, 0, 1) \g /dev/null
SELECT * FROM differ();
BEGIN;
DECLARE c CURSOR FOR SELECT i, authz.authz_check('E::"1"', 'Action::"high"', 'Doc::"1"') AS stored, authz.authz_check('Item::"1"', 'Action::"high"', 'Doc::"1"') AS mapped,
	authz.authz_check('E::"2"', 'Action::"in"', 'Doc::"1"') AS stored_in, authz.authz_check('Item::"2"', 'Action::"in"', 'Doc::"1"') AS mapped_in FROM generate_series(1, 3) i;
FETCH 1 FROM c;
SELECT e(1, 0), e(2, 0) \g /dev/null
SELECT * FROM differ();
FETCH 1 FROM c;
SELECT * FROM differ();
FETCH 1 FROM c;
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM differ();
SELECT e(1, 9) \g /dev/null
SELECT * FROM differ();
SAVEPOINT s;
SELECT e(1, 0) \g /dev/null
SELECT * FROM differ();
ROLLBACK TO s;
SELECT * FROM differ();
COMMIT;

-- Mapped in another way, rows being the same.
SELECT authz.authz_check('Item::"1"', 'Action::"high"', 'Doc::"1"') AS level;
SELECT authz.unmap_entity_type('Item');
SELECT authz.authz_check('Item::"1"', 'Action::"high"', 'Doc::"1"') AS unmapped;
ALTER TABLE public.item ADD COLUMN other int DEFAULT 0;
SELECT authz.map_entity_type('Item', 'item', 'id', '{"level": "other"}', '[]');
SELECT authz.authz_check('Item::"1"', 'Action::"high"', 'Doc::"1"') AS other;
SELECT authz.unmap_entity_type('Item');
SELECT authz.map_entity_type('Item', 'item', 'id', '["level"]', '[]', "where" => 'other = 0');
SELECT authz.authz_check('Item::"1"', 'Action::"high"', 'Doc::"1"') AS filtered;
UPDATE public.item SET other = 1;
SELECT authz.authz_check('Item::"1"', 'Action::"high"', 'Doc::"1"') AS filtered_away;

-- A label of an enum is its text of now, as an attribute, an id and a parent.
CREATE TYPE public.grade AS ENUM ('low', 'high');
CREATE TABLE public.graded (id public.grade PRIMARY KEY, grade public.grade, above public.grade);
INSERT INTO public.graded VALUES ('low', 'high', NULL), ('high', 'low', 'low');
SELECT authz.map_entity_type('Graded', 'graded', 'id', '["grade"]', '[{"type": "Graded", "column": "above"}]');
INSERT INTO authz.policies (policy_id, policy) VALUES
	('grade', 'permit (principal, action == Action::"grade", resource) when { principal has grade && principal.grade == "high" };'),
	('above', 'permit (principal in Graded::"low", action == Action::"above", resource);');
PREPARE graded AS SELECT l AS label, authz.authz_check(authz.entity_uid('Graded', l), 'Action::"grade"', 'Doc::"1"') AS high, authz.authz_check(authz.entity_uid('Graded', l), 'Action::"above"', 'Doc::"1"') AS in_low
	FROM unnest('{low,middle,high}'::text[]) l;
EXECUTE graded;
ALTER TYPE public.grade RENAME VALUE 'low' TO 'middle';
EXECUTE graded;
ALTER TYPE public.grade RENAME VALUE 'high' TO 'low';
EXECUTE graded;
SELECT authz.unmap_entity_type('Graded');
DROP TABLE public.graded;
DROP TYPE public.grade;

-- An index that allows two rows for a while says nothing about one's being gone.
CREATE TABLE public.later (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, level int);
INSERT INTO public.later VALUES (1, 9);
SELECT authz.map_entity_type('Later', 'later', 'id', '["level"]');
SELECT authz.entity_mapping_check('Later');
SELECT authz.authz_check('Later::"1"', 'Action::"high"', 'Doc::"1"');
BEGIN;
INSERT INTO public.later VALUES (1, 0);
SELECT authz.authz_check('Later::"1"', 'Action::"high"', 'Doc::"1"');
ROLLBACK;

-- A scan over more than a statement remembers; each row twice, with what it is in.
CREATE TABLE public.row (id int PRIMARY KEY, level int, above int);
INSERT INTO public.row SELECT i, i % 10, i / 100 FROM generate_series(1, 6000) i;
INSERT INTO authz.entities (uid, attrs, parents) SELECT authz.entity_uid('Stored', id::text), jsonb_build_object('level', level), ARRAY[authz.entity_uid('Shelf', above::text)] FROM public.row;
INSERT INTO authz.entities (uid, parents) SELECT authz.entity_uid('Shelf', i::text), CASE WHEN i % 3 = 0 THEN ARRAY['Hall::"1"'::authz.entity_uid] ELSE '{}' END FROM generate_series(0, 60) i;
SELECT authz.map_entity_type('Row', 'row', 'id', '["level"]', '[{"type": "Shelf", "column": "above"}]');
INSERT INTO authz.policies (policy_id, policy) VALUES ('hall', 'permit (principal in Hall::"1", action == Action::"enter", resource);'), ('same', 'permit (principal, action == Action::"compare", resource) when { principal.level == resource.level };');
SELECT type, count(*) FILTER (WHERE authz.authz_check(authz.entity_uid(type, id::text), 'Action::"high"', 'Doc::"1"') <> (level > 5)) AS high_differ,
	count(*) FILTER (WHERE authz.authz_check(authz.entity_uid(type, id::text), 'Action::"enter"', 'Doc::"1"') <> (above % 3 = 0)) AS in_differ,
	count(*) FILTER (WHERE authz.authz_check(authz.entity_uid(type, id::text), 'Action::"compare"', authz.entity_uid(type, (6001 - id)::text)) <> (level = (6001 - id) % 10)) AS compare_differ,
	count(*) FILTER (WHERE authz.authz_check(authz.entity_uid(type, (id + 6000)::text), 'Action::"high"', 'Doc::"1"')) AS absent_high
FROM public.row, unnest(ARRAY['Stored', 'Row']) type GROUP BY 1 ORDER BY 1;
SELECT authz.unmap_entity_type('Row');

-- Bounded memory: a few entities' worth of it, and none.
SET authz.entity_cache_size = '64kB';
INSERT INTO authz.entities (uid, attrs) SELECT authz.entity_uid('Many', i::text), jsonb_build_object('level', i % 10) FROM generate_series(1, 2000) i;
CREATE PROCEDURE public.ask_many() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..2000 LOOP
		IF authz.authz_check(authz.entity_uid('Many', i::text), 'Action::"high"', 'Doc::"1"', jsonb_build_object()) <> (i % 10 > 5) THEN
			RAISE EXCEPTION '% differs', i;
		END IF;
		COMMIT;
	END LOOP;
END $$;
CALL ask_many();
SELECT sum(total_bytes) < 1000000 AS bounded FROM pg_backend_memory_contexts WHERE name LIKE 'authz entity cache%';
SET authz.entity_cache_size = 0;
CALL ask_many();
RESET authz.entity_cache_size;

SELECT authz.unmap_entity_type('Item'), authz.unmap_entity_type('Later');
DELETE FROM authz.policies;
DELETE FROM authz.policy_versions;
DELETE FROM authz.entities;
ALTER TABLE authz.entities RESET (fillfactor, autovacuum_enabled);
DROP TABLE public.item, public.later, public.row;
DROP FUNCTION public.differ, public.e, public.gone;
DROP PROCEDURE public.churn, public.churn_many, public.revisit, public.ask_many;
