-- Audit: what is recorded, where it goes, who may touch it.  The answers are
-- the same whether the library is preloaded or not.
\pset null '(null)'
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET timezone = 'UTC';
SET authz.argon2_memory = '1MB';
SET authz.scrypt_cost = 10;
SET authz.issuer = 'https://auth.example.com';
SET authz.audience = 'example';
SELECT authz.audit_drain() >= 0 AS drained;
DELETE FROM authz.audit_logs;
DELETE FROM authz.audit_personal;

-- A key, a sign-in, a refresh, a reuse, a logout: each in its own transaction.
SELECT authz.signing_key_create() IS NOT NULL AS key;
SELECT authz.user_create('alice@example.com', 'correct horse battery') AS alice \gset
SELECT authz.login('alice@example.com', 'correct horse battery', '192.0.2.7', 'curl/8')::jsonb->>'refresh_token' AS first \gset
SELECT authz.login('alice@example.com', 'correct horse battery')::jsonb->>'refresh_token' AS second \gset
SELECT authz.refresh(:'first')::jsonb->>'refresh_token' AS third \gset
UPDATE authz.session_tokens SET grace_until = now() - interval '1 second' WHERE answer IS NOT NULL;
SELECT authz.refresh(:'first')::jsonb->>'error';
SELECT authz.revoke(:'second');
SELECT event, actor = 'User::"' || :'alice' || '"' AS alice, session_id IS NOT NULL AS session, role_name = session_user AS role, action,
	details - 'alg' AS details, address, user_agent
FROM authz.audit_logs l LEFT JOIN authz.audit_personal USING (id) ORDER BY l.created_at;
-- What is rolled back was not.
BEGIN;
SELECT authz.login('alice@example.com', 'correct horse battery')::jsonb ? 'access_token' AS "right";
SELECT count(*) FROM authz.audit_logs WHERE event = 'login';
SAVEPOINT s;
SELECT authz.login('alice@example.com', 'correct horse battery', '192.0.2.8')::jsonb ? 'access_token' AS "right";
SAVEPOINT t;
SELECT authz.login('alice@example.com', 'correct horse battery', '192.0.2.9')::jsonb ? 'access_token' AS "right";
RELEASE t;
ROLLBACK TO s;
COMMIT;
-- A password that was right is not tried unseen, either.  Without the ring it is a line of the server's log.
CREATE TEMP TABLE ring AS SELECT sink = 'ring' AS ring FROM authz.audit_state();
SELECT authz.audit_drain() = CASE WHEN ring THEN 2 ELSE 0 END AS drained FROM ring;
SELECT coalesce(string_agg(account || ' ' || host(address) || ' ' || (details->>'result'), ', ' ORDER BY address), '')
	= CASE WHEN ring THEN 'alice@example.com 192.0.2.8 rolled_back, alice@example.com 192.0.2.9 rolled_back' ELSE '' END AS seen
FROM ring LEFT JOIN (authz.audit_logs JOIN authz.audit_personal USING (id)) ON event = 'login_failed' GROUP BY ring;
DELETE FROM authz.audit_logs WHERE event = 'login_failed';
DELETE FROM authz.audit_personal p WHERE NOT EXISTS (SELECT FROM authz.audit_logs l WHERE l.id = p.id);
BEGIN;
SELECT authz.login('alice@example.com', 'correct horse battery')::jsonb ? 'access_token' AS "right";
PREPARE TRANSACTION 'sign-in';
SELECT authz.audit_drain() = ring::integer AS drained FROM ring;
DELETE FROM authz.audit_logs WHERE event = 'login_failed';
DELETE FROM authz.audit_personal p WHERE NOT EXISTS (SELECT FROM authz.audit_logs l WHERE l.id = p.id);
SELECT count(*) FROM authz.audit_logs WHERE event = 'login';

