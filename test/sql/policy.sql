-- The policy store: what may be written, and what a check then uses.
\pset null '(null)'
CREATE FUNCTION may(context jsonb DEFAULT '{}', policy_set text DEFAULT NULL) RETURNS boolean LANGUAGE sql
RETURN authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"d"', context, NULL, policy_set);

-- Nothing stored: no version, nothing permitted.
SELECT authz.policy_version(), may();
INSERT INTO authz.policies (policy_id, policy) VALUES ('all', 'permit (principal, action, resource);') RETURNING *;
SELECT authz.policy_version(), may();
UPDATE authz.policies SET enabled = false;
SELECT authz.policy_version(), may();
UPDATE authz.policies SET enabled = true;
SELECT authz.policy_version(), may();
INSERT INTO authz.policies (policy_id, policy) VALUES ('not', 'forbid (principal == User::"alice", action, resource) when { context has no };');
SELECT authz.policy_version(), may(), may('{"no": 1}');
-- A statement that changes no row changes no version.
UPDATE authz.policies SET enabled = true WHERE policy_id = 'nobody';
SELECT authz.policy_version();
-- Sets have nothing to do with each other.
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('other', 'not', 'forbid (principal, action, resource);');
SELECT authz.policy_version(), authz.policy_version('other'), authz.policy_version('none'), may(), may('{}', 'other'), may('{}', 'none');
SET authz.policy_set = 'other';
SELECT authz.policy_version(), may(), may('{}', 'default');
SET authz.policy_set = '';
RESET authz.policy_set;
-- Moving a policy changes both.
UPDATE authz.policies SET policy_set = 'other', policy_id = 'moved' WHERE policy_id = 'not' AND policy_set = 'default';
SELECT policy_set, version, populated FROM authz.policy_versions ORDER BY 1;
SELECT policy_set, policy_id FROM authz.policies ORDER BY 1, 2;
DELETE FROM authz.policies WHERE policy_set = 'other';
SELECT policy_set, version, populated FROM authz.policy_versions ORDER BY 1;

-- Refused: what does not parse, with its position.
INSERT INTO authz.policies (policy_id, policy) VALUES ('bad', 'permit (principal, action, resource) when { context.a == };');
INSERT INTO authz.policies (policy_id, policy) VALUES ('bad', 'permit (
	principal,
	action in Action::"view",
	resource is Document
) when {
	resource.owner = principal
};');
INSERT INTO authz.policies (policy_id, policy) VALUES ('bad', '');
INSERT INTO authz.policies (policy_id, policy) VALUES ('bad', 'permit (principal, action, resource); permit (principal, action, resource);');
INSERT INTO authz.policies (policy_id, policy) VALUES ('bad', 'permit (principal, action, resource) when { "日本" == "日本 };');
INSERT INTO authz.policies (policy_id, policy) VALUES ('ok', 'permit (principal, action, resource);'), ('bad', 'permit');
UPDATE authz.policies SET policy = 'permit (principal, action, resourc);' WHERE policy_id = 'all';
INSERT INTO authz.policies (policy_id, policy) VALUES ('all', 'forbid (principal, action, resource);');
INSERT INTO authz.policies (policy_id, policy) VALUES (NULL, 'forbid (principal, action, resource);');
INSERT INTO authz.policies (policy_id, policy) VALUES ('null', NULL);
INSERT INTO authz.policies (policy_id, policy) VALUES ('', 'forbid (principal, action, resource);');
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('', 'x', 'forbid (principal, action, resource);');
\set VERBOSITY terse
INSERT INTO authz.policies (policy_id, policy) VALUES ('deep', 'permit (principal, action, resource) when { ' || repeat('(', 100000) || 'true' || repeat(')', 100000) || ' };');
INSERT INTO authz.policies (policy_id, policy) VALUES ('deep', 'permit (principal, action, resource) when { ' || repeat('[', 100000));
INSERT INTO authz.policies (policy_id, policy) VALUES ('long', 'permit (principal, action, resource) when { "' || repeat('x', 10000000) || '" == "" };');
\set VERBOSITY default
SELECT policy_id, policy, authz.policy_version() FROM authz.policies;

-- Templates are stored, and decide nothing.
INSERT INTO authz.policies (policy_id, policy) VALUES ('template', 'forbid (principal == ?principal, action, resource);');
SELECT may();
-- So do disabled policies, which have to parse all the same.
INSERT INTO authz.policies (policy_id, policy, enabled) VALUES ('off', 'forbid (principal, action, resource);', false);
INSERT INTO authz.policies (policy_id, policy, enabled) VALUES ('bad', 'forbid', false);
SELECT may();

-- One's own changes hold at once, and are gone with ROLLBACK, ROLLBACK TO and errors.
BEGIN;
SELECT authz.policy_version() AS before \gset
SELECT may();
INSERT INTO authz.policies (policy_id, policy) VALUES ('no', 'forbid (principal, action, resource);');
SELECT may(), authz.policy_version() - :before AS steps;
SAVEPOINT s;
DELETE FROM authz.policies WHERE policy_id = 'no';
SELECT may(), authz.policy_version() - :before AS steps;
ROLLBACK TO s;
SELECT may(), authz.policy_version() - :before AS steps;
ROLLBACK;
SELECT may(), authz.policy_version() - :before AS steps;
DO $$
BEGIN
	BEGIN
		INSERT INTO authz.policies (policy_id, policy) VALUES ('no', 'forbid (principal, action, resource);');
		RAISE NOTICE 'inside: %', may();
		RAISE EXCEPTION 'enough';
	EXCEPTION WHEN OTHERS THEN
		RAISE NOTICE 'outside: %', may();
	END;
