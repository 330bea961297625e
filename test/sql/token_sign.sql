-- Signing and verifying tokens.
\pset null '(null)'
SET authz.token_cache_entries = 0;

-- What a statement gives, or its SQLSTATE and message.
CREATE FUNCTION try(query text, VARIADIC arguments text[] DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	detail text;
BEGIN
	EXECUTE query INTO result USING arguments;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', SQLSTATE, SQLERRM) || CASE WHEN detail <> '' THEN E' \u2013 ' || detail ELSE '' END;
END $$;
CREATE FUNCTION base64url(b bytea) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT translate(encode(b, 'base64'), E'+/=\n', '-_')
$$;
-- Times and ids out of the way.
CREATE FUNCTION plain(claims jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT claims - '{iat,exp,jti}'::text[] || jsonb_strip_nulls(jsonb_build_object('lifetime',
		CASE WHEN jsonb_typeof(claims -> 'exp') = 'number' THEN (claims -> 'exp')::numeric - (claims -> 'iat')::numeric END))
$$;

-- No key yet.
SELECT try('SELECT authz.jwt_sign(''{"sub": "alice"}'')');
SELECT try('SELECT authz.jwt_sign(''{"sub": "alice"}'', alg => ''ES256'')');
SELECT try('SELECT authz.jwt_sign(''{"sub": "alice"}'', kid => ''x'')');
SELECT authz.jwks();

SELECT authz.signing_key_create() AS kid \gset
SELECT authz.jwt_sign('{"sub": "alice"}') AS token \gset
SELECT plain(authz.jwt_verify(:'token')), plain(authz.jwt_verify_or_null(:'token'));
SELECT d -> 'header' ->> 'alg' AS alg, d -> 'header' ->> 'typ' AS typ, d -> 'header' ->> 'kid' = :'kid' AS kid,
	plain(d -> 'claims') AS claims, d -> 'verified' AS verified
FROM authz.jwt_decode(:'token') d;
SELECT authz.jwt_verify(NULL), authz.jwt_verify_or_null(NULL), authz.jwt_decode(NULL), authz.jwt_sign(NULL);

-- What is put in.
SELECT plain(authz.jwt_verify(authz.jwt_sign(c, expires_in => 60))) FROM (VALUES
	('{}'::jsonb), ('{"a": [], "b": {}, "c": [1, "x", null, true, {"d": [[-1.50]]}], "é\"\\\u0001": "\u2028\n"}')) v (c);
SELECT plain(authz.jwt_verify(authz.jwt_sign('{}')));
SET authz.token_lifetime = '2min';
SET authz.issuer = 'https://auth.example.com';
SET authz.audience = 'api';
SELECT plain(authz.jwt_verify(authz.jwt_sign('{}')));
SELECT plain(authz.jwt_verify(authz.jwt_sign('{"client_id": "app", "sub": "alice"}', typ => 'at+jwt'), typ => 'application/AT+JWT'));
SELECT authz.jwt_verify(authz.jwt_sign('{"client_id": "app", "sub": "alice"}', typ => 'at+jwt')) ->> 'jti' ~ '^[0-9a-f-]{36}$' AS jti;
RESET authz.token_lifetime;
-- What is not signed.
SELECT c, try('SELECT authz.jwt_sign($1[1]::jsonb, expires_in => $1[2]::int, typ => $1[3])', c, e, t) FROM (VALUES
	('[]', '60', NULL), ('"alice"', '60', NULL), ('{"exp": 1900000000}', '60', NULL), ('{"exp": "soon"}', NULL, NULL), ('{"exp": null}', NULL, NULL),
	('{"sub": 7}', NULL, NULL), ('{"aud": {}}', NULL, NULL), ('{"iat": 1e400}', NULL, NULL), ('{}', '86401', NULL), ('{}', '2147483647', NULL),
	('{"sub": "alice"}', NULL, 'at+jwt'), ('{"client_id": "app"}', NULL, 'at+jwt'),
	(format('{"a": "%s"}', repeat('x', 70000)), NULL, NULL)) v (claims, e, t), left(claims, 40) c
	WHERE claims = c;
SELECT try('SELECT authz.jwt_sign($1[1]::jsonb)', format('{"a": "%s"}', repeat('x', 70000)));
SELECT try('SELECT length(authz.jwt_sign($1[1]::jsonb)) > 60000', format('{"a": "%s"}', repeat('x', 45000)));
SELECT try('SELECT authz.jwt_sign(''{}'', alg => ''none'')'), try('SELECT authz.jwt_sign(''{}'', purpose => ''other'')');
SELECT try('SELECT authz.jwt_sign(''{}'', purpose => NULL)'), try('SELECT authz.jwt_verify(''a.b.c'', purpose => NULL)');

-- Issuer, audience, type.
SELECT authz.jwt_sign('{"sub": "alice"}', typ => 'JWT') AS token \gset
SELECT issuer, audience, typ, try('SELECT plain(authz.jwt_verify($1[1], $1[2], $1[3], $1[4]))', :'token', issuer, audience, typ),
	try('SELECT plain(authz.jwt_verify_or_null($1[1], $1[2], $1[3], $1[4]))', :'token', issuer, audience, typ) IS NULL AS "null"
FROM (VALUES (NULL, NULL, NULL), ('https://auth.example.com', 'api', 'jwt'), ('https://auth.example.com/', NULL, NULL),
	(NULL, 'other', NULL), (NULL, NULL, 'at+jwt')) v (issuer, audience, typ);
SET authz.issuer = 'https://other.example.com';
SELECT try('SELECT authz.jwt_verify($1[1])', :'token');
SELECT try('SELECT plain(authz.jwt_verify($1[1], issuer => $1[2]))', :'token', 'https://auth.example.com');
RESET authz.issuer;
SELECT plain(authz.jwt_verify(:'token'));
RESET authz.audience;
SELECT try('SELECT authz.jwt_verify($1[1])', :'token');
SELECT plain(authz.jwt_verify(authz.jwt_sign('{"aud": ["a", "b"]}'), audience => 'b'));
SELECT try('SELECT authz.jwt_verify($1[1], audience => ''b'')', authz.jwt_sign('{}'));

-- Times: exp and nbf at their edges, as the clock moves.
SELECT authz.jwt_sign('{}', expires_in => 60) AS token,
	extract(epoch FROM clock_timestamp())::bigint AS now \gset
SELECT authz.jwt_sign(format('{"nbf": %s}', :now + 1000)::jsonb, expires_in => 2000) AS later \gset
CREATE FUNCTION at(seconds integer, token text, leeway integer DEFAULT 0) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('authz.token_clock_offset', seconds::text, true);
	RETURN regexp_replace(try('SELECT authz.jwt_verify($1[1], leeway => $1[2]::int) IS NOT NULL', token, leeway::text), ' \u2013.*', '');
END $$;
SELECT at(50, :'token'), at(61, :'token'), at(62, :'token', 10), at(71, :'token', 10), at(-100, :'token');
SELECT at(990, :'later'), at(1001, :'later'), at(991, :'later', 10), at(985, :'later', 10), at(2001, :'later');
SELECT try('SELECT authz.jwt_verify($1[1], leeway => -1)', :'token');
SET authz.token_clock_offset = 0;

-- Attacks. Each token is refused, for what is wrong with it.
CREATE FUNCTION forged(header text, payload text, signature text DEFAULT 'AA') RETURNS text LANGUAGE sql AS $$
	SELECT base64url(convert_to(header, 'UTF8')) || '.' || base64url(convert_to(payload, 'UTF8')) || '.' || signature
$$;
CREATE FUNCTION altered(token text, part integer, value text) RETURNS text LANGUAGE sql AS $$
	SELECT CASE part WHEN 1 THEN value ELSE split_part(token, '.', 1) END || '.' ||
		CASE part WHEN 2 THEN value ELSE split_part(token, '.', 2) END || '.' ||
		CASE part WHEN 3 THEN value ELSE split_part(token, '.', 3) END
$$;
SELECT authz.jwt_sign('{"sub": "alice"}') AS token \gset
-- Signed with HMAC, the public key in some form as its secret.
CREATE FUNCTION hmac_signed(kid text, secret bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	input text := base64url(convert_to(format('{"alg":"HS256","kid":"%s"}', kid), 'UTF8')) || '.' || base64url('{"sub":"alice","exp":1900000000}');
	key bytea := CASE WHEN length(secret) > 64 THEN sha256(secret) ELSE secret END || decode(repeat('00', 64), 'hex');
	inner_key bytea := '';
	outer_key bytea := '';
BEGIN
	FOR i IN 0..63 LOOP
		inner_key := inner_key || set_byte('\x00', 0, get_byte(key, i) # 54);
		outer_key := outer_key || set_byte('\x00', 0, get_byte(key, i) # 92);
	END LOOP;
	RETURN input || '.' || base64url(sha256(outer_key || sha256(inner_key || convert_to(input, 'UTF8'))));
END $$;
WITH k AS (SELECT public_jwk AS jwk, decode(translate(public_jwk ->> 'x', '-_', '+/') || '=', 'base64') AS x FROM authz.signing_keys WHERE kid = :'kid'),
	der AS (SELECT *, '\x302a300506032b6570032100'::bytea || x AS der FROM k),
	pem AS (SELECT *, E'-----BEGIN PUBLIC KEY-----\n' || encode(der, 'base64') || E'\n-----END PUBLIC KEY-----\n' AS pem FROM der)
SELECT what, try('SELECT authz.jwt_verify($1[1])', hmac_signed(:'kid', secret)) FROM pem, LATERAL (VALUES
	('raw', x), ('DER', der), ('PEM', pem::bytea), ('PEM behind white space', convert_to(E'\n ' || pem, 'UTF8')), ('JWK', convert_to(jwk::text, 'UTF8')),
	('SSH', convert_to('ssh-ed25519 ' || encode('\x0000000b7373682d6564323535313900000020'::bytea || x, 'base64'), 'UTF8'))) v (what, secret);
SELECT header, try('SELECT authz.jwt_verify($1[1])', forged(replace(header, 'KID', :'kid'), '{"sub": "alice", "exp": 1900000000}', signature)) FROM (VALUES
	('{"alg": "none", "kid": "KID"}', ''), ('{"alg": "None", "kid": "KID"}', ''), ('{"alg": "NONE", "kid": "KID"}', 'AA'), ('{"alg": "nOnE"}', ''),
	('{"alg": "", "kid": "KID"}', ''), ('{"alg": null, "kid": "KID"}', ''), ('{"kid": "KID"}', ''), ('{"alg": "EdDSA"}', 'AA'),
	('{"alg": "EdDSA", "kid": "KID", "crit": ["exp"]}', 'AA'), ('{"alg": "EdDSA", "kid": "KID", "crit": []}', 'AA'), ('{"alg": "EdDSA", "kid": "KID", "b64": false, "crit": ["b64"]}', 'AA'),
	('{"alg": "HS256", "kid": "KID"}', 'AA'), ('{"alg": "ES256", "kid": "KID"}', 'AA'), ('{"alg": "RS256", "kid": "KID"}', 'AA'),
	('{"alg": "EdDSA", "kid": "KID"}', ''), ('{"alg": "EdDSA", "kid": "KID"}', 'AA'), ('{"alg": "EdDSA", "kid": "KID", "kid": "KID"}', 'AA'),
	('{"alg": "EdDSA", "kid": "\u0000"}', 'AA'), ('{"alg": "EdDSA", "kid": 7}', 'AA'), ('{"alg": "EdDSA", "kid": ""}', 'AA'),
	('{"alg": "EdDSA", "kid": "'' OR 1=1 --"}', 'AA'), ('{"alg": "EdDSA", "kid": "x'' UNION SELECT ''AA"}', 'AA'),
	('{"alg": "EdDSA", "kid": "../../../../dev/null"}', 'AA'), ('{"alg": "EdDSA", "kid": "%00"}', 'AA'),
	('{"alg": "EdDSA", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}', 'AA'),
	('{"alg": "EdDSA", "jku": "https://evil.example.com/jwks"}', 'AA'), ('{"alg": "EdDSA", "x5u": "https://evil.example.com/cert"}', 'AA'), ('{"alg": "EdDSA", "x5c": ["MII"]}', 'AA'),
	('[]', 'AA'), ('', 'AA'), ('{"alg": "EdDSA"', 'AA')) v (header, signature);
-- RFC 8037 appendix A.4: a good signature by the key that the header brings along.
SELECT try('SELECT authz.jwt_verify($1[1])', 'eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg');
-- Signatures: cut short, with a bit turned, of another token, in other alphabets and forms.
WITH t AS (SELECT split_part(:'token', '.', 3) AS s)
SELECT what, try('SELECT plain(authz.jwt_verify($1[1]))', altered(:'token', 3, value)) FROM t, LATERAL (VALUES
	('whole', s), ('cut by 1', left(s, -1)), ('cut by 2', left(s, -2)), ('half', left(s, 44)), ('first bit', translate(left(s, 1), 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_', 'ghijklmnopqrstuvwxyz0123456789-_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef') || substr(s, 2)),
	('padded', s || '=='), ('longer', s || 'AA'), ('white space', s || ' '), ('newline', s || E'\n'), ('a dot', s || '.'),
	('unused bits', left(s, -1) || translate(right(s, 1), 'AQgw', 'BRhx')), ('zero', repeat('A', 86)), ('of another', split_part(authz.jwt_sign('{"sub": "bob"}'), '.', 3))) v (what, value);
SELECT n, count(DISTINCT r), min(r) FROM (
	SELECT 'each byte of the signature' AS n, try('SELECT authz.jwt_verify($1[1])', altered(:'token', 3,
		base64url(set_byte(s, i, get_byte(s, i) # (1 << (i % 8)))))) AS r
	FROM (SELECT decode(translate(split_part(:'token', '.', 3), '-_', '+/') || '==', 'base64') AS s) x, generate_series(0, 63) i) y GROUP BY n;
SELECT try('SELECT authz.jwt_verify($1[1])', altered(:'token', 2, base64url('{"sub": "bob", "exp": 1900000000}')));
SELECT t AS token, try('SELECT authz.jwt_verify($1[1])', t), authz.jwt_verify_or_null(t) FROM unnest(ARRAY['', '.', '..', '...', 'a.b.c', 'a', ' ', 'eyJhbGciOiJFZERTQSJ9..', '{"payload": "", "signatures": []}']) t;
SELECT try('SELECT authz.jwt_verify($1[1])', repeat('a', 70000)), try('SELECT authz.jwt_verify($1[1])', repeat('a.', 30000));
-- One token by which a duplicate key would be read two ways, and claims that are not what they should be: signed by nobody here, taken apart by nobody either.
SELECT payload, try('SELECT authz.jwt_decode($1[1]) -> ''claims''', forged('{"alg": "EdDSA"}', payload)) FROM (VALUES
	('{"sub": "alice", "sub": "admin"}'), ('{"sub": "alice", "\u0073ub": "admin"}'), ('{"sub": "\u0000"}'), ('{"exp": 1e400}'), ('{"a": "\ud800"}'),
	('[]'), ('alice'), (''), ('{"exp": "1900000000"}'), ('{"exp": 1.5}')) v (payload);
SELECT try('SELECT authz.jwt_decode($1[1])', forged('{"alg": "EdDSA"}', repeat('{"a":', 40) || '1' || repeat('}', 40)));

-- ES256: r or s zero, or out of range.
SELECT authz.signing_key_create('ES256') AS es \gset
SELECT authz.jwt_sign('{"sub": "alice"}', alg => 'ES256') AS token \gset
SELECT plain(authz.jwt_verify(:'token'));
WITH t AS (SELECT decode(translate(split_part(:'token', '.', 3), '-_', '+/') || '==', 'base64') AS s),
	p AS (SELECT substr(s, 1, 32) AS r, substr(s, 33) AS s, decode(repeat('00', 32), 'hex') AS zero, decode(repeat('ff', 32), 'hex') AS ones,
		'\xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'::bytea AS n FROM t)
SELECT what, try('SELECT plain(authz.jwt_verify($1[1]))', altered(:'token', 3, base64url(value))) FROM p, LATERAL (VALUES
	('whole', r || s), ('r = 0', zero || s), ('s = 0', r || zero), ('both', zero || zero), ('r = n', n || s), ('s = n', r || n), ('ones', ones || ones), ('swapped', s || r)) v (what, value);
SELECT DISTINCT d -> 'header' ->> 'alg' AS "the default stays EdDSA" FROM authz.jwt_decode(authz.jwt_sign('{}')) d;

DROP FUNCTION try, base64url, plain, at, forged, altered, hmac_signed;
RESET authz.token_cache_entries;
DELETE FROM authz.signing_keys;
