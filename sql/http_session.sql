/*
 * http_session: what callers over HTTP may do about accounts and sessions.
 *
 * These are SECURITY DEFINER: they act for the user whose token the request
 * has, or for nobody, and only the owner may call what they call.
 */

CREATE FUNCTION authz.http_client_header(name text) RETURNS text
LANGUAGE sql STABLE STRICT
BEGIN ATOMIC
	SELECT nullif(current_setting('request.headers', true), '')::json->>lower(name)
	WHERE EXISTS (SELECT FROM authz.gateway_roles g WHERE g.role_name = session_user);
END;
COMMENT ON FUNCTION authz.http_client_header(text) IS
	'A header of the request, in a session that a registered gateway has opened; else null';

CREATE FUNCTION authz.http_client_address() RETURNS inet
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	header text := authz.setting('authz.client_address_header');
	value text;
BEGIN
	IF NOT EXISTS (SELECT FROM authz.gateway_roles g WHERE g.role_name = session_user) THEN
		RETURN inet_client_addr();
	END IF;
	IF header = '' THEN
		RETURN NULL;
	END IF;
	/* Of a list, the last one is what the nearest proxy has seen. */
	value := btrim(regexp_replace(authz.http_client_header(header), '^.*,', ''));
	/* Some put the port behind it. */
	value := regexp_replace(value, '^([0-9.]+):[0-9]+$|^[[](.*)](:[0-9]+)?$', E'\\1\\2');
	BEGIN
		RETURN value::inet;
	EXCEPTION WHEN invalid_text_representation THEN
		RETURN NULL;
	END;
END
$$;
COMMENT ON FUNCTION authz.http_client_address() IS
	'The address of the client: of the connection, or through a gateway what authz.client_address_header says; null when it is not known';

CREATE FUNCTION authz_api.register(email text, password text) RETURNS json
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT authz.register(email, password, authz.http_client_address());
END;
COMMENT ON FUNCTION authz_api.register(text, text) IS
	E'Make an account\nThe answer is the same whether the email is known or not; a message goes to it.';

CREATE FUNCTION authz_api.login(email text, password text) RETURNS json
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT authz.login(email, password, authz.http_client_address(), authz.http_client_header('user-agent'));
END;
COMMENT ON FUNCTION authz_api.login(text, text) IS
	E'Sign in\nAnswers {"access_token", "token_type", "expires_in", "refresh_token"}; refusals have "error" and "error_description", and "retry_after" in seconds.';

CREATE FUNCTION authz_api.refresh(refresh_token text) RETURNS json
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT authz.refresh(refresh_token);
END;
COMMENT ON FUNCTION authz_api.refresh(text) IS
	E'Get new tokens\nUses the refresh token up and answers as login does.';

CREATE FUNCTION authz_api.revoke(refresh_token text) RETURNS json
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT authz.http_answer(200, jsonb_build_object('revoked', true))
	FROM (SELECT authz.revoke(refresh_token)) x;
END;
COMMENT ON FUNCTION authz_api.revoke(text) IS
	E'End the session of a refresh token\nRFC 7009: the answer is the same when there is no such session.';

CREATE FUNCTION authz_api.verify_email(token text) RETURNS json
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT authz.verify_email(token);
END;
COMMENT ON FUNCTION authz_api.verify_email(text) IS
	E'Verify an email address\nBy the token that was sent to it.';

CREATE FUNCTION authz_api.request_password_reset(email text) RETURNS json
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT authz.request_password_reset(email, authz.http_client_address());
END;
COMMENT ON FUNCTION authz_api.request_password_reset(text) IS
	E'Ask for a password reset\nThe answer is the same whether the email is known or not.';

CREATE FUNCTION authz_api.reset_password(token text, password text) RETURNS json
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT authz.reset_password(token, password);
END;
COMMENT ON FUNCTION authz_api.reset_password(text, text) IS
	E'Set a password by a token\nOf a password reset or an invitation; ends all sessions.';

CREATE FUNCTION authz_api.change_password(current_password text, new_password text) RETURNS json
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s authz.sessions := authz.current_session();
BEGIN
	RETURN authz.change_password(s.user_id, current_password, new_password, s.id,
								 authz.address_subject(authz.http_client_address()));
