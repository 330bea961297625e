-- Maintenance: what is due is done once, and said; the doctor tells what is missing.
\pset null '(null)'
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET timezone = 'UTC';
SELECT count(*) >= 0 AS came FROM authz.maintain();
SELECT * FROM authz.maintain();
SELECT count(*) = 2 AS months FROM authz.audit_partitions() p
WHERE p.month IN (date_trunc('month', now())::date, (date_trunc('month', now()) + interval '1 month')::date);

-- Its locks are none that anybody could hold to keep it, or the audit ring's drain, from working.
BEGIN;
SELECT count(*) >= 0 AS came FROM authz.maintain();
SELECT * FROM authz.audit_move();
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid IN (1, 2) AND pid = pg_backend_pid();
SELECT count(*) > 0 AS ours FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
COMMIT;

-- Sessions that are over, tokens, answers, statistics, old months.
INSERT INTO authz.users (id, email) VALUES ('00000000-0000-0000-0000-000000000001', 'one@example.com');
INSERT INTO authz.sessions (user_id, created_at, last_seen, expires_at, max_expires_at, amr)
	SELECT '00000000-0000-0000-0000-000000000001', now() - age, now() - age, now() - age + interval '1 day', now() - age + interval '1 day', '{pwd}'
	FROM (VALUES (interval '100 days'), ('90 days'), ('20 days')) v (age);
INSERT INTO authz.session_tokens (session_id, tag_key, token_hash, answer, grace_until)
	SELECT id, '', '', 'x', now() - interval '1 minute' FROM authz.sessions WHERE created_at > now() - interval '30 days';
INSERT INTO authz.one_time_tokens (token_hash, user_id, purpose, expires_at)
	VALUES ('a', '00000000-0000-0000-0000-000000000001', 'notice', now() - interval '2 days'), ('b', '00000000-0000-0000-0000-000000000001', 'notice', now());
SELECT authz.audit_write('[{"event": "login", "created_at": "2001-02-03T04:05:06Z", "account": "old@example.com"}]');
SELECT * FROM authz.maintain();
SELECT count(*) FROM authz.sessions;
SELECT login_count FROM authz.user_stats WHERE user_id = '00000000-0000-0000-0000-000000000001';
SELECT * FROM authz.maintain();
SET authz.audit_retention = 400;
-- Nobody keeps a month by a view that shows them nothing, or by its type.
CREATE ROLE regress_authz_hoarder;
SET ROLE regress_authz_hoarder;
DO $$ BEGIN
	EXECUTE (SELECT format('CREATE TEMP VIEW hoard AS SELECT * FROM %s', max(c.oid::regclass::text)) FROM pg_class c WHERE c.relname ~ '^audit_logs_y2001m..$');
	EXECUTE (SELECT format('CREATE TEMP TABLE hoard2 (n int, x %s)', max(c.oid::regclass::text)) FROM pg_class c WHERE c.relname ~ '^audit_logs_y2001m..$');
END $$;
SELECT * FROM hoard;
RESET ROLE;
SET client_min_messages = warning;
SELECT * FROM authz.maintain();
RESET client_min_messages;
SELECT * FROM hoard;
DROP TABLE hoard2;
DROP ROLE regress_authz_hoarder;
SELECT count(*) FROM authz.audit_logs WHERE created_at < '2002-01-01';
SELECT count(*) FROM authz.audit_personal WHERE account = 'old@example.com';
RESET authz.audit_retention;

-- Second factors that were not confirmed, messages that nobody took; what may still be of use stays.
INSERT INTO authz.users (id, email) SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid, n || '@example.com' FROM generate_series(2, 4) n;
INSERT INTO authz.user_totp (user_id, seed, created_at, confirmed_at)
	SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid, '', now() - age, CASE WHEN confirmed THEN now() END
	FROM (VALUES (2, interval '2 days', false), (3, interval '2 days', true), (4, interval '2 hours', false)) v (n, age, confirmed);
INSERT INTO authz.outbox (kind, recipient, created_at, payload)
	VALUES ('password_reset', 'expired', now() - interval '2 hours', jsonb_build_object('expires_at', now() - interval '1 hour')),
		('password_reset', 'in time', now() - interval '30 minutes', jsonb_build_object('expires_at', now() + interval '1 hour')),
		('password_changed', 'old', now() - interval '31 days', '{}'), ('password_changed', 'not old', now() - interval '29 days', '{}');
SELECT state ~ '^4 messages wait, since ' AS state, ok, fix FROM authz.doctor() WHERE subject = 'outbox';
SELECT * FROM authz.maintain() WHERE task IN ('second_factors', 'outbox');
SELECT user_id, confirmed_at IS NOT NULL AS confirmed FROM authz.user_totp ORDER BY 1;
SELECT recipient FROM authz.outbox ORDER BY id;
DELETE FROM authz.outbox;

