-- The type entity_uid and the entity store.
\pset null '(null)'

-- Text form: Cedar's, whatever spelling of the escapes came in.
SELECT 'User::"alice"'::authz.entity_uid;
SELECT 'App::Core::User::"alice"'::authz.entity_uid AS namespaced,
	   'User::""'::authz.entity_uid AS empty_id,
	   E'User::"a\\"b\\\\c\\n\\t\\u{e9}\\x41"'::authz.entity_uid AS escapes,
	   'User::"日本 😀"'::authz.entity_uid AS unicode;
SELECT authz.entity_uid('App::User', 'a"b' || chr(10)) AS made,
	   authz.entity_uid_type('App::User::"x"') AS type,
	   authz.entity_uid_id(E'App::User::"x\\"y"') AS id;
-- Out and in again gives the same, for every character of the first planes.
SELECT count(*) AS differ
FROM generate_series(1, 70000) AS c,
	 LATERAL (SELECT authz.entity_uid('T', 'a' || chr(c) || 'b') AS uid) AS u
WHERE c NOT BETWEEN 55296 AND 57343
  AND (uid::text::authz.entity_uid <> uid OR authz.entity_uid_id(uid) <> 'a' || chr(c) || 'b');

-- As in policy text, white space between the parts does not count.
SELECT ' App :: User :: "alice" '::authz.entity_uid;

-- Refused.
SELECT ''::authz.entity_uid;
SELECT 'alice'::authz.entity_uid;
SELECT 'User::alice'::authz.entity_uid;
SELECT 'User::"alice'::authz.entity_uid;
SELECT 'User::"al\qice"'::authz.entity_uid;
SELECT 'User::"\u{d800}"'::authz.entity_uid;
SELECT '__cedar::User::"alice"'::authz.entity_uid;
SELECT 'if::"alice"'::authz.entity_uid;
SELECT 'Ünser::"alice"'::authz.entity_uid;
SELECT 'User::"nul\0"'::authz.entity_uid;
SELECT authz.entity_uid('App User', 'x');
SELECT authz.entity_uid('', 'x');
SELECT authz.entity_uid(NULL, 'x'), authz.entity_uid('User', NULL);
SELECT ('User::"' || repeat('x', 300))::authz.entity_uid;

-- Order and equality are those of the bytes: type, then id.
SELECT uid FROM (VALUES ('B::"a"'), ('A::"b"'), ('A::"a"'), ('A::"B"'), ('A::""'), ('AB::"a"'), ('A::B::"a"'), ('A::"é"')) v (t),
	LATERAL (SELECT t::authz.entity_uid AS uid) u ORDER BY uid;
SELECT a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, authz.entity_uid_cmp(a, b)
FROM (VALUES ('A::"1"'::authz.entity_uid, 'A::"2"'::authz.entity_uid), ('A::"2"', 'A::"2"'), ('A::"3"', 'A::"2"')) v (a, b);
-- A type that begins like another with the rest in the id is another uid.
SELECT authz.entity_uid('Ab', 'c') = authz.entity_uid('A', 'bc') AS same;
-- Hash and merge joins, grouping, a hash index.
CREATE TABLE uids AS SELECT authz.entity_uid('T' || i % 3, 'id-' || i % 100) AS uid, i FROM generate_series(1, 600) i;
SET enable_mergejoin = off; SET enable_nestloop = off;
SELECT count(*) FROM uids a JOIN uids b USING (uid);
RESET enable_mergejoin; SET enable_hashjoin = off;
SELECT count(*) FROM uids a JOIN uids b USING (uid);
RESET enable_hashjoin; RESET enable_nestloop;
SELECT count(DISTINCT uid), min(i) FROM uids;
CREATE INDEX uids_hash ON uids USING hash (uid);
SET enable_seqscan = off;
SELECT count(*) FROM uids WHERE uid = 'T1::"id-1"';
RESET enable_seqscan;
SELECT count(*) = 0 AS hashes_agree FROM uids a, uids b
WHERE a.uid = b.uid AND (authz.entity_uid_hash(a.uid) <> authz.entity_uid_hash(b.uid)
	OR authz.entity_uid_hash_extended(a.uid, 7) <> authz.entity_uid_hash_extended(b.uid, 7));
