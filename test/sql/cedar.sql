-- The stateless functions.
\pset null '(null)'
SELECT authz.cedar_version();
CREATE FUNCTION decide(policies text, context json DEFAULT '{}', entities json DEFAULT '[]') RETURNS json LANGUAGE sql
RETURN authz.cedar_authorize(policies, entities, json_build_object('principal', json_build_object('type', 'User', 'id', 'alice'),
	'action', 'Action::"view"', 'resource', json_build_object('type', 'Document', 'id', 'd'), 'context', context));
CREATE FUNCTION truth(expression text, context json DEFAULT '{}') RETURNS text LANGUAGE sql
RETURN (SELECT CASE WHEN d #>> '{diagnostics,errors,0}' IS NOT NULL THEN 'error' ELSE d ->> 'decision' END
		FROM decide('permit (principal, action, resource) when { ' || expression || ' };', context) d);

SELECT decide('permit (principal, action, resource);');
SELECT decide('permit (principal, action, resource) when { context.n > 1 }; permit (principal, action, resource); forbid (principal, action, resource) unless { true };', '{"n": 2}');
SELECT decide('permit (principal, action, resource); forbid (principal, action, resource) when { resource.locked };', '{}',
	'[{"uid": {"type": "Document", "id": "d"}, "attrs": {"locked": true}, "parents": []}]');
SELECT decide('');
-- The reference's shape, errors included.
SELECT decide('permit (principal, action, resource) when { context.n > 1 };');

-- Edges that are easily got wrong.
SELECT e AS expression, truth(e) FROM (VALUES
	('decimal("-0.23").lessThan(decimal("0.0"))'), ('decimal("-0.23") == decimal("-0.2300")'),
	('-9223372036854775808 < 0'), ('--9223372036854775808 < 0'), ('9223372036854775807 + 1 > 0'), ('-9223372036854775808 - 1 < 0'),
	('ip("127.0.0.1/01").isLoopback()'), ('ip("127.0.0.1/+1").isLoopback()'), ('ip("127.0.0.1/001").isLoopback()'), ('ip("::ffff:1.2.3.4").isIpv6()'),
	('ip("::1").isInRange(ip("0.0.0.0/0"))'), ('ip("1.2.3.4").isInRange(ip("::/0"))'), ('ip("10.1.2.3").isInRange(ip("10.0.0.0/8"))'),
	('datetime("2024-10-15T11:35:00.000+0100") == datetime("2024-10-15T10:35:00.000Z")'), ('datetime("0000-01-01") < datetime("9999-12-31T23:59:59.999-2359")'),
	('datetime("2024-10-15T11:35:00.000+2400") == datetime("2024-10-15")'), ('datetime("2023-02-29") == datetime("2023-03-01")'),
	('duration("106751991167d7h12m55s807ms") > duration("0ms")'), ('duration("106751991167d7h12m55s808ms") > duration("0ms")'),
	('duration("-1d12h").toHours() == -36'), ('duration("1h1d") > duration("0ms")'),
	('"\u{1F600}" like "?"'), ('"\u{1F600}" like "*"'), ('"a*b" like "a\*b"'), ('"axb" like "a\*b"'), ('"axb" like "a\u{2a}b"'), ('"aébc" like "a*c"'),
	('"\x41" == "A"'), ('"\0" == ""'), ('[1, 2, 2] == [2, 1]'), ('[] == [1]'), ('{"a": 1, b: 2} == {b: 2, "a": 1}'),
	('1 == "1"'), ('1 < "1"'), ('true || 1'), ('false || 1'), ('1 || true'), ('if true then true else 1'),
	('{a: {b: 1}} has a.b'), ('{a: {b: 1}} has a.c'), ('{a: 1} has a.b'), ('principal is User'), ('principal in [resource, principal]'),
	('resource.missing'), ('[1, [2, 3]].contains([3, 2])'), ('[].isEmpty()')) v (e);

