-- Schemas in force: what does not validate is refused when it is written.
\pset null '(null)'
INSERT INTO authz.schema (schema) VALUES ('
entity Group;
entity User in Group { level: Long, boss?: User } tags String;
entity Folder in Folder;
entity Document in Folder { owner: User, keep?: Long };
entity Color enum ["red", "green"];
action write;
action view, edit in write appliesTo { principal: User, resource: Document, context: { ip?: ipaddr, by?: User } };
');

-- Refused, with all findings and the position of the first.
INSERT INTO authz.policies (policy_id, policy) VALUES ('typo', 'permit (principal is Usr, action, resource);');
INSERT INTO authz.policies (policy_id, policy) VALUES ('several', 'permit (principal, action == Action::"view", resource)
when {
	resource.keep > 1 && principal.nothing
} unless {
	principal.level == "high"
};'), ('action', 'permit (principal, action == Action::"veiw", resource);');
INSERT INTO authz.policies (policy_id, policy) VALUES ('action', 'permit (principal, action == Action::"veiw", resource);');
INSERT INTO authz.policies (policy_id, policy, enabled) VALUES ('off', 'permit (principal, action, resource) when { resource.nothing };', false);
INSERT INTO authz.policies (policy_id, policy) VALUES ('good', 'permit (principal, action in Action::"write", resource) when { resource.owner == principal };'),
	('bad', 'permit (principal, action, resource) when { principal.level };');
COPY authz.policies (policy_id, policy) FROM stdin;
copied	permit (principal, action == Action::"view", resource) when { context.ip.isLoopback() };
\.
INSERT INTO authz.policies (policy_id, policy) VALUES ('deep', 'permit (principal, action, resource) when { ["日本", resource.none] == [] };');
-- Warnings do not refuse.
INSERT INTO authz.policies (policy_id, policy) VALUES ('never', 'permit (principal is Document, action, resource);'),
	('good', 'permit (principal, action in Action::"write", resource) when { resource.owner == principal };');
UPDATE authz.policies SET policy = 'permit (principal, action, resource) when { resource.own == principal };' WHERE policy_id = 'good';
SELECT policy_id FROM authz.policies ORDER BY 1;
-- Another set has no schema.
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('other', 'typo', 'permit (principal is Usr, action, resource);');
UPDATE authz.policies SET policy_set = 'default' WHERE policy_set = 'other';
DELETE FROM authz.policies WHERE policy_set = 'other' OR policy_id = 'never';

-- Templates and links.
INSERT INTO authz.policies (policy_id, policy) VALUES ('t', 'permit (principal == ?principal, action == Action::"view", resource in ?resource) when { principal.levle > 1 };');
INSERT INTO authz.policies (policy_id, policy) VALUES ('t', 'permit (principal == ?principal, action == Action::"view", resource in ?resource) when { principal.level > 1 };');
INSERT INTO authz.policy_links (link_id, template_id, principal, resource) VALUES ('l', 't', 'User::"alice"', 'Foldr::"top"');
INSERT INTO authz.policy_links (link_id, template_id, principal, resource) VALUES ('l', 't', 'User::"alice"', 'Folder::"top"');
UPDATE authz.policy_links SET principal = 'Person::"alice"';

-- What is no schema is refused, with its position; so is one that stored policies or links do not validate against.
INSERT INTO authz.schema (policy_set, schema) VALUES ('other', 'entity User in Grup;');
INSERT INTO authz.schema (policy_set, schema) VALUES ('other', 'entity User
 { level: Long ;');
INSERT INTO authz.schema (policy_set, schema) VALUES ('other', '{"": {"entityTypes": {"User": {"shape": 1}}, "actions": {}}}');
UPDATE authz.schema SET schema = replace(replace(schema, 'level: Long', 'level: String'), 'owner:', 'by:');
UPDATE authz.schema SET schema = replace(schema, 'Folder', 'Directory');
SELECT policy_set, schema LIKE '%level: Long%' AS old FROM authz.schema;
-- Together they change in one command.
WITH p AS (UPDATE authz.policies SET policy = replace(policy, 'owner', 'by') WHERE policy_id = 'good')
UPDATE authz.schema SET schema = replace(schema, 'owner:', 'by:');
UPDATE authz.policies SET policy = replace(policy, '.by', '.owner') WHERE policy_id = 'good';
SELECT policy FROM authz.policies WHERE policy_id = 'good';
BEGIN;
DELETE FROM authz.schema;
UPDATE authz.policies SET policy = replace(policy, '.by', '.nobody') WHERE policy_id = 'good';
INSERT INTO authz.policies (policy_id, policy) VALUES ('typo', 'permit (principal is Usr, action, resource);');
ROLLBACK;
-- JSON is as good.
BEGIN;
UPDATE authz.schema SET schema = authz.cedar_schema_to_json(schema)::text;
INSERT INTO authz.policies (policy_id, policy) VALUES ('typo', 'permit (principal is Usr, action, resource);');
ROLLBACK;

-- Entities: attributes, tags, parents, enumerations and actions as the schema has them.
INSERT INTO authz.entities (uid, attrs, tags, parents) VALUES ('User::"alice"', '{"level": 3}', '{"a": "b"}', ARRAY['Group::"staff"'::authz.entity_uid]),
	('Document::"plan"', '{"by": {"__entity": {"type": "User", "id": "alice"}}}', '{}', ARRAY['Folder::"top"'::authz.entity_uid]);
INSERT INTO authz.entities (uid) VALUES ('User::"bob"');
INSERT INTO authz.entities (uid, attrs) VALUES ('User::"bob"', '{"level": "high"}');
INSERT INTO authz.entities (uid, attrs) VALUES ('User::"bob"', '{"level": 1, "other": 2}');
INSERT INTO authz.entities (uid, attrs, tags) VALUES ('User::"bob"', '{"level": 1}', '{"a": 1}');
INSERT INTO authz.entities (uid, tags) VALUES ('Group::"staff"', '{"a": "b"}');
INSERT INTO authz.entities (uid, parents) VALUES ('Group::"staff"', ARRAY['Group::"all"'::authz.entity_uid]);
INSERT INTO authz.entities (uid) VALUES ('Person::"bob"');
INSERT INTO authz.entities (uid) VALUES ('Color::"blue"');
INSERT INTO authz.entities (uid) VALUES ('Color::"red"');
INSERT INTO authz.entities (uid) VALUES ('Action::"delete"');
INSERT INTO authz.entities (uid) VALUES ('Action::"edit"');
INSERT INTO authz.entities (uid, parents) VALUES ('Action::"edit"', ARRAY['Action::"write"'::authz.entity_uid]);
UPDATE authz.entities SET attrs = '{"level": true}' WHERE uid = 'User::"alice"';
COPY authz.entities (uid, attrs) FROM stdin;
User::"carol"	{"level": 1, "boss": {"__entity": {"type": "Group", "id": "staff"}}}
\.
SELECT uid FROM authz.entities ORDER BY 1;
-- A schema that stored entities do not fit.
UPDATE authz.schema SET schema = replace(schema, 'tags String', 'tags Long');
UPDATE authz.schema SET schema = replace(schema, 'tags String', 'tags Long'), check_entities = false;
INSERT INTO authz.entities (uid) VALUES ('Person::"bob"'), ('User::"bob"');
UPDATE authz.schema SET check_entities = true;
DELETE FROM authz.entities WHERE uid IN ('Person::"bob"', 'User::"bob"');
UPDATE authz.schema SET schema = replace(schema, 'tags Long', 'tags String'), check_entities = true;
-- Of several schemas, each speaks for the types that it declares.
INSERT INTO authz.schema (policy_set, schema) VALUES ('robots', 'entity Robot { model: String }; entity User { level: Long, robot?: Robot } tags String;');
INSERT INTO authz.schema (policy_set, schema) VALUES ('robots', 'entity Robot { model: String }; entity Group; entity User in Group { level: Long } tags String;');
INSERT INTO authz.entities (uid, attrs) VALUES ('Robot::"r"', '{"model": "x"}'), ('User::"dave"', '{"level": 1}');
INSERT INTO authz.entities (uid, attrs) VALUES ('Robot::"s"', '{}');
INSERT INTO authz.entities (uid, attrs) VALUES ('User::"erin"', '{"level": 1, "boss": {"__entity": {"type": "User", "id": "alice"}}}');
INSERT INTO authz.entities (uid, attrs) VALUES ('Person::"erin"', '{}');
DELETE FROM authz.schema WHERE policy_set = 'robots';
SET check_function_bodies = off;
INSERT INTO authz.entities (uid) VALUES ('Person::"erin"');
INSERT INTO authz.entities (uid) VALUES ('User::"erin"');
RESET check_function_bodies;
DELETE FROM authz.entities WHERE uid IN ('Robot::"r"', 'Person::"erin"');
DELETE FROM authz.schema WHERE policy_set = 'robots';

-- Requests: action groups come from the schema, contexts are read by it.
SELECT d.decision, d.reasons, d.errors FROM authz.authz_decide('User::"alice"', 'Action::"edit"', 'Document::"plan"') d;
SELECT d.decision, d.reasons, d.errors FROM authz.authz_decide('User::"alice"', 'Action::"view"', 'Document::"plan"', '{"ip": "10.0.0.1", "by": {"type": "User", "id": "bob"}}'::jsonb) d;
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"plan"', '{"ip": "10.0.0.1.2"}'::jsonb);
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"plan"', '{"other": 1}'::jsonb);
SELECT authz.authz_check('User::"alice"', 'Action::"write"', 'Document::"plan"');
SELECT authz.authz_check('User::"alice"', 'Action::"delete"', 'Document::"plan"');
SELECT authz.authz_check('Group::"staff"', 'Action::"view"', 'Document::"plan"');
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Folder::"top"');
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Folder::"top"', '{}'::jsonb, NULL, 'other');
SELECT * FROM authz.authz_check_batch(ARRAY['User::"alice"', 'User::"bob"']::authz.entity_uid[], ARRAY['Action::"edit"']::authz.entity_uid[], ARRAY['Document::"plan"']::authz.entity_uid[], ARRAY['{}']::jsonb[]);
SELECT * FROM authz.authz_check_batch(ARRAY['User::"alice"', 'Group::"staff"']::authz.entity_uid[], ARRAY['Action::"edit"']::authz.entity_uid[], ARRAY['Document::"plan"']::authz.entity_uid[], ARRAY['{}']::jsonb[]);
-- An action of the caller's entities does not change the schema's.
SELECT authz.authz_check('User::"alice"', 'Action::"edit"', 'Document::"plan"', '{}'::jsonb, '[{"uid": {"type": "Action", "id": "edit"}, "attrs": {}, "parents": []}]'::jsonb);
BEGIN;
SET LOCAL authz.validate_requests = off;
SELECT authz.authz_check('Group::"staff"', 'Action::"edit"', 'Document::"plan"'), authz.authz_check('User::"alice"', 'Action::"edit"', 'Document::"plan"', '{"ip": "10.0.0.1.2"}'::jsonb);
ROLLBACK;
BEGIN;
CREATE ROLE regress_schema;
SET LOCAL ROLE regress_schema;
SET authz.validate_requests = off;
ROLLBACK;
-- Without a schema nothing is checked, and the store alone has actions.
BEGIN;
DELETE FROM authz.schema;
SELECT authz.authz_check('Group::"staff"', 'Action::"edit"', 'Document::"plan"'), authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"plan"', '{"other": 1}'::jsonb),
	authz.authz_check('User::"alice"', 'Action::"edit"', 'Document::"plan"');
ROLLBACK;

-- The version row tells that a schema is still to be restored.
SELECT policy_set, populated, has_links, has_schema FROM authz.policy_versions WHERE policy_set IN ('default', 'robots') ORDER BY 1;
INSERT INTO authz.policy_versions (policy_set, version, populated, has_schema) VALUES ('schema ahead', 7, true, true);
INSERT INTO authz.schema (policy_set, schema, check_entities) VALUES ('schema ahead', 'entity User; action a appliesTo { principal: User, resource: User };', false);
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('schema ahead', 'p', 'permit (principal is User, action, resource);');
SELECT authz.policy_version('schema ahead'), authz.authz_check('User::"a"', 'Action::"a"', 'User::"a"', '{}'::jsonb, NULL, 'schema ahead');
SELECT authz.authz_check('User::"a"', 'Action::"b"', 'User::"a"', '{}'::jsonb, NULL, 'schema ahead');

TRUNCATE authz.policies, authz.policy_links, authz.schema;
DELETE FROM authz.entities;
