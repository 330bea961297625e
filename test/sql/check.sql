-- Decisions over the stored policies and entities.
\pset null '(null)'
INSERT INTO authz.policies (policy_id, policy) VALUES
	('staff', 'permit (principal in Group::"staff", action in [Action::"view", Action::"edit"], resource is Document) when { resource.level <= principal.level };'),
	('owner', 'permit (principal, action, resource) when { resource has owner && resource.owner == principal };'),
	('frozen', 'forbid (principal, action == Action::"edit", resource) when { resource.hasTag("frozen") };'),
	('dated', 'permit (principal, action == Action::"sign", resource) when { datetime(context.now) < datetime("2026-01-01") };'),
	('by-tag', 'permit (principal, action == Action::"tag", resource) when { resource.getTag("colour") == "red" };');
INSERT INTO authz.entities (uid, attrs, tags, parents) VALUES
	('User::"alice"', '{"level": 2}', DEFAULT, '{"Group::\"team\""}'),
	('User::"bob"', '{"level": 9}', DEFAULT, '{}'),
	('Group::"team"', DEFAULT, DEFAULT, '{"Group::\"staff\""}'),
	('Document::"a"', '{"level": 1, "owner": {"__entity": {"type": "User", "id": "bob"}}}', '{"colour": "red"}', '{}'),
	('Document::"b"', '{"level": 3}', '{"frozen": "yes"}', '{}');

-- Group::"staff" has no row of its own; the membership counts.
SELECT p, a, r, authz.authz_check(p, a, r) AS "check", decision, reasons, errors #>> '{0,error,message}' AS error
FROM (VALUES (1, 'User::"alice"', 'Action::"view"', 'Document::"a"'), (2, 'User::"alice"', 'Action::"view"', 'Document::"b"'),
	(3, 'User::"bob"', 'Action::"view"', 'Document::"a"'), (4, 'User::"bob"', 'Action::"view"', 'Document::"b"'),
	(5, 'User::"bob"', 'Action::"edit"', 'Document::"b"'), (6, 'User::"alice"', 'Action::"tag"', 'Document::"a"'),
	(7, 'User::"nobody"', 'Action::"view"', 'Document::"a"'), (8, 'User::"alice"', 'Action::"view"', 'Document::"nosuch"')) v (n, p, a, r),
	LATERAL authz.authz_decide(p, a, r) d ORDER BY n;
-- An error skips its policy and is reported.
SELECT decision, reasons, e ->> 'policyId' AS policy, e #>> '{error,message}' AS message, e #> '{error,sourceLocations}' AS "where"
FROM authz.authz_decide('User::"alice"', 'Action::"tag"', 'Document::"b"') d, jsonb_array_elements(errors) e;
SELECT decision, jsonb_array_length(errors), policy_version = authz.policy_version() AS current
FROM authz.authz_decide('User::"bob"', 'Action::"sign"', 'Document::"a"', '{"now": "yesterday"}');
SELECT authz.authz_check('User::"alice"', 'Action::"sign"', 'Document::"b"', '{"now": "2025-12-31"}') AS before,
	   authz.authz_check('User::"alice"', 'Action::"sign"', 'Document::"b"', '{"now": "2026-01-01"}') AS after;

-- Parameters: by name, with a policy set, entities handed in.
SELECT authz.authz_check(resource => 'Document::"a"', principal => 'User::"alice"', action => 'Action::"view"', context => '{}', policy_set => 'default') AS yes,
	   authz.authz_check(resource => 'Document::"a"', principal => 'User::"alice"', action => 'Action::"view"', policy_set => 'none') AS no;
SELECT authz.authz_check('User::"eve"', 'Action::"view"', 'Document::"a"', '{}',
	'[{"uid": {"type": "User", "id": "eve"}, "attrs": {"level": 5}, "parents": [{"type": "Group", "id": "team"}]}]'::jsonb) AS handed_in,
	authz.authz_check('User::"eve"', 'Action::"view"', 'Document::"a"') AS not_remembered;
-- What is handed in goes before what is stored.
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"', '{}',
	'[{"uid": {"type": "User", "id": "alice"}, "attrs": {"level": 0}, "parents": [{"type": "Group", "id": "team"}]}]'::jsonb) AS level_0,
	authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"') AS stored;
