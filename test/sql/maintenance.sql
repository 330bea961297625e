-- Maintenance: what is due is done once, and said; the doctor tells what is missing.
\pset null '(null)'
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET timezone = 'UTC';
SELECT count(*) >= 0 AS came FROM authz.maintain();
SELECT * FROM authz.maintain();
SELECT count(*) = 2 AS months FROM authz.audit_partitions() p
WHERE p.month IN (date_trunc('month', now())::date, (date_trunc('month', now()) + interval '1 month')::date);

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
SELECT * FROM authz.maintain();
SELECT count(*) FROM authz.audit_logs WHERE created_at < '2002-01-01';
SELECT count(*) FROM authz.audit_personal WHERE account = 'old@example.com';
RESET authz.audit_retention;

-- A step that fails is said, and keeps no other from being done.
DELETE FROM authz.sessions;
SELECT authz.audit_write('[{"event": "login", "created_at": "2001-02-03T04:05:06Z"}]');
BEGIN;
ALTER TABLE authz.user_stats RENAME TO away;
SELECT * FROM authz.maintain() WHERE task <> 'audit_drain';
ROLLBACK;
SELECT * FROM authz.maintain() WHERE task <> 'audit_drain';
DROP TABLE authz.audit_logs_y2001m02;

-- The doctor.
SELECT subject, ok, fix FROM authz.doctor() WHERE subject NOT IN ('preload', 'worker', 'audit sink');
ALTER TABLE authz.sessions DISABLE TRIGGER sessions_changed;
ALTER TABLE authz.policies ENABLE TRIGGER after_row;
SELECT state, ok, fix FROM authz.doctor() WHERE subject = 'triggers';
ALTER TABLE authz.sessions ENABLE ALWAYS TRIGGER sessions_changed; ALTER TABLE authz.policies ENABLE ALWAYS TRIGGER after_row;
SELECT state, ok, fix FROM authz.doctor() WHERE subject = 'triggers';
INSERT INTO authz.policies (policy_id, policy) VALUES ('p', 'permit(principal, action, resource);');
SELECT state, ok FROM authz.doctor() WHERE subject = 'policies';
DELETE FROM authz.policies;
DELETE FROM authz.users;
DELETE FROM authz.audit_logs;