END $$;
-- The number that was rolled back is used again, for something else.
INSERT INTO authz.policies (policy_id, policy) VALUES ('yes', 'permit (principal, action, resource);');
SELECT may(), authz.policy_version() - :before AS steps;

-- TRUNCATE, COPY, ON CONFLICT, MERGE, replication role, a data-modifying WITH.
BEGIN;
TRUNCATE authz.policies;
SELECT may(), authz.policy_version() - :before AS steps;
COPY authz.policies (policy_id, policy) FROM stdin;
a	permit (principal, action, resource);
b	forbid (principal, action, resource) when { context has no };
\.
SELECT may(), may('{"no": 1}'), authz.policy_version() - :before AS steps;
INSERT INTO authz.policies (policy_id, policy) VALUES ('a', 'forbid (principal, action, resource);')
	ON CONFLICT (policy_set, policy_id) DO UPDATE SET policy = excluded.policy;
SELECT may(), authz.policy_version() - :before AS steps;
MERGE INTO authz.policies p USING (VALUES ('a', 'permit (principal, action, resource);'), ('c', 'permit (principal, action, resource);')) v (id, policy)
	ON p.policy_id = v.id WHEN MATCHED THEN UPDATE SET policy = v.policy
	WHEN NOT MATCHED THEN INSERT (policy_id, policy) VALUES (v.id, v.policy);
SELECT may(), authz.policy_version() - :before AS steps;
SET LOCAL session_replication_role = replica;
DELETE FROM authz.policies WHERE policy_id IN ('a', 'c');
SELECT may(), authz.policy_version() - :before AS steps;
RESET session_replication_role;
WITH gone AS (DELETE FROM authz.policies RETURNING 1)
INSERT INTO authz.policies (policy_id, policy) VALUES ('z', 'permit (principal, action, resource);');
SELECT policy_id FROM authz.policies;
SELECT may();
ROLLBACK;
SELECT may(), authz.policy_version() - :before AS steps;

-- Checks by triggers of a command that is writing see what it has written so far, and leave nothing behind.
CREATE FUNCTION ask() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE '% row: %', TG_WHEN, may();
	RETURN NEW;
END $$;
CREATE TRIGGER z_ask BEFORE INSERT ON authz.policies FOR EACH ROW EXECUTE FUNCTION ask();
CREATE TRIGGER z_ask_after AFTER INSERT ON authz.policies FOR EACH ROW EXECUTE FUNCTION ask();
INSERT INTO authz.policies (policy_id, policy) VALUES ('no1', 'forbid (principal, action, resource) when { context has no };'),
	('no2', 'forbid (principal, action, resource);');
SELECT may();
DROP TRIGGER z_ask ON authz.policies;
DROP TRIGGER z_ask_after ON authz.policies;
DELETE FROM authz.policies WHERE policy_id IN ('no1', 'no2');
SELECT may();

-- With triggers disabled the version stands still; policy_touch says that something has changed.
BEGIN;
ALTER TABLE authz.policies DISABLE TRIGGER ALL;
DELETE FROM authz.policies;
ALTER TABLE authz.policies ENABLE TRIGGER ALL;
SELECT authz.policy_touch() - :before AS steps, may();
ROLLBACK;
-- Versions do not go back, whoever writes them.
SELECT authz.policy_version() AS now \gset
UPDATE authz.policy_versions SET version = 1 WHERE policy_set = 'default';
SELECT authz.policy_version() - :now AS steps;
INSERT INTO authz.policy_versions VALUES ('default', 1), ('fresh', 7);
SELECT authz.policy_version() - :now AS steps, authz.policy_version('fresh');
INSERT INTO authz.policy_versions VALUES ('default', :now + 100);
SELECT authz.policy_version() - :now AS steps;
UPDATE authz.policy_versions SET version = 0;
INSERT INTO authz.policy_versions VALUES ('zero', 0);
-- A version row restored ahead of its policies: they do not advance it, but they count; in its own transaction it advances.
INSERT INTO authz.policy_versions VALUES ('ahead', 7, true), ('empty', 7, false);
SELECT may('{}', 'ahead'), may('{}', 'empty');
INSERT INTO authz.policies (policy_set, policy_id, policy) SELECT s, 'a', 'permit (principal, action, resource);' FROM unnest('{ahead,empty}'::text[]) s;
SELECT may('{}', 'ahead'), authz.policy_version('ahead') AS ahead, may('{}', 'empty'), authz.policy_version('empty') AS empty;
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('ahead', 'b', 'forbid (principal, action, resource);');
SELECT may('{}', 'ahead'), authz.policy_version('ahead') AS ahead;
BEGIN;
INSERT INTO authz.policy_versions VALUES ('own', 7, true);
SELECT may('{}', 'own');
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('own', 'a', 'permit (principal, action, resource);');
SELECT may('{}', 'own'), authz.policy_version('own') AS own;
ROLLBACK;

DROP FUNCTION may CASCADE;
DROP FUNCTION ask;
TRUNCATE authz.policies;
