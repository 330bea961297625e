-- Argon2, by libsodium or OpenSSL.  Where neither has it, such a hash is refused,
-- and at a sign-in its owner's password is wrong (identity_argon2_1.out).
\pset null '(null)'
\set SHOW_CONTEXT never
SET authz.argon2_memory = '1MB';
SET authz.scrypt_cost = 10;
SHOW authz.password_algorithm;
SET authz.password_algorithm = 'argon2id';
RESET authz.password_algorithm;
CREATE FUNCTION verify(password text, hash text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN authz.password_verify(password, hash);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
-- Hashes that others made (test/identity/hashes.py) of `correct horse battery`.
CREATE TEMP TABLE hashes (name text, hash text);
INSERT INTO hashes VALUES
	('argon2id', '$argon2id$v=19$m=4096,t=3,p=4$zwWkfaJdDs9dOCmaZ7w44g$ioe85G0BGJuBdrJI7hm/k5bkfnAW0zwvI5Gdfs/0Mwk'),
	('argon2i', '$argon2i$v=19$m=4096,t=3,p=1$gb43V7fE0D48z0qojg20Cw$xxe1ZOIfVgABCcv+UfVXpT2gLO0ggXQGxKZMOW/4jjo'),
	('argon2id, long', '$argon2id$v=19$m=1024,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY$3eEjuezR/FVgz5jFcZrfALj5niup8lma91DZdv57H+GFtg4g5D3R647g8GT0wRd4MJt3u/o3tK86kfTebbG6Yw'),
	('Django argon2', 'argon2$argon2id$v=19$m=1024,t=2,p=8$KrlzM5LgvLcmj8LoDG2BJw$gdn34kg7r6Wd3+RXB8iiTY73HLuq3Uxg7ilYMhBd8jA');
SELECT name, verify('correct horse battery', hash) AS "right", verify('correct horse batterz', hash) AS "wrong",
	verify(repeat('x', 600), hash) AS long, authz.password_is_current(hash) AS current
FROM hashes;
-- Any bit of a hash that is another makes it another password's, or no hash.
SELECT name, count(*) FILTER (WHERE verify('correct horse battery', overlay(hash PLACING c FROM length(hash) - 8)) = 'true') AS still_right
FROM hashes, unnest('{A,b}'::text[]) c WHERE substr(hash, length(hash) - 8, 1) <> c GROUP BY name ORDER BY name COLLATE "C";
SELECT name, authz.password_check_hash(hash) = hash AS accepted FROM hashes WHERE name = 'argon2id';

-- Our own: what is set, salted, verified by the same library.
SELECT left(h, 22) AS begins, authz.password_verify('correct horse battery', h) AS "right", authz.password_verify('wrong', h) AS "wrong", authz.password_is_current(h) AS current
FROM authz.password_hash('correct horse battery') h;
SELECT authz.password_hash('x') <> authz.password_hash('x') AS salted;

-- At a sign-in, and in the doctor's eyes.
SELECT name, (authz.password_attempt('correct horse battery', hash, name || '@example.com', NULL)).result FROM hashes ORDER BY name COLLATE "C";
INSERT INTO authz.users (id, email) VALUES ('00000000-0000-0000-0000-0000000000a2', 'argon2@example.com');
INSERT INTO authz.user_passwords (user_id, hash) SELECT '00000000-0000-0000-0000-0000000000a2', hash FROM hashes WHERE name = 'Django argon2';
SELECT replace(state, 'Argon2 by OpenSSL', 'Argon2 by libsodium') AS state, ok, fix FROM authz.doctor() WHERE subject = 'passwords';
DELETE FROM authz.users;