END
$$;
COMMENT ON FUNCTION authz_api.change_password(text, text) IS
	E'Change the password\nEnds the other sessions.';

CREATE FUNCTION authz_api.me() RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s authz.sessions := authz.current_session();
BEGIN
	RETURN (SELECT json_build_object('id', u.id, 'email', u.email,
				'email_verified', u.email_verified_at IS NOT NULL, 'created_at', u.created_at,
				'last_login', u.last_login, 'attributes', u.attributes, 'session_id', s.id)
			FROM authz.users u WHERE u.id = s.user_id);
END
$$;
COMMENT ON FUNCTION authz_api.me() IS
	E'Who am I?\nThe user of the access token.';

CREATE FUNCTION authz_api.sessions() RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	mine authz.sessions := authz.current_session();
BEGIN
	RETURN (SELECT coalesce(json_agg(json_build_object('id', s.id, 'created_at', s.created_at,
				'last_seen', s.last_seen, 'expires_at', s.expires_at, 'address', host(s.address),
				'user_agent', s.user_agent, 'amr', s.amr, 'current', s.id = mine.id)
				ORDER BY s.created_at DESC, s.id), '[]')
			FROM authz.sessions s
			WHERE s.user_id = mine.user_id AND s.expires_at > now() AND s.ended_at IS NULL);
END
$$;
COMMENT ON FUNCTION authz_api.sessions() IS
	E'My sessions\nThose that live, the newest first.';

CREATE FUNCTION authz_api.logout() RETURNS json
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	mine authz.sessions := authz.current_session();
BEGIN
	PERFORM authz.session_end(mine.id, 'logout');
	RETURN authz.http_answer(200, jsonb_build_object('ended', 1));
END
$$;
COMMENT ON FUNCTION authz_api.logout() IS
	E'Sign out\nEnds the session of the access token.';

CREATE FUNCTION authz_api.end_session(id uuid) RETURNS json
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	mine authz.sessions := authz.current_session();
	ended boolean := false;
BEGIN
	IF EXISTS (SELECT FROM authz.sessions s WHERE s.id = end_session.id AND s.user_id = mine.user_id) THEN
		ended := authz.session_end(end_session.id, 'user');
	END IF;
	RETURN authz.http_answer(200, jsonb_build_object('ended', ended::integer));
END
$$;
COMMENT ON FUNCTION authz_api.end_session(uuid) IS
	E'End one of my sessions';

CREATE FUNCTION authz_api.end_all_sessions(keep_current boolean DEFAULT false) RETURNS json
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	mine authz.sessions := authz.current_session();
BEGIN
	RETURN authz.http_answer(200, jsonb_build_object('ended',
		authz.sessions_end(mine.user_id, 'user', CASE WHEN keep_current THEN mine.id END)));
END
$$;
COMMENT ON FUNCTION authz_api.end_all_sessions(boolean) IS
	E'End all my sessions\nWith "keep_current", all but this one.';

CREATE FUNCTION authz_api.second_factor(mfa_token text, code text) RETURNS json
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT authz.second_factor(mfa_token, code);
END;
COMMENT ON FUNCTION authz_api.second_factor(text, text) IS
	E'Complete a login by a second factor\n"code" is one of the app''s (6 digits) or a recovery code. Answers as login does.';

CREATE FUNCTION authz_api.step_up(password text DEFAULT NULL, code text DEFAULT NULL) RETURNS json
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN authz.step_up(authz.current_session(), password, code, authz.address_subject(authz.http_client_address()));
END
$$;
COMMENT ON FUNCTION authz_api.step_up(text, text) IS
	E'Authenticate again\nBy "code" where a second factor is in force, else by "password". Answers a new access token.';

CREATE FUNCTION authz_api.totp_enroll() RETURNS json
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s authz.sessions := authz.current_session();
	answer jsonb;
BEGIN
	IF NOT authz.session_is_fresh(s) THEN
		RETURN authz.step_up_needed();
	END IF;
	PERFORM authz.session_hold(s);
	answer := authz.totp_enroll(s.user_id);
	IF answer IS NULL THEN
		RETURN authz.http_error(409, 'already_enrolled', 'A second factor is in force. Remove it first.');
	END IF;
	RETURN authz.http_answer(200, answer);
