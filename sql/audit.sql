/* audit: who did what, by month. */

CREATE TABLE authz.audit_logs (
	id uuid NOT NULL DEFAULT gen_random_uuid(),
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	event text NOT NULL,
	actor text,
	target text,
	action text,
	role_name name NOT NULL DEFAULT session_user,
	session_id uuid,
	decision text,
	reasons text[],
	errors jsonb,
	policy_set text,
	policy_version bigint,
	snapshot text,
	duration interval,
	details jsonb
) PARTITION BY RANGE (created_at);
COMMENT ON TABLE authz.audit_logs IS 'What happened, appended only; a partition a month (UTC), made by maintain()';
COMMENT ON COLUMN authz.audit_logs.id IS 'The record; what it says of a person is in authz.audit_personal';
COMMENT ON COLUMN authz.audit_logs.created_at IS 'When it happened';
COMMENT ON COLUMN authz.audit_logs.event IS
	'login, login_failed, second_factor_needed, second_factor_failed, refresh, refresh_reuse, step_up, logout, session_ended, user_created, user_activated, user_deactivated, user_deleted, email_changed, email_verified, password_changed, password_removed, second_factor_added, second_factor_removed, users_imported, key_change, configuration_change, policy_change, decision, user_forgotten, audit_lost';
COMMENT ON COLUMN authz.audit_logs.actor IS 'Who: a principal such as User::"<id>"; null: only the role is known';
COMMENT ON COLUMN authz.audit_logs.target IS 'On what: a resource, a key''s kid, a policy set';
COMMENT ON COLUMN authz.audit_logs.action IS 'The action of a decision; INSERT, UPDATE, DELETE or TRUNCATE of a change';
COMMENT ON COLUMN authz.audit_logs.role_name IS 'The database role that connected';
COMMENT ON COLUMN authz.audit_logs.session_id IS 'The session';
COMMENT ON COLUMN authz.audit_logs.decision IS 'allow or deny';
COMMENT ON COLUMN authz.audit_logs.reasons IS 'The policies that determined it';
COMMENT ON COLUMN authz.audit_logs.errors IS 'Of policies that could not be evaluated, as authz_decide has them';
COMMENT ON COLUMN authz.audit_logs.policy_set IS 'The policy set that was asked';
COMMENT ON COLUMN authz.audit_logs.policy_version IS 'Its version';
COMMENT ON COLUMN authz.audit_logs.snapshot IS 'The snapshot that the entities were read under: xmin:xmax:number in progress';
COMMENT ON COLUMN authz.audit_logs.duration IS 'How long the decision took';
COMMENT ON COLUMN authz.audit_logs.details IS 'What else the event has to say';

CREATE TABLE authz.audit_logs_default PARTITION OF authz.audit_logs DEFAULT;
DO $$
DECLARE
	a record;
BEGIN
	FOR a IN SELECT attname, col_description(attrelid, attnum) AS said FROM pg_attribute
			 WHERE attrelid = 'authz.audit_logs'::regclass AND attnum > 0 LOOP
		EXECUTE format('COMMENT ON COLUMN authz.audit_logs_default.%I IS %L', a.attname, a.said);
	END LOOP;
END
$$;
COMMENT ON TABLE authz.audit_logs_default IS 'Records of months that have no partition yet; maintain() moves them';
/*
 * The parent has no index of its own: pg_dump restores a dated partition and
 * attaches it before its indexes, which a parent's index would then have made
 * twice.  The planner uses the partitions' own.
 */
CREATE INDEX idx_audit_logs_timestamp ON authz.audit_logs_default (created_at DESC);
COMMENT ON INDEX authz.idx_audit_logs_timestamp IS 'By time; each month has its like, idx_audit_logs_timestamp_y2026m11';
CREATE INDEX idx_audit_logs_actor ON authz.audit_logs_default (actor, created_at DESC);
COMMENT ON INDEX authz.idx_audit_logs_actor IS 'By actor; each month has its like';
CREATE INDEX idx_audit_logs_target ON authz.audit_logs_default (target, created_at DESC);
COMMENT ON INDEX authz.idx_audit_logs_target IS 'By target; each month has its like';
SELECT pg_extension_config_dump('authz.audit_logs_default', '');

