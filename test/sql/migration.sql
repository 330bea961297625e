-- Coming from Supabase and OpenFGA.
\set VERBOSITY terse
SET client_min_messages = warning;
BEGIN;
-- Row-level security written for Supabase keeps running.
SELECT authz.migrate_supabase();
SELECT authz.gateway_register(session_user::regrole);
CREATE TABLE public.note (id int, user_id uuid);
ALTER TABLE public.note ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.note USING (auth.uid() = user_id OR auth.jwt() ->> 'team' = 'all' OR auth.role() = 'auditor');
INSERT INTO public.note VALUES (1, '00000000-0000-0000-0000-000000000001'), (2, '00000000-0000-0000-0000-000000000002');
CREATE ROLE migration_reader;
GRANT SELECT ON public.note TO migration_reader;
SET LOCAL ROLE migration_reader;
SELECT id FROM public.note ORDER BY id;
SET LOCAL "request.jwt.claims" = '{"sub": "00000000-0000-0000-0000-000000000002", "role": "authenticated", "email": "a@example.com"}';
SELECT id FROM public.note ORDER BY id;
SELECT auth.uid(), auth.role(), auth.email(), auth.jwt();
SET LOCAL "request.jwt.claims" = '{"sub": "00000000-0000-0000-0000-000000000003", "role": "auditor"}';
SELECT id FROM public.note ORDER BY id;
RESET ROLE;
SAVEPOINT s;
SELECT authz.migrate_supabase();
ROLLBACK;

-- A model of OpenFGA becomes policies, its tuples entities.
BEGIN;
SELECT * FROM authz.import_openfga('{"schema_version": "1.1", "type_definitions": [
	{"type": "user"}, {"type": "group", "relations": {"member": {"this": {}}}},
	{"type": "folder", "relations": {"viewer": {"this": {}}}},
	{"type": "document", "relations": {"parent": {"this": {}}, "owner": {"this": {}}, "blocked": {"this": {}},
		"viewer": {"union": {"child": [{"this": {}}, {"computedUserset": {"relation": "owner"}},
			{"tupleToUserset": {"tupleset": {"relation": "parent"}, "computedUserset": {"relation": "viewer"}}}]}},
		"can-read": {"difference": {"base": {"computedUserset": {"relation": "viewer"}}, "subtract": {"computedUserset": {"relation": "blocked"}}}}}}]}',
	'[{"user": "user:anne", "relation": "member", "object": "group:eng"}, {"user": "group:eng#member", "relation": "viewer", "object": "folder:plans"},
	{"key": {"user": "folder:plans", "relation": "parent", "object": "document:q4"}}, {"user": "user:bob", "relation": "owner", "object": "document:q4"},
	{"user": "user:bob", "relation": "blocked", "object": "document:q4"}, {"user": "user:*", "relation": "viewer", "object": "document:public"}]');
SELECT policy_id, policy FROM authz.policies ORDER BY policy_id;
SELECT uid, parents FROM authz.entities ORDER BY uid;
SELECT who, doc, authz.authz_check(authz.entity_uid('user', who), 'Action::"can-read"', authz.entity_uid('document', doc))
FROM unnest('{anne,bob,carl}'::text[]) who, unnest('{q4,public,none}'::text[]) doc ORDER BY who, doc;
SAVEPOINT s;
SELECT * FROM authz.import_openfga('{}', '[]');
ROLLBACK TO s;
SELECT * FROM authz.import_openfga('{"schema_version": "1.1", "type_definitions": [{"type": "user"}]}', '[{"user": "user:a", "relation": "x", "object": "doc:1"}]');
ROLLBACK TO s;
SELECT * FROM authz.import_openfga('{"schema_version": "1.1", "type_definitions": [{"type": "a", "relations": {"r": {"this": {}}, "d": {"difference": {"base": {"this": {}}, "subtract": {"computedUserset": {"relation": "r"}}}},
	"u": {"union": {"child": [{"this": {}}, {"computedUserset": {"relation": "d"}}]}}}}]}', '[]');
ROLLBACK TO s;
SELECT * FROM authz.import_openfga('{"schema_version": "1.1", "type_definitions": [{"type": "user"}], "conditions": {"c": {}}}', '[]');
ROLLBACK TO s;
-- Two names that would become one: who has the one relation would have the other.
SELECT * FROM authz.import_openfga('{"schema_version": "1.1", "type_definitions": [{"type": "user"},
	{"type": "doc", "relations": {"can-view": {"this": {}}, "can_view": {"this": {}}}}]}', '[]');
ROLLBACK TO s;
SELECT * FROM authz.import_openfga('{"schema_version": "1.1", "type_definitions": [{"type": "user"}, {"type": "a", "relations": {"b__c": {"this": {}}}},
	{"type": "a__b", "relations": {"c": {"this": {}}}}]}', '[]');
ROLLBACK TO s;
SELECT * FROM authz.import_openfga('{"schema_version": "1.1", "type_definitions": [{"type": "user_a"}, {"type": "doc", "relations": {"viewer": {"this": {}}}}]}',
	'[{"user": "user-a:anne", "relation": "viewer", "object": "doc:1"}]');
ROLLBACK TO s;
SELECT * FROM authz.import_openfga('{"schema_version": "1.1", "type_definitions": [{"type": "a%b"}, {"type": "doc", "relations": {"viewer": {"this": {}}}}]}',
	'[{"user": "a%b:*", "relation": "viewer", "object": "doc:1"}]');
SELECT authz.authz_check('a_b::"anne"', 'Action::"viewer"', 'doc::"1"');
ROLLBACK;
