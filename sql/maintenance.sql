/* maintenance: what has to be done now and then. */

CREATE FUNCTION authz.job_lock(job text, wait boolean DEFAULT false) RETURNS boolean
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'authz_job_lock_sql';
COMMENT ON FUNCTION authz.job_lock(text, boolean) IS
	'Takes, until the transaction ends, the lock of a job of this database that only one does at a time; false when another has it, unless it is to be waited for. No advisory lock: anybody could hold those';

CREATE FUNCTION authz.maintain(max_rows integer DEFAULT 100000) RETURNS TABLE (task text, result text, more boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	step text;
	n bigint;
	total bigint;
	message text;
	due date;
	p record;
	keep integer := authz.setting('authz.audit_retention');
	unverified integer := authz.setting('authz.unverified_retention');
	former_timeout text := current_setting('lock_timeout');
BEGIN
	IF pg_is_in_recovery() THEN
		RETURN QUERY VALUES ('maintain', 'nothing to do on a standby', false);
		RETURN;
	END IF;
	IF NOT authz.job_lock('maintain') THEN
		RETURN QUERY VALUES ('maintain', 'another one is at it', false);
		RETURN;
	END IF;
	/* What takes locks that others wait for comes last: they last until the commit. */
	FOREACH step IN ARRAY '{audit_drain,sessions,users,one_time_tokens,second_factors,outbox,statistics,audit_personal,signing_keys,audit_partitions,audit_retention}'::text[] LOOP
		task := step;
		result := NULL;
		more := false;
		/* One that fails keeps no other from being done. */
		BEGIN
			CASE step
			WHEN 'audit_drain' THEN
				n := authz.audit_drain(max_rows);
				IF n > 0 THEN
					result := format('wrote %s records', n);
					more := n >= max_rows;
					RETURN NEXT;
				END IF;
			WHEN 'signing_keys' THEN
				RETURN QUERY SELECT 'signing_keys', m, false FROM authz.signing_keys_maintain() m;
			WHEN 'sessions' THEN
				total := 0;
				LOOP
					n := authz.session_purge(least(10000, max_rows - total::integer));
					total := total + n;
					EXIT WHEN n = 0 OR total >= max_rows;
				END LOOP;
				IF total > 0 THEN
					result := format('removed %s sessions', total);
					more := total >= max_rows;
					RETURN NEXT;
				END IF;
				n := authz.session_grace_purge(max_rows);
				IF n > 0 THEN
					result := format('cleared %s answers', n);
					more := n >= max_rows;
					RETURN NEXT;
				END IF;
			WHEN 'users' THEN
				n := CASE WHEN unverified > 0 THEN authz.user_purge(max_rows, make_interval(days => unverified)) ELSE 0 END;
				IF n > 0 THEN
					result := format('removed %s users', n);
					more := n >= max_rows;
					RETURN NEXT;
				END IF;
			WHEN 'one_time_tokens' THEN
				n := authz.one_time_token_purge(max_rows);
				IF n > 0 THEN
					result := format('removed %s tokens', n);
					more := n >= max_rows;
					RETURN NEXT;
				END IF;
			WHEN 'second_factors' THEN
				n := authz.totp_purge(max_rows);
				IF n > 0 THEN
					result := format('removed %s that were not confirmed', n);
					more := n >= max_rows;
					RETURN NEXT;
				END IF;
			WHEN 'outbox' THEN
				n := authz.outbox_purge(max_rows);
				IF n > 0 THEN
					result := format('removed %s messages that nobody took', n);
					more := n >= max_rows;
					RETURN NEXT;
				END IF;
			WHEN 'statistics' THEN
				n := authz.user_stats_refresh();
				IF n > 0 THEN
					result := format('computed %s users', n);
					RETURN NEXT;
				END IF;
			WHEN 'audit_personal' THEN
				IF keep > 0 THEN
					DELETE FROM authz.audit_personal a WHERE a.ctid = ANY (ARRAY(
						SELECT o.ctid FROM authz.audit_personal o
						WHERE o.created_at < now() - make_interval(days => keep) LIMIT max_rows FOR UPDATE SKIP LOCKED));
					GET DIAGNOSTICS n = ROW_COUNT;
					IF n > 0 THEN
						result := format('removed what %s records said of persons', n);
						more := n >= max_rows;
						RETURN NEXT;
					END IF;
				END IF;
			WHEN 'audit_partitions' THEN
				/* Under a lock a few MB are read in no time. */
				IF EXISTS (SELECT FROM authz.audit_moves) OR pg_relation_size('authz.audit_logs_default') > 8 * 1024 * 1024
						AND EXISTS (SELECT FROM authz.audit_months_due()) THEN
					SELECT a.done, a.more INTO result, more FROM authz.audit_move(max_rows) a;
					RETURN NEXT;
				ELSE
					FOR due IN SELECT * FROM authz.audit_months_due() LOOP
						IF authz.audit_partition_create(due) THEN
							result := 'made audit_logs_' || (authz.audit_month(due)).suffix;
							RETURN NEXT;
						END IF;
					END LOOP;
				END IF;
			WHEN 'audit_retention' THEN
				IF keep > 0 THEN
					n := 0;
					FOR p IN SELECT a.partition FROM authz.audit_partitions() a
						WHERE (a.month + interval '1 month') AT TIME ZONE 'UTC' < now() - make_interval(days => keep)
						ORDER BY a.month LIMIT 3 LOOP
						PERFORM authz.wal_flush();
						PERFORM set_config('lock_timeout', '50ms', true);
						result := format('dropped %s', p.partition);
						n := n + 1;
						more := n = 3;
						/* Anybody can make a view of a table that they may not read. */
						EXECUTE format('DROP TABLE %s CASCADE', p.partition);
						RETURN NEXT;
					END LOOP;
					PERFORM set_config('lock_timeout', former_timeout, true);
				END IF;
			END CASE;
		EXCEPTION
			WHEN lock_not_available THEN
				result := 'put off: a lock was not to be had at once';
				more := false;
				RETURN NEXT;
			WHEN query_canceled OR admin_shutdown THEN
				RAISE;
			WHEN OTHERS THEN
				GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
				result := format('failed: %s (%s)', message, SQLSTATE);
				more := false;
				RETURN NEXT;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION authz.maintain(integer) IS
	'Does what is due: writes waiting audit records, rotates keys, removes dead sessions, tokens and messages (at most max_rows each), refreshes statistics, makes, fills and drops audit months. Says what it did, what failed, and of what there is more to do at once, in another transaction; nothing: nothing was due';

CREATE FUNCTION authz.doctor() RETURNS TABLE (subject text, state text, ok boolean, fix text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	a record;
	here text := current_database();
BEGIN
	SELECT * INTO a FROM authz.audit_state();
	subject := 'preload';
	ok := 'authz' = ANY (regexp_split_to_array(current_setting('shared_preload_libraries'), '[\s,"]+'));
	state := CASE WHEN ok THEN 'authz is in shared_preload_libraries' ELSE 'not preloaded: compiled policies are each session''s own, failures are audited in the server''s log too, no worker' END;
	fix := CASE WHEN NOT ok THEN 'Add authz to shared_preload_libraries and restart the server.' END;
	RETURN NEXT;

	subject := 'worker';
	ok := here = ANY (regexp_split_to_array(coalesce(current_setting('authz.worker_databases', true), ''), '\s*,\s*'));
	state := CASE WHEN NOT ok THEN format('no worker for database %I', here)
		WHEN a.worker IS NULL OR NOT EXISTS (SELECT FROM pg_stat_activity s WHERE s.pid = a.worker) THEN 'the worker has not come yet, or died'
		ELSE format('process %s', a.worker) END;
	ok := ok AND a.worker IS NOT NULL AND EXISTS (SELECT FROM pg_stat_activity s WHERE s.pid = a.worker);
	fix := CASE WHEN NOT ok THEN 'Name the database in authz.worker_databases and restart the server, or call authz.maintain() every minute.' END;
	RETURN NEXT;

	subject := 'audit sink';
	ok := coalesce(a.lost, 0) = 0;
	state := CASE WHEN a.sink = 'ring' THEN format('a ring of %s, %s waiting, %s records lost since the server started', pg_size_pretty(a.ring_bytes), pg_size_pretty(a.used), a.lost)
		ELSE 'the server''s log' END;
	fix := CASE WHEN NOT ok THEN 'Raise authz.audit_ring_size, or drain it more often.' END;
	RETURN NEXT;

	subject := 'audit partitions';
	ok := (SELECT count(*) = 2 FROM authz.audit_partitions() p WHERE p.month IN (
			date_trunc('month', now() AT TIME ZONE 'UTC')::date, (date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month')::date))
		AND NOT EXISTS (SELECT FROM authz.audit_logs_default);
	state := format('%s months%s', (SELECT count(*) FROM authz.audit_partitions()),
		CASE WHEN EXISTS (SELECT FROM authz.audit_logs_default) THEN ', and records in the default partition' ELSE '' END);
	fix := CASE WHEN NOT ok THEN 'Call authz.maintain().' END;
	RETURN NEXT;

	subject := 'passwords';
	SELECT count(*) INTO a FROM authz.user_passwords p WHERE p.hash ~ '^(argon2)?\$argon2' AND authz.password_argon2() IS NULL;
	ok := a.count = 0;
	state := format('new ones by %s; ', authz.setting('authz.password_algorithm'))
		|| coalesce('Argon2 by ' || authz.password_argon2(), 'built without libsodium, and OpenSSL has no Argon2 before 3.2')
		|| CASE WHEN NOT ok THEN format(': %s cannot sign in', a.count) ELSE '' END;
	fix := CASE WHEN NOT ok THEN 'Build authz with libsodium or OpenSSL 3.2, or have these users reset their passwords.' END;
	RETURN NEXT;

	subject := 'outbox';
	ok := NOT EXISTS (SELECT FROM authz.outbox o WHERE o.created_at < now() - interval '1 hour');
	state := (SELECT count(*) || ' messages wait' || coalesce(', since ' || min(o.created_at)::timestamptz(0), '') FROM authz.outbox o);
	fix := CASE WHEN NOT ok THEN 'Run a sender that calls authz.outbox_take().' END;
	RETURN NEXT;

	subject := 'signing keys';
	ok := EXISTS (SELECT FROM authz.signing_keys k WHERE k.state = 'active');
	state := coalesce((SELECT string_agg(format('%s %s %s', c.n, c.state, c.alg), ', ' ORDER BY c.state, c.alg)
		FROM (SELECT k.state, k.alg, count(*) AS n FROM authz.signing_keys k GROUP BY 1, 2) c), 'none');
	fix := CASE WHEN NOT ok THEN 'Call authz.signing_key_create().' END;
	RETURN NEXT;

	subject := 'issuer';
	ok := authz.setting('authz.issuer') <> '' AND authz.setting('authz.audience') <> '';
	state := CASE WHEN ok THEN authz.setting('authz.issuer') ELSE 'no issuer or audience is set: nobody can sign in' END;
	fix := CASE WHEN NOT ok THEN format('ALTER DATABASE %I SET authz.issuer = ''https://auth.example.com''; likewise authz.audience.', here) END;
	RETURN NEXT;

	subject := 'policies';
	ok := EXISTS (SELECT FROM authz.policies p WHERE p.policy_set = authz.setting('authz.policy_set') AND p.enabled);
	state := CASE WHEN ok THEN format('%s enabled in set "%s"', (SELECT count(*) FROM authz.policies p
			WHERE p.policy_set = authz.setting('authz.policy_set') AND p.enabled), authz.setting('authz.policy_set'))
		ELSE format('set "%s" is empty: every check is denied', authz.setting('authz.policy_set')) END;
	fix := CASE WHEN NOT ok THEN 'Insert into authz.policies.' END;
	RETURN NEXT;

	subject := 'triggers';
	SELECT count(*) FILTER (WHERE NOT fine) = 0,
		coalesce('not always enabled: ' || string_agg(format('%s on %s', t.tgname, t.tbl), ', ' ORDER BY t.tbl, t.tgname) FILTER (WHERE NOT fine), 'all enabled always'),
		string_agg(format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I;', t.tbl, t.tgname), ' ' ORDER BY t.tbl, t.tgname) FILTER (WHERE NOT fine)
	INTO ok, state, fix
	FROM (SELECT g.tgname, g.tgrelid::regclass::text AS tbl,
				g.tgenabled = 'A' AS fine
		  FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
		  JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
		  JOIN pg_extension x ON d.refclassid = 'pg_extension'::regclass AND x.oid = d.refobjid AND x.extname = 'authz'
		  WHERE NOT g.tgisinternal) t;
	RETURN NEXT;

	subject := 'gateway roles';
	ok := NOT EXISTS (SELECT FROM authz.gateway_roles g LEFT JOIN pg_roles r ON r.rolname = g.role_name
					  WHERE r.oid IS NULL OR r.rolsuper OR r.rolbypassrls);
	state := coalesce((SELECT string_agg(g.role_name || CASE WHEN r.oid IS NULL THEN ' (missing)' WHEN r.rolsuper OR r.rolbypassrls THEN ' (too powerful)' ELSE '' END,
			', ' ORDER BY g.role_name) FROM authz.gateway_roles g LEFT JOIN pg_roles r ON r.rolname = g.role_name), 'none');
	fix := CASE WHEN NOT ok THEN 'A gateway is a role without SUPERUSER and BYPASSRLS: alter or create it.' END;
	RETURN NEXT;

	subject := 'client address';
	ok := authz.setting('authz.client_address_header') <> '' OR NOT EXISTS (SELECT FROM authz.gateway_roles);
	state := CASE WHEN NOT ok THEN 'not known over HTTP: failures count for accounts alone, registrations not at all'
		WHEN authz.setting('authz.client_address_header') <> '' THEN format('over HTTP, of the header %s', authz.setting('authz.client_address_header'))
		ELSE 'of the connection' END;
	fix := CASE WHEN NOT ok THEN format('Have the proxy in front set a header on every request, and ALTER DATABASE %I SET authz.client_address_header = ''X-Real-IP'';', here) END;
	RETURN NEXT;

	subject := 'statistics';
	SELECT coalesce(max(s.refreshed_at) > now() - interval '1 day', false),
		coalesce('as of ' || max(s.as_of)::timestamptz(0), 'never refreshed')
		INTO ok, state FROM authz.user_stats_state s;
	fix := CASE WHEN NOT ok THEN 'Call authz.maintain().' END;
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION authz.doctor() IS
	'What the platform of this database looks like: each subject with its state, whether that is well, and what mends it';

REVOKE ALL ON FUNCTION authz.job_lock(text, boolean), authz.maintain(integer), authz.doctor() FROM PUBLIC;