END
$$;
COMMENT ON FUNCTION authz_api.totp_enroll() IS
	E'Begin to enrol an authenticator app\nAnswers {"secret", "otpauth_uri"} once; totp_confirm puts it in force.';

CREATE FUNCTION authz_api.totp_confirm(code text) RETURNS json
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s authz.sessions := authz.current_session();
	wait integer;
BEGIN
	PERFORM authz.refuse_read_only();
	IF NOT authz.session_is_fresh(s) THEN
		RETURN authz.step_up_needed();
	END IF;
	wait := authz.throttle_reserve('second_factor', s.user_id::text);
	IF wait <> 0 THEN
		RETURN authz.second_factor_refused('throttled', nullif(wait, -1));
	END IF;
	PERFORM authz.session_hold(s);
	IF NOT authz.totp_check(s.user_id, code, false) THEN
		RETURN authz.second_factor_refused('wrong', NULL);
	END IF;
	PERFORM authz.throttle_clear('second_factor', s.user_id::text);
	UPDATE authz.user_totp t SET confirmed_at = now() WHERE t.user_id = s.user_id;
	UPDATE authz.sessions x SET amr = '{pwd,otp,mfa}', auth_time = now() WHERE x.id = s.id;
	/* Sessions that began without it are no longer enough. */
	PERFORM authz.sessions_end(s.user_id, 'user', s.id),
		authz.outbox_put('second_factor_added', s.user_id, '{}');
	RETURN authz.http_answer(200, jsonb_build_object('recovery_codes', authz.recovery_codes_create(s.user_id)));
END
$$;
COMMENT ON FUNCTION authz_api.totp_confirm(text) IS
	E'Put the app in force\nBy its first code. Answers {"recovery_codes"} once, and ends the other sessions.';

CREATE FUNCTION authz_api.totp_remove() RETURNS json
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s authz.sessions := authz.current_session();
BEGIN
	IF NOT authz.session_is_fresh(s) THEN
		RETURN authz.step_up_needed();
	END IF;
	PERFORM authz.session_hold(s);
	RETURN authz.http_answer(200, jsonb_build_object('removed', authz.second_factor_remove(s.user_id)));
END
$$;
COMMENT ON FUNCTION authz_api.totp_remove() IS
	E'Remove the second factor\nNeeds a fresh authentication with it.';

CREATE FUNCTION authz_api.recovery_codes() RETURNS json
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s authz.sessions := authz.current_session();
BEGIN
	IF NOT authz.session_is_fresh(s) OR NOT authz.second_factor_in_force(s.user_id) THEN
		RETURN authz.step_up_needed();
	END IF;
	PERFORM authz.session_hold(s);
	RETURN authz.http_answer(200, jsonb_build_object('recovery_codes', authz.recovery_codes_create(s.user_id)));
END
$$;
COMMENT ON FUNCTION authz_api.recovery_codes() IS
	E'Get new recovery codes\nIn place of the earlier ones; needs a fresh authentication.';

CREATE FUNCTION authz_api.pre_request() RETURNS void
LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'authz_pre_request';
COMMENT ON FUNCTION authz_api.pre_request() IS
	'PostgREST''s db-pre-request: refuses the access tokens of sessions that have ended (401); changes nothing';

REVOKE ALL ON FUNCTION
	authz.http_client_header(text), authz.http_client_address(),
	authz_api.register(text, text), authz_api.login(text, text), authz_api.refresh(text),
	authz_api.revoke(text), authz_api.verify_email(text), authz_api.request_password_reset(text),
	authz_api.reset_password(text, text), authz_api.change_password(text, text), authz_api.me(),
	authz_api.sessions(), authz_api.logout(), authz_api.end_session(uuid),
	authz_api.end_all_sessions(boolean), authz_api.pre_request(), authz_api.second_factor(text, text),
	authz_api.step_up(text, text), authz_api.totp_enroll(), authz_api.totp_confirm(text),
	authz_api.totp_remove(), authz_api.recovery_codes()
	FROM PUBLIC;