-- No more than max_rows of a kind; the rest is said.
INSERT INTO authz.sessions (user_id, created_at, last_seen, expires_at, max_expires_at, amr)
	SELECT '00000000-0000-0000-0000-000000000001', now() - interval '100 days', now() - interval '100 days', now() - interval '99 days', now() - interval '99 days', '{pwd}'
	FROM generate_series(1, 5);
INSERT INTO authz.one_time_tokens (token_hash, user_id, purpose, expires_at)
	SELECT sha256(n::text::bytea), '00000000-0000-0000-0000-000000000001', 'second_factor', now() - interval '2 days' FROM generate_series(1, 3) n;
SELECT * FROM authz.maintain(2) WHERE task IN ('sessions', 'one_time_tokens');
SELECT * FROM authz.maintain(2) WHERE task IN ('sessions', 'one_time_tokens');
SELECT * FROM authz.maintain(2) WHERE task IN ('sessions', 'one_time_tokens');
SELECT * FROM authz.maintain(2) WHERE task IN ('sessions', 'one_time_tokens');

-- Keys: one that is over is retired.
SELECT authz.signing_key_create() AS kid \gset
UPDATE authz.signing_keys SET state = 'retiring', verify_until = now() - interval '1 minute' WHERE kid = :'kid';
SELECT task, replace(result, :'kid', 'KID') AS result, more FROM authz.maintain() WHERE task = 'signing_keys';
DELETE FROM authz.signing_keys;

-- A step that fails is said, and keeps no other from being done.
DELETE FROM authz.sessions;
SELECT authz.audit_write('[{"event": "login", "created_at": "2001-02-03T04:05:06Z"}]');
BEGIN;
ALTER TABLE authz.user_stats RENAME TO away;
SELECT * FROM authz.maintain() WHERE task <> 'audit_drain';
ROLLBACK;
SELECT * FROM authz.maintain() WHERE task <> 'audit_drain';
DROP TABLE authz.audit_logs_y2001m02;

-- Who registered, and never came.
INSERT INTO authz.users (email, created_at, email_verified_at, last_login, source)
	SELECT name || '@example.net', now() - interval '40 days', CASE WHEN name = 'verified' THEN now() END, CASE WHEN name = 'came' THEN now() END, CASE WHEN name = 'imported' THEN 'elsewhere' END
	FROM unnest('{registered,verified,came,imported,invited,late}'::text[]) name;
UPDATE authz.users SET created_at = now() - interval '29 days' WHERE email = 'late@example.net';
INSERT INTO authz.user_passwords SELECT id, 'x' FROM authz.users WHERE email LIKE '%.net' AND email <> 'invited@example.net';
SELECT * FROM authz.maintain() WHERE task = 'users';
SET authz.unverified_retention = 30;
SELECT * FROM authz.maintain() WHERE task = 'users';
RESET authz.unverified_retention;
SELECT string_agg(split_part(email, '@', 1), ' ' ORDER BY email COLLATE "C") AS stay FROM authz.users WHERE email LIKE '%.net';
DELETE FROM authz.users WHERE email LIKE '%.net';

-- The doctor.
SELECT subject, ok, fix FROM authz.doctor() WHERE subject NOT IN ('preload', 'worker', 'audit sink');
ALTER TABLE authz.sessions DISABLE TRIGGER sessions_changed;
ALTER TABLE authz.policies ENABLE TRIGGER after_row;
SELECT state, ok, fix FROM authz.doctor() WHERE subject = 'triggers';
ALTER TABLE authz.sessions ENABLE ALWAYS TRIGGER sessions_changed; ALTER TABLE authz.policies ENABLE ALWAYS TRIGGER after_row;
SELECT state, ok, fix FROM authz.doctor() WHERE subject = 'triggers';
INSERT INTO authz.policies (policy_id, policy) VALUES ('p', 'permit(principal, action, resource);');
SELECT state, ok FROM authz.doctor() WHERE subject = 'policies';
SELECT state, ok FROM authz.doctor() WHERE subject = 'client address';
CREATE ROLE regress_authz_gateway;
SELECT authz.gateway_register('regress_authz_gateway');
SELECT state, ok, fix <> '' AS fix FROM authz.doctor() WHERE subject = 'client address';
SET authz.client_address_header = 'X-Real-IP';
SELECT state, ok FROM authz.doctor() WHERE subject = 'client address';
RESET authz.client_address_header;
SELECT authz.gateway_unregister('regress_authz_gateway');
DROP ROLE regress_authz_gateway;
DELETE FROM authz.policies;
DELETE FROM authz.users;
DELETE FROM authz.audit_logs;