CREATE TABLE authz.audit_personal (
	id uuid PRIMARY KEY,
	created_at timestamptz NOT NULL,
	user_id uuid,
	account text,
	address inet,
	user_agent text
);
COMMENT ON TABLE authz.audit_personal IS 'What audit records say of a person, apart, so that it can be erased';
COMMENT ON COLUMN authz.audit_personal.id IS 'The record of authz.audit_logs';
COMMENT ON COLUMN authz.audit_personal.created_at IS 'When it happened';
COMMENT ON COLUMN authz.audit_personal.user_id IS 'The user';
COMMENT ON COLUMN authz.audit_personal.account IS 'The email that a failed sign-in named';
COMMENT ON COLUMN authz.audit_personal.address IS 'The client''s address';
COMMENT ON COLUMN authz.audit_personal.user_agent IS 'The client''s User-Agent';
CREATE INDEX audit_personal_user_id ON authz.audit_personal (user_id);
CREATE INDEX audit_personal_account ON authz.audit_personal (account);
CREATE INDEX audit_personal_created_at ON authz.audit_personal (created_at);
SELECT pg_extension_config_dump('authz.audit_personal', '');

CREATE FUNCTION authz.audit_write(events json) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH e AS MATERIALIZED (
		SELECT gen_random_uuid() AS id, coalesce(r.created_at, clock_timestamp()) AS created_at, r.event, r.actor, r.target,
			r.action, coalesce(r.role_name, session_user) AS role_name, r.session_id, r.decision, r.reasons, r.errors,
			r.policy_set, r.policy_version, r.snapshot, r.duration, r.details, r.user_id, r.account, r.address, r.user_agent
		FROM json_to_recordset(events) AS r(created_at timestamptz, event text, actor text, target text, action text,
			role_name name, session_id uuid, decision text, reasons text[], errors jsonb, policy_set text,
			policy_version bigint, snapshot text, duration interval, details jsonb,
			user_id uuid, account text, address inet, user_agent text)),
	personal AS (
		INSERT INTO authz.audit_personal (id, created_at, user_id, account, address, user_agent)
			SELECT e.id, e.created_at, e.user_id, e.account, e.address, e.user_agent FROM e
			WHERE num_nonnulls(e.user_id, e.account, e.address, e.user_agent) > 0),
	written AS (
		INSERT INTO authz.audit_logs (id, created_at, event, actor, target, action, role_name, session_id, decision, reasons,
				errors, policy_set, policy_version, snapshot, duration, details)
			SELECT e.id, e.created_at, e.event, e.actor, e.target, e.action, e.role_name, e.session_id, e.decision, e.reasons,
				e.errors, e.policy_set, e.policy_version, e.snapshot, e.duration, e.details FROM e
			RETURNING 1)
	SELECT count(*) FROM written;
END;
COMMENT ON FUNCTION authz.audit_write(json) IS
	'Appends records in this transaction: an array of objects with the columns of authz.audit_logs and authz.audit_personal; says how many';

/*
 * A record that cannot be written must not keep those behind it in the ring.
 */
