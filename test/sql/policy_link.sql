-- Links: templates with values for their slots.
\pset null '(null)'
CREATE FUNCTION ask(principal authz.entity_uid, resource authz.entity_uid) RETURNS text LANGUAGE sql
RETURN (SELECT decision || ' ' || array_to_string(reasons, ',') || CASE WHEN errors <> '[]'::jsonb THEN ' ' || jsonb_path_query_array(errors, '$[*].policyId')::text ELSE '' END
	FROM authz.authz_decide(principal, 'Action::"view"', resource));
INSERT INTO authz.entities (uid, parents) VALUES ('User::"alice"', ARRAY['Group::"staff"'::authz.entity_uid]), ('Document::"plan"', ARRAY['Folder::"top"'::authz.entity_uid]);
INSERT INTO authz.policies (policy_id, policy) VALUES
	('shared', 'permit (principal == ?principal, action, resource == ?resource);'),
	('member', 'permit (principal in ?principal, action, resource);'),
	('folder', 'forbid (principal, action, resource in ?resource);'),
	('is', 'permit (principal is User in ?principal, action, resource) when { resource.size > 1 };'),
	('plain', 'permit (principal == User::"bob", action, resource);');
SELECT authz.policy_version() AS before \gset
SELECT ask('User::"alice"', 'Document::"plan"'), ask('User::"bob"', 'Document::"plan"');

-- Reported by the id of the link, among the policies in the order of the ids.
INSERT INTO authz.policy_links (link_id, template_id, principal, resource) VALUES ('z', 'shared', 'User::"alice"', 'Document::"plan"')
	RETURNING policy_set, link_id, template_id, principal, resource, enabled;
SELECT ask('User::"alice"', 'Document::"plan"'), ask('User::"alice"', 'Document::"other"'), ask('User::"carol"', 'Document::"plan"'), authz.policy_version() - :before AS steps;
INSERT INTO authz.policy_links (link_id, template_id, principal) VALUES ('a', 'member', 'Group::"staff"'), ('p', 'is', 'Group::"staff"'), ('pz', 'member', 'User::"bob"');
SELECT ask('User::"alice"', 'Document::"plan"'), ask('User::"bob"', 'Document::"plan"'), authz.policy_version() - :before AS steps;
UPDATE authz.policy_links SET principal = 'User::"carol"' WHERE link_id = 'z';
SELECT ask('User::"alice"', 'Document::"plan"'), ask('User::"carol"', 'Document::"plan"'), authz.policy_version() - :before AS steps;
UPDATE authz.policy_links SET enabled = false WHERE link_id = 'pz';
SELECT ask('User::"bob"', 'Document::"plan"'), authz.policy_version() - :before AS steps;
COPY authz.policy_links (link_id, template_id, resource) FROM stdin;
no	folder	Folder::"top"
\.
SELECT ask('User::"alice"', 'Document::"plan"'), ask('User::"alice"', 'Document::"other"'), authz.policy_version() - :before AS steps;
-- A template's text counts for its links; a disabled one disables them.
UPDATE authz.policies SET policy = 'forbid (principal, action, resource == ?resource);' WHERE policy_id = 'folder';
SELECT ask('User::"alice"', 'Document::"plan"'), authz.policy_version() - :before AS steps;
UPDATE authz.policies SET enabled = false WHERE policy_id = 'member';
SELECT ask('User::"alice"', 'Document::"plan"'), authz.policy_version() - :before AS steps;
UPDATE authz.policies SET enabled = true WHERE policy_id = 'member';
DELETE FROM authz.policy_links WHERE link_id IN ('no', 'p', 'pz');
SELECT ask('User::"alice"', 'Document::"plan"'), authz.policy_version() - :before AS steps;

-- Refused: other slots, no template, ids that are taken.
INSERT INTO authz.policy_links (link_id, template_id) VALUES ('x', 'nothing');
INSERT INTO authz.policy_links (link_id, template_id) VALUES ('x', 'plain');
INSERT INTO authz.policy_links (link_id, template_id, principal) VALUES ('x', 'shared', 'User::"bob"');
INSERT INTO authz.policy_links (link_id, template_id, resource) VALUES ('x', 'shared', 'Document::"plan"');
INSERT INTO authz.policy_links (link_id, template_id, principal, resource) VALUES ('x', 'member', 'User::"bob"', 'Document::"plan"');
INSERT INTO authz.policy_links (link_id, template_id, principal) VALUES ('a', 'member', 'User::"bob"');
INSERT INTO authz.policy_links (link_id, template_id, principal) VALUES ('plain', 'member', 'User::"bob"');
INSERT INTO authz.policy_links (link_id, template_id, principal) VALUES ('member', 'member', 'User::"bob"');
\set VERBOSITY terse
INSERT INTO authz.policy_links (link_id, template_id, principal) VALUES ('', 'member', 'User::"bob"');
\set VERBOSITY default
INSERT INTO authz.policy_links (policy_set, link_id, template_id, principal) VALUES ('other', 'x', 'member', 'User::"bob"');
INSERT INTO authz.policy_links (link_id, template_id, principal) VALUES ('x', 'member', 'bob');
\set VERBOSITY terse
INSERT INTO authz.policy_links (link_id, template_id, principal) VALUES (NULL, 'member', 'User::"bob"');
\set VERBOSITY default
UPDATE authz.policy_links SET link_id = 'plain' WHERE link_id = 'a';
UPDATE authz.policy_links SET template_id = 'folder' WHERE link_id = 'a';
INSERT INTO authz.policies (policy_id, policy) VALUES ('a', 'permit (principal, action, resource);');
UPDATE authz.policies SET policy_id = 'a' WHERE policy_id = 'plain';
-- In one command as well; the same id in another set is another id.
WITH p AS (INSERT INTO authz.policies (policy_id, policy) VALUES ('both', 'permit (principal, action, resource);'))
INSERT INTO authz.policy_links (link_id, template_id, principal) VALUES ('both', 'member', 'User::"bob"');
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('other', 'a', 'permit (principal, action, resource);');
-- A template with its first link in one command.
WITH t AS (INSERT INTO authz.policies (policy_id, policy) VALUES ('new', 'permit (principal == ?principal, action, resource);'))
INSERT INTO authz.policy_links (link_id, template_id, principal) VALUES ('new link', 'new', 'User::"dave"');
SELECT ask('User::"dave"', 'Document::"plan"');