-- Binary send and receive, compressed and out of line.
CREATE TABLE uids_copy (LIKE uids);
INSERT INTO uids VALUES (authz.entity_uid('T', repeat('long ', 4000)), 0),
	(authz.entity_uid('T', (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 500) n)), -1);
SELECT current_setting('data_directory') || '/authz_regress_uids' AS file \gset
COPY uids TO :'file' (FORMAT binary);
COPY uids_copy FROM :'file' (FORMAT binary);
SELECT count(*) AS differ FROM (TABLE uids EXCEPT ALL TABLE uids_copy) d;
SELECT i, length(authz.entity_uid_id(uid)) FROM uids_copy WHERE i <= 0 ORDER BY i;
SELECT count(*) FROM uids a JOIN uids_copy b USING (uid) WHERE a.i <= 0;
-- The wire form is length of the type, type, id; it is checked.
SELECT authz.entity_uid_send('Ab::"c"');
CREATE TABLE wire (b bytea);
CREATE TABLE wire_uid (uid authz.entity_uid);
CREATE FUNCTION receive(bytea, file text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM wire;
	INSERT INTO wire VALUES ($1);
	DELETE FROM wire_uid;
	EXECUTE format('COPY wire TO %L (FORMAT binary)', file);
	EXECUTE format('COPY wire_uid FROM %L (FORMAT binary)', file);
	RETURN (SELECT uid FROM wire_uid);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT b, receive(b, :'file') FROM (VALUES
	('\x00000002416263'::bytea), ('\x0000000241'), ('\x00000000'), ('\xffffffff4162'), ('\x7fffffff4162'),
	('\x000000024162'), ('\x00000002416200'), ('\x000000024162ff'), ('\x000000012063'), ('\x0000'), ('\x')) v (b);
COPY (SELECT) TO PROGRAM 'cat >/dev/null; rm authz_regress_uids';
DROP FUNCTION receive;
DROP TABLE uids, uids_copy, wire, wire_uid;

-- Bound as text and varchar, as drivers do; the operators need no search_path.
PREPARE by_text (text) AS SELECT $1::authz.entity_uid = 'User::"alice"';
EXECUTE by_text ('User::"alice"');
PREPARE by_param (text, varchar) AS SELECT authz.entity_uid_type($1), authz.entity_uid_id($2);
EXECUTE by_param ('User::"alice"', 'User::"bob"');
-- The implicit casts take nothing away from text and varchar.
SELECT 'a'::varchar = 'a' AS v_unknown, 'a'::varchar = 'a'::varchar AS v_v, 'a'::text = 'a' AS t_unknown,
	   'a'::text = 'a'::varchar AS t_v, 'a'::name = 'a'::varchar AS n_v, 'a'::bpchar = 'a'::varchar AS b_v,
	   'a'::varchar < 'b' AS lt, 'a' IN ('a'::varchar, 'b') AS "in", 'a'::varchar = ANY ('{a,b}') AS "any";

-- The store.
INSERT INTO authz.entities (uid, attrs, tags, parents) VALUES
	('User::"alice"', '{"level": 3, "home": {"__extn": {"fn": "ip", "arg": "10.0.0.1"}}, "boss": {"__entity": {"type": "User", "id": "bob"}}, "nick": ["a", "b"]}',
	 '{"team": "red"}', '{"Group::\"staff\""}'),
	('Group::"staff"', DEFAULT, DEFAULT, '{"Group::\"all\""}'),
	('Group::"all"', DEFAULT, DEFAULT, DEFAULT);
SELECT * FROM authz.entities ORDER BY uid;

-- Malformed entities are refused, and nothing of the statement stays.
INSERT INTO authz.entities (uid, attrs) VALUES ('A::"ok"', '{}'), ('A::"x"', '{"a": {"b": [1, 2, 12.5]}}');
INSERT INTO authz.entities (uid, attrs) VALUES ('A::"x"', '{"a": null}');
INSERT INTO authz.entities (uid, attrs) VALUES ('A::"x"', '{"a": 9223372036854775808}');
INSERT INTO authz.entities (uid, attrs) VALUES ('A::"x"', '{"a": {"__extn": {"fn": "ip", "arg": "10.0.0.256"}}}');
INSERT INTO authz.entities (uid, attrs) VALUES ('A::"x"', '{"a": {"__extn": {"fn": "nope", "arg": "1"}}}');
INSERT INTO authz.entities (uid, attrs) VALUES ('A::"x"', '{"a": {"__expr": "1 + 1"}}');
INSERT INTO authz.entities (uid, attrs) VALUES ('A::"x"', '[1]');
\set VERBOSITY terse
INSERT INTO authz.entities (uid, attrs) VALUES ('A::"x"', '{"a": "nul \u0000"}');
\set VERBOSITY default
INSERT INTO authz.entities (uid, tags) VALUES ('A::"x"', '{"t": 1.5}');
INSERT INTO authz.entities (uid, parents) VALUES ('A::"x"', ARRAY[NULL]::authz.entity_uid[]);
INSERT INTO authz.entities (uid, parents) VALUES ('A::"x"', ARRAY[['A::"y"'], ['A::"z"']]::authz.entity_uid[]);
INSERT INTO authz.entities (uid, parents) VALUES ('Action::"x"', '{"Group::\"all\""}');
INSERT INTO authz.entities (uid) VALUES (NULL);
INSERT INTO authz.entities (uid, attrs) VALUES ('A::"x"', NULL);
INSERT INTO authz.entities (uid, parents) VALUES ('A::"x"', NULL);
INSERT INTO authz.entities (uid) VALUES ('User::"alice"');
UPDATE authz.entities SET attrs = '{"a": null}' WHERE uid = 'User::"alice"';
SELECT count(*) FROM authz.entities;

-- Cycles of parents, of any length, also within one statement.
INSERT INTO authz.entities (uid, parents) VALUES ('A::"self"', '{"A::\"self\""}');
UPDATE authz.entities SET parents = '{"User::\"alice\""}' WHERE uid = 'Group::"all"';
INSERT INTO authz.entities (uid, parents)
	SELECT authz.entity_uid('C', i::text), ARRAY[authz.entity_uid('C', ((i + 1) % 1000)::text)] FROM generate_series(0, 999) i;
INSERT INTO authz.entities (uid, parents)
	SELECT authz.entity_uid('C', i::text), ARRAY[authz.entity_uid('C', (i + 1)::text)] FROM generate_series(0, 999) i;
UPDATE authz.entities SET parents = '{"C::\"0\""}' WHERE uid = 'C::"999"';
-- The last of the chain is not stored: a dangling parent is allowed, storing it later closes the cycle.
INSERT INTO authz.entities (uid, parents) VALUES ('C::"1000"', '{"C::\"500\""}');
-- A diamond is no cycle.
INSERT INTO authz.entities (uid, parents) VALUES ('D::"top"', '{}'), ('D::"l"', '{"D::\"top\""}'),
	('D::"r"', '{"D::\"top\""}'), ('D::"bottom"', '{"D::\"l\"","D::\"r\"","D::\"l\""}');
-- An order that passes through a cycle within the statement: swap two levels.
UPDATE authz.entities SET parents = CASE uid::text WHEN 'D::"top"' THEN '{"D::\"l\""}'::authz.entity_uid[] ELSE '{}' END
	WHERE uid IN ('D::"top"', 'D::"l"');
DELETE FROM authz.entities WHERE authz.entity_uid_type(uid) IN ('C', 'D');
-- COPY is an insert like any other.
COPY authz.entities (uid, attrs) FROM stdin;
A::"c1"	{"n": 1}
A::"c2"	{"n": 1.5}
\.
COPY authz.entities (uid, attrs, parents) FROM stdin;
A::"c1"	{"n": 1}	{"A::\\"c2\\""}
A::"c2"	{"n": 2}	{}
\.
SELECT uid, attrs, parents FROM authz.entities WHERE uid >= 'A::""' AND uid < 'B::""' ORDER BY uid;
-- Replication roles change nothing.
SET session_replication_role = replica;
INSERT INTO authz.entities (uid, attrs) VALUES ('A::"x"', '{"a": null}');
RESET session_replication_role;
-- The trigger functions are for their own tables.
CREATE TABLE other (uid authz.entity_uid, attrs jsonb, tags jsonb, parents authz.entity_uid[]);
CREATE TRIGGER t BEFORE INSERT ON other FOR EACH ROW EXECUTE FUNCTION authz.entities_before_row();
INSERT INTO other VALUES ('A::"x"', '{}', '{}', '{}');
SELECT authz.entities_before_row();
DROP TABLE other;
DELETE FROM authz.entities;
