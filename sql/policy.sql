/* policy: the policy store. */

CREATE TABLE authz.policies (
	policy_set text COLLATE "C" NOT NULL DEFAULT 'default' CHECK (policy_set <> ''),
	policy_id text COLLATE "C" NOT NULL CHECK (policy_id <> ''),
	policy text NOT NULL,
	enabled boolean NOT NULL DEFAULT true,
	ordinal integer,
	since bigint,
	PRIMARY KEY (policy_set, policy_id)
);
COMMENT ON TABLE authz.policies IS
	'Cedar policies; a change holds for every check that starts after its COMMIT, and for its own transaction at once';
COMMENT ON COLUMN authz.policies.policy_set IS 'A check asks exactly one set';
COMMENT ON COLUMN authz.policies.policy_id IS 'What reasons and errors call the policy';
COMMENT ON COLUMN authz.policies.policy IS
	'The text of one policy or template; a template decides nothing but by its links';
COMMENT ON COLUMN authz.policies.enabled IS
	'Only enabled policies are asked; the links of a disabled template are disabled with it';
COMMENT ON COLUMN authz.policies.ordinal IS
	'Place in the file of policies_dump; set by policies_apply, null for what was written otherwise';
COMMENT ON COLUMN authz.policies.since IS 'The version of the policy set since which the row holds; set by triggers';
SELECT pg_extension_config_dump('authz.policies', '');

CREATE TABLE authz.policy_links (
	policy_set text COLLATE "C" NOT NULL DEFAULT 'default' CHECK (policy_set <> ''),
	link_id text COLLATE "C" NOT NULL CHECK (link_id <> ''),
	template_id text COLLATE "C" NOT NULL,
	principal authz.entity_uid,
	resource authz.entity_uid,
	enabled boolean NOT NULL DEFAULT true,
	since bigint,
	PRIMARY KEY (policy_set, link_id)
);
CREATE INDEX policy_links_template ON authz.policy_links (policy_set, template_id);
COMMENT ON TABLE authz.policy_links IS
	'Links: templates of the same set with values for their slots; each is a policy of its own';
COMMENT ON COLUMN authz.policy_links.policy_set IS 'As in authz.policies';
COMMENT ON COLUMN authz.policy_links.link_id IS
	'What reasons and errors call the link; no policy of the set may have the same id';
COMMENT ON COLUMN authz.policy_links.template_id IS 'The policy_id of the template';
COMMENT ON COLUMN authz.policy_links.principal IS 'Value of ?principal; null when the template has no such slot';
COMMENT ON COLUMN authz.policy_links.resource IS 'Value of ?resource; null when the template has no such slot';
COMMENT ON COLUMN authz.policy_links.enabled IS 'Only enabled links are asked';
COMMENT ON COLUMN authz.policy_links.since IS 'As in authz.policies';
SELECT pg_extension_config_dump('authz.policy_links', '');

CREATE TABLE authz.schema (
	policy_set text COLLATE "C" PRIMARY KEY DEFAULT 'default' CHECK (policy_set <> ''),
	schema text NOT NULL,
	check_entities boolean NOT NULL DEFAULT true,
	since bigint
);
COMMENT ON TABLE authz.schema IS
	'The Cedar schema in force for a policy set: policies, templates and links that do not validate are refused';
COMMENT ON COLUMN authz.schema.policy_set IS 'As in authz.policies';
COMMENT ON COLUMN authz.schema.schema IS 'In the Cedar schema syntax or as JSON';
COMMENT ON COLUMN authz.schema.check_entities IS
	'Whether stored entities must fit it; they must be declared by one of the schemas that check';
COMMENT ON COLUMN authz.schema.since IS 'As in authz.policies';
SELECT pg_extension_config_dump('authz.schema', '');

