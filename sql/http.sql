/* http: the schema that PostgREST serves, and the roles for it. */

CREATE SCHEMA authz_api;
COMMENT ON SCHEMA authz_api IS
	'What callers over HTTP may reach; PostgREST''s db-schemas';
REVOKE ALL ON SCHEMA authz_api FROM PUBLIC;

/*
 * Own questions: SECURITY DEFINER, the principal is the one that the request's
 * claims name.  These refuse whatever would need the right to ask about
 * others, so that nothing depends on who calls them.
 */
CREATE FUNCTION authz.http_own_principal(principal text, entities jsonb)
RETURNS authz.entity_uid
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me authz.entity_uid := authz.current_principal();
BEGIN
	IF me IS NULL THEN
		RAISE EXCEPTION 'the request has no principal'
			USING ERRCODE = 'insufficient_privilege',
				HINT = 'Send a token with the claim "sub" or "principal" through a registered gateway.';
	END IF;
	IF principal IS NOT NULL
		AND principal::authz.entity_uid <> me THEN
		RAISE EXCEPTION 'permission denied to ask about another principal'
			USING ERRCODE = 'insufficient_privilege',
				DETAIL = format('The token is %s''s.', me),
				HINT = 'Leave out "principal", or use a token of the delegate role.';
	END IF;
	IF entities IS NOT NULL THEN
		RAISE EXCEPTION 'permission denied to hand in entities'
			USING ERRCODE = 'insufficient_privilege',
				HINT = 'Leave out "entities", or use a token of the delegate role.';
	END IF;
	RETURN me;
END
$$;
COMMENT ON FUNCTION authz.http_own_principal(text, jsonb) IS
	'The principal of the request, for a caller that may ask about itself alone';

CREATE FUNCTION authz.http_argument(value text, name text)
RETURNS authz.entity_uid
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF value IS NULL THEN
		RAISE EXCEPTION 'parameter "%" must not be null', name
			USING ERRCODE = 'null_value_not_allowed',
				HINT = 'Send an entity uid, as in Action::"view".';
	END IF;
	RETURN value::authz.entity_uid;
END
$$;
COMMENT ON FUNCTION authz.http_argument(text, text) IS
	'A parameter of a request as an entity uid; refuses null';

CREATE FUNCTION authz.http_check_own(principal text, action text,
									 resource text, context jsonb,
									 entities jsonb)
RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN authz.authz_check(authz.http_own_principal(principal, entities),
							 authz.http_argument(action, 'action'),
							 authz.http_argument(resource, 'resource'),
							 coalesce(context, '{}'));
END
$$;
COMMENT ON FUNCTION authz.http_check_own(text, text, text, jsonb, jsonb) IS
	'authz_api.check for a caller that may ask about itself alone';

CREATE FUNCTION authz.http_decide_own(principal text, action text,
									  resource text, context jsonb,
									  entities jsonb)
RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (SELECT row_to_json(d)
			FROM authz.authz_decide(authz.http_own_principal(principal, entities),
									authz.http_argument(action, 'action'),
									authz.http_argument(resource, 'resource'),
									coalesce(context, '{}')) d);
END
$$;
COMMENT ON FUNCTION authz.http_decide_own(text, text, text, jsonb, jsonb) IS
	'authz_api.decide for a caller that may ask about itself alone';

/*
 * Any question: SECURITY INVOKER.  PostgreSQL itself checks EXECUTE on
 * authz_check against the role that called, when these run.  Their bodies are
 * parsed here, whatever the search_path of the caller is; the SET
 * keeps them from being inlined, for then that right would be checked before
 * it is known to be needed.
 */
CREATE FUNCTION authz.http_check_any(principal text, action text,
									 resource text, context jsonb,
									 entities jsonb)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT authz.authz_check(coalesce(principal::authz.entity_uid,
									  authz.http_own_principal(NULL, NULL)),
							 authz.http_argument(action, 'action'),
							 authz.http_argument(resource, 'resource'),
							 coalesce(context, '{}'), entities);
END;
COMMENT ON FUNCTION authz.http_check_any(text, text, text, jsonb, jsonb) IS
	'authz_api.check for a caller with EXECUTE on authz_check';

CREATE FUNCTION authz.http_decide_any(principal text, action text,
									  resource text, context jsonb,
									  entities jsonb)
