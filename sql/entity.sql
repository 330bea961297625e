/* entity: the type entity_uid and the entity store. */

CREATE TYPE authz.entity_uid;

CREATE FUNCTION authz.entity_uid_in(cstring) RETURNS authz.entity_uid
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_entity_uid_in';
CREATE FUNCTION authz.entity_uid_out(authz.entity_uid) RETURNS cstring
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_entity_uid_out';
CREATE FUNCTION authz.entity_uid_recv(internal) RETURNS authz.entity_uid
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_entity_uid_recv';
CREATE FUNCTION authz.entity_uid_send(authz.entity_uid) RETURNS bytea
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_entity_uid_send';

CREATE TYPE authz.entity_uid (
	INPUT = authz.entity_uid_in,
	OUTPUT = authz.entity_uid_out,
	RECEIVE = authz.entity_uid_recv,
	SEND = authz.entity_uid_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = extended
);
COMMENT ON TYPE authz.entity_uid IS
	'A Cedar entity uid, such as App::User::"alice": a type and an id; ordered by bytes';
COMMENT ON FUNCTION authz.entity_uid_in(cstring) IS 'I/O';
COMMENT ON FUNCTION authz.entity_uid_out(authz.entity_uid) IS 'I/O';
COMMENT ON FUNCTION authz.entity_uid_recv(internal) IS 'I/O';
COMMENT ON FUNCTION authz.entity_uid_send(authz.entity_uid) IS 'I/O';

CREATE FUNCTION authz.entity_uid(type text, id text) RETURNS authz.entity_uid
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_entity_uid_make';
COMMENT ON FUNCTION authz.entity_uid(text, text) IS
	'The entity uid of this type (a name such as App::User) and id (any string)';
CREATE FUNCTION authz.entity_uid_type(authz.entity_uid) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_entity_uid_type';
COMMENT ON FUNCTION authz.entity_uid_type(authz.entity_uid) IS 'The type, with its namespace';
CREATE FUNCTION authz.entity_uid_id(authz.entity_uid) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'authz_entity_uid_id';
COMMENT ON FUNCTION authz.entity_uid_id(authz.entity_uid) IS 'The id, without quotes or escapes';

CREATE FUNCTION authz.entity_uid_eq(authz.entity_uid, authz.entity_uid) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'authz_entity_uid_eq';
CREATE FUNCTION authz.entity_uid_ne(authz.entity_uid, authz.entity_uid) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'authz_entity_uid_ne';
CREATE FUNCTION authz.entity_uid_lt(authz.entity_uid, authz.entity_uid) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'authz_entity_uid_lt';
CREATE FUNCTION authz.entity_uid_le(authz.entity_uid, authz.entity_uid) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'authz_entity_uid_le';
CREATE FUNCTION authz.entity_uid_gt(authz.entity_uid, authz.entity_uid) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'authz_entity_uid_gt';
CREATE FUNCTION authz.entity_uid_ge(authz.entity_uid, authz.entity_uid) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'authz_entity_uid_ge';
CREATE FUNCTION authz.entity_uid_cmp(authz.entity_uid, authz.entity_uid) RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'authz_entity_uid_cmp';
CREATE FUNCTION authz.entity_uid_hash(authz.entity_uid) RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'authz_entity_uid_hash';
CREATE FUNCTION authz.entity_uid_hash_extended(authz.entity_uid, bigint) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'authz_entity_uid_hash_extended';
COMMENT ON FUNCTION authz.entity_uid_eq(authz.entity_uid, authz.entity_uid) IS 'Implementation of = operator';
COMMENT ON FUNCTION authz.entity_uid_ne(authz.entity_uid, authz.entity_uid) IS 'Implementation of <> operator';
COMMENT ON FUNCTION authz.entity_uid_lt(authz.entity_uid, authz.entity_uid) IS 'Implementation of < operator';
COMMENT ON FUNCTION authz.entity_uid_le(authz.entity_uid, authz.entity_uid) IS 'Implementation of <= operator';
COMMENT ON FUNCTION authz.entity_uid_gt(authz.entity_uid, authz.entity_uid) IS 'Implementation of > operator';
COMMENT ON FUNCTION authz.entity_uid_ge(authz.entity_uid, authz.entity_uid) IS 'Implementation of >= operator';
COMMENT ON FUNCTION authz.entity_uid_cmp(authz.entity_uid, authz.entity_uid) IS 'Less, equal, greater: -1, 0, 1';
COMMENT ON FUNCTION authz.entity_uid_hash(authz.entity_uid) IS 'Hash';
COMMENT ON FUNCTION authz.entity_uid_hash_extended(authz.entity_uid, bigint) IS 'Hash with a seed';

/*
 * In pg_catalog, so that `uid = 'User::"alice"'` finds them in a session that
 * has not put the schema authz in its search_path.
 */