-- A template that has links stays what it is.
DELETE FROM authz.policies WHERE policy_id = 'member';
UPDATE authz.policies SET policy_id = 'renamed' WHERE policy_id = 'member';
UPDATE authz.policies SET policy = 'permit (principal, action, resource);' WHERE policy_id = 'member';
UPDATE authz.policies SET policy = 'permit (principal in ?principal, action, resource == ?resource);' WHERE policy_id = 'member';
UPDATE authz.policies SET policy = 'permit (principal, action, resource == ?resource);' WHERE policy_id = 'member';
UPDATE authz.policies SET policy = 'permit (principal == ?principal, action, resource);' WHERE policy_id = 'member';
SELECT ask('User::"alice"', 'Document::"plan"'), ask('Group::"staff"', 'Document::"plan"');
TRUNCATE authz.policies;
BEGIN;
TRUNCATE authz.policy_links;
TRUNCATE authz.policies;
ROLLBACK;
WITH l AS (DELETE FROM authz.policy_links WHERE template_id = 'member')
UPDATE authz.policies SET policy = 'permit (principal == User::"erin", action, resource);' WHERE policy_id = 'member';
SELECT ask('User::"erin"', 'Document::"plan"');
BEGIN;
WITH l AS (DELETE FROM authz.policy_links WHERE template_id = 'new') DELETE FROM authz.policies WHERE policy_id = 'new';
SELECT ask('User::"dave"', 'Document::"plan"');
ROLLBACK;
SELECT ask('User::"dave"', 'Document::"plan"');

-- What a replica writes is not checked; a check that meets it raises.
BEGIN;
SET LOCAL session_replication_role = replica;
DELETE FROM authz.policies WHERE policy_id = 'new';
SELECT ask('User::"dave"', 'Document::"plan"');
ROLLBACK;
BEGIN;
SET LOCAL session_replication_role = replica;
INSERT INTO authz.policy_links (link_id, template_id) VALUES ('x', 'new');
SELECT ask('User::"dave"', 'Document::"plan"');
ROLLBACK;

-- While a dump is restored, a link may come ahead of its template, which then has to fit.
SET check_function_bodies = off;
INSERT INTO authz.policy_links (policy_set, link_id, template_id, principal) VALUES ('restored', 'l', 't', 'User::"alice"');
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"plan"', '{}'::jsonb, NULL, 'restored');
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('restored', 't', 'permit (principal, action, resource == ?resource);');
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('restored', 'l', 'permit (principal, action, resource);');
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('restored', 't', 'permit (principal == ?principal, action, resource);');
SELECT authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"plan"', '{}'::jsonb, NULL, 'restored');
RESET check_function_bodies;

-- A version row restored ahead of its policies and links: neither advances it.
INSERT INTO authz.policy_versions (policy_set, version, populated, has_links) VALUES ('links ahead', 7, true, true);
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('links ahead', 't', 'permit (principal == ?principal, action, resource);');
INSERT INTO authz.policy_links (policy_set, link_id, template_id, principal) VALUES ('links ahead', 'l', 't', 'User::"alice"');
SELECT authz.policy_version('links ahead'), authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"plan"', '{}'::jsonb, NULL, 'links ahead');
INSERT INTO authz.policy_links (policy_set, link_id, template_id, principal) VALUES ('links ahead', 'm', 't', 'User::"bob"');
SELECT authz.policy_version('links ahead'), authz.authz_check('User::"bob"', 'Action::"view"', 'Document::"plan"', '{}'::jsonb, NULL, 'links ahead');
-- The policies, then the version row, then the links.
INSERT INTO authz.policies (policy_set, policy_id, policy) VALUES ('links between', 't', 'permit (principal == ?principal, action, resource);');
INSERT INTO authz.policy_versions (policy_set, version, populated, has_links) VALUES ('links between', 7, true, true);
INSERT INTO authz.policy_links (policy_set, link_id, template_id, principal) VALUES ('links between', 'l', 't', 'User::"alice"');
SELECT authz.policy_version('links between'), authz.authz_check('User::"alice"', 'Action::"view"', 'Document::"plan"', '{}'::jsonb, NULL, 'links between');
SELECT policy_set, version, populated, has_links FROM authz.policy_versions WHERE policy_set IN ('links ahead', 'links between') ORDER BY 1;

DROP FUNCTION ask;
TRUNCATE authz.policies, authz.policy_links;
DELETE FROM authz.entities;