CREATE FUNCTION authz.audit_write_drained(records json, lost bigint, decisions authz.audit_logs[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	record json;
	decision authz.audit_logs;
BEGIN
	IF lost > 0 THEN
		PERFORM authz.audit_write(json_build_array(json_build_object('event', 'audit_lost', 'details', json_build_object('records', lost))));
	END IF;
	BEGIN
		IF json_array_length(records) > 0 THEN
			PERFORM authz.audit_write(records);
		END IF;
		PERFORM authz.audit_write_decisions(decisions);
		RETURN;
	EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded THEN
		/* One by one, then. */
	END;
	FOR record IN SELECT * FROM json_array_elements(records) UNION ALL
			SELECT json_strip_nulls(row_to_json(d)) FROM unnest(decisions) d LOOP
		BEGIN
			PERFORM authz.audit_write(json_build_array(record));
		EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded THEN
			/* What it says of a person can be erased, as of any record; what of that is broken goes. */
			PERFORM authz.audit_write(json_build_array(json_build_object(
				'event', 'audit_lost', 'account', record->>'account', 'details', json_build_object('record',
					left((SELECT json_object_agg(m.key, m.value) FROM json_each(record) m
						  WHERE m.key NOT IN ('account', 'user_id', 'address', 'user_agent'))::text, 10000)))));
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION authz.audit_write_drained(json, bigint, authz.audit_logs[]) IS
	'Appends what came out of the ring (records as audit_write takes them, how many found it full, decisions as rows without an id); one that is no record is appended as audit_lost with its text';

CREATE FUNCTION authz.audit_write_decisions(decisions authz.audit_logs[]) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	INSERT INTO authz.audit_logs (id, created_at, event, actor, target, action, role_name, decision, reasons, errors,
			policy_set, policy_version, snapshot, duration)
		SELECT gen_random_uuid(), d.created_at, d.event, d.actor, d.target, d.action, d.role_name, d.decision, d.reasons, d.errors,
			d.policy_set, d.policy_version, d.snapshot, d.duration
		FROM unnest(decisions) d;
END;
COMMENT ON FUNCTION authz.audit_write_decisions(authz.audit_logs[]) IS 'Appends decisions: rows without an id';

CREATE FUNCTION authz.audit_keep(record json) RETURNS boolean
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'authz_audit_keep_sql';
COMMENT ON FUNCTION authz.audit_keep(json) IS
	'Keeps a record (a JSON object) whatever becomes of this transaction: in the ring; false: there is none, and it is in the server''s log';

CREATE FUNCTION authz.audit_drain(max_records integer DEFAULT 10000) RETURNS bigint
LANGUAGE c VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'authz_audit_drain';
COMMENT ON FUNCTION authz.audit_drain(integer) IS
	'Writes what waits in the ring to authz.audit_logs; says how many. They leave the ring when this transaction commits';

CREATE FUNCTION authz.audit_state(OUT sink text, OUT ring_bytes bigint, OUT used bigint, OUT lost bigint,
								  OUT worker integer, OUT drained_at timestamptz)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'authz_audit_state';
COMMENT ON FUNCTION authz.audit_state() IS
	'Where failures and decisions of this database go: the ring, its size, bytes that wait, records lost since the server started, the process that drains it, when it last did';

CREATE FUNCTION authz.audit_failure(event text, user_id uuid, details json) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	record json := json_build_object('created_at', clock_timestamp(), 'event', event, 'role_name', session_user,
		'actor', authz.user_uid(user_id)::text, 'user_id', user_id, 'details', details);
BEGIN
	IF NOT authz.audit_keep(record) AND NOT current_setting('transaction_read_only')::boolean THEN
		PERFORM authz.audit_write(json_build_array(record));
	END IF;
END
$$;
COMMENT ON FUNCTION authz.audit_failure(text, uuid, json) IS
	'Records that something which this user tried has failed, whatever becomes of this transaction';

/* ----------------------------------------------------------------- triggers */

CREATE FUNCTION authz.audit_session() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	event text;
BEGIN
	IF TG_OP = 'INSERT' THEN
		/* Restored, replicated and imported ones began before. */
		event := CASE WHEN NEW.created_at >= now() THEN 'login' END;
	ELSIF OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL THEN
		event := CASE NEW.end_reason WHEN 'logout' THEN 'logout' WHEN 'reuse' THEN 'refresh_reuse' ELSE 'session_ended' END;
	ELSIF OLD.auth_time < NEW.auth_time THEN
		event := 'step_up';
	ELSIF OLD.last_seen < NEW.last_seen THEN
		event := 'refresh';
	END IF;
	IF event IS NOT NULL THEN
		PERFORM authz.audit_write(json_build_array(json_build_object(
			'event', event, 'actor', authz.user_uid(NEW.user_id)::text,
			'session_id', NEW.id, 'user_id', NEW.user_id, 'address', NEW.address, 'user_agent', NEW.user_agent,
			'details', json_strip_nulls(json_build_object('amr', NEW.amr, 'reason', NEW.end_reason)))));
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION authz.audit_session() IS 'Trigger: records sign-ins, refreshes, step-ups and ends';
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON authz.sessions
	FOR EACH ROW EXECUTE FUNCTION authz.audit_session();
ALTER TABLE authz.sessions ENABLE ALWAYS TRIGGER audit;

CREATE FUNCTION authz.audit_key() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key authz.signing_keys;
BEGIN
	IF TG_OP = 'DELETE' THEN
		key := OLD;
	ELSE
		key := NEW;
		IF TG_OP = 'INSERT' AND NEW.created_at < now() THEN
			RETURN NULL;
		END IF;
	END IF;
	PERFORM authz.audit_write(json_build_array(json_build_object(
		'event', 'key_change', 'action', TG_OP, 'target', key.kid,
		'details', json_strip_nulls(json_build_object('alg', key.alg, 'purpose', key.purpose, 'state', key.state,
			'former_state', CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END)))));
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION authz.audit_key() IS 'Trigger: records what became of signing keys';
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON authz.signing_keys
	FOR EACH ROW EXECUTE FUNCTION authz.audit_key();
ALTER TABLE authz.signing_keys ENABLE ALWAYS TRIGGER audit;

CREATE FUNCTION authz.audit_configuration() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	old_row jsonb := to_jsonb(OLD);
	new_row jsonb := to_jsonb(NEW);
BEGIN
	PERFORM authz.audit_write(json_build_array(json_build_object('event', 'configuration_change', 'action', TG_OP,
		'target', coalesce(new_row, old_row) ->> TG_ARGV[0],
		'details', json_strip_nulls(json_build_object('table', TG_TABLE_NAME, 'changed',
			(SELECT json_agg(n.key ORDER BY n.key) FROM jsonb_each(new_row) n WHERE n.value <> old_row -> n.key))))));
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION authz.audit_configuration() IS
	'Trigger: records that a row was written that says whom to believe or what an entity is; its argument is the column that names it';
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON authz.gateway_roles
	FOR EACH ROW EXECUTE FUNCTION authz.audit_configuration('role_name');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON authz.trusted_issuers
	FOR EACH ROW EXECUTE FUNCTION authz.audit_configuration('issuer');
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON authz.entity_mappings
	FOR EACH ROW EXECUTE FUNCTION authz.audit_configuration('entity_type');
ALTER TABLE authz.gateway_roles ENABLE ALWAYS TRIGGER audit;
ALTER TABLE authz.trusted_issuers ENABLE ALWAYS TRIGGER audit;
ALTER TABLE authz.entity_mappings ENABLE ALWAYS TRIGGER audit;

CREATE FUNCTION authz.audit_actor() RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN authz.current_principal();
/* Claims that do not tell whose they are keep nothing from being written: they name nobody. */
EXCEPTION WHEN object_not_in_prerequisite_state OR invalid_parameter_value OR invalid_text_representation THEN
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION authz.audit_actor() IS 'Who is asking, as the text of a uid; null where that is not known, or not for certain';

/*
 * What becomes of users.  Who imports them, or has a table that is followed,
 * knows who came; what is restored began before.
 */
CREATE FUNCTION authz.audit_users_created() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM authz.audit_write(r.records)
		FROM (SELECT json_agg(json_build_object('event', 'user_created', 'actor', authz.audit_actor(),
						'target', authz.user_uid(u.id)::text, 'user_id', u.id)) AS records
			  FROM (SELECT n.id, row_number() OVER () / 10000 AS batch FROM new n
					WHERE n.source IS NULL AND n.created_at >= now()) u
			  GROUP BY u.batch) r;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION authz.audit_users_created() IS 'Trigger: records users who are new here';
CREATE TRIGGER audit_created AFTER INSERT ON authz.users
	REFERENCING NEW TABLE AS new FOR EACH STATEMENT EXECUTE FUNCTION authz.audit_users_created();
ALTER TABLE authz.users ENABLE ALWAYS TRIGGER audit_created;

CREATE FUNCTION authz.audit_user() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	about uuid := to_jsonb(coalesce(NEW, OLD)) ->> CASE TG_TABLE_NAME WHEN 'users' THEN 'id' ELSE 'user_id' END;
	created timestamptz;
BEGIN
	SELECT u.created_at INTO created FROM authz.users u WHERE u.id = about;
	/* What goes with its user is told by the user's going; the first password, by the coming. */
	IF (FOUND OR TG_TABLE_NAME = 'users') AND (TG_OP <> 'INSERT' OR created < now()) THEN
		PERFORM authz.audit_write(json_build_array(json_build_object('event', TG_ARGV[0],
			'actor', authz.audit_actor(), 'target', authz.user_uid(about)::text,
			/* Of who is gone, nothing that names a person. */
			'user_id', CASE WHEN TG_ARGV[0] <> 'user_deleted' THEN about END)));
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION authz.audit_user() IS
	'Trigger: records the event that its argument names, of the user whose row it is';
CREATE TRIGGER audit_deleted AFTER DELETE ON authz.users
	FOR EACH ROW EXECUTE FUNCTION authz.audit_user('user_deleted');
CREATE TRIGGER audit_activated AFTER UPDATE OF active ON authz.users
	FOR EACH ROW WHEN (NEW.active AND NOT OLD.active) EXECUTE FUNCTION authz.audit_user('user_activated');
CREATE TRIGGER audit_deactivated AFTER UPDATE OF active ON authz.users
	FOR EACH ROW WHEN (OLD.active AND NOT NEW.active) EXECUTE FUNCTION authz.audit_user('user_deactivated');
CREATE TRIGGER audit_email AFTER UPDATE OF email ON authz.users
	FOR EACH ROW WHEN (OLD.email_normalized <> NEW.email_normalized) EXECUTE FUNCTION authz.audit_user('email_changed');
CREATE TRIGGER audit_email_verified AFTER UPDATE OF email_verified_at ON authz.users
	FOR EACH ROW WHEN (OLD.email_verified_at IS NULL AND NEW.email_verified_at IS NOT NULL) EXECUTE FUNCTION authz.audit_user('email_verified');
CREATE TRIGGER audit_set AFTER INSERT ON authz.user_passwords
	FOR EACH ROW WHEN (NEW.changed_at >= now()) EXECUTE FUNCTION authz.audit_user('password_changed');
/* A stronger hash of the same password is no change. */
CREATE TRIGGER audit_changed AFTER UPDATE OF hash ON authz.user_passwords
	FOR EACH ROW WHEN (OLD.changed_at <> NEW.changed_at) EXECUTE FUNCTION authz.audit_user('password_changed');
CREATE TRIGGER audit_removed AFTER DELETE ON authz.user_passwords
	FOR EACH ROW EXECUTE FUNCTION authz.audit_user('password_removed');
CREATE TRIGGER audit_added AFTER UPDATE OF confirmed_at ON authz.user_totp
	FOR EACH ROW WHEN (OLD.confirmed_at IS NULL AND NEW.confirmed_at IS NOT NULL) EXECUTE FUNCTION authz.audit_user('second_factor_added');
CREATE TRIGGER audit_removed AFTER DELETE ON authz.user_totp
	FOR EACH ROW WHEN (OLD.confirmed_at IS NOT NULL) EXECUTE FUNCTION authz.audit_user('second_factor_removed');
ALTER TABLE authz.users ENABLE ALWAYS TRIGGER audit_deleted, ENABLE ALWAYS TRIGGER audit_activated,
	ENABLE ALWAYS TRIGGER audit_deactivated, ENABLE ALWAYS TRIGGER audit_email, ENABLE ALWAYS TRIGGER audit_email_verified;
ALTER TABLE authz.user_passwords ENABLE ALWAYS TRIGGER audit_set, ENABLE ALWAYS TRIGGER audit_changed, ENABLE ALWAYS TRIGGER audit_removed;
ALTER TABLE authz.user_totp ENABLE ALWAYS TRIGGER audit_added, ENABLE ALWAYS TRIGGER audit_removed;

/* ------------------------------------------------------------------ persons */

CREATE FUNCTION authz.user_uid(id uuid) RETURNS authz.entity_uid
LANGUAGE sql STABLE STRICT
BEGIN ATOMIC
	SELECT authz.entity_uid(authz.setting('authz.principal_type'), user_uid.id::text);
END;
COMMENT ON FUNCTION authz.user_uid(uuid) IS 'The principal that a user is';

-- Ordered by text: on a type's operator class a body has no dependency, and pg_upgrade may create it first.
CREATE FUNCTION authz.user_export(id uuid) RETURNS jsonb
LANGUAGE sql STABLE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT jsonb_build_object(
		'user', (SELECT to_jsonb(u) FROM authz.users u WHERE u.id = user_export.id),
		'password', (SELECT jsonb_build_object('changed_at', w.changed_at) FROM authz.user_passwords w WHERE w.user_id = user_export.id),
		'second_factor', (SELECT jsonb_build_object('created_at', t.created_at, 'confirmed_at', t.confirmed_at, 'recovery_codes',
							(SELECT count(*) FROM authz.recovery_codes r WHERE r.user_id = user_export.id))
						  FROM authz.user_totp t WHERE t.user_id = user_export.id),
		'identities', (SELECT coalesce(jsonb_agg(to_jsonb(i) - 'principal' ORDER BY i.issuer, i.subject), '[]')
					   FROM authz.issuer_subjects i WHERE i.principal = me.uid),
		'groups', (SELECT coalesce(jsonb_agg(to_jsonb(g) - 'user_id' ORDER BY g.group_type, g.group_id), '[]')
				   FROM authz.user_groups g WHERE g.user_id = user_export.id),
		'sessions', (SELECT coalesce(jsonb_agg(to_jsonb(s) - 'user_id' ORDER BY s.created_at, s.id), '[]')
					 FROM authz.sessions s WHERE s.user_id = user_export.id),
		'tokens', (SELECT coalesce(jsonb_agg(to_jsonb(t) - 'user_id' - 'token_hash' ORDER BY t.created_at), '[]')
				   FROM authz.one_time_tokens t WHERE t.user_id = user_export.id),
		'statistics', (SELECT to_jsonb(t) - 'user_id' FROM authz.user_stats t WHERE t.user_id = user_export.id),
		'messages', (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', o.kind, 'recipient', o.recipient, 'created_at', o.created_at) ORDER BY o.id), '[]')
					 FROM authz.outbox o WHERE o.user_id = user_export.id),
		'links', (SELECT coalesce(jsonb_agg(to_jsonb(l) ORDER BY l.policy_set, l.link_id), '[]') FROM authz.policy_links l
				  WHERE l.principal = me.uid OR l.resource = me.uid),
		'history', (SELECT coalesce(jsonb_agg(to_jsonb(h) - 'transaction_id' - 'policy' ORDER BY h.policy_set, h.valid_to, h.id), '[]')
					FROM authz.policy_history h
					WHERE h.kind = 'link' AND (h.content ->> 'principal' = me.uid::text OR h.content ->> 'resource' = me.uid::text)),
		'policies', (SELECT coalesce(jsonb_agg(jsonb_build_object('policy_set', p.policy_set, 'policy_id', p.policy_id) ORDER BY p.policy_set, p.policy_id), '[]')
					 FROM authz.policies p WHERE position(user_export.id::text IN p.policy) > 0),
		'entity', (SELECT to_jsonb(e) FROM authz.entities e WHERE e.uid = me.uid),
		'children', (SELECT coalesce(jsonb_agg(e.uid ORDER BY e.uid::text), '[]') FROM authz.entities e WHERE me.uid = ANY (e.parents)),
		'named_by', (SELECT coalesce(jsonb_agg(e.uid ORDER BY e.uid::text), '[]') FROM authz.entities e
					 WHERE e.uid <> me.uid AND position(user_export.id::text IN e.attrs::text || e.tags::text) > 0),
		'audit', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(a) || jsonb_build_object('address', p.address, 'user_agent', p.user_agent, 'account', p.account))
					ORDER BY a.created_at), '[]')
				  FROM authz.audit_logs a LEFT JOIN authz.audit_personal p ON p.id = a.id
				  WHERE a.actor = me.uid::text OR a.target = me.uid::text
					OR a.id IN (SELECT q.id FROM authz.audit_personal q WHERE q.user_id = user_export.id
								OR q.account = (SELECT u.email_normalized FROM authz.users u WHERE u.id = user_export.id))))
	FROM authz.user_uid(user_export.id) me (uid);