-- It is merged over it: other attributes and tags, and the parents, stay.
CREATE TEMP TABLE handed (n int, entities jsonb);
INSERT INTO handed VALUES
	(1, '[{"uid": {"type": "User", "id": "alice"}, "attrs": {"nick": "al"}, "parents": []}]'),
	(2, '[{"uid": {"type": "User", "id": "alice"}, "attrs": {"level": 0}, "parents": []}]'),
	(3, '[{"uid": {"type": "User", "id": "alice"}, "attrs": {"level": 3}, "parents": []}]'),
	(4, '[{"uid": {"type": "User", "id": "bob"}, "attrs": {}, "parents": [{"type": "Group", "id": "staff"}]}]'),
	(5, '[{"uid": {"type": "Group", "id": "team"}, "attrs": {}, "parents": [{"type": "Group", "id": "other"}]}]'),
	(6, '[{"uid": {"type": "Document", "id": "a"}, "attrs": {}, "parents": [], "tags": {"frozen": "now"}}]'),
	(7, '[{"uid": {"type": "Document", "id": "a"}, "attrs": {}, "parents": [], "tags": {"colour": "blue"}}]'),
	(8, '[{"uid": {"type": "Document", "id": "b"}, "attrs": {"owner": {"__entity": {"type": "User", "id": "bob"}}}, "parents": [], "tags": {"x": 1}}]'),
	(9, '[{"uid": {"type": "Group", "id": "new"}, "attrs": {}, "parents": [{"type": "Group", "id": "team"}]}, {"uid": {"type": "User", "id": "bob"}, "attrs": {}, "parents": [{"type": "Group", "id": "new"}]}]'),
	(10, '[]');