/* Each row says one thing that was done. */
CREATE FUNCTION authz.http_sign_in_create(
	anonymous_role name DEFAULT 'authz_anon',
	authenticator name DEFAULT 'authz_authenticator',
	user_role name DEFAULT 'authz_user',
	delegate_role name DEFAULT 'authz_delegate',
	registration boolean DEFAULT true)
RETURNS SETOF text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r name;
	found_role pg_roles;
BEGIN
	IF anonymous_role IN (authenticator, user_role, delegate_role) THEN
		RAISE EXCEPTION 'the roles must be different'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF NOT EXISTS (SELECT FROM authz.gateway_roles g WHERE g.role_name = authenticator) THEN
		RAISE EXCEPTION 'role "%" is not a gateway', authenticator
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'Run authz.http_roles_create first.';
	END IF;
	SELECT * INTO found_role FROM pg_roles WHERE rolname = anonymous_role;
	IF NOT FOUND THEN
		EXECUTE format('CREATE ROLE %I NOLOGIN', anonymous_role);
		RETURN NEXT format('created role %I (NOLOGIN)', anonymous_role);
	ELSIF found_role.rolsuper OR found_role.rolbypassrls OR found_role.rolcreaterole OR found_role.rolreplication
		OR pg_has_role(anonymous_role, user_role, 'MEMBER') OR pg_has_role(anonymous_role, delegate_role, 'MEMBER') THEN
		RAISE EXCEPTION 'role "%" is too powerful to serve those who have not signed in', anonymous_role
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'Name another role.';
	END IF;
	IF NOT pg_has_role(authenticator, anonymous_role, 'MEMBER') THEN
		EXECUTE format('GRANT %I TO %I', anonymous_role, authenticator);
		RETURN NEXT format('granted %I to %I', anonymous_role, authenticator);
	END IF;
	PERFORM authz.http_refuse_powerful(authenticator);
	EXECUTE format('GRANT USAGE ON SCHEMA authz_api TO %I', anonymous_role);
	FOREACH r IN ARRAY ARRAY[anonymous_role, user_role] LOOP
		EXECUTE format('GRANT EXECUTE ON FUNCTION'
					   ' authz_api.login(text, text), authz_api.refresh(text), authz_api.revoke(text),'
					   ' authz_api.verify_email(text), authz_api.request_password_reset(text),'
					   ' authz_api.reset_password(text, text), authz_api.second_factor(text, text)'
					   ' TO %I', r);
		EXECUTE format('%s EXECUTE ON FUNCTION authz_api.register(text, text) %s %I',
					   CASE WHEN registration THEN 'GRANT' ELSE 'REVOKE' END,
					   CASE WHEN registration THEN 'TO' ELSE 'FROM' END, r);
		RETURN NEXT format('%I may sign in%s', r, CASE WHEN registration THEN ' and register' ELSE '' END);
	END LOOP;
	EXECUTE format('GRANT EXECUTE ON FUNCTION'
				   ' authz_api.change_password(text, text), authz_api.me(), authz_api.sessions(),'
				   ' authz_api.logout(), authz_api.end_session(uuid), authz_api.end_all_sessions(boolean),'
				   ' authz_api.step_up(text, text), authz_api.totp_enroll(), authz_api.totp_confirm(text),'
				   ' authz_api.totp_remove(), authz_api.recovery_codes()'
				   ' TO %I', user_role);
	RETURN NEXT format('%I may see to its own account and sessions', user_role);
	FOREACH r IN ARRAY ARRAY[anonymous_role, user_role, delegate_role] LOOP
		EXECUTE format('GRANT EXECUTE ON FUNCTION authz_api.pre_request(), authz.http_pre_request() TO %I', r);
	END LOOP;
	RETURN NEXT 'PostgREST needs db-anon-role = "' || anonymous_role || '"';
END
$$;
COMMENT ON FUNCTION authz.http_sign_in_create(name, name, name, name, boolean) IS
	'Opens signing in over HTTP, and registration or not: makes the role of those who have no token and grants what they and users may; says what it did';
REVOKE ALL ON FUNCTION authz.http_sign_in_create(name, name, name, name, boolean) FROM PUBLIC;