-- A failure names the account that was tried.
SELECT authz.login('Nobody@example.com', 'wrong', '2001:db8::1')::jsonb->>'error';
SELECT authz.audit_drain() >= 0 AS drained;
SELECT event, actor, account, address, details FROM authz.audit_logs JOIN authz.audit_personal USING (id) WHERE event = 'login_failed';
-- One too long to be an email is cut.
SELECT authz.login(repeat('é', 1000), 'wrong')::jsonb->>'error';
SELECT authz.audit_drain() >= 0 AS drained;
SELECT max(octet_length(account)) FROM authz.audit_personal;

-- Policies: one record a statement and set.
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('a', 'p1', 'permit(principal, action, resource);'),
	('a', 'p2', 'permit(principal, action, resource);'), ('b', 'p1', 'permit(principal, action, resource);');
UPDATE authz.policies SET enabled = false WHERE policy_set = 'a' AND policy_id = 'p1';
UPDATE authz.policies SET enabled = false WHERE policy_set = 'c';
-- Both happen in one statement.
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('a', 'p3', 'permit(principal, action, resource);'),
	('a', 'p1', 'permit(principal, action, resource);') ON CONFLICT (policy_set, policy_id) DO UPDATE SET enabled = true;
MERGE INTO authz.policies p USING (VALUES ('p3'), ('p4'), ('p5')) v (id) ON policy_set = 'a' AND policy_id = id
	WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (policy_set, policy_id, policy) VALUES ('a', id, 'permit(principal, action, resource);');
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('b', 't', 'permit(principal == ?principal, action, resource);');
INSERT INTO authz.policy_links (policy_set, link_id, template_id, principal) VALUES ('b', 'l', 't', authz.entity_uid('User', :'alice'));
DELETE FROM authz.policies WHERE policy_set = 'a';
INSERT INTO authz.schema (policy_set, schema) VALUES ('a', 'entity User;');
TRUNCATE authz.schema;
SELECT action, target, policy_set, policy_version - min(policy_version) OVER (PARTITION BY policy_set) AS version, details FROM authz.audit_logs WHERE event = 'policy_change' ORDER BY created_at;
-- A hundred names at most.
INSERT INTO authz.policies (policy_set, policy_id, policy) SELECT 'many', 'p' || i, 'permit(principal, action, resource);' FROM generate_series(1, 150) i;
SELECT details->>'rows' AS rows, jsonb_array_length(details->'ids') AS ids, details->'ids'->>1 AS second FROM authz.audit_logs WHERE policy_set = 'many';
DELETE FROM authz.policies WHERE policy_set = 'many';

-- Decisions, when asked for.  Without the ring they are lines of the server's log.
INSERT INTO authz.policies (policy_id, policy) VALUES ('yes', 'permit(principal == User::"a", action, resource);'),
	('bad', 'permit(principal, action, resource) when { context.x.y };');