-- The same by hand: merged in SQL, decided by cedar_authorize without the store.
CREATE FUNCTION pg_temp.merged(handed jsonb) RETURNS json LANGUAGE sql AS $$
	SELECT json_agg(json_build_object('uid', json_build_object('type', authz.entity_uid_type(uid), 'id', authz.entity_uid_id(uid)),
		'attrs', coalesce(s.attrs, '{}') || coalesce(h.attrs, '{}'), 'tags', coalesce(s.tags, '{}') || coalesce(h.tags, '{}'),
		'parents', coalesce((SELECT jsonb_agg(jsonb_build_object('type', authz.entity_uid_type(p), 'id', authz.entity_uid_id(p))) FROM unnest(s.parents) p), '[]') || coalesce(h.parents, '[]')))
	FROM authz.entities s FULL JOIN (SELECT authz.entity_uid(e #>> '{uid,type}', e #>> '{uid,id}') AS uid, e -> 'attrs' AS attrs, coalesce(e -> 'tags', '{}') AS tags, e -> 'parents' AS parents
		FROM jsonb_array_elements(handed) e) h USING (uid)
$$;
SELECT n, count(*) AS decisions, count(*) FILTER (WHERE d.decision = 'allow') AS allowed,
	count(*) FILTER (WHERE d.decision <> c ->> 'decision' OR d.reasons <> wanted OR jsonb_array_length(d.errors) <> jsonb_array_length(c::jsonb #> '{diagnostics,errors}')) AS wrong,
	count(*) FILTER (WHERE (d.decision = 'allow') <> authz.authz_check(p, a, r)) AS changed
FROM handed, pg_temp.merged(entities) AS m, unnest(ARRAY['User::"alice"', 'User::"bob"', 'User::"eve"']) p, unnest(ARRAY['Action::"view"', 'Action::"edit"', 'Action::"tag"']) a, unnest(ARRAY['Document::"a"', 'Document::"b"', 'Document::"c"']) r,
	LATERAL authz.authz_decide(p, a, r, '{}', entities) d,
	(SELECT string_agg(policy, ' ' ORDER BY policy_id) AS policies, array_agg(policy_id ORDER BY policy_id) AS ids FROM authz.policies) x,
	LATERAL authz.cedar_authorize(policies, m, json_build_object('principal', p, 'action', a, 'resource', r)) c,
	LATERAL (SELECT ARRAY(SELECT ids[substr(x, 7)::int + 1] FROM jsonb_array_elements_text(c::jsonb #> '{diagnostics,reason}') x ORDER BY 1) AS wanted) w
GROUP BY n ORDER BY n;
DROP TABLE handed;
-- Text and varchar parameters, as drivers bind them.
PREPARE q (text, varchar, text, text) AS SELECT authz.authz_check($1, $2, $3, $4);
EXECUTE q ('User::"alice"', 'Action::"view"', 'Document::"a"', '{"x": 1}');
PREPARE q5 (text, varchar, text, varchar, text) AS SELECT authz.authz_check($1, $2, $3, $4, $5);
EXECUTE q5 ('User::"alice"', 'Action::"view"', 'Document::"a"', '{"x": 1}', NULL);
PREPARE d (text, text, text, varchar) AS SELECT decision, reasons FROM authz.authz_decide($1, $2, $3, $4);
EXECUTE d ('User::"alice"', 'Action::"view"', 'Document::"a"', '{"x": 1}');

-- Refused.
SELECT authz.authz_check(NULL, 'Action::"view"', 'Document::"a"');
SELECT authz.authz_check('User::"alice"', NULL, 'Document::"a"');
SELECT authz.authz_check('User::"alice"', 'Action::"view"', NULL);
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"', NULL::jsonb);
SELECT authz.authz_check('alice', 'Action::"view"', 'Document::"a"');
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"', '[]');
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"', '{"now": {"a": [null]}}');
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"', '{"ip": {"__extn": {"fn": "ip", "arg": "1.2.3"}}}');
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"', '{}', '{}');
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"', '{}', '[{"uid": {"type": "User", "id": "x"}, "attrs": {}}]');
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"', '{}',
	'[{"uid": {"type": "Group", "id": "staff"}, "attrs": {}, "parents": [{"type": "User", "id": "alice"}]}]');
-- A cycle of what is handed in and what is stored.
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"', '{}',
	'[{"uid": {"type": "Group", "id": "staff"}, "attrs": {}, "parents": [{"type": "Group", "id": "team"}]}]'::jsonb);
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"', '{}',
	'[{"uid": {"type": "User", "id": "alice"}, "attrs": {}, "parents": [{"type": "User", "id": "alice"}]}]'::jsonb);
-- A cycle that got past the triggers is met on the way, and refused.
BEGIN;
ALTER TABLE authz.entities DISABLE TRIGGER ALL;
INSERT INTO authz.entities (uid, parents) VALUES ('Group::"staff"', '{"Group::\"team\""}');
SAVEPOINT s;
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"');
ROLLBACK TO s;
SELECT authz.authz_check('User::"bob"', 'Action::"view"', 'Document::"a"');
-- So is an entity, or a policy, that the triggers would have refused.
UPDATE authz.entities SET attrs = '{"level": 1.5}' WHERE uid = 'Document::"b"';
SAVEPOINT s;
SELECT authz.authz_check('User::"bob"', 'Action::"view"', 'Document::"b"');
ROLLBACK TO s;
ALTER TABLE authz.policies DISABLE TRIGGER ALL;
INSERT INTO authz.policies (policy_id, policy) VALUES ('zz', 'permit (');
SELECT authz.policy_touch() > 0 AS touched;
SELECT authz.authz_check('User::"bob"', 'Action::"view"', 'Document::"a"');
ROLLBACK;

-- Entities follow the statement: its own changes, and back.
BEGIN;
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"');
UPDATE authz.entities SET parents = '{}' WHERE uid = 'Group::"team"';
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"');
SAVEPOINT s;
UPDATE authz.entities SET parents = '{"Group::\"staff\""}' WHERE uid = 'Group::"team"';
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"');
ROLLBACK TO s;
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"');
ROLLBACK;
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"');
-- In a scan, with many principals and many resources, against the plain SQL query.
INSERT INTO authz.entities (uid, attrs, parents)
	SELECT authz.entity_uid('User', 'u' || i), jsonb_build_object('level', i % 7),
		CASE WHEN i % 3 = 0 THEN ARRAY[authz.entity_uid('Group', 'team')] ELSE '{}' END FROM generate_series(1, 60) i;
INSERT INTO authz.entities (uid, attrs)
	SELECT authz.entity_uid('Document', 'd' || i), jsonb_build_object('level', i % 11) ||
		CASE WHEN i % 5 = 0 THEN jsonb_build_object('owner', jsonb_build_object('__entity', jsonb_build_object('type', 'User', 'id', 'u' || (i % 60 + 1)))) ELSE '{}' END
	FROM generate_series(1, 200) i;
SELECT count(*) AS asked, count(*) FILTER (WHERE may) AS may, count(*) FILTER (WHERE may <> wanted) AS wrong
FROM (SELECT authz.authz_check(u.uid, 'Action::"view"', d.uid) AS may,
			 (u.parents <> '{}' AND (d.attrs ->> 'level')::int <= (u.attrs ->> 'level')::int)
			 OR coalesce(d.attrs #>> '{owner,__entity,id}' = authz.entity_uid_id(u.uid), false) AS wanted
	  FROM authz.entities u, authz.entities d
	  WHERE authz.entity_uid_id(u.uid) ~ '^u\d' AND authz.entity_uid_id(d.uid) ~ '^d\d') x;

-- Rights: nobody but those who are granted them.
CREATE ROLE regress_authz_user;
SET ROLE regress_authz_user;
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"');
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"', '{}');
SELECT * FROM authz.authz_decide('User::"alice"', 'Action::"view"', 'Document::"a"', '{}');
SELECT authz.policy_version();
SELECT * FROM authz.policies;
SET authz.policy_set = 'none';
RESET ROLE;
GRANT EXECUTE ON FUNCTION authz.authz_check(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text) TO regress_authz_user;
SET ROLE regress_authz_user;
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"'), authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"a"', '{}');
SELECT * FROM authz.entities;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION authz.authz_check(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text) FROM regress_authz_user;
DROP ROLE regress_authz_user;
-- Values of extension types, as jsonb and by the reader of JSON texts: the same, or refused.
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('extension', 'policy0', 'permit (principal, action, resource) when { context.v == context.w };');
CREATE FUNCTION public.as_jsonb(context jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN CASE WHEN authz.authz_check('U::"u"', 'Action::"a"', 'D::"d"', context, policy_set => 'extension') THEN 'allow' ELSE 'deny' END;
EXCEPTION WHEN OTHERS THEN
	RETURN regexp_replace(SQLERRM, '.*: ', '');
END $$;
CREATE FUNCTION public.as_text(context jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN authz.cedar_authorize('permit (principal, action, resource) when { context.v == context.w };', '[]',
		json_build_object('principal', 'U::"u"', 'action', 'Action::"a"', 'resource', 'D::"d"', 'context', context))->>'decision';
EXCEPTION WHEN OTHERS THEN
	RETURN regexp_replace(SQLERRM, '.*: ', '');
END $$;
WITH v AS (SELECT jsonb_build_object('__extn', e) AS v FROM (
		SELECT jsonb_build_object('fn', fn, 'arg', arg) AS e FROM unnest('{ip,decimal,datetime,duration,nope,isInRange,toDate,"",IP}'::text[]) fn,
			unnest('{10.0.0.1,10.0.0.1/32,10.0.0.0/8,10.0.0.256,::1,::ffff:10.0.0.1,1.5,1.50,-0.0001,922337203685477.5807,922337203685477.5808,1.23456,1,2024-02-29,2023-02-29,2024-01-01T00:00:00Z,2024-01-01T00:00:00+0100,1d2h,26h,-1ms,9223372036854775808ms,"",x}'::text[]) arg
		UNION ALL SELECT e FROM unnest(ARRAY['{"fn": "ip"}', '{"arg": "10.0.0.1"}', '{"fn": "ip", "args": ["10.0.0.1"]}', '{"fn": "ip", "arg": 1}', '{"fn": 1, "arg": "10.0.0.1"}',
			'{"fn": "ip", "arg": "10.0.0.1", "more": 1}', '{"fn": "ip", "arg": {"__extn": {"fn": "ip", "arg": "10.0.0.1"}}}', '["ip", "10.0.0.1"]', '"ip"', 'null']::jsonb[]) e) e),
	pairs AS (SELECT jsonb_build_object('v', a.v, 'w', b.v) AS context FROM v a, v b WHERE hashtext(a.v::text || b.v::text) % 8 = 0 OR a.v = b.v),
	said AS (SELECT context, as_jsonb(context) AS a, as_text(context) AS b FROM pairs)
SELECT count(*) FILTER (WHERE a = b) > 5000 AS many, count(*) FILTER (WHERE a = 'allow') > 20 AS equal, count(*) FILTER (WHERE a NOT IN ('allow', 'deny')) > 1000 AS refused,
	min(format('%s: %s, %s', context, a, b)) FILTER (WHERE a <> b) AS different FROM said;
DELETE FROM authz.policies WHERE policy_set = 'extension';
DROP FUNCTION public.as_jsonb, public.as_text;
-- Cancel and statement_timeout end a long evaluation.
INSERT INTO authz.policies (policy_id, policy)
	SELECT 'slow', 'permit (principal, action == Action::"slow", resource) when { ' ||
		string_agg('context.big.containsAll(context.big)', ' && ') || ' };' FROM generate_series(1, 9000);
SET statement_timeout = '50ms';
SELECT authz.authz_check('User::"x"', 'Action::"slow"', 'Document::"a"', jsonb_build_object('big', (SELECT jsonb_agg(i) FROM generate_series(1, 1000) i)));
RESET statement_timeout;
DELETE FROM authz.policies;
DELETE FROM authz.entities;