RETURNS json
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT row_to_json(d)
	FROM authz.authz_decide(coalesce(principal::authz.entity_uid,
									 authz.http_own_principal(NULL, NULL)),
							authz.http_argument(action, 'action'),
							authz.http_argument(resource, 'resource'),
							coalesce(context, '{}'), entities) d;
END;
COMMENT ON FUNCTION authz.http_decide_any(text, text, text, jsonb, jsonb) IS
	'authz_api.decide for a caller with EXECUTE on authz_decide';

/*
 * The entry points choose by what is asked and by the caller's right.  A wrong
 * choice gains nothing: each branch enforces its own rule.
 */
CREATE FUNCTION authz_api.check(action text, resource text,
								context jsonb DEFAULT '{}',
								principal text DEFAULT NULL,
								entities jsonb DEFAULT NULL)
RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT CASE
		WHEN (principal IS NOT NULL OR entities IS NOT NULL)
			AND has_function_privilege('authz.authz_check(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text)'::regprocedure, 'EXECUTE')
		THEN authz.http_check_any(principal, action, resource, context, entities)
		ELSE authz.http_check_own(principal, action, resource, context, entities)
	END;
END;
COMMENT ON FUNCTION authz_api.check(text, text, jsonb, text, jsonb) IS
	E'May the caller do this?\nAnswers true or false. "principal" (someone else than the caller) and "entities" need the delegate role.';

CREATE FUNCTION authz_api.decide(action text, resource text,
								 context jsonb DEFAULT '{}',
								 principal text DEFAULT NULL,
								 entities jsonb DEFAULT NULL)
RETURNS json
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT CASE
		WHEN (principal IS NOT NULL OR entities IS NOT NULL)
			AND has_function_privilege('authz.authz_decide(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text)'::regprocedure, 'EXECUTE')
		THEN authz.http_decide_any(principal, action, resource, context, entities)
		ELSE authz.http_decide_own(principal, action, resource, context, entities)
	END;
END;
COMMENT ON FUNCTION authz_api.decide(text, text, jsonb, text, jsonb) IS
	E'May the caller do this, and why?\nAnswers {"decision", "reasons", "errors", "policy_version"}. "principal" (someone else than the caller) and "entities" need the delegate role.';

/* Requests of a batch with the caller as their principal; refuses another's. */
CREATE FUNCTION authz.http_own_requests(requests jsonb, entities jsonb)
RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me authz.entity_uid := authz.http_own_principal(NULL, entities);
	own jsonb;
	other bigint;