SHOW authz.audit_decisions;
SELECT authz.authz_check('User::"a"', 'Action::"view"', 'Doc::"1"');
SELECT authz.audit_drain();
SET authz.audit_decisions = 'all';
SELECT authz.authz_check('User::"a"', 'Action::"view"', 'Doc::"1"'), authz.authz_check('User::"b"', 'Action::"view"', 'Doc::"1"');
SET authz.audit_decisions = 'deny';
SELECT authz.authz_check('User::"a"', 'Action::"view"', 'Doc::"2"'), authz.authz_check('User::"b"', 'Action::"view"', 'Doc::"2"');
SET authz.audit_decisions = 'sampled';
SET authz.audit_sample_rate = 0;
SELECT authz.authz_check('User::"a"', 'Action::"view"', 'Doc::"3"');
SET authz.audit_sample_rate = 1;
-- In a read-only transaction, and rolled back.
BEGIN READ ONLY;
SELECT authz.authz_check('User::"a"', 'Action::"view"', 'Doc::"4"');
ROLLBACK;
-- A name too long for an index is cut, and told from those that begin alike.
SELECT 'é' || string_agg(md5(n::text), '') AS long FROM generate_series(1, 200) n \gset
SELECT authz.authz_check(authz.entity_uid('User', :'long'), 'Action::"view"', authz.entity_uid('Doc', E'\n' || left(:'long', 395)));
SET authz.audit_decisions = 'none';
BEGIN;
SAVEPOINT s;
SELECT authz.audit_drain() = CASE WHEN ring THEN 5 ELSE 0 END AS drained FROM ring;
-- Twice in one transaction: nothing comes twice.
SELECT authz.audit_drain();
ROLLBACK TO s;
SELECT authz.audit_drain() = CASE WHEN ring THEN 5 ELSE 0 END AS drained FROM ring;
ROLLBACK;
SELECT authz.audit_drain() = CASE WHEN ring THEN 5 ELSE 0 END AS drained FROM ring;
SELECT authz.audit_drain();
SELECT count(event) = CASE WHEN ring THEN 5 ELSE 0 END AS decisions,
	count(*) FILTER (WHERE actor = 'User::"a"' AND action = 'Action::"view"' AND target LIKE 'Doc::"_"' AND decision = 'allow' AND reasons = '{yes}'
		AND errors->0->>'policyId' = 'bad' AND policy_set = 'default' AND policy_version > 0 AND snapshot ~ '^\d+:\d+:\d+$' AND duration > '0')
		= CASE WHEN ring THEN 2 ELSE 0 END AS allowed,
	count(*) FILTER (WHERE actor = 'User::"b"' AND decision = 'deny' AND reasons = '{}') = CASE WHEN ring THEN 2 ELSE 0 END AS denied
FROM ring LEFT JOIN authz.audit_logs ON event = 'decision' GROUP BY ring;

SELECT count(event) = ring::integer AS cut FROM ring LEFT JOIN authz.audit_logs ON octet_length(actor) < 500
		AND actor LIKE 'User::"é' || md5('1') || '%' || '... sha256:' || encode(sha256(convert_to(authz.entity_uid('User', :'long')::text, 'UTF8')), 'hex')
		AND target = authz.entity_uid('Doc', E'\n' || left(:'long', 395))::text GROUP BY ring;

-- A record that cannot be written keeps no other from being written.
SELECT authz.audit_keep('{"event": "login_failed", "account": "lost@example.com", "address": "nowhere"}') = ring, authz.audit_keep('{"event": "logout", "actor": "after"}') = ring FROM ring;
SELECT authz.audit_drain() = CASE WHEN ring THEN 2 ELSE 0 END AS drained FROM ring;
SELECT count(details) = ring::integer AS kept_as_lost FROM ring LEFT JOIN authz.audit_logs ON event = 'audit_lost' AND details->>'record' LIKE '%login_failed%' GROUP BY ring;
-- What it says of a person is where it can be erased.
SELECT count(account) = ring::integer AS account, count(*) FILTER (WHERE details::text ~ 'lost@|nowhere') AS elsewhere FROM ring LEFT JOIN (authz.audit_logs JOIN authz.audit_personal USING (id)) ON event = 'audit_lost' GROUP BY ring;
SELECT count(event) = ring::integer AS behind_it FROM ring LEFT JOIN authz.audit_logs ON actor = 'after' GROUP BY ring;