CREATE OPERATOR pg_catalog.= (
	LEFTARG = authz.entity_uid, RIGHTARG = authz.entity_uid, FUNCTION = authz.entity_uid_eq,
	COMMUTATOR = OPERATOR(pg_catalog.=), NEGATOR = OPERATOR(pg_catalog.<>),
	RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE OPERATOR pg_catalog.<> (
	LEFTARG = authz.entity_uid, RIGHTARG = authz.entity_uid, FUNCTION = authz.entity_uid_ne,
	COMMUTATOR = OPERATOR(pg_catalog.<>), NEGATOR = OPERATOR(pg_catalog.=),
	RESTRICT = neqsel, JOIN = neqjoinsel);
CREATE OPERATOR pg_catalog.< (
	LEFTARG = authz.entity_uid, RIGHTARG = authz.entity_uid, FUNCTION = authz.entity_uid_lt,
	COMMUTATOR = OPERATOR(pg_catalog.>), NEGATOR = OPERATOR(pg_catalog.>=),
	RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR pg_catalog.<= (
	LEFTARG = authz.entity_uid, RIGHTARG = authz.entity_uid, FUNCTION = authz.entity_uid_le,
	COMMUTATOR = OPERATOR(pg_catalog.>=), NEGATOR = OPERATOR(pg_catalog.>),
	RESTRICT = scalarlesel, JOIN = scalarlejoinsel);
CREATE OPERATOR pg_catalog.> (
	LEFTARG = authz.entity_uid, RIGHTARG = authz.entity_uid, FUNCTION = authz.entity_uid_gt,
	COMMUTATOR = OPERATOR(pg_catalog.<), NEGATOR = OPERATOR(pg_catalog.<=),
	RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
CREATE OPERATOR pg_catalog.>= (
	LEFTARG = authz.entity_uid, RIGHTARG = authz.entity_uid, FUNCTION = authz.entity_uid_ge,
	COMMUTATOR = OPERATOR(pg_catalog.<=), NEGATOR = OPERATOR(pg_catalog.<),
	RESTRICT = scalargesel, JOIN = scalargejoinsel);
COMMENT ON OPERATOR pg_catalog.= (authz.entity_uid, authz.entity_uid) IS 'equal';
COMMENT ON OPERATOR pg_catalog.<> (authz.entity_uid, authz.entity_uid) IS 'not equal';
COMMENT ON OPERATOR pg_catalog.< (authz.entity_uid, authz.entity_uid) IS 'less than';
COMMENT ON OPERATOR pg_catalog.<= (authz.entity_uid, authz.entity_uid) IS 'less than or equal';
COMMENT ON OPERATOR pg_catalog.> (authz.entity_uid, authz.entity_uid) IS 'greater than';
COMMENT ON OPERATOR pg_catalog.>= (authz.entity_uid, authz.entity_uid) IS 'greater than or equal';

CREATE OPERATOR CLASS authz.entity_uid_ops DEFAULT FOR TYPE authz.entity_uid USING btree AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=,
	OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 authz.entity_uid_cmp(authz.entity_uid, authz.entity_uid),
	FUNCTION 4 btequalimage(oid);
CREATE OPERATOR CLASS authz.entity_uid_hash_ops DEFAULT FOR TYPE authz.entity_uid USING hash AS
	OPERATOR 1 pg_catalog.=,
	FUNCTION 1 authz.entity_uid_hash(authz.entity_uid),
	FUNCTION 2 authz.entity_uid_hash_extended(authz.entity_uid, bigint);

/* Drivers bind parameters as text or varchar. */
CREATE CAST (text AS authz.entity_uid) WITH INOUT AS IMPLICIT;
CREATE CAST (varchar AS authz.entity_uid) WITH INOUT AS IMPLICIT;

CREATE TABLE authz.entities (
	uid authz.entity_uid PRIMARY KEY,
	attrs jsonb NOT NULL DEFAULT '{}',
	tags jsonb NOT NULL DEFAULT '{}',
	parents authz.entity_uid[] NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE authz.entities IS
	'Entities that policies speak of; an uid without a row has no attributes, tags or parents';
COMMENT ON COLUMN authz.entities.uid IS 'Which entity this is';
COMMENT ON COLUMN authz.entities.attrs IS
	'Attributes: a JSON object as in Cedar''s entities JSON, with the escapes __entity and __extn';
COMMENT ON COLUMN authz.entities.tags IS 'Tags: a JSON object, values as in attrs';
COMMENT ON COLUMN authz.entities.parents IS
	'What the entity is directly in; need not be stored themselves; cycles are refused';
SELECT pg_extension_config_dump('authz.entities', '');

CREATE FUNCTION authz.entities_before_statement() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_entities_before_statement';
CREATE FUNCTION authz.entities_before_row() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_entities_before_row';
CREATE FUNCTION authz.entities_after_row() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_entities_after_row';
CREATE FUNCTION authz.entities_after_statement() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'authz_entities_after_statement';
COMMENT ON FUNCTION authz.entities_before_statement() IS 'Trigger: a command writes entities';
COMMENT ON FUNCTION authz.entities_before_row() IS 'Trigger: refuses a malformed entity';
COMMENT ON FUNCTION authz.entities_after_row() IS 'Trigger: refuses a cycle of parents';
COMMENT ON FUNCTION authz.entities_after_statement() IS 'Trigger: the command has written';
REVOKE ALL ON FUNCTION authz.entities_before_statement(), authz.entities_before_row(),
	authz.entities_after_row(), authz.entities_after_statement() FROM PUBLIC;

CREATE TRIGGER before_statement BEFORE INSERT OR UPDATE OR DELETE ON authz.entities
	FOR EACH STATEMENT EXECUTE FUNCTION authz.entities_before_statement();
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE ON authz.entities
	FOR EACH ROW EXECUTE FUNCTION authz.entities_before_row();
CREATE TRIGGER after_row AFTER INSERT OR UPDATE ON authz.entities
	FOR EACH ROW EXECUTE FUNCTION authz.entities_after_row();
CREATE TRIGGER after_statement AFTER INSERT OR UPDATE OR DELETE ON authz.entities
	FOR EACH STATEMENT EXECUTE FUNCTION authz.entities_after_statement();
ALTER TABLE authz.entities ENABLE ALWAYS TRIGGER before_statement;
ALTER TABLE authz.entities ENABLE ALWAYS TRIGGER before_row;
ALTER TABLE authz.entities ENABLE ALWAYS TRIGGER after_row;
ALTER TABLE authz.entities ENABLE ALWAYS TRIGGER after_statement;
