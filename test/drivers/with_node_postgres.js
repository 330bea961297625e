// node-postgres: node with_node_postgres.js direct|pooled PORT
'use strict';
const { deepStrictEqual } = require('assert');
const { Client, types } = require(process.env.PG_NPM);

const pooled = process.argv[2] === 'pooled';
const options = { host: '127.0.0.1', port: Number(process.argv[3]), user: 'app', database: 'authz_drivers' };

function check(name, got, wanted) {
	try {
		deepStrictEqual(got, wanted);
		console.log(`ok - ${name}`);
	} catch (e) {
		console.log(`not ok - ${name}`);
		console.log(`# wanted ${JSON.stringify(wanted)}; got ${JSON.stringify(got)}`);
	}
}

const alice = 'User::"alice"', bob = 'User::"bob"', view = 'Action::"view"';
const a = 'Document::"a"', b = 'Document::"b"';
const ask = 'SELECT authz.authz_check($1, $2, $3) AS may';

async function connect() {
	const client = new Client(options);
	await client.connect();
	return client;
}

async function main() {
	const client = await connect();
	const rows = async (text, values, more) => (await client.query({ text, values, ...more })).rows;
	const one = async (text, values, more) => Object.values((await rows(text, values, more))[0])[0];
	const sqlstate = async (text, values) => {
		try {
			await client.query(text, values);
		} catch (e) {
			return e.code;
		}
	};

	check('allow', await one(ask, [alice, view, a]), true);
	check('deny', await one(ask, [alice, view, b]), false);
	// A statement with a name is prepared, and does not outlive a transaction in such a pool.
	const named = pooled ? {} : { name: 'ask' };
	const answers = [];
	for (let i = 0; i < 6; i++) {
		answers.push(await one(ask, [alice, view, i % 2 ? b : a], named));
	}
	check('many times, prepared where that is possible', answers, [true, false, true, false, true, false]);
	check('parameters as text', await one('SELECT authz.authz_check($1::text, $2::varchar, $3::text)', [alice, view, a]), true);
	check('binary results', (await rows(ask, [alice, view, a], { binary: true }))[0].may, true);
	const enter = 'SELECT authz.authz_check($1, $2, $3, $4)';
	check('context as an object', await one(enter, [bob, 'Action::"enter"', a, { office: true }]), true);
	check('context as text', await one(enter, [bob, 'Action::"enter"', a, '{"office": false}']), false);
	check('context as jsonb', await one('SELECT authz.authz_check($1, $2, $3, $4::jsonb)', [bob, 'Action::"enter"', a, { office: true }]), true);
	check('entities', await one("SELECT authz.authz_check($1, $2, $3, '{}', $4)", [bob, view, b, JSON.stringify(
		[{ uid: { type: 'User', id: 'bob' }, attrs: {}, parents: [{ type: 'Group', id: 'staff' }] }])]), true);
	const decision = (await rows('SELECT * FROM authz.authz_decide($1, $2, $3)', [alice, view, a]))[0];
	check('a decision', [decision.decision, decision.reasons, decision.errors, Number(decision.policy_version) > 0],
		['allow', ['staff'], [], true]);
	check('a batch of arrays', await rows('SELECT * FROM authz.authz_check_batch($1, $2, $3, NULL)', [[alice], [view], [a, b]]),
		[{ n: 1, allowed: true }, { n: 2, allowed: false }]);
	check('a batch with contexts', await rows('SELECT * FROM authz.authz_check_batch($1, $2, $3, $4)',
		[[bob], ['Action::"enter"'], [a], [{ office: true }, { office: false }]]), [{ n: 1, allowed: true }, { n: 2, allowed: false }]);
	check('a batch of JSON', await rows('SELECT * FROM authz.authz_check_batch($1)', [JSON.stringify(
		[b, a].map((resource) => ({ principal: alice, action: view, resource })))]), [{ n: 1, allowed: false }, { n: 2, allowed: true }]);
	check('a batch of JSON, all parameters', await rows('SELECT * FROM authz.authz_check_batch($1, $2, $3)', [JSON.stringify(
		[{ principal: alice, action: view, resource: a }]), null, 'none']), [{ n: 1, allowed: false }]);
	check('why', await rows('SELECT policy_id, values FROM authz.authz_explain($1, $2, $3)', [alice, view, b]),
		[{ policy_id: 'staff', values: { 'principal.level': 2, 'resource.level': 3 } }]);

	check('look-up by uid', await one('SELECT attrs FROM authz.entities WHERE uid = $1', [alice]), { level: 2 });
	check('look-up by uids', (await rows('SELECT uid FROM authz.entities WHERE uid = ANY ($1) ORDER BY uid', [[alice, bob]])).map((r) => r.uid), [alice, bob]);
	await client.query('BEGIN');
	// The type has no number of its own that is known beforehand.
	const oid = await one("SELECT 'authz.entity_uid[]'::regtype::oid::int", []);
	types.setTypeParser(oid, types.getTypeParser(1009));
	await client.query('INSERT INTO authz.entities (uid, attrs, parents) VALUES ($1, $2, $3)',
		['User::"new \\"one\\""', { level: 5 }, ['Group::"staff"', 'Group::"other"']]);
	check('an array of uids comes back', await one('SELECT parents FROM authz.entities WHERE uid = $1', ['User::"new \\"one\\""']),
		['Group::"staff"', 'Group::"other"']);
	check('own changes count', await one(ask, ['User::"new \\"one\\""', view, b]), true);
	await client.query('ROLLBACK');
	check('changes rolled back do not', await one(ask, ['User::"new \\"one\\""', view, b]), false);

	check('malformed uid', await sqlstate(ask, ['alice', view, a]), '22P02');
	check('null', await sqlstate(ask, [null, view, a]), '22004');
	check('malformed context', await sqlstate(enter, [alice, view, a, '[]']), '22023');
	check('and on it goes', await one(ask, [alice, view, a]), true);

	const other = await connect();
	await client.query('BEGIN');
	await client.query("DELETE FROM authz.policies WHERE policy_id = 'staff'");
	check('a policy deleted', await one(ask, [alice, view, a]), false);
	await client.query('ROLLBACK');
	check('not for others', (await other.query(ask, [alice, view, a])).rows[0].may, true);
	const turns = [];
	for (let i = 0; i < 5; i++) {
		turns.push(await one(ask, [alice, view, a]), (await other.query(ask, [bob, view, a])).rows[0].may);
	}
	check('in turns', turns, [true, false, true, false, true, false, true, false, true, false]);
	await other.end();
	await client.end();
}

main().catch((e) => {
	console.log(`not ok - ${e.stack}`);
	process.exit(1);
});
