/*
 * audit: the months.
 *
 * A month is attached under an exclusive lock of the default partition, which
 * is read meanwhile to see that it has nothing of that month.  So that nobody
 * waits for it, a default partition that has grown is emptied first:
 *
 *	1. audit_move_begin: an empty table a month, no partition yet, and a trigger
 *	   that copies there what is inserted into the default partition from then
 *	   on.  Making it waits for those who are inserting, so nothing is missed
 *	   between what the trigger copies and what stands there already.
 *	2. audit_move_copy: what stands there, in steps.
 *	3. audit_move_finish: truncates the default partition and attaches the
 *	   months, whose bounds a constraint has shown; neither reads a row.
 *
 * Each step is a transaction.  Until the last one all records count in the
 * default partition, the copies are nobody's; so readers see every record once
 * at any time, and a crash leaves a step to do again.  Meanwhile records cannot
 * be updated or deleted there.
 */

CREATE TABLE authz.audit_moves (
	month date PRIMARY KEY,
	copied_to timestamptz NOT NULL
);
COMMENT ON TABLE authz.audit_moves IS
	'Months that are being copied out of the default partition; derived, so dumps leave it out, like the copies';
COMMENT ON COLUMN authz.audit_moves.month IS 'The month: its copy is audit_logs_moving_y2026m11';
COMMENT ON COLUMN authz.audit_moves.copied_to IS 'Records before this are in the copy; the end of the month: all are';

CREATE FUNCTION authz.wal_flush() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'authz_wal_flush';
COMMENT ON FUNCTION authz.wal_flush() IS
	'Writes out what this transaction has to be durable for, so that its commit, which ends its locks, has little left to do';

CREATE FUNCTION authz.audit_partitions()
RETURNS TABLE (partition regclass, month date)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT c.oid::regclass, to_date(substr(c.relname, 12), '"y"YYYY"m"MM')
	FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
	WHERE i.inhparent = 'authz.audit_logs'::regclass AND c.relname ~ '^audit_logs_y\d{4}m\d{2}$'
	ORDER BY 2;
END;
COMMENT ON FUNCTION authz.audit_partitions() IS 'The months that have a partition';

CREATE FUNCTION authz.audit_month(month date, OUT suffix text, OUT lo timestamptz, OUT hi timestamptz)
LANGUAGE sql IMMUTABLE STRICT
BEGIN ATOMIC
	SELECT to_char(m.first, '"y"YYYY"m"MM'), m.first AT TIME ZONE 'UTC', (m.first + interval '1 month') AT TIME ZONE 'UTC'
	FROM (SELECT date_trunc('month', month::timestamp) AS first) m;
END;
COMMENT ON FUNCTION authz.audit_month(date) IS 'The month (UTC) that a day is in: y2026m11, its first moment, that of the next one';

