/*
 * Loads the example: the data, then the policies, one file each.
 *
 *   cd examples/documents && psql -d DATABASE -f load.sql
 */
\set ON_ERROR_STOP on
CREATE EXTENSION IF NOT EXISTS authz;
\i data.sql
\set policies `for f in policies/*.cedar; do jq -n --arg id "$(basename "$f" .cedar)" --rawfile text "$f" '{policy_id: $id, policy: $text}'; done | jq -s .`
INSERT INTO authz.policies (policy_id, policy)
SELECT policy_id, policy
FROM jsonb_to_recordset(:'policies') AS p(policy_id text, policy text);