END;
COMMENT ON FUNCTION authz.user_export(uuid) IS
	'All that is kept about a user, without secrets: the row, when the password and the second factor were set, identities at other issuers, groups, sessions, tokens sent, statistics, messages, links and their history, the entity, entities in it, audit records; and which policies and entities name the user';

CREATE FUNCTION authz.user_forget(id uuid) RETURNS TABLE (what text, removed bigint)
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	user_uid authz.entity_uid := authz.user_uid(id);
	email text;
BEGIN
	PERFORM authz.commit_durably();
	SELECT u.email_normalized INTO email FROM authz.users u WHERE u.id = user_forget.id FOR UPDATE;
	/* Nothing of the person is to come out of the ring later. */
	PERFORM authz.audit_drain(1000000);
	what := 'audit_personal';
	DELETE FROM authz.audit_personal p WHERE p.user_id = user_forget.id OR p.account = email;
	GET DIAGNOSTICS removed = ROW_COUNT;
	RETURN NEXT;
	what := 'policy_links';
	DELETE FROM authz.policy_links l WHERE l.principal = user_uid OR l.resource = user_uid;
	GET DIAGNOSTICS removed = ROW_COUNT;
	RETURN NEXT;
	what := 'policy_history';
	DELETE FROM authz.policy_history h WHERE h.kind = 'link'
		AND (h.content ->> 'principal' = user_uid::text OR h.content ->> 'resource' = user_uid::text);
	GET DIAGNOSTICS removed = ROW_COUNT;
	RETURN NEXT;
	what := 'issuer_subjects';
	DELETE FROM authz.issuer_subjects i WHERE i.principal = user_uid;
	GET DIAGNOSTICS removed = ROW_COUNT;
	RETURN NEXT;
	what := 'parents';
	UPDATE authz.entities e SET parents = array_remove(e.parents, user_uid) WHERE user_uid = ANY (e.parents);
	GET DIAGNOSTICS removed = ROW_COUNT;
	RETURN NEXT;
	what := 'entities';
	DELETE FROM authz.entities e WHERE e.uid = user_uid;
	GET DIAGNOSTICS removed = ROW_COUNT;
	RETURN NEXT;
	what := 'user_stats';
	DELETE FROM authz.user_stats s WHERE s.user_id = user_forget.id;
	GET DIAGNOSTICS removed = ROW_COUNT;
	RETURN NEXT;
	PERFORM authz.throttle_clear('account', email), authz.throttle_clear('second_factor', user_forget.id::text);
	/* Takes groups, passwords, sessions, tokens, factors and messages along. */
	what := 'users';
	DELETE FROM authz.users u WHERE u.id = user_forget.id;
	GET DIAGNOSTICS removed = ROW_COUNT;
	RETURN NEXT;
	PERFORM authz.audit_write(json_build_array(json_build_object('event', 'user_forgotten', 'target', user_uid::text)));
END
$$;
COMMENT ON FUNCTION authz.user_forget(uuid) IS
	'Erases a user: the row and all that hangs on it, links that name the principal and what history has of them, its identities at other issuers, its entity and its place among others'' parents, and what audit records say of the person; the records stay, with an id that names nobody any more. Says what it removed';

REVOKE ALL ON TABLE authz.audit_logs, authz.audit_logs_default, authz.audit_personal FROM PUBLIC;
REVOKE ALL ON FUNCTION authz.audit_write(json), authz.audit_keep(json), authz.audit_write_drained(json, bigint, authz.audit_logs[]),
	authz.audit_write_decisions(authz.audit_logs[]), authz.audit_failure(text, uuid, json), authz.audit_drain(integer), authz.audit_state(),
	authz.audit_session(), authz.audit_key(), authz.audit_configuration(), authz.audit_actor(), authz.audit_users_created(), authz.audit_user(),
	authz.user_uid(uuid), authz.user_export(uuid), authz.user_forget(uuid) FROM PUBLIC;