BEGIN
	IF requests IS NULL OR jsonb_typeof(requests) <> 'array' THEN
		RETURN requests;			/* authz_check_batch says what is wrong */
	END IF;
	SELECT min(n) FILTER (WHERE CASE jsonb_typeof(p)
				WHEN 'string' THEN (p #>> '{}')::authz.entity_uid <> me
				WHEN 'object' THEN authz.entity_uid(p ->> 'type', p ->> 'id') IS DISTINCT FROM me
				WHEN 'null' THEN false
				ELSE p IS NOT NULL END),
		   jsonb_agg(CASE jsonb_typeof(r)
				WHEN 'object' THEN r || jsonb_build_object('principal', me)
				ELSE r END ORDER BY n)
	INTO other, own
	FROM jsonb_array_elements(requests) WITH ORDINALITY AS e (r, n),
		LATERAL (SELECT CASE jsonb_typeof(r) WHEN 'object' THEN coalesce(r #> '{principal,__entity}', r -> 'principal') END AS p) AS x;
	IF other IS NOT NULL THEN
		RAISE EXCEPTION 'permission denied to ask about another principal'
			USING ERRCODE = 'insufficient_privilege',
				DETAIL = format('Request %s; the token is %s''s.', other, me),
				HINT = 'Leave out "principal", or use a token of the delegate role.';
	END IF;
	RETURN coalesce(own, '[]');
END
$$;
COMMENT ON FUNCTION authz.http_own_requests(jsonb, jsonb) IS
	'The requests of a batch about the caller''s own principal; refuses others and entities';

CREATE FUNCTION authz.http_check_batch_own(requests jsonb, entities jsonb)
RETURNS json
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (SELECT coalesce(json_agg(b.allowed ORDER BY b.n), '[]')
			FROM authz.authz_check_batch(authz.http_own_requests(requests, entities)) b);
END
$$;
COMMENT ON FUNCTION authz.http_check_batch_own(jsonb, jsonb) IS
	'authz_api.check_batch for a caller that may ask about itself alone';

CREATE FUNCTION authz.http_check_batch_any(requests jsonb, entities jsonb)
RETURNS json
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(json_agg(b.allowed ORDER BY b.n), '[]')
	FROM authz.authz_check_batch(
		CASE WHEN jsonb_typeof(requests) = 'array'
			AND requests @? '$[*] ? (@.type() == "object" && (!exists(@.principal) || @.principal == null))'
		THEN (SELECT jsonb_agg(CASE WHEN jsonb_typeof(r) = 'object' AND coalesce(r -> 'principal', 'null') = 'null'
								THEN r || jsonb_build_object('principal', authz.http_own_principal(NULL, NULL))
								ELSE r END ORDER BY n)
			  FROM jsonb_array_elements(requests) WITH ORDINALITY AS e (r, n))
		ELSE requests END, entities) b;
END;
COMMENT ON FUNCTION authz.http_check_batch_any(jsonb, jsonb) IS
	'authz_api.check_batch for a caller with EXECUTE on authz_check_batch';

CREATE FUNCTION authz_api.check_batch(requests jsonb, entities jsonb DEFAULT NULL)
RETURNS json
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT CASE
		WHEN (entities IS NOT NULL OR requests @? '$[*].principal ? (@ != null)')
			AND has_function_privilege('authz.authz_check_batch(jsonb, jsonb, text)'::regprocedure, 'EXECUTE')
		THEN authz.http_check_batch_any(requests, entities)
		ELSE authz.http_check_batch_own(requests, entities)
	END;
END;
COMMENT ON FUNCTION authz_api.check_batch(jsonb, jsonb) IS
	E'May the caller do all these?\n"requests" is an array of {"action", "resource", "context"}, 10,000 at most; answers an array of true and false in their order. "principal" in a request (someone else than the caller) and "entities" need the delegate role.';

/*
 * Explanations show attributes of entities and texts of policies, so they are
 * for the delegate alone: it is the only one who gets EXECUTE, on this and on
 * authz_explain, which PostgreSQL checks against the caller.
 */
CREATE FUNCTION authz_api.explain(action text, resource text,
								  context jsonb DEFAULT '{}',
								  principal text DEFAULT NULL,
								  entities jsonb DEFAULT NULL,
								  all_policies boolean DEFAULT false)
RETURNS json
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT json_build_object(
		'decision', CASE
			WHEN bool_or(x.status = 'satisfied' AND x.effect = 'forbid') THEN 'deny'
			WHEN bool_or(x.status = 'satisfied') THEN 'allow'
			ELSE 'deny' END,
		'policies', coalesce(json_agg(row_to_json(x)), '[]'))
	FROM authz.authz_explain(coalesce(principal::authz.entity_uid,
									  authz.http_own_principal(NULL, NULL)),
							 authz.http_argument(action, 'action'),
							 authz.http_argument(resource, 'resource'),
							 coalesce(context, '{}'), entities, NULL, all_policies) x;
END;
COMMENT ON FUNCTION authz_api.explain(text, text, jsonb, text, jsonb, boolean) IS
	E'Why is it decided so?\nFor the delegate role. Answers {"decision", "policies"}: what each policy that may concern the request misses, and the values that it saw.';

REVOKE ALL ON FUNCTION
	authz.http_own_requests(jsonb, jsonb),
	authz.http_check_batch_own(jsonb, jsonb),
	authz.http_check_batch_any(jsonb, jsonb),
	authz_api.check_batch(jsonb, jsonb),
	authz_api.explain(text, text, jsonb, text, jsonb, boolean),
	authz.http_own_principal(text, jsonb),
	authz.http_argument(text, text),
	authz.http_check_own(text, text, text, jsonb, jsonb),
	authz.http_decide_own(text, text, text, jsonb, jsonb),
	authz.http_check_any(text, text, text, jsonb, jsonb),
	authz.http_decide_any(text, text, text, jsonb, jsonb),
	authz_api.check(text, text, jsonb, text, jsonb),
	authz_api.decide(text, text, jsonb, text, jsonb)
	FROM PUBLIC;

/*
 * What PostgREST verifies tokens with.  The keys of trusted issuers are among
 * them, and PostgREST takes any of its keys for any token: http_pre_request
 * verifies the token once more, with the key of its kid and issuer.
 */
CREATE FUNCTION authz.postgrest_jwks() RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT jsonb_build_object('keys', (authz.jwks() -> 'keys') || coalesce(jsonb_agg(
			(SELECT jsonb_object_agg(m.key, m.value) FROM jsonb_each(k.jwk) m
			 WHERE m.key IN ('kty', 'crv', 'x', 'y', 'n', 'e', 'kid', 'alg', 'use'))
			ORDER BY i.issuer COLLATE "C", k.n), '[]'))
	FROM authz.trusted_issuers i, jsonb_array_elements(i.jwks -> 'keys') WITH ORDINALITY k (jwk, n)
	WHERE i.enabled AND authz.jwks_check(jsonb_build_object('keys', jsonb_build_array(k.jwk))) = 1;
END;
COMMENT ON FUNCTION authz.postgrest_jwks() IS
	'The public keys of this database and of the issuers that it trusts, as a JWK set (RFC 7517)';

CREATE FUNCTION authz.postgrest_config() RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	own text := authz.token_setting('audience');
BEGIN
	PERFORM set_config('pgrst.jwt_secret', authz.postgrest_jwks()::text, true),
		set_config('pgrst.db_pre_request', 'authz.http_pre_request', true),
		set_config('pgrst.jwt_cache_max_lifetime', '0', true);
	/* PostgREST knows one audience; http_pre_request knows each issuer's. */
	IF own <> '' AND NOT EXISTS (
		SELECT FROM authz.trusted_issuers i WHERE i.enabled AND i.audience <> own) THEN
		PERFORM set_config('pgrst.jwt_aud', own, true);
	END IF;
END
$$;
COMMENT ON FUNCTION authz.postgrest_config() IS
	'For PostgREST''s db-pre-config: its keys and audience, authz.http_pre_request before each request, and no cache of tokens';

REVOKE ALL ON FUNCTION authz.postgrest_jwks(), authz.postgrest_config() FROM PUBLIC;

/* A role claim may name whatever the authenticator is a member of, by another role too. */
CREATE FUNCTION authz.http_refuse_powerful(authenticator name) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	above name;
BEGIN
	SELECT rolname INTO above FROM pg_roles
		WHERE (rolsuper OR rolbypassrls OR rolcreaterole OR rolreplication
			   OR starts_with(rolname, 'pg_'))
			AND pg_has_role(authenticator, oid, 'MEMBER')
		ORDER BY rolname LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'role "%" is a member of the powerful role "%"',
			authenticator, above
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'A token could switch to it.',
				HINT = 'Revoke that membership, or name another role.';
	END IF;
END
$$;
COMMENT ON FUNCTION authz.http_refuse_powerful(name) IS
	'For http_roles_create: raises when a role is a member, also through others, of one that is too powerful to serve HTTP';

/* Each row says one thing that was done. */
CREATE FUNCTION authz.http_roles_create(
	authenticator name DEFAULT 'authz_authenticator',
	user_role name DEFAULT 'authz_user',
	delegate_role name DEFAULT 'authz_delegate')
RETURNS SETOF text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r name;
	found_role pg_roles;
BEGIN
	IF authenticator IS NULL OR user_role IS NULL OR delegate_role IS NULL THEN
		RAISE EXCEPTION 'role names must not be null'
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF authenticator = user_role OR authenticator = delegate_role
		OR user_role = delegate_role THEN
		RAISE EXCEPTION 'the three roles must be different'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;

	FOREACH r IN ARRAY ARRAY[authenticator, user_role, delegate_role] LOOP
		SELECT * INTO found_role FROM pg_roles WHERE rolname = r;
		IF NOT FOUND THEN
			IF r = authenticator THEN
				EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT', r);
				RETURN NEXT format('created role %I (LOGIN NOINHERIT, no password yet)', r);
			ELSE
				EXECUTE format('CREATE ROLE %I NOLOGIN', r);
				RETURN NEXT format('created role %I (NOLOGIN)', r);
			END IF;
		ELSE
			/* A role that is already there is used, never changed. */
			IF found_role.rolsuper OR found_role.rolbypassrls
				OR found_role.rolcreaterole OR found_role.rolreplication THEN
				RAISE EXCEPTION 'role "%" is too powerful to serve HTTP', r
					USING ERRCODE = 'invalid_parameter_value',
						DETAIL = 'It has SUPERUSER, BYPASSRLS, CREATEROLE or REPLICATION.',
						HINT = 'Name another role.';
			END IF;
			IF r = authenticator AND NOT found_role.rolcanlogin THEN
				RAISE EXCEPTION 'role "%" cannot log in', r
					USING ERRCODE = 'invalid_parameter_value',
						HINT = format('Run ALTER ROLE %I LOGIN.', r);
			END IF;
			IF r = authenticator AND found_role.rolinherit THEN
				RAISE EXCEPTION 'role "%" inherits the rights of the roles that it switches to', r
					USING ERRCODE = 'invalid_parameter_value',
						HINT = format('Run ALTER ROLE %I NOINHERIT.', r);
			END IF;
			RETURN NEXT format('role %I exists', r);
		END IF;
	END LOOP;

	IF pg_has_role(user_role, delegate_role, 'MEMBER') THEN
		RAISE EXCEPTION 'role "%" is a member of "%"', user_role, delegate_role
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'Every user could ask about others.',
				HINT = 'Revoke that membership, or name another role.';
	END IF;

	FOREACH r IN ARRAY ARRAY[user_role, delegate_role] LOOP
		IF NOT pg_has_role(authenticator, r, 'MEMBER') THEN
			EXECUTE format('GRANT %I TO %I', r, authenticator);
			RETURN NEXT format('granted %I to %I', r, authenticator);
		END IF;
		EXECUTE format('GRANT USAGE ON SCHEMA authz_api TO %I', r);
		EXECUTE format('GRANT EXECUTE ON FUNCTION'
					   ' authz_api.check(text, text, jsonb, text, jsonb),'
					   ' authz_api.decide(text, text, jsonb, text, jsonb),'
					   ' authz_api.check_batch(jsonb, jsonb),'
					   ' authz.http_own_principal(text, jsonb),'
					   ' authz.http_argument(text, text), authz.http_pre_request(),'
					   ' authz.http_check_own(text, text, text, jsonb, jsonb),'
					   ' authz.http_decide_own(text, text, text, jsonb, jsonb),'
					   ' authz.http_check_any(text, text, text, jsonb, jsonb),'
					   ' authz.http_decide_any(text, text, text, jsonb, jsonb),'
					   ' authz.http_check_batch_own(jsonb, jsonb),'
					   ' authz.http_check_batch_any(jsonb, jsonb)'
					   ' TO %I', r);
		RETURN NEXT format('%I may call authz_api.check, authz_api.check_batch and authz_api.decide about its own principal', r);
	END LOOP;

	PERFORM authz.http_refuse_powerful(authenticator);

	/* The delegate's right is EXECUTE on the decision functions themselves. */
	EXECUTE format('GRANT EXECUTE ON FUNCTION'
				   ' authz.authz_check(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text),'
				   ' authz.authz_decide(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text),'
				   ' authz.authz_check_batch(jsonb, jsonb, text),'
				   ' authz.authz_explain(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text, boolean),'
				   ' authz_api.explain(text, text, jsonb, text, jsonb, boolean)'
				   ' TO %I', delegate_role);
	RETURN NEXT format('%I may ask about any principal, hand in entities and see why, with the values that policies saw', delegate_role);

	EXECUTE format('GRANT EXECUTE ON FUNCTION authz.postgrest_config() TO %I', authenticator);
	RETURN NEXT format('%I may call authz.postgrest_config: PostgREST''s db-pre-config', authenticator);

	PERFORM authz.gateway_register(format('%I', authenticator)::regrole);
	RETURN NEXT format('registered %I as a gateway: request.jwt.claims of its sessions is believed', authenticator);
END
$$;
COMMENT ON FUNCTION authz.http_roles_create(name, name, name) IS
	'Makes the roles for PostgREST where they are missing, grants their rights and registers the gateway; says what it did';
REVOKE ALL ON FUNCTION authz.http_refuse_powerful(name), authz.http_roles_create(name, name, name) FROM PUBLIC;