-- NUL is a character like any other here.
SELECT decide('permit (principal, action, resource) when { context.s == "a\0b" && context.s like "a*b" };', '{"s": "a\u0000b"}');
SELECT authz.cedar_authorize('permit (principal == User::"nul\0", action, resource);', '[]', '{"principal": {"type": "User", "id": "nul\u0000"}, "action": "Action::\"a\"", "resource": "D::\"d\""}');

-- Refused: policies, with the position under the text.
SELECT decide('permit (principal, action, resource) when { -(9223372036854775808) < 0 };');
SELECT decide('permit (principal, action, resource)
when { principal.name == "x" }
unless { resource.owner =  principal };');
SELECT decide('permit (principal, action, resource) when { "\q" == "" };');
SELECT decide('permit (principal, action, resource) when { {a: 1, "a": 2} == {} };');
SELECT decide('permit (principal, action, resource) when { a.b() };');
SELECT decide('permit (principal, action, resource) when { true };;');
SELECT decide('permit (principal == ?principal, action, resource);');
-- Refused: entities and requests.
SELECT decide('', '{}', '[{"uid": {"type": "A", "id": "1"}, "attrs": {}, "parents": [{"type": "A", "id": "2"}]}, {"uid": {"type": "A", "id": "2"}, "attrs": {}, "parents": [{"type": "A", "id": "1"}]}]');
SELECT decide('', '{}', '[{"uid": {"type": "A", "id": "1"}, "attrs": {}, "parents": []}, {"uid": {"type": "A", "id": "1"}, "attrs": {}, "parents": []}]');
SELECT decide('', '{}', '[{"uid": {"type": "A", "id": "1"}, "attrs": {}, "parents": []}, {"uid": {"type": "A", "id": "1"}, "attrs": {"a": 1}, "parents": []}]');
SELECT decide('', '{}', '[{"uid": {"type": "A", "id": "1"}, "attrs": {"a": 1.5}, "parents": []}]');
SELECT decide('', '{}', '{}');
SELECT decide('', '{"a": {"a": 1, "a": 2}}');
SELECT authz.cedar_authorize('', '[]', '{"principal": "User::\"a\"", "action": "view", "resource": "D::\"d\""}');
SELECT authz.cedar_authorize('', '[]', '{"principal": "User::\"a\"", "resource": "D::\"d\""}');
SELECT authz.cedar_authorize('', '[]', '[]');
SELECT authz.cedar_authorize(NULL, '[]', '{}');
SELECT authz.cedar_authorize('', NULL, '{}');
SELECT authz.cedar_authorize('', '[]', NULL);
\set VERBOSITY terse
SELECT decide('permit (principal, action, resource) when { ' || repeat('(', 100000) || 'true' || repeat(')', 100000) || ' };');
SELECT decide('permit (principal, action, resource) when { "' || repeat('x', 10000000) || '" == "" };');
SELECT decide('', ('{"a": ' || repeat('[', 5000) || repeat(']', 5000) || '}')::json);
\set VERBOSITY default
-- Schemas, and policies checked against them.
\set schema 'entity Group; entity User in [Group] { name: String, "boss"?: User }; entity Doc { owner?: User }; action view, edit appliesTo { principal: User, resource: Doc, context: { ip: __cedar::ipaddr } };'
SELECT * FROM authz.cedar_validate('permit (principal in Group::"x", action == Action::"view", resource) when { context.ip.isLoopback() && principal.name == "é" };', :'schema');
SELECT policy_id, severity, code, start_byte, end_byte, line, col, message, help FROM authz.cedar_validate('permit (principal in Group::"x", action == Action::"view", resource)
when { "é" == principal.nam && resource.owner == principal };
permit (principal, action == Action::"veiw", resource);
forbid (principal is Uzer, action, resource);
permit (principal, action, resource) when { principal has boss && principal.boss.name == 1 };', :'schema');
SELECT count(*) FROM authz.cedar_validate('permit (principal, action, resource) when { principal has boss && principal.boss.name == "x" };', :'schema');
SELECT severity, code, line, col FROM authz.cedar_validate('permit (principal, action, resource) when { principal has boss && principal.boss.name == "x" };', :'schema', level => 1);
SELECT count(*) FROM authz.cedar_validate('permit (principal, action, resource) when { principal has boss && principal.boss.name == "x" };', :'schema', level => 2);
-- With a schema, JSON is read by it, and what does not fit it is refused.
\set policy 'permit (principal in Group::"g", action == Action::"view", resource) when { context.ip.isLoopback() && resource has owner && resource.owner == principal };'
\set entities '[{"uid": {"type": "User", "id": "a"}, "attrs": {"name": "A"}, "parents": [{"type": "Group", "id": "g"}]}, {"uid": {"type": "Doc", "id": "d"}, "attrs": {"owner": {"type": "User", "id": "a"}}, "parents": []}]'
SELECT authz.cedar_authorize(:'policy', :'entities', '{"principal": "User::\"a\"", "action": "Action::\"view\"", "resource": "Doc::\"d\"", "context": {"ip": "127.0.0.1"}}', :'schema');
SELECT authz.cedar_authorize(:'policy', :'entities', '{"principal": "User::\"a\"", "action": "Action::\"view\"", "resource": "Doc::\"d\"", "context": {"ip": "127.0.0.1"}}') ->> 'decision' AS without_schema;
SELECT authz.cedar_authorize(:'policy', :'entities', '{"principal": "User::\"a\"", "action": "Action::\"view\"", "resource": "Doc::\"d\"", "context": {}}', :'schema');
SELECT authz.cedar_authorize(:'policy', :'entities', '{"principal": "Doc::\"d\"", "action": "Action::\"view\"", "resource": "Doc::\"d\"", "context": {"ip": "127.0.0.1"}}', :'schema');
SELECT authz.cedar_authorize(:'policy', :'entities', '{"principal": "User::\"a\"", "action": "Action::\"shred\"", "resource": "Doc::\"d\"", "context": {"ip": "127.0.0.1"}}', :'schema');
SELECT authz.cedar_authorize(:'policy', '[{"uid": {"type": "User", "id": "a"}, "attrs": {}, "parents": []}]', '{"principal": "User::\"a\"", "action": "Action::\"view\"", "resource": "Doc::\"d\"", "context": {"ip": "127.0.0.1"}}', :'schema');
SELECT authz.cedar_authorize(:'policy', '[{"uid": {"type": "Doc", "id": "d"}, "attrs": {"owner": "a"}, "parents": []}]', '{"principal": "User::\"a\"", "action": "Action::\"view\"", "resource": "Doc::\"d\"", "context": {"ip": "127.0.0.1"}}', :'schema');
SELECT authz.cedar_schema_to_json(:'schema');
SELECT authz.cedar_schema_to_text(authz.cedar_schema_to_json(:'schema')::text);
SELECT authz.cedar_schema_to_json(authz.cedar_schema_to_text(:'schema'))::jsonb = authz.cedar_schema_to_json(:'schema')::jsonb AS round_trip;
SELECT * FROM authz.cedar_validate('permit (principal, action, resource)', :'schema');
SELECT * FROM authz.cedar_validate('', 'entity User in [Grupo];
entity Group;');
SELECT * FROM authz.cedar_validate('', 'entity User {
	name String };');
SELECT * FROM authz.cedar_validate('', '{"": {"entityTypes": {"A": {"memberOf": []}}, "actions": {}}}');
SELECT * FROM authz.cedar_validate('', :'schema', level => -1);
SELECT * FROM authz.cedar_validate(NULL, :'schema');
SELECT authz.cedar_schema_to_json(NULL);

-- Cancelled inside: what is wrong with the argument is not reached.  (It depends on the process, or the planner would ask.)
SELECT pg_cancel_backend(pg_backend_pid()), authz.cedar_authorize('permit' || left(pg_backend_pid()::text, 0), '[]', '{}');
SELECT pg_cancel_backend(pg_backend_pid()), authz.cedar_authorize('', ('[1' || left(pg_backend_pid()::text, 0) || ']')::json, '{}');
SELECT pg_cancel_backend(pg_backend_pid()), authz.cedar_schema_to_json('entity' || left(pg_backend_pid()::text, 0));
SELECT authz.cedar_schema_to_json('entity' || left(pg_backend_pid()::text, 0));
-- The same by statement_timeout, amid work that takes far longer and ends at a fault: reading a text, writing a policy, evaluating.
SET statement_timeout = '100ms';
SELECT authz.cedar_authorize(repeat('permit (principal, action, resource) when { context.a == 1 };', 300000 + 0 * pg_backend_pid()) || 'permit', '[]', '{}');
INSERT INTO authz.policies (policy_id, policy)
	SELECT 'p' || p, 'permit (principal, action, resource) when { [' || (SELECT string_agg((i * 7919 % 1000003)::text, ',') FROM generate_series(p, 145000 + p) i) || '].isEmpty() }' || CASE p WHEN 60 THEN '' ELSE ';' END
	FROM generate_series(1, 60) p;
SET statement_timeout = '500ms';
SELECT decide(string_agg('permit (principal, action, resource) when { ' || (SELECT string_agg('context.s.containsAll(context.s)', ' && ') FROM generate_series(1, CASE p WHEN 300 THEN 110 ELSE 90 END)) || ' };', E'\n' ORDER BY p),
		json_build_object('s', (SELECT json_agg(i) FROM generate_series(1, 100000) i)))
	FROM generate_series(1, 300) p;
RESET statement_timeout;
-- Many findings in one policy take no longer than many policies.
SET statement_timeout = '100s';
SELECT count(*) FROM (SELECT string_agg('X' || i || '::"a"', ',') FROM generate_series(1, 60000) i) x (uids),
	authz.cedar_validate('permit (principal, action, resource) when { [' || uids || '].isEmpty() };', 'entity User; action view appliesTo { principal: User, resource: User };')
WHERE code = 'unrecognized_entity_type';
RESET statement_timeout;

-- Open to everybody.
CREATE ROLE regress_authz_nobody;
SET ROLE regress_authz_nobody;
SELECT authz.cedar_authorize('permit (principal, action, resource);', '[]', '{"principal": "User::\"a\"", "action": "Action::\"a\"", "resource": "D::\"d\""}') ->> 'decision' AS decision;
RESET ROLE;
DROP ROLE regress_authz_nobody;
DROP FUNCTION truth, decide;

-- Links of templates: one id space, reported by link id.
CREATE FUNCTION linked(links json) RETURNS json
LANGUAGE sql AS $$
	SELECT authz.cedar_authorize(
		'permit(principal == ?principal, action, resource);
		 permit(principal, action, resource in ?resource);
		 forbid(principal, action, resource) when { context.no };',
		'[{"uid": {"type": "Doc", "id": "d"}, "attrs": {}, "parents": [{"type": "Folder", "id": "f"}]}]',
		'{"principal": {"type": "User", "id": "a"}, "action": {"type": "Action", "id": "v"}, "resource": {"type": "Doc", "id": "d"}, "context": {"no": false}}',
		links => links)
$$;
SELECT linked(NULL);
SELECT linked('[]');
SELECT linked('[{"templateId": "policy0", "newId": "alice", "values": {"?principal": {"type": "User", "id": "a"}}},
	{"templateId": "policy0", "newId": "bob", "values": {"?principal": {"__entity": {"type": "User", "id": "b"}}}},
	{"templateId": "policy1", "newId": "", "values": {"?resource": {"type": "Folder", "id": "f"}}}]');
SELECT linked('[{"templateId": "policy0", "newId": "x", "values": {}}]');
SELECT linked('[{"templateId": "policy0", "newId": "x", "values": {"?principal": {"type": "User", "id": "a"}, "?resource": {"type": "User", "id": "a"}}}]');
SELECT linked('[{"templateId": "policy0", "newId": "x", "values": {"?principal": {"type": "User", "id": "a"}, "?action": 1}}]');
SELECT linked('[{"templateId": "policy2", "newId": "x", "values": {}}]');
SELECT linked('[{"templateId": "policy01", "newId": "x", "values": {"?principal": {"type": "User", "id": "a"}}}]');
SELECT linked('[{"templateId": "policy0", "newId": "policy2", "values": {"?principal": {"type": "User", "id": "a"}}}]');
SELECT linked('[{"templateId": "policy0", "newId": "x", "values": {"?principal": {"type": "User", "id": "a"}}},
	{"templateId": "policy0", "newId": "x", "values": {"?principal": {"type": "User", "id": "b"}}}]');
SELECT linked('[{"templateId": "policy0", "newId": "x", "values": {"?principal": "User::\"a\""}}]');
SELECT linked('[{"templateId": "policy0", "newId": "x", "values": {"?principal": {"type": "User", "id": "a"}}, "more": 1}]');
SELECT linked('{}');
DROP FUNCTION linked(json);

-- A link's types are checked with the values of its slots.
SELECT policy_id, severity, code, start_byte, end_byte FROM authz.cedar_validate(
	'permit(principal == ?principal, action, resource);',
	'entity User, Doc; action view appliesTo { principal: User, resource: Doc };',
	links => '[{"templateId": "policy0", "newId": "good", "values": {"?principal": {"type": "User", "id": "a"}}},
		{"templateId": "policy0", "newId": "document", "values": {"?principal": {"type": "Doc", "id": "a"}}},
		{"templateId": "policy0", "newId": "nobody", "values": {"?principal": {"type": "Nobody", "id": "a"}}}]');
-- For databases in UTF-8 alone.
SELECT current_database() AS regression \gset
CREATE DATABASE regress_authz_latin1 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
\c regress_authz_latin1
\set SHOW_CONTEXT never
CREATE EXTENSION authz;
\c :regression
DROP DATABASE regress_authz_latin1;
-- Not into a schema that somebody else has made ahead.
BEGIN;
DROP EXTENSION authz;
DROP SCHEMA authz;
CREATE ROLE regress_squatter;
CREATE SCHEMA authz AUTHORIZATION regress_squatter;
\set SHOW_CONTEXT never
SAVEPOINT s;
CREATE EXTENSION authz;
ROLLBACK TO s;
-- Nor beside what somebody else has put there: a call could mean this as well as ours.
SET ROLE regress_squatter;
CREATE FUNCTION authz.http_answer(status integer, answer jsonb) RETURNS json LANGUAGE sql AS 'SELECT ''"mine"''::json';
RESET ROLE;
DO $$ BEGIN EXECUTE format('ALTER SCHEMA authz OWNER TO %I', current_user); END $$;
CREATE EXTENSION authz;
ROLLBACK;
\set SHOW_CONTEXT errors

-- A policy in the reference's JSON form.
SELECT authz.cedar_policy_to_json('@id("x") @draft permit(principal is User in ?principal, action in [Action::"a", A::Action::"b"], resource)
	when { principal has a.b && resource.tags.contains("\u{0}") || -1 < context["x y"] } unless { ip("::1").isLoopback() && principal like "*\*é" };');
SELECT authz.cedar_policy_to_json('forbid(principal, action in [Action::"a"], resource == D::"d");');
SELECT authz.cedar_policy_to_json('permit(principal, action, resource); permit(principal, action, resource);');
SELECT authz.cedar_policy_to_json(NULL);

-- What is left when something is not known yet.
SELECT authz.cedar_authorize_partial('permit(principal, action, resource) when { resource.owner == principal };
	forbid(principal, action == Action::"edit", resource) when { principal.level < 2 };
	permit(principal in Group::"staff", action, resource in Folder::"f") when { context.n == 1 && [1, 2].contains(resource.n) };
	permit(principal, action == Action::"other", resource); permit(principal, action, resource) when { principal.none == 1 };',
	'[{"uid": {"type": "User", "id": "a"}, "attrs": {"level": 3}, "parents": [{"type": "Group", "id": "staff"}]}]',
	'User::"a"', 'Action::"edit"', NULL, '{"n": 1}');
SELECT authz.cedar_authorize_partial('permit(principal, action, resource);', '[]')::jsonb ->> 'decision';
SELECT authz.cedar_authorize_partial('permit(principal is User, action, resource);', '[]', resource => 'D::"1"');
