-- Statistics: whatever changes, a refresh gives what the full query gives.
\pset null '(null)'
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET timezone = 'UTC';
INSERT INTO authz.users (id, email)
	SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'user' || n || '@example.com' FROM generate_series(1, 40) n;

-- Rows of one and not of the other: none, after every refresh.  As text: equal intervals may differ ('1 day', '24:00:00').
CREATE FUNCTION differences(as_of timestamptz) RETURNS bigint LANGUAGE sql AS $$
	WITH kept AS (SELECT u::text FROM authz.user_stats u), wanted AS (SELECT f::text FROM authz.user_stats_full(as_of) f)
	SELECT count(*) FROM ((TABLE kept EXCEPT ALL TABLE wanted) UNION ALL (TABLE wanted EXCEPT ALL TABLE kept)) d
$$;
CREATE FUNCTION begin_session(nth integer, began timestamptz, lasted interval) RETURNS uuid LANGUAGE sql AS $$
	INSERT INTO authz.sessions (user_id, created_at, last_seen, expires_at, max_expires_at, amr)
		VALUES (('00000000-0000-0000-0000-' || lpad(nth::text, 12, '0'))::uuid, began, began + lasted,
				began + interval '14 days', began + interval '30 days', '{pwd}')
	RETURNING id
$$;

-- What the numbers are: counted by hand.
SELECT now() AS clock \gset
SELECT authz.user_stats_refresh(:'clock');
SELECT begin_session(1, :'clock'::timestamptz - interval '10 days', '2 hours') IS NOT NULL,
	begin_session(1, :'clock'::timestamptz - interval '29 days 23 hours', '1 hour') IS NOT NULL,
	begin_session(1, :'clock'::timestamptz - interval '30 days', '9 hours') IS NOT NULL,
	begin_session(2, :'clock'::timestamptz - interval '1 day', '30 seconds') IS NOT NULL;
SELECT authz.user_stats_refresh(:'clock');
SELECT right(user_id::text, 2) AS "user", login_count, :'clock'::timestamptz - last_login AS ago, avg_session_duration FROM authz.user_stats ORDER BY 1;
-- Nothing changed: nobody is looked at.
SELECT authz.user_stats_refresh(:'clock');
-- Two hours later, one has fallen out of the window; ten days later, another, and who has none is no row.
SELECT authz.user_stats_refresh(:'clock'::timestamptz + interval '2 hours');
SELECT right(user_id::text, 2) AS "user", login_count, avg_session_duration FROM authz.user_stats ORDER BY 1;
SELECT authz.user_stats_refresh(:'clock'::timestamptz + interval '21 days');
SELECT right(user_id::text, 2) AS "user", login_count, avg_session_duration FROM authz.user_stats ORDER BY 1;
-- A clock that was set back: what fell out is in again.
SELECT authz.user_stats_refresh(:'clock');
SELECT sum(login_count), differences(:'clock') FROM authz.user_stats;
-- The same, from nothing.
SELECT authz.user_stats_refresh(:'clock', "full" => true), differences(:'clock');

-- A session that changes hands; an end; a removal.
UPDATE authz.sessions SET user_id = '00000000-0000-0000-0000-000000000003' WHERE user_id = '00000000-0000-0000-0000-000000000002';
SELECT authz.user_stats_refresh(:'clock'), differences(:'clock');
SELECT authz.sessions_end('00000000-0000-0000-0000-000000000003');
SELECT authz.user_stats_refresh(:'clock'), differences(:'clock');
DELETE FROM authz.users WHERE id = '00000000-0000-0000-0000-000000000003';
SELECT authz.user_stats_refresh(:'clock'), differences(:'clock');
-- A rollback takes a refresh back with all that it took.
BEGIN;
SELECT begin_session(4, :'clock'::timestamptz - interval '5 days', '5 minutes') IS NOT NULL;
SAVEPOINT s;
SELECT authz.user_stats_refresh(:'clock'), differences(:'clock');
ROLLBACK TO s;
SELECT count(*) AS queued, differences(:'clock') FROM authz.session_changes;
COMMIT;
SELECT authz.user_stats_refresh(:'clock'), differences(:'clock');

-- Replicated and restored rows are queued as others are.
SET session_replication_role = replica;
SELECT begin_session(5, :'clock'::timestamptz - interval '5 days', '5 minutes') IS NOT NULL;
RESET session_replication_role;
SELECT authz.user_stats_refresh(:'clock'), differences(:'clock');

-- Whatever changes: 60 rounds of it, the window moving on, and now and then back.
CREATE FUNCTION rounds() RETURNS TABLE (round integer, wrong bigint) LANGUAGE plpgsql AS $$
DECLARE
	clock timestamptz := now();