CREATE TABLE authz.policy_versions (
	policy_set text COLLATE "C" PRIMARY KEY,
	version bigint NOT NULL CHECK (version > 0),
	populated boolean NOT NULL DEFAULT false,
	has_links boolean NOT NULL DEFAULT false,
	has_schema boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE authz.policy_versions IS
	'The version of each policy set, advanced by every change of it; written by triggers';
COMMENT ON COLUMN authz.policy_versions.policy_set IS 'As in authz.policies';
COMMENT ON COLUMN authz.policy_versions.version IS 'From 1; never goes back';
COMMENT ON COLUMN authz.policy_versions.populated IS
	'Whether the set holds policies in this version: tells a restore that its policies are still to come';
COMMENT ON COLUMN authz.policy_versions.has_links IS 'The same for its links';
COMMENT ON COLUMN authz.policy_versions.has_schema IS 'The same for its schema';
SELECT pg_extension_config_dump('authz.policy_versions', '');

CREATE TABLE authz.policy_changes (
	policy_set text COLLATE "C" NOT NULL,
	version bigint NOT NULL,
	former xid NOT NULL,
	policy_ids text[] NOT NULL
);
CREATE INDEX policy_changes_key ON authz.policy_changes (policy_set, version);
COMMENT ON TABLE authz.policy_changes IS
	'What the last versions of a policy set changed: who has compiled one of them compiles the rest; written by triggers, the rows of others are dropped';
COMMENT ON COLUMN authz.policy_changes.policy_set IS 'As in authz.policies';
COMMENT ON COLUMN authz.policy_changes.version IS 'The version that the change made; none for a change of too many policies, or of all';
COMMENT ON COLUMN authz.policy_changes.former IS 'The transaction that made the version before';
COMMENT ON COLUMN authz.policy_changes.policy_ids IS 'The policies and links that were written or deleted';

CREATE TABLE authz.policy_proxy ();
COMMENT ON TABLE authz.policy_proxy IS
	'Always empty: writers of policies lock it, and cached plans that depend on policies are invalidated through it';

CREATE FUNCTION authz.policies_before_statement() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_policies_before_statement';
CREATE FUNCTION authz.policies_before_row() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_policies_before_row';
CREATE FUNCTION authz.policies_after_row() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_policies_after_row';
CREATE FUNCTION authz.policies_after_statement() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_policies_after_statement';
CREATE FUNCTION authz.policy_links_before_statement() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_policy_links_before_statement';
CREATE FUNCTION authz.policy_links_before_row() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_policy_links_before_row';
CREATE FUNCTION authz.policy_links_after_row() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_policy_links_after_row';
CREATE FUNCTION authz.policy_links_after_statement() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_policy_links_after_statement';
CREATE FUNCTION authz.schema_before_statement() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_schema_before_statement';
CREATE FUNCTION authz.schema_before_row() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_schema_before_row';
CREATE FUNCTION authz.schema_after_row() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_schema_after_row';
CREATE FUNCTION authz.schema_after_statement() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_schema_after_statement';
CREATE FUNCTION authz.policy_versions_before_row() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_policy_versions_before_row';
CREATE FUNCTION authz.policy_changes_before_row() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_policy_changes_before_row';
COMMENT ON FUNCTION authz.policy_changes_before_row() IS 'Trigger: nobody else writes there';
COMMENT ON FUNCTION authz.policies_before_statement() IS 'Trigger: writers of policies queue up; keeps what is truncated';
COMMENT ON FUNCTION authz.policies_before_row() IS 'Trigger: refuses a policy that does not parse; keeps what a row was';
COMMENT ON FUNCTION authz.policies_after_row() IS
	'Trigger: refuses what a link contradicts or does not validate; notes which sets have changed';
COMMENT ON FUNCTION authz.policies_after_statement() IS 'Trigger: advances the version of the sets that have changed, and records that';
COMMENT ON FUNCTION authz.policy_links_before_statement() IS 'Trigger: writers of policies queue up; keeps what is truncated';
COMMENT ON FUNCTION authz.policy_links_before_row() IS 'Trigger: notes which sets had no links; keeps what a row was';
COMMENT ON FUNCTION authz.policy_links_after_row() IS
	'Trigger: refuses a link that does not fit its template; notes which sets have changed';
COMMENT ON FUNCTION authz.policy_links_after_statement() IS
	'Trigger: advances the version of the sets that have changed, and records that';
COMMENT ON FUNCTION authz.schema_before_statement() IS 'Trigger: writers of policies queue up; keeps what is truncated';
COMMENT ON FUNCTION authz.schema_before_row() IS 'Trigger: refuses what is no schema; keeps what a row was';
COMMENT ON FUNCTION authz.schema_after_row() IS 'Trigger: refuses a schema that stored policies do not validate against';
COMMENT ON FUNCTION authz.schema_after_statement() IS
	'Trigger: refuses schemas that stored entities do not fit; advances the version of the sets that have changed, and records that';
COMMENT ON FUNCTION authz.policy_versions_before_row() IS 'Trigger: a version never goes back';

CREATE TRIGGER before_statement BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON authz.policies
	FOR EACH STATEMENT EXECUTE FUNCTION authz.policies_before_statement();
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE OR DELETE ON authz.policies
	FOR EACH ROW EXECUTE FUNCTION authz.policies_before_row();
CREATE TRIGGER after_row AFTER INSERT OR UPDATE OR DELETE ON authz.policies
	FOR EACH ROW EXECUTE FUNCTION authz.policies_after_row();
CREATE TRIGGER after_statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON authz.policies
	FOR EACH STATEMENT EXECUTE FUNCTION authz.policies_after_statement();
CREATE TRIGGER before_statement BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON authz.policy_links
	FOR EACH STATEMENT EXECUTE FUNCTION authz.policy_links_before_statement();
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE OR DELETE ON authz.policy_links
	FOR EACH ROW EXECUTE FUNCTION authz.policy_links_before_row();
CREATE TRIGGER after_row AFTER INSERT OR UPDATE OR DELETE ON authz.policy_links
	FOR EACH ROW EXECUTE FUNCTION authz.policy_links_after_row();
CREATE TRIGGER after_statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON authz.policy_links
	FOR EACH STATEMENT EXECUTE FUNCTION authz.policy_links_after_statement();
CREATE TRIGGER before_statement BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON authz.schema
	FOR EACH STATEMENT EXECUTE FUNCTION authz.schema_before_statement();
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE OR DELETE ON authz.schema
	FOR EACH ROW EXECUTE FUNCTION authz.schema_before_row();
CREATE TRIGGER after_row AFTER INSERT OR UPDATE OR DELETE ON authz.schema
	FOR EACH ROW EXECUTE FUNCTION authz.schema_after_row();
CREATE TRIGGER after_statement AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON authz.schema
	FOR EACH STATEMENT EXECUTE FUNCTION authz.schema_after_statement();
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE ON authz.policy_versions
	FOR EACH ROW EXECUTE FUNCTION authz.policy_versions_before_row();
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE ON authz.policy_changes
	FOR EACH ROW EXECUTE FUNCTION authz.policy_changes_before_row();
ALTER TABLE authz.policies ENABLE ALWAYS TRIGGER before_statement;
ALTER TABLE authz.policies ENABLE ALWAYS TRIGGER before_row;
ALTER TABLE authz.policies ENABLE ALWAYS TRIGGER after_row;
ALTER TABLE authz.policies ENABLE ALWAYS TRIGGER after_statement;
ALTER TABLE authz.policy_links ENABLE ALWAYS TRIGGER before_statement;
ALTER TABLE authz.policy_links ENABLE ALWAYS TRIGGER before_row;
ALTER TABLE authz.policy_links ENABLE ALWAYS TRIGGER after_row;
ALTER TABLE authz.policy_links ENABLE ALWAYS TRIGGER after_statement;
ALTER TABLE authz.schema ENABLE ALWAYS TRIGGER before_statement;
ALTER TABLE authz.schema ENABLE ALWAYS TRIGGER before_row;
ALTER TABLE authz.schema ENABLE ALWAYS TRIGGER after_row;
ALTER TABLE authz.schema ENABLE ALWAYS TRIGGER after_statement;
ALTER TABLE authz.policy_versions ENABLE ALWAYS TRIGGER before_row;
ALTER TABLE authz.policy_changes ENABLE ALWAYS TRIGGER before_row;

CREATE FUNCTION authz.policy_version(policy_set text DEFAULT NULL) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_policy_version';
COMMENT ON FUNCTION authz.policy_version(text) IS
	'The version of a policy set (default: the setting authz.policy_set) as of now; 0 when it has never had a policy';

CREATE FUNCTION authz.policy_touch(policy_set text DEFAULT NULL) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'authz_policy_touch';
COMMENT ON FUNCTION authz.policy_touch(text) IS
	'Advance the version of a policy set that was changed while triggers were disabled; gives the new version';

CREATE FUNCTION authz.policy_images(OUT policy_set text, OUT version bigint, OUT policies bigint,
	OUT layers integer, OUT bytes bigint, OUT pins bigint, OUT shared boolean, OUT newest boolean)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'authz_policy_images';
COMMENT ON FUNCTION authz.policy_images() IS
	'The compiled policy sets of this database in shared memory, and those that this session has for itself';
CREATE VIEW authz.policy_images AS SELECT * FROM authz.policy_images();
COMMENT ON VIEW authz.policy_images IS
	'The compiled policy sets of this database in shared memory, and those that this session has for itself';
COMMENT ON COLUMN authz.policy_images.policies IS 'Enabled policies, templates and links';
COMMENT ON COLUMN authz.policy_images.layers IS 'Parts it is made of; the versions of a set share them';
COMMENT ON COLUMN authz.policy_images.bytes IS 'What its parts take, those shared with other versions included; of a session''s own version, the parts that nobody shares';
COMMENT ON COLUMN authz.policy_images.pins IS 'Transactions that are using it; for a session''s own, statements';
COMMENT ON COLUMN authz.policy_images.shared IS 'False: of this session alone';
COMMENT ON COLUMN authz.policy_images.newest IS 'False: it goes when the last pin does';

REVOKE ALL ON FUNCTION authz.policy_images(), authz.policies_before_statement(), authz.policies_before_row(),
	authz.policies_after_row(), authz.policies_after_statement(),
	authz.policy_links_before_statement(), authz.policy_links_before_row(),
	authz.policy_links_after_row(), authz.policy_links_after_statement(),
	authz.schema_before_statement(), authz.schema_before_row(),
	authz.schema_after_row(), authz.schema_after_statement(),
	authz.policy_versions_before_row(), authz.policy_changes_before_row(),
	authz.policy_version(text),
	authz.policy_touch(text) FROM PUBLIC;
