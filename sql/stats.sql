/* stats: what each user did in the last 30 days, kept up to date by difference. */

CREATE TABLE authz.user_stats (
	user_id uuid PRIMARY KEY,
	login_count bigint NOT NULL,
	last_login timestamptz NOT NULL,
	avg_session_duration interval NOT NULL,
	total_session_duration interval NOT NULL
) WITH (fillfactor = 70);
COMMENT ON TABLE authz.user_stats IS
	'Sign-ins of the last 30 days a user, as user_stats_refresh() last found them; derived, so dumps leave it out';
COMMENT ON COLUMN authz.user_stats.user_id IS 'A user who signed in within the window';
COMMENT ON COLUMN authz.user_stats.login_count IS 'Sessions begun within the window';
COMMENT ON COLUMN authz.user_stats.last_login IS 'When the newest of them began';
COMMENT ON COLUMN authz.user_stats.avg_session_duration IS 'The average of their durations';
COMMENT ON COLUMN authz.user_stats.total_session_duration IS 'Their sum, from which differences are added and subtracted';

CREATE TABLE authz.user_stats_state (
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	as_of timestamptz NOT NULL,
	refreshed_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE authz.user_stats_state IS 'Up to when authz.user_stats is; no row: never refreshed';
COMMENT ON COLUMN authz.user_stats_state.only_row IS 'There is one';
COMMENT ON COLUMN authz.user_stats_state.as_of IS 'The end of the window';
COMMENT ON COLUMN authz.user_stats_state.refreshed_at IS 'When it was refreshed';

CREATE TABLE authz.session_changes (
	user_id uuid,
	created_at timestamptz,
	sessions smallint,
	duration interval
);
COMMENT ON TABLE authz.session_changes IS
	'What changed in authz.sessions since the last refresh, as differences; written by triggers, derived';
COMMENT ON COLUMN authz.session_changes.user_id IS 'Whose session; null: any change of any, after TRUNCATE';
COMMENT ON COLUMN authz.session_changes.created_at IS 'When it began';
COMMENT ON COLUMN authz.session_changes.sessions IS '1: one more; -1: one less; 0: one that lasted longer or shorter';
COMMENT ON COLUMN authz.session_changes.duration IS 'How much longer all of the user''s sessions lasted for it';

CREATE INDEX idx_sessions_created_at ON authz.sessions (created_at);
COMMENT ON INDEX authz.idx_sessions_created_at IS 'What falls out of the window of user_stats';

CREATE FUNCTION authz.sessions_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_sessions_changed';
COMMENT ON FUNCTION authz.sessions_changed() IS 'Trigger: queues what changes as differences';
CREATE TRIGGER sessions_changed AFTER INSERT OR UPDATE OR DELETE ON authz.sessions
	FOR EACH ROW EXECUTE FUNCTION authz.sessions_changed();
CREATE TRIGGER sessions_truncated AFTER TRUNCATE ON authz.sessions
	FOR EACH STATEMENT EXECUTE FUNCTION authz.sessions_changed();
ALTER TABLE authz.sessions ENABLE ALWAYS TRIGGER sessions_changed;
ALTER TABLE authz.sessions ENABLE ALWAYS TRIGGER sessions_truncated;

CREATE FUNCTION authz.user_stats_full(as_of timestamptz DEFAULT now()) RETURNS SETOF authz.user_stats
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT s.user_id, count(*), max(s.created_at), avg(s.duration), sum(s.duration)
	FROM authz.sessions s
	WHERE s.created_at > user_stats_full.as_of - interval '720 hours'
	GROUP BY s.user_id;
END;
COMMENT ON FUNCTION authz.user_stats_full(timestamptz) IS
	'The statistics computed from all sessions: what authz.user_stats has to equal right after user_stats_refresh(as_of)';

CREATE FUNCTION authz.user_stats_refresh(as_of timestamptz DEFAULT now(), "full" boolean DEFAULT false)
RETURNS bigint
LANGUAGE c VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS 'MODULE_PATHNAME', 'authz_user_stats_refresh';
COMMENT ON FUNCTION authz.user_stats_refresh(timestamptz, boolean) IS
	'Brings authz.user_stats up to date; says how many users were looked at. Its cost follows the sessions that changed and those that fell out of the window; full: computes all anew';

REVOKE ALL ON FUNCTION authz.sessions_changed(), authz.user_stats_full(timestamptz),
	authz.user_stats_refresh(timestamptz, boolean) FROM PUBLIC;