BEGIN
	PERFORM setseed(0.7);
	FOR n IN 1 .. 60 LOOP
		FOR i IN 1 .. (random() * 12)::integer LOOP
			PERFORM begin_session(4 + (random() * 30)::integer, clock - random() * interval '35 days', random() * interval '3 days');
		END LOOP;
		UPDATE authz.sessions SET last_seen = last_seen + random() * interval '1 hour' WHERE ended_at IS NULL AND random() < 0.05;
		UPDATE authz.sessions SET ended_at = last_seen, end_reason = 'logout', expires_at = last_seen WHERE ended_at IS NULL AND random() < 0.03;
		UPDATE authz.sessions SET created_at = created_at - random() * interval '9 days' WHERE random() < 0.02;
		UPDATE authz.sessions SET user_id = ('00000000-0000-0000-0000-' || lpad((4 + (random() * 30)::integer)::text, 12, '0'))::uuid WHERE random() < 0.02;
		DELETE FROM authz.sessions WHERE random() < 0.02;
		/* The newest of a user, of which the maximum was. */
		DELETE FROM authz.sessions s WHERE random() < 0.03 AND created_at = (SELECT max(created_at) FROM authz.sessions x WHERE x.user_id = s.user_id);
		IF n % 20 = 0 THEN
			PERFORM authz.session_purge(10, '1 day');
		END IF;
		clock := clock + (random() - 0.2) * interval '2 days';
		PERFORM authz.user_stats_refresh(clock);
		wrong := differences(clock);
		round := n;
		IF wrong <> 0 OR n = 60 THEN
			RETURN NEXT;
		END IF;
	END LOOP;
END
$$;
SELECT * FROM rounds();
SELECT count(*) > 10 AS users, sum(login_count) > 20 AS logins FROM authz.user_stats;

-- What counts for nothing queues nothing.
UPDATE authz.sessions SET user_agent = 'curl';
SELECT count(*) AS queued FROM authz.session_changes;
-- The newest goes: only that user is computed from the sessions.
SELECT begin_session(7, now(), '1 hour') IS NOT NULL, begin_session(8, now(), '1 hour') IS NOT NULL;
SELECT authz.user_stats_refresh(now()) > 1 AS looked, differences(now());
DELETE FROM authz.sessions s WHERE user_id::text LIKE '%07' AND created_at = (SELECT max(created_at) FROM authz.sessions x WHERE x.user_id = s.user_id);
SELECT authz.user_stats_refresh(now()) > 0 AS looked, differences(now());
-- With the triggers off, each refresh computes all; so does the next one after that.
ALTER TABLE authz.sessions DISABLE TRIGGER sessions_changed;
DELETE FROM authz.sessions WHERE created_at = (SELECT max(created_at) FROM authz.sessions);
SELECT authz.user_stats_refresh(now()) > 0 AS looked, differences(now());
DELETE FROM authz.sessions WHERE created_at = (SELECT max(created_at) FROM authz.sessions);
ALTER TABLE authz.sessions ENABLE ALWAYS TRIGGER sessions_changed;
SELECT authz.user_stats_refresh(now()) > 0 AS looked, differences(now());
-- Equal is not enough: twice 12 hours are 24:00:00, a day and nothing are 1 day.
SELECT begin_session(40, now(), '12 hours') IS NOT NULL, begin_session(40, now(), '12 hours') IS NOT NULL;
SELECT authz.user_stats_refresh(now()), differences(now());
SELECT login_count, total_session_duration FROM authz.user_stats WHERE user_id::text LIKE '%40';
UPDATE authz.sessions SET last_seen = created_at + CASE WHEN id = (SELECT min(id::text) FROM authz.sessions WHERE user_id::text LIKE '%40')::uuid THEN interval '1 day' ELSE '0' END
	WHERE user_id::text LIKE '%40';
SELECT authz.user_stats_refresh(now(), "full" => true) > 0 AS looked, differences(now());
SELECT login_count, total_session_duration FROM authz.user_stats WHERE user_id::text LIKE '%40';
DO $$
BEGIN
	PERFORM begin_session(9, '-infinity', '1 hour');
EXCEPTION WHEN datetime_field_overflow OR check_violation THEN
	RAISE NOTICE 'a session without beginning is refused';
END
$$;

-- Sessions that no window reaches queue nothing; a refresh after a long pause computes all.
SELECT begin_session(6, now() - interval '60 days', '1 hour') IS NOT NULL;
SELECT count(*) AS queued FROM authz.session_changes;
SELECT authz.user_stats_refresh(now() - interval '50 days') > 0 AS looked, differences(now() - interval '50 days');
DELETE FROM authz.sessions WHERE created_at < now() - interval '55 days';
SELECT authz.user_stats_refresh(now()) > 0 AS looked, differences(now());
TRUNCATE authz.sessions CASCADE;
SELECT authz.user_stats_refresh(now()), differences(now());
SELECT count(*) AS users FROM authz.user_stats;
SELECT authz.user_stats_refresh('infinity');

-- Rows that came and went leave dead entries in the index, which a refresh meets.
INSERT INTO authz.users (id, email) SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, n || '@again.example.com' FROM generate_series(101, 140) n;
SELECT count(begin_session(n, now(), '1 hour')) FROM generate_series(101, 140) n;
SELECT authz.user_stats_refresh(now());
DELETE FROM authz.sessions;
SELECT authz.user_stats_refresh(now());
SELECT count(begin_session(n, now(), '1 hour')) FROM generate_series(101, 140) n;
SELECT authz.user_stats_refresh(now()), differences(now());
TRUNCATE authz.sessions CASCADE;
SELECT authz.user_stats_refresh(now()), differences(now());

-- The triggers fire always.
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'authz.sessions'::regclass AND NOT tgisinternal AND tgname LIKE 'sessions_%' ORDER BY 1;
DROP FUNCTION rounds, differences, begin_session;
DELETE FROM authz.users;