CREATE FUNCTION authz.audit_months_due() RETURNS SETOF date
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH RECURSIVE held (month) AS (
		/* From one month's first record to the next one's, by the index. */
		SELECT date_trunc('month', (SELECT min(d.created_at) FROM authz.audit_logs_default d
									WHERE d.created_at >= '1970-01-01Z' AND d.created_at < '10000-01-01Z') AT TIME ZONE 'UTC')
		UNION ALL
		SELECT date_trunc('month', (SELECT min(d.created_at) FROM authz.audit_logs_default d
									WHERE d.created_at >= (h.month + interval '1 month') AT TIME ZONE 'UTC'
										AND d.created_at < '10000-01-01Z') AT TIME ZONE 'UTC')
		FROM held h WHERE h.month IS NOT NULL)
	SELECT h.month::date FROM held h WHERE h.month IS NOT NULL
	UNION SELECT m.month::date FROM (VALUES (date_trunc('month', now() AT TIME ZONE 'UTC')),
			(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month')) m (month)
		WHERE NOT EXISTS (SELECT FROM authz.audit_partitions() p WHERE p.month = m.month::date)
	ORDER BY 1;
END;
COMMENT ON FUNCTION authz.audit_months_due() IS
	'The months that need a partition and have none: this, the next, and those that the default partition has records of (years 1970 to 9999)';

CREATE FUNCTION authz.audit_month_table(prefix text, month date) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
/* Bounds go through text. */
SET datestyle = 'ISO, YMD'
AS $$
DECLARE
	m record := authz.audit_month(month);
BEGIN
	IF to_regclass('authz.audit_logs_' || m.suffix) IS NOT NULL THEN
		RAISE EXCEPTION 'table "audit_logs_%" exists, but is no partition', m.suffix
			USING ERRCODE = 'duplicate_table', HINT = 'Attach it to authz.audit_logs, or drop it.';
	END IF;
	EXECUTE format('CREATE TABLE authz.%I (LIKE authz.audit_logs INCLUDING DEFAULTS,'
				   ' CONSTRAINT month CHECK (created_at >= %L AND created_at < %L))', prefix || m.suffix, m.lo, m.hi);
	PERFORM authz.keep_private(format('authz.%I', prefix || m.suffix)::regclass);
	EXECUTE format('CREATE INDEX %I ON authz.%I (created_at DESC)', 'idx_audit_logs_timestamp_' || m.suffix, prefix || m.suffix);
	EXECUTE format('CREATE INDEX %I ON authz.%I (actor, created_at DESC)', 'idx_audit_logs_actor_' || m.suffix, prefix || m.suffix);
	EXECUTE format('CREATE INDEX %I ON authz.%I (target, created_at DESC)', 'idx_audit_logs_target_' || m.suffix, prefix || m.suffix);
END
$$;
COMMENT ON FUNCTION authz.audit_month_table(text, date) IS 'An empty table that can become a month''s partition without being read';

CREATE FUNCTION authz.audit_month_attach(month date) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
/* Bounds go through text. */
SET datestyle = 'ISO, YMD'
AS $$
DECLARE
	m record := authz.audit_month(month);
BEGIN
	EXECUTE format('ALTER TABLE authz.audit_logs ATTACH PARTITION authz.%I FOR VALUES FROM (%L) TO (%L)',
				   'audit_logs_' || m.suffix, m.lo, m.hi);
	EXECUTE format('ALTER TABLE authz.%I DROP CONSTRAINT month', 'audit_logs_' || m.suffix);
END
$$;
COMMENT ON FUNCTION authz.audit_month_attach(date) IS 'Makes the month''s table its partition';

/*
 * One who inserts chooses the partition under a lock of the parent, and then
 * waits for the partition's: chosen before a month came, the default partition
 * would refuse the row.  So they wait before they choose.
 */
CREATE FUNCTION authz.audit_months_lock() RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM authz.wal_flush();
	PERFORM set_config('lock_timeout', '50ms', true);
	LOCK TABLE ONLY authz.audit_logs IN SHARE ROW EXCLUSIVE MODE;
	LOCK TABLE authz.audit_logs_default IN ACCESS EXCLUSIVE MODE;
END
$$;
COMMENT ON FUNCTION authz.audit_months_lock() IS
	'Keeps everybody from writing audit records until the commit; gives up (55P03) after 50 ms; leaves lock_timeout set';

CREATE FUNCTION authz.audit_partition_create(month date) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
/* Bounds go through text. */
SET datestyle = 'ISO, YMD'
AS $$
DECLARE
	m record := authz.audit_month(month);
	former_timeout text := current_setting('lock_timeout');
BEGIN
	/* Two who make months take turns; nobody else waits for this lock. */
	LOCK TABLE ONLY authz.audit_logs IN SHARE UPDATE EXCLUSIVE MODE;
	IF EXISTS (SELECT FROM authz.audit_partitions() p WHERE p.month = (m.lo AT TIME ZONE 'UTC')::date) THEN
		RETURN false;
	END IF;
	IF EXISTS (SELECT FROM authz.audit_moves) THEN
		RAISE EXCEPTION 'audit records are being moved to their months'
			USING ERRCODE = 'object_in_use', HINT = 'Call authz.maintain() until it has done that.';
	END IF;
	PERFORM authz.audit_month_table('audit_logs_', month);
	/* Most of it before anybody is kept waiting, the rest after. */
	FOR i IN 1 .. 2 LOOP
		EXECUTE format('WITH moved AS (DELETE FROM authz.audit_logs_default WHERE created_at >= %L AND created_at < %L RETURNING *)'
					   ' INSERT INTO authz.%I SELECT * FROM moved', m.lo, m.hi, 'audit_logs_' || m.suffix);
		IF i = 1 THEN
			PERFORM authz.audit_months_lock();
		END IF;
	END LOOP;
	PERFORM authz.audit_month_attach(month);
	PERFORM set_config('lock_timeout', former_timeout, true);
	RETURN true;
END
$$;
COMMENT ON FUNCTION authz.audit_partition_create(date) IS
	'Makes the partition of the month that the day is in, and moves there what the default partition has of it; false: it exists. For a small default partition, which it reads under a lock; gives up (55P03) rather than wait for that';

/* ------------------------------------- emptying a default partition that grew */

CREATE FUNCTION authz.audit_moving() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	copy text;
BEGIN
	IF TG_OP <> 'INSERT' THEN
		RAISE EXCEPTION 'audit records are being moved to their months'
			USING ERRCODE = 'object_in_use', HINT = 'Call authz.maintain() until it has done that.';
	END IF;
	copy := 'audit_logs_moving_' || CASE WHEN isfinite(NEW.created_at) THEN to_char(NEW.created_at AT TIME ZONE 'UTC', '"y"YYYY"m"MM') END;
	IF NOT EXISTS (SELECT FROM authz.audit_moves a WHERE isfinite(NEW.created_at)
				   AND a.month = date_trunc('month', NEW.created_at AT TIME ZONE 'UTC')::date) THEN
		copy := 'audit_logs_moving_rest';
	END IF;
	EXECUTE format('INSERT INTO authz.%I SELECT ($1).*', copy) USING NEW;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION authz.audit_moving() IS
	'Trigger, while records are moved: copies new ones of the default partition to their month''s table, refuses other changes';

CREATE FUNCTION authz.audit_move_disown(copy regclass) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = copy AND d.deptype = 'e') THEN
		EXECUTE format('ALTER EXTENSION authz DROP TABLE %s', copy);
	END IF;
END
$$;
COMMENT ON FUNCTION authz.audit_move_disown(regclass) IS 'Copies belong to the extension, so that no dump has them; from now on this one does not';

CREATE FUNCTION authz.audit_move_begin() RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	due date;
BEGIN
	FOR due IN SELECT * FROM authz.audit_months_due() LOOP
		PERFORM authz.audit_month_table('audit_logs_moving_', due);
		EXECUTE format('ALTER EXTENSION authz ADD TABLE authz.%I', 'audit_logs_moving_' || (authz.audit_month(due)).suffix);
		INSERT INTO authz.audit_moves (month, copied_to) VALUES (due, (authz.audit_month(due)).lo);
	END LOOP;
	CREATE TABLE authz.audit_logs_moving_rest (LIKE authz.audit_logs INCLUDING DEFAULTS);
	PERFORM authz.keep_private('authz.audit_logs_moving_rest');
	ALTER EXTENSION authz ADD TABLE authz.audit_logs_moving_rest;
	PERFORM authz.wal_flush();
	PERFORM set_config('lock_timeout', '50ms', true);
	LOCK TABLE authz.audit_logs_default IN SHARE ROW EXCLUSIVE MODE;
	IF EXISTS (SELECT FROM authz.audit_months_due() d (month) WHERE NOT EXISTS (SELECT FROM authz.audit_moves a WHERE a.month = d.month)) THEN
		RAISE EXCEPTION 'a record of another month came meanwhile' USING ERRCODE = 'lock_not_available';
	END IF;
	CREATE TRIGGER moving AFTER INSERT OR UPDATE OR DELETE ON authz.audit_logs_default
		FOR EACH ROW EXECUTE FUNCTION authz.audit_moving();
	CREATE TRIGGER moving_truncated BEFORE TRUNCATE ON authz.audit_logs_default
		FOR EACH STATEMENT EXECUTE FUNCTION authz.audit_moving();
	ALTER TABLE authz.audit_logs_default ENABLE ALWAYS TRIGGER moving, ENABLE ALWAYS TRIGGER moving_truncated;
	/* What no month is made for; hardly anything. */
	INSERT INTO authz.audit_logs_moving_rest
		SELECT * FROM authz.audit_logs_default d WHERE d.created_at < '1970-01-01Z' OR d.created_at >= '10000-01-01Z';
END
$$;
COMMENT ON FUNCTION authz.audit_move_begin() IS
	'First step of emptying the default partition: makes the months'' tables, and the trigger that copies new records';

CREATE FUNCTION authz.audit_move_copy(max_rows integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
/* Each step is a range of the index. */
SET enable_seqscan = off
AS $$
DECLARE
	move authz.audit_moves;
	m record;
	upto timestamptz;
	n bigint;
	total bigint := 0;
BEGIN
	WHILE total < max_rows LOOP
		SELECT a.* INTO move FROM authz.audit_moves a WHERE a.copied_to < (authz.audit_month(a.month)).hi ORDER BY a.month LIMIT 1;
		EXIT WHEN NOT FOUND;
		m := authz.audit_month(move.month);
		SELECT d.created_at INTO upto FROM authz.audit_logs_default d
			WHERE d.created_at >= move.copied_to AND d.created_at < m.hi
			ORDER BY d.created_at OFFSET greatest(max_rows - total, 1) LIMIT 1;
		IF upto = move.copied_to THEN
			SELECT min(d.created_at) INTO upto FROM authz.audit_logs_default d
				WHERE d.created_at > move.copied_to AND d.created_at < m.hi;
		END IF;
		upto := coalesce(upto, m.hi);
		/* The trigger has copied some of them. */
		EXECUTE format('INSERT INTO authz.%1$I SELECT * FROM authz.audit_logs_default d'
					   ' WHERE d.created_at >= $1 AND d.created_at < $2 AND NOT EXISTS ('
					   'SELECT FROM authz.%1$I c WHERE c.created_at >= $1 AND c.created_at < $2 AND c.created_at = d.created_at AND c.id = d.id)',
					   'audit_logs_moving_' || m.suffix) USING move.copied_to, upto;
		GET DIAGNOSTICS n = ROW_COUNT;
		total := total + n;
		UPDATE authz.audit_moves a SET copied_to = upto WHERE a.month = move.month;
	END LOOP;
	RETURN total;
END
$$;
COMMENT ON FUNCTION authz.audit_move_copy(integer) IS
	'Second step: copies about so many records of the default partition to their months'' tables; says how many; 0: all are there';

CREATE FUNCTION authz.audit_move_finish() RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	move date;
	suffix text;
BEGIN
	PERFORM authz.audit_months_lock();
	DROP TRIGGER moving ON authz.audit_logs_default;
	DROP TRIGGER moving_truncated ON authz.audit_logs_default;
	TRUNCATE authz.audit_logs_default;
	FOR move IN SELECT a.month FROM authz.audit_moves a LOOP
		suffix := (authz.audit_month(move)).suffix;
		PERFORM authz.audit_move_disown(to_regclass('authz.audit_logs_moving_' || suffix));
		EXECUTE format('ALTER TABLE authz.%I RENAME TO %I', 'audit_logs_moving_' || suffix, 'audit_logs_' || suffix);
		PERFORM authz.audit_month_attach(move);
	END LOOP;
	INSERT INTO authz.audit_logs SELECT * FROM authz.audit_logs_moving_rest;
	PERFORM authz.audit_move_disown('authz.audit_logs_moving_rest');
	/* Anybody can make a view of a table that they may not read. */
	DROP TABLE authz.audit_logs_moving_rest CASCADE;
	DELETE FROM authz.audit_moves;
END
$$;
COMMENT ON FUNCTION authz.audit_move_finish() IS
	'Last step: empties the default partition and attaches the months, under a lock that it holds until the commit';

CREATE FUNCTION authz.audit_move_cancel() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	copy regclass;
BEGIN
	PERFORM authz.job_lock('audit_move', wait => true);
	LOCK TABLE authz.audit_logs_default IN ACCESS EXCLUSIVE MODE;
	DROP TRIGGER IF EXISTS moving ON authz.audit_logs_default;
	DROP TRIGGER IF EXISTS moving_truncated ON authz.audit_logs_default;
	FOR copy IN SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'authz'::regnamespace AND c.relkind = 'r'
			AND c.relname ~ '^audit_logs_moving_(rest|y\d{4}m\d{2})$' LOOP
		PERFORM authz.audit_move_disown(copy);
		EXECUTE format('DROP TABLE %s CASCADE', copy);
	END LOOP;
	DELETE FROM authz.audit_moves;
END
$$;
COMMENT ON FUNCTION authz.audit_move_cancel() IS
	'Gives up emptying the default partition: drops the copies; no record is touched';

CREATE FUNCTION authz.audit_move(max_rows integer DEFAULT 100000, OUT done text, OUT more boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	former_timeout text := current_setting('lock_timeout');
	n bigint;
BEGIN
	IF current_setting('transaction_isolation') <> 'read committed' THEN
		/* An older snapshot would miss records. */
		RAISE EXCEPTION 'audit records are moved in READ COMMITTED transactions only'
			USING ERRCODE = 'active_sql_transaction';
	END IF;
	IF NOT authz.job_lock('audit_move') THEN
		RAISE EXCEPTION 'another one is moving audit records' USING ERRCODE = 'lock_not_available';
	END IF;
	more := true;
	IF EXISTS (SELECT FROM authz.audit_moves) AND NOT EXISTS (
			SELECT FROM pg_trigger t WHERE t.tgrelid = 'authz.audit_logs_default'::regclass AND t.tgname = 'moving' AND t.tgenabled = 'A') THEN
		/* Somebody has dropped it, and records may be missing in the copies. */
		PERFORM set_config('lock_timeout', '50ms', true);
		PERFORM authz.audit_move_cancel();
	END IF;
	IF NOT EXISTS (SELECT FROM authz.audit_moves) THEN
		IF NOT EXISTS (SELECT FROM authz.audit_months_due()) THEN
			more := false;
			RETURN;
		END IF;
		PERFORM authz.audit_move_begin();
		done := 'began to empty the default partition';
	ELSIF EXISTS (SELECT FROM authz.audit_moves a WHERE a.copied_to < (authz.audit_month(a.month)).hi) THEN
		n := authz.audit_move_copy(max_rows);
		done := format('copied %s records out of the default partition', n);
	ELSE
		SELECT 'emptied the default partition; made ' || string_agg('audit_logs_' || (authz.audit_month(a.month)).suffix, ', ' ORDER BY a.month)
			INTO done FROM authz.audit_moves a;
		PERFORM authz.audit_move_finish();
		more := false;
	END IF;
	PERFORM set_config('lock_timeout', former_timeout, true);
END
$$;
COMMENT ON FUNCTION authz.audit_move(integer) IS
	'One step of emptying the default partition into the months: what it did (null: nothing is due), and whether there is more to do, each in a transaction of its own. Records can be written and read meanwhile, each is seen once; a lock is held for milliseconds, and is given up (55P03) rather than waited for longer than 50 ms';

REVOKE ALL ON TABLE authz.audit_moves FROM PUBLIC;
REVOKE ALL ON FUNCTION authz.wal_flush(), authz.audit_partitions(), authz.audit_month(date), authz.audit_months_due(),
	authz.audit_month_table(text, date), authz.audit_month_attach(date), authz.audit_months_lock(), authz.audit_partition_create(date), authz.audit_moving(),
	authz.audit_move_disown(regclass), authz.audit_move_begin(), authz.audit_move_copy(integer), authz.audit_move_finish(),
	authz.audit_move_cancel(), authz.audit_move(integer) FROM PUBLIC;
