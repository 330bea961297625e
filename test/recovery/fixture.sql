-- A database with something of everything, for dumps and upgrades: psql -v gateway=ROLE -v asker=ROLE.
CREATE EXTENSION authz;
SET authz.issuer = 'https://auth.example.com';
SET authz.audience = 'shop';
CREATE ROLE :"gateway" LOGIN NOINHERIT;
CREATE ROLE :"asker";
SELECT authz.gateway_register(:'gateway');
GRANT EXECUTE ON FUNCTION authz.authz_check(authz.entity_uid, authz.entity_uid, authz.entity_uid, jsonb, jsonb, text) TO :"asker";
-- The application's own table, mapped.
CREATE TABLE public.tickets (id int PRIMARY KEY, owner text NOT NULL, urgent boolean NOT NULL);
INSERT INTO public.tickets SELECT i, 'u' || i % 7, i % 3 = 0 FROM generate_series(1, 20) i;
SELECT authz.map_entity_type('Ticket', 'public.tickets', id => 'id', attrs => '["owner", "urgent"]');
INSERT INTO authz.policies (policy_id, policy) VALUES
	('staff', 'permit (principal in Group::"top", action, resource is Doc) when { resource.level < principal.level };'),
	('owner', E'// "é"\npermit (principal, action, resource is Doc) when { resource has owner && resource.owner == principal };'),
	('frozen', 'forbid (principal, action == Action::"edit", resource is Doc) when { resource.hasTag("frozen") };'),
	('broken', 'permit (principal, action, resource is Doc) when { resource.nothing };'),
	('tickets', 'permit (principal is User, action == Action::"close", resource is Ticket) when { resource.urgent || resource.owner == principal.name };'),
	('shared', 'permit (principal == ?principal, action == Action::"view", resource);');
INSERT INTO authz.policy_links (link_id, template_id, principal) SELECT 'shared ' || i, 'shared', authz.entity_uid('User', 'u' || i) FROM generate_series(1, 5) i;
INSERT INTO authz.policies (policy_id, policy, enabled) VALUES ('off', 'permit (principal, action, resource);', false);
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('other', 'all', 'permit (principal, action == Action::"view", resource);'),
	('gone', 'x', 'permit (principal, action, resource);'), ('typed', 'x', 'permit (principal is Robot, action, resource);');
INSERT INTO authz.schema (policy_set, schema, check_entities) VALUES ('typed', 'entity Robot { name: String }; action work appliesTo { principal: Robot, resource: Robot };', false);
UPDATE authz.policies SET policy = replace(policy, '<', '<=') WHERE policy_id = 'staff';
DELETE FROM authz.policies WHERE policy_set = 'gone';
INSERT INTO authz.entities (uid, parents) SELECT authz.entity_uid('Group', 'g' || i), ARRAY[authz.entity_uid('Group', CASE i WHEN 0 THEN 'top' ELSE 'g' || (i - 1) END)]
	FROM generate_series(0, 9) i;
INSERT INTO authz.entities (uid, attrs, parents)
	SELECT authz.entity_uid('User', 'u' || i), jsonb_build_object('level', i % 5, 'name', 'u' || i), CASE WHEN i % 3 = 0 THEN ARRAY[authz.entity_uid('Group', 'g' || i % 10)] ELSE '{}' END
	FROM generate_series(1, 25) i;
INSERT INTO authz.entities (uid, attrs, tags)
	SELECT authz.entity_uid('Doc', 'd' || i), jsonb_build_object('level', i % 4, 'owner', jsonb_build_object('__entity', jsonb_build_object('type', 'User', 'id', 'u' || (i % 20 + 1)))),
		CASE WHEN i % 4 = 0 THEN '{"frozen": "é"}'::jsonb ELSE '{}' END FROM generate_series(1, 20) i;
SELECT authz.signing_key_create();
-- History of policies, links and the schema; tests.
UPDATE authz.policy_links SET enabled = false WHERE link_id = 'shared 1';
DELETE FROM authz.policy_links WHERE link_id = 'shared 2';
UPDATE authz.schema SET schema = schema || ' // "é"' WHERE policy_set = 'typed';
UPDATE authz.policies SET enabled = NOT enabled WHERE policy_id = 'owner';
UPDATE authz.policies SET enabled = NOT enabled WHERE policy_id = 'owner';
INSERT INTO authz.policy_tests (policy_set, name, principal, action, resource, decision, reasons) VALUES
	('other', 'anybody sees', 'User::"u1"', 'Action::"view"', 'Doc::"d1"', 'allow', '{all}'), ('other', 'nobody edits', 'User::"u1"', 'Action::"edit"', 'Doc::"d1"', 'deny', '{}');
-- Users, sessions that go on and that have ended.
SELECT authz.register(format('user%s@example.com', i), 'correct horse battery staple') FROM generate_series(1, 3) i;
UPDATE authz.users SET email_verified_at = now();
CREATE TABLE public.token AS SELECT email, answer ->> 'access_token' AS access_token, answer ->> 'refresh_token' AS refresh_token
	FROM (SELECT email, authz.login(email, 'correct horse battery staple', '192.0.2.1') AS answer FROM authz.users WHERE email <> 'user3@example.com') l;
SELECT authz.signing_key_create(alg => 'ES256');
SELECT authz.policy_restore(authz.policy_version('typed') - 1, 'typed');
-- Audit of several months; the default partition keeps what has none.
SELECT authz.audit_partition_create(m) FROM unnest('{2025-11-01,2025-12-01,2026-01-01}'::date[]) m;
SELECT authz.audit_write(json_agg(json_build_object('event', 'login', 'actor', 'User::"u1"', 'created_at', timestamptz '2025-11-10 12:00Z' + i * interval '7 days', 'account', 'user1@example.com'))) FROM generate_series(0, 20) i;
CREATE TABLE public.made AS SELECT clock_timestamp() AS at;
