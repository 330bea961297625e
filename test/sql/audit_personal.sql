-- What is kept about a person, in every place: exported without secrets, and erased; a neighbour's stays.
\pset null '(null)'
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET authz.argon2_memory = '1MB';
SET authz.scrypt_cost = 10;
SET authz.issuer = 'https://auth.example.com';
SET authz.audience = 'example';
DELETE FROM authz.audit_logs;
DELETE FROM authz.audit_personal;
SELECT authz.signing_key_create() IS NOT NULL AS key;
INSERT INTO authz.trusted_issuers (issuer, jwks, audience) SELECT 'https://login.example.com', authz.jwks(), 'example';
INSERT INTO authz.policies (policy_id, policy) VALUES ('t', 'permit(principal == ?principal, action, resource);'),
	('r', 'permit(principal, action, resource == ?resource);'),
	('names', 'permit(principal == User::"00000000-0000-0000-0000-00000000000a", action, resource);');
INSERT INTO authz.users (id, email) VALUES ('00000000-0000-0000-0000-00000000000a', 'Alice@example.com'), ('00000000-0000-0000-0000-00000000000b', 'bob@example.com');
CREATE FUNCTION fill(who text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	id uuid := '00000000-0000-0000-0000-00000000000' || CASE who WHEN 'alice' THEN 'a' ELSE 'b' END;
	uid authz.entity_uid := authz.entity_uid('User', id::text);
BEGIN
	PERFORM authz.password_set(id, 'correct horse battery');
	PERFORM authz.login(who || '@example.com', 'correct horse battery', '192.0.2.7', 'curl/8');
	INSERT INTO authz.user_totp (user_id, seed) VALUES (id, 'seed');
	INSERT INTO authz.recovery_codes (user_id, code_hash) VALUES (id, sha256('code'));
	INSERT INTO authz.user_groups (user_id, group_id) VALUES (id, 'staff');
	PERFORM authz.request_password_reset(who || '@example.com');
	PERFORM authz.user_stats_refresh(clock_timestamp());
	INSERT INTO authz.issuer_subjects VALUES ('https://login.example.com', who, uid);
	INSERT INTO authz.policy_links (link_id, template_id, principal) VALUES (who || ' 1', 't', uid), (who || ' gone', 't', uid);
	INSERT INTO authz.policy_links (link_id, template_id, resource) VALUES (who || ' 2', 'r', uid);
	DELETE FROM authz.policy_links WHERE link_id = who || ' gone';
	INSERT INTO authz.entities (uid, attrs, parents) VALUES (uid, '{"level": 3}', '{"Group::\"staff\""}'),
		(authz.entity_uid('Device', who), '{}', ARRAY[uid]),
		(authz.entity_uid('Doc', who), jsonb_build_object('owner', jsonb_build_object('__entity', jsonb_build_object('type', 'User', 'id', id))), '{}');
	/* Still in the ring, or a row. */
	PERFORM authz.login(who || '@example.com', 'wrong', '192.0.2.8');
END $$;
SELECT fill('alice'), fill('bob');
-- Rows that name a user, table by table.
CREATE FUNCTION kept(who text) RETURNS TABLE (place text, n bigint) LANGUAGE sql AS $$
	WITH me AS (SELECT ('00000000-0000-0000-0000-00000000000' || CASE who WHEN 'alice' THEN 'a' ELSE 'b' END)::uuid AS id, who || '@example.com' AS email)
	SELECT 'users', count(*) FROM authz.users JOIN me USING (id)
	UNION ALL SELECT 'user_passwords', count(*) FROM authz.user_passwords, me WHERE user_id = me.id
	UNION ALL SELECT 'user_totp', count(*) FROM authz.user_totp, me WHERE user_id = me.id
	UNION ALL SELECT 'recovery_codes', count(*) FROM authz.recovery_codes, me WHERE user_id = me.id
	UNION ALL SELECT 'user_groups', count(*) FROM authz.user_groups, me WHERE user_id = me.id
	UNION ALL SELECT 'sessions', count(*) FROM authz.sessions, me WHERE user_id = me.id
	UNION ALL SELECT 'session_tokens', count(*) FROM authz.session_tokens t JOIN authz.sessions s ON s.id = t.session_id, me WHERE user_id = me.id
	UNION ALL SELECT 'one_time_tokens', count(*) FROM authz.one_time_tokens, me WHERE user_id = me.id
	UNION ALL SELECT 'outbox', count(*) FROM authz.outbox, me WHERE user_id = me.id OR lower(recipient) = me.email
	UNION ALL SELECT 'user_stats', count(*) FROM authz.user_stats, me WHERE user_id = me.id
	UNION ALL SELECT 'issuer_subjects', count(*) FROM authz.issuer_subjects, me WHERE authz.entity_uid_id(principal) = me.id::text
	UNION ALL SELECT 'policy_links', count(*) FROM authz.policy_links l, me WHERE l::text LIKE '%' || me.id || '%'
	UNION ALL SELECT 'policy_history', count(*) FROM authz.policy_history h, me WHERE h.kind = 'link' AND h.content::text LIKE '%' || me.id || '%'
	UNION ALL SELECT 'entities', count(*) FROM authz.entities, me WHERE authz.entity_uid_id(uid) = me.id::text
	UNION ALL SELECT 'parents', count(*) FROM authz.entities, me WHERE parents::text LIKE '%' || me.id || '%'
	UNION ALL SELECT 'audit_personal', count(*) FROM authz.audit_personal, me WHERE user_id = me.id OR account = me.email
	UNION ALL SELECT 'throttle', count(*) FROM authz.throttles(), me WHERE subject IN (me.email, me.id::text)
$$;
SELECT authz.audit_drain() >= 0 AS drained;
CREATE TEMP TABLE before AS SELECT 'alice' AS who, * FROM kept('alice') UNION ALL SELECT 'bob', * FROM kept('bob');
SELECT place, n FROM before WHERE who = 'alice';

-- The export has all of it, and no secret.
CREATE TEMP TABLE export AS SELECT authz.user_export('00000000-0000-0000-0000-00000000000a') AS e;
SELECT key, CASE jsonb_typeof(value) WHEN 'array' THEN jsonb_array_length(value) END AS rows FROM export, jsonb_each(e) ORDER BY key COLLATE "C";
SELECT e->'identities' AS identities, e->'children' AS children, e->'named_by' AS named_by, e->'policies' AS policies, e->'second_factor'->'recovery_codes' AS recovery_codes,
	e->'links'->0->'link_id' AS link, e->'links'->1->'link_id' AS link, e->'history'->0->'id' AS history, e->'entity'->'parents' AS parents FROM export;
SELECT jsonb_agg(DISTINCT a->'event' ORDER BY a->'event') AS events, count(*) FILTER (WHERE a->>'account' = 'alice@example.com') AS by_account FROM export, jsonb_array_elements(e->'audit') a;
SELECT e::text ~ 'argon2|scrypt|token_hash|tag_key|seed|code_hash' AS secrets, e::text ~ 'bob' AS neighbour,
	(SELECT bool_or(position(encode(token_hash, 'hex') IN e::text) > 0) FROM authz.one_time_tokens) AS hashes,
	(SELECT bool_or(position(payload->>'token' IN e::text) > 0) FROM authz.outbox WHERE payload ? 'token') AS tokens FROM export;

-- It ends everywhere, what waits in the ring included; nothing of the neighbour does.
SELECT authz.login('alice@example.com', 'wrong')::jsonb->>'error';
SELECT * FROM authz.user_forget('00000000-0000-0000-0000-00000000000a');
SELECT authz.audit_drain() >= 0 AS drained;
SELECT place, n FROM kept('alice') WHERE n > 0;
SELECT place, k.n, b.n FROM kept('bob') k JOIN before b USING (place) WHERE who = 'bob' AND k.n <> b.n;
-- Records stay, with an id that names nobody; so does what others' attributes and policies say.
SELECT event, count(*) FROM authz.audit_logs WHERE actor = 'User::"00000000-0000-0000-0000-00000000000a"' OR target = 'User::"00000000-0000-0000-0000-00000000000a"' GROUP BY 1 ORDER BY 1;
SELECT key FROM jsonb_each(authz.user_export('00000000-0000-0000-0000-00000000000a')) WHERE value NOT IN ('[]', 'null') ORDER BY key COLLATE "C";
SELECT parents FROM authz.entities WHERE uid = 'Device::"alice"';
-- Again, and one who never was.
SELECT sum(removed) FROM authz.user_forget('00000000-0000-0000-0000-00000000000a');
SELECT authz.user_export('00000000-0000-0000-0000-00000000000c')->'user';

DELETE FROM authz.policy_links;
DELETE FROM authz.policies;
DELETE FROM authz.entities;
DELETE FROM authz.issuer_subjects;
DELETE FROM authz.trusted_issuers;
DELETE FROM authz.signing_keys;
DELETE FROM authz.users;
DELETE FROM authz.policy_history;
DELETE FROM authz.audit_logs;
DELETE FROM authz.audit_personal;