-- Months: made on demand; what had gone to the default partition moves.
SELECT authz.audit_write('[{"event": "login", "created_at": "2026-01-31T23:59:59.999999Z"}, {"event": "login", "created_at": "2026-02-01T00:00:00Z"}]');
SELECT tableoid::regclass, count(*) FROM authz.audit_logs WHERE created_at < '2026-03-01' GROUP BY 1;
SET timezone = 'America/New_York';
SELECT authz.audit_partition_create('2026-01-15'), authz.audit_partition_create('2026-02-28'), authz.audit_partition_create('2026-02-01');
SET timezone = 'UTC';
SELECT tableoid::regclass, created_at FROM authz.audit_logs WHERE created_at < '2026-03-01' ORDER BY 2;
SELECT partition, month FROM authz.audit_partitions() WHERE month < '2026-03-01';
-- A month's query by actor reads that month, by its index.
SELECT authz.audit_write(json_agg(json_build_object('event', 'decision', 'actor', 'User::"' || n % 100 || '"', 'target', 'Doc::"' || n || '"',
	'created_at', timestamptz '2026-01-01' + n * interval '10 minutes'))) FROM generate_series(1, 3000) n;
ANALYZE authz.audit_logs_y2026m01;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM authz.audit_logs WHERE actor = 'User::"a"' AND created_at >= '2026-01-01' AND created_at < '2026-02-01';
EXPLAIN (COSTS OFF) SELECT * FROM authz.audit_logs WHERE target = 'Doc::"1"' AND created_at >= '2026-01-01' AND created_at < '2026-02-01';
EXPLAIN (COSTS OFF) SELECT * FROM authz.audit_logs WHERE created_at >= '2026-01-01' AND created_at < '2026-02-01' ORDER BY created_at DESC LIMIT 10;
RESET enable_bitmapscan;
DROP TABLE authz.audit_logs_y2026m01, authz.audit_logs_y2026m02;

-- Nobody but the owner, whatever else they may.
CREATE ROLE regress_authz_auditor;
GRANT SELECT ON authz.audit_logs TO regress_authz_auditor;
SET ROLE regress_authz_auditor;
SELECT count(*) > 0 AS reads FROM authz.audit_logs;
UPDATE authz.audit_logs SET event = 'x';
DELETE FROM authz.audit_logs;
INSERT INTO authz.audit_logs (event) VALUES ('x');
TRUNCATE authz.audit_logs;
SELECT * FROM authz.audit_personal;
SELECT authz.audit_write('[]');
SELECT authz.user_forget(:'alice');
RESET ROLE;
DROP OWNED BY regress_authz_auditor;
DROP ROLE regress_authz_auditor;

-- What is kept about a person, and its end.
SELECT key, CASE jsonb_typeof(value) WHEN 'array' THEN jsonb_array_length(value) END AS rows FROM jsonb_each(authz.user_export(:'alice')) ORDER BY 1;
SELECT authz.user_export(:'alice')::text ~ 'argon2|token_hash|tag_key' AS secrets;
SELECT authz.login('alice@example.com', 'wrong')::jsonb->>'error';
SELECT authz.audit_drain() >= 0 AS drained;
CREATE TEMP TABLE before AS SELECT count(*) AS n FROM authz.audit_logs;
SELECT authz.throttle_reserve('account', 'alice@example.com') AS counted;
SELECT * FROM authz.user_forget(:'alice');
SELECT count(*) FROM authz.throttles() WHERE subject = 'alice@example.com';
SELECT (SELECT count(*) FROM authz.audit_personal WHERE user_id = :'alice' OR account = 'alice@example.com') AS personal,
	(SELECT count(*) FROM authz.users WHERE id = :'alice') AS users, (SELECT count(*) FROM authz.sessions WHERE user_id = :'alice') AS sessions,
	(SELECT count(*) FROM authz.policy_links WHERE policy_set = 'b') AS links,
	(SELECT count(*) FROM authz.policy_history WHERE content::text LIKE '%' || :'alice' || '%') AS history;
-- The records stay: one more for the row, one for the end, and one for the link.
SELECT count(*) - n AS more FROM authz.audit_logs, before GROUP BY n;
SELECT * FROM authz.user_forget(:'alice');

DELETE FROM authz.policies;
DELETE FROM authz.signing_keys;
DELETE FROM authz.users;
DELETE FROM authz.audit_logs;
DELETE FROM authz.audit_personal;
DROP TABLE ring, before;
