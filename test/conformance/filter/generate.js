// Policies, data and mappings made up, as SQL for psql, which compares what may
// be seen by filter, by listing and by row-level security with what each row's
// decision says.
//
//   node generate.js SEED N     N combinations of policies, data, principal, action
//
// A combination is one principal and one action under one set of policies over
// one filling of the tables.
'use strict';

const { randomness } = require('../oracle/random.js');

const [seed, count] = process.argv.slice(2).map(Number);
const PER_SET = 8; // combinations for one set of policies
const SETS_PER_WORLD = 25; // sets of policies for one filling of the tables
const DOCS = 24;
const USERS = 6;
const FOLDERS = 8;
const GROUPS = ['staff', 'team a', "o'neil", 'all', 'x/y'];
const ACTIONS = ['view', 'edit', 'share'];

const sql = (s) => `'${s.replace(/'/g, "''")}'`;
const cedar = (s) => JSON.stringify(s).replace(/\\u([0-9a-f]{4})/g, '\\u{$1}');

// ------------------------------------------------------------------- the data

const STRINGS = ['', 'a', 'ab', 'abc', 'b%', 'x_y', 'é', "q'q", 'A', '\\', '*'];
const LABELS = ['red', 'blue', 'x y', ''];
const LONGS = [0, 1, 2, 3, -1, 7];
const BIGS = ['9223372036854775807', '-9223372036854775808', '0', '1', '4611686018427387904'];
const DECIMALS = ['0.0', '1.5', '-1.25', '99.9999', '3.1', '10.0'];
const MOMENTS = ['2024-01-01T00:00:00Z', '2024-06-30T12:00:00.500Z', '1969-12-31T23:59:59.999Z', '2026-01-01T00:00:00Z'];
const DAYS = ['2024-01-01', '2024-06-30', '1969-12-31'];
const SPANS = ['1h', '-1d', '0ms', '36h', '1500ms'];
const ADDRESSES = ['10.0.0.1', '10.0.0.0/8', '127.0.0.1', '::1', 'fe80::/10', '192.168.1.0/24', '224.0.0.1'];
const UUIDS = ['00000000-0000-0000-0000-000000000001', 'c0ffee00-1234-4abc-8def-0123456789ab'];

function data(r) {
	const maybe = (value, percent = 25) => (r.chance(percent) ? 'NULL' : value);
	const row = (...values) => `(${values.join(', ')})`;
	const fill = (table, rows) => (rows.length === 0 ? '' : `INSERT INTO ${table} VALUES ${rows.join(', ')};`);
	const list = (type, values) => `ARRAY[${values.join(', ')}]::${type}[]`;
	const some = (values, n) => r.times(r.below(n + 1), () => r.pick(values));
	const user = () => r.below(USERS + 1) + 1; // one of them does not exist
	const folder = () => r.below(FOLDERS + 1) + 1;
	const moment = () => sql(`${r.pick(MOMENTS).replace('.500', r.chance(50) ? '.500' : '.500400')}`);
	return [
		'TRUNCATE filter_test.usr, filter_test.grp, filter_test.membership, filter_test.folder, filter_test.doc;',
		"DELETE FROM authz.entities WHERE authz.entity_uid_type(uid) = 'Item';",
		fill('filter_test.grp', GROUPS.map((name, i) => row(sql(name), i > 0 ? maybe(sql(GROUPS[r.below(i)]), 40) : 'NULL'))),
		fill('filter_test.usr', r.times(USERS, (i) => row(i + 1, maybe(r.pick(LONGS)), maybe(sql(r.pick(STRINGS))), maybe(r.chance(50)),
			maybe(sql(r.pick(GROUPS)), 50), maybe(list('text', some(LABELS, 3).map(sql)))))),
		fill('filter_test.membership', r.times(USERS, (i) => GROUPS.filter(() => r.chance(30)).map((name) => row(i + 1, sql(name)))).flat()),
		// folders have folders of smaller numbers, so no cycles
		fill('filter_test.folder', r.times(FOLDERS, (i) => row(i + 1, i > 0 ? maybe(r.below(i) + 1, 30) : 'NULL', maybe(user()), maybe(r.chance(50)),
			maybe(sql(r.pick(GROUPS)), 60)))),
		fill('filter_test.doc', r.times(DOCS, (i) => row(i + 1, maybe(folder()), maybe(user()), maybe(sql(r.pick([...GROUPS, 'none']))),
			maybe(sql(r.pick(STRINGS))), r.pick(LONGS), maybe(r.pick(BIGS)), maybe(r.chance(50)), maybe(r.pick(DECIMALS)), maybe(moment()),
			maybe(sql(r.pick(DAYS))), maybe(`interval ${sql(r.pick(['1 hour', '-1 day', '0', '36 hours', '1.5 seconds', '1.5005 seconds']))}`),
			maybe(sql(r.pick(ADDRESSES))), maybe(list('text', some(LABELS, 3).map(sql))), maybe(list('int', some([1, 2, 3, 7], 3))),
			maybe(list('int', r.times(r.below(3), user))), maybe(sql(r.pick(UUIDS))),
			maybe(sql(r.pick(['{"a": 1}', '{"a": "x", "b": {"c": true}}', '[1, "x"]', '"s"', '3', 'true', '{"__entity": {"type": "User", "id": "1"}}']))),
			r.pick(["'user'", "'group'"]), r.chance(50) ? sql(String(user())) : sql(r.pick(GROUPS)), r.chance(15)))),
		fill('authz.entities (uid, attrs, parents)', r.times(DOCS / 2, (i) => {
			const attrs = {};
			const set = (name, value) => {
				if (r.chance(75)) {
					attrs[name] = value;
				}
			};
			const ref = (type, id) => ({ __entity: { type, id: String(id) } });
			set('level', r.pick([...LONGS, 'x']));
			set('title', r.pick([...STRINGS, 1]));
			set('public', r.pick([true, false, 'true']));
			set('owner', ref('User', user()));
			set('labels', some([...LABELS, 1], 3));
			set('price', { __extn: { fn: 'decimal', arg: r.pick(DECIMALS) } });
			set('rec', { a: 1 });
			return row(`authz.entity_uid('Item', ${sql(r.chance(10) ? `i '"${i}` : String(i))})`, `${sql(JSON.stringify(attrs))}::jsonb`,
				r.chance(50) ? `ARRAY[authz.entity_uid('Folder', '${folder()}')]` : "'{}'");
		})),
	].filter((text) => text !== '').join('\n');
}

// --------------------------------------------------------------- the policies

// Attributes by type.  DOC has all kinds; ITEM is stored, and of any type.
const USER = { level: 'long', name: 'string', active: 'bool', team: 'group', labels: 'strings' };
const FOLDER = { owner: 'user', secret: 'bool', group: 'group' };
const GROUP = {};
const DOC = {
	folder: 'folder', owner: 'user', group: 'group', title: 'string', level: 'long', big: 'long', public: 'bool', price: 'decimal',
	created: 'datetime', due: 'datetime', span: 'duration', ip: 'ipaddr', labels: 'strings', numbers: 'longs', editors: 'users', code: 'string',
	meta: 'json', subject: 'any',
};
const ITEM = { level: 'long', title: 'string', public: 'bool', owner: 'user', labels: 'strings', price: 'decimal', rec: 'json' };
const ENTITY = { user: USER, folder: FOLDER, group: GROUP };

class Maker {
	constructor(r, resource) {
		this.r = r;
		this.resource = resource;
	}

	uid(kind) {
		const { r } = this;
		switch (kind) {
			case 'user':
				return `User::"${r.chance(10) ? '007' : r.below(USERS + 1) + 1}"`;
			case 'folder':
				return `Folder::"${r.below(FOLDERS + 1) + 1}"`;
			case 'group':
				return `Group::${cedar(r.pick(GROUPS))}`;
			default:
				return this.uid(r.pick(['user', 'folder', 'group']));
		}
	}

	literal(kind) {
		const { r } = this;
		switch (kind) {
			case 'long':
				return r.chance(20) ? r.pick(BIGS) : String(r.pick(LONGS));
			case 'string':
				return r.chance(10) ? cedar(r.pick(UUIDS)) : cedar(r.pick(STRINGS));
			case 'bool':
				return r.pick(['true', 'false']);
			case 'decimal':
				return `decimal("${r.pick(DECIMALS)}")`;
			case 'datetime':
				return `datetime("${r.pick([...MOMENTS, ...DAYS])}")`;
			case 'duration':
				return `duration("${r.pick(SPANS)}")`;
			case 'ipaddr':
				return `ip("${r.pick(ADDRESSES)}")`;
			case 'strings':
				return `[${r.times(r.below(3) + 1, () => cedar(r.pick(LABELS))).join(', ')}]`;
			case 'longs':
				return `[${r.times(r.below(3) + 1, () => String(r.pick([1, 2, 3, 7]))).join(', ')}]`;
			case 'users':
				return `[${r.times(r.below(3) + 1, () => this.uid('user')).join(', ')}]`;
			default:
				return this.uid(kind);
		}
	}

	// A path of the row, [text, kind], of a wanted kind if there is one.
	path(kind) {
		const { r } = this;
		const found = [];
		for (const [name, k] of Object.entries(this.resource)) {
			found.push([`resource.${name}`, k]);
			if (this.resource === DOC && ENTITY[k]) {
				for (const [more, k2] of Object.entries(ENTITY[k])) {
					found.push([`resource.${name}.${more}`, k2]);
				}
			}
		}
		const fitting = found.filter(([, k]) => kind === undefined || k === kind);
		return fitting.length > 0 ? r.pick(fitting) : [this.literal(kind), kind];
	}

	known(kind) {
		const { r } = this;
		const of = Object.entries(USER).filter(([, k]) => k === kind);
		return r.weighted([
			[5, () => this.literal(kind)],
			[of.length > 0 ? 3 : 0, () => `principal.${r.pick(of)[0]}`],
			[kind === 'user' ? 6 : 0, () => 'principal'],
			[kind === 'long' || kind === 'string' ? 1 : 0, () => `context.${kind === 'long' ? 'n' : 's'}`],
			[1, () => this.path(kind)[0]],
		])();
	}

	long(depth) {
		const { r } = this;
		return r.weighted([
			[4, () => this.path('long')[0]],
			[2, () => this.known('long')],
			[depth > 0 ? 2 : 0, () => `(${this.long(depth - 1)} ${r.pick(['+', '-', '*'])} ${this.long(depth - 1)})`],
			[depth > 0 ? 1 : 0, () => `(-${this.path('long')[0]})`],
		])();
	}

	atom() {
		const { r } = this;
		const compare = () => r.pick(['<', '<=', '>', '>=']);
		const equal = () => r.pick(['==', '!=']);
		const swap = (a, op, b) => (r.chance(25) ? `${b} ${op} ${a}` : `${a} ${op} ${b}`);
		return r.weighted([
			[5, () => swap(this.long(1), r.chance(50) ? equal() : compare(), this.known('long'))],
			[4, () => {
				const [path, kind] = this.path();
				return swap(path, equal(), this.known(kind === 'json' || kind === 'any' ? r.pick(['string', 'long', 'user']) : kind));
			}],
			[3, () => this.path('bool')[0]],
			[2, () => `${this.path('string')[0]} like "${r.pick(['*', 'a*', '*b', 'a*c', '', '*%', 'x_*', '\\*', 'é'])}"`],
			[3, () => swap(this.path('user')[0], equal(), 'principal')],
			[2, () => `resource in ${r.chance(70) ? this.uid('folder') : this.uid()}`],
			[1, () => `resource in [${this.uid('folder')}, ${this.uid()}]`],
			[3, () => `principal in ${this.path('group')[0]}`],
			[1, () => `${this.path(r.pick(['user', 'folder', 'group']))[0]} in ${this.uid()}`],
			[1, () => `principal in ${this.uid('group')}`],
			[1, () => `principal in ${this.path('users')[0]}`],
			[2, () => `${this.path('users')[0]}.contains(principal)`],
			[2, () => `${this.path('strings')[0]}.contains(${this.known('string')})`],
			[1, () => `${this.path('longs')[0]}.contains(${this.known('long')})`],
			[1, () => `${this.path('strings')[0]}.${r.pick(['containsAll', 'containsAny'])}(${this.known('strings')})`],
			[1, () => `${this.literal('strings')}.contains(${this.path('string')[0]})`],
			[1, () => `${this.literal('users')}.contains(${this.path('user')[0]})`],
			[1, () => `${this.path(r.pick(['strings', 'longs', 'users']))[0]}.isEmpty()`],
			[2, () => `${this.path('decimal')[0]}.${r.pick(['lessThan', 'lessThanOrEqual', 'greaterThan', 'greaterThanOrEqual'])}(${this.known('decimal')})`],
			[3, () => swap(this.path('datetime')[0], r.chance(30) ? equal() : compare(), this.known('datetime'))],
			[1, () => swap(this.path('duration')[0], r.chance(30) ? equal() : compare(), this.known('duration'))],
			[1, () => `${this.path('ipaddr')[0]}.${r.pick(['isIpv4()', 'isIpv6()', 'isLoopback()', 'isMulticast()'])}`],
			[1, () => `${this.path('ipaddr')[0]}.isInRange(${this.known('ipaddr')})`],
			[3, () => `resource has ${r.pick([...Object.keys(this.resource), 'missing'])}`],
			[1, () => { const [path] = this.path(r.pick(['user', 'folder'])); return `${path} has ${r.pick(['level', 'owner', 'secret', 'nothing'])}`; }],
			[1, () => `resource.missing == 1`],
			[1, () => `resource.title ${compare()} 3`],
			[1, () => `resource.meta.a == 1`],
			[1, () => `resource is ${r.pick(['Doc', 'Item', 'User'])}`],
			[1, () => `${this.path('user')[0]} is User`],
			[1, () => 'context.n == 1'],
			[1, () => `principal.active`],
			[1, () => this.literal('bool')],
		])();
	}

	condition(depth) {
		const { r } = this;
		if (depth === 0) {
			return this.atom();
		}
		const sub = () => this.condition(depth - 1);
		return r.weighted([
			[4, () => this.atom()],
			[3, () => `(${sub()} && ${sub()})`],
			[3, () => `(${sub()} || ${sub()})`],
			[2, () => `!(${sub()})`],
			[1, () => `(if ${sub()} then ${sub()} else ${sub()})`],
			[1, () => `((${sub()}) == (${sub()}))`],
			[2, () => { const name = r.pick(Object.keys(this.resource)); return `(resource has ${name} && ${sub()})`; }],
			[1, () => `(${sub()} && ${sub()} && ${sub()})`],
		])();
	}

	policy() {
		const { r } = this;
		const type = this.resource === DOC ? 'Doc' : 'Item';
		const principal = r.weighted([[8, 'principal'], [1, `principal in ${this.uid('group')}`], [1, `principal == ${this.uid('user')}`],
			[1, 'principal is User']]);
		const action = r.weighted([[6, 'action'], [2, `action == Action::"${r.pick(ACTIONS)}"`], [1, 'action in [Action::"view", Action::"edit"]']]);
		const resource = r.weighted([[6, 'resource'], [2, `resource is ${type}`], [1, `resource in ${this.uid('folder')}`],
			[1, `resource == ${type}::"${r.below(DOCS) + 1}"`], [1, `resource is ${type} in ${this.uid('folder')}`]]);
		const conditions = r.times(r.weighted([[1, 0], [8, 1], [2, 2]]), () => `${r.pick(['when', 'when', 'unless'])} { ${this.condition(r.below(4))} }`);
		return `${r.chance(70) ? 'permit' : 'forbid'} (${principal}, ${action}, ${resource}) ${conditions.join(' ')};`;
	}
}

// ------------------------------------------------------------------ the script

function main() {
	const out = [];
	let made = 0;
	for (let world = 0; made < count; world++) {
		const r = randomness(seed, world);
		out.push('BEGIN;', data(r));
		for (let set = 0; set < SETS_PER_WORLD && made < count; set++) {
			const resource = r.chance(75) ? DOC : ITEM;
			const maker = new Maker(r, resource);
			const policies = r.times(r.below(5) + 1, () => maker.policy());
			out.push('DELETE FROM authz.policies;');
			out.push(`INSERT INTO authz.policies (policy_id, policy) VALUES ${policies.map((text, i) => `('p${i}', ${sql(text)})`).join(', ')};`);
			for (let i = 0; i < PER_SET && made < count; i++, made++) {
				const context = r.pick(['{}', '{"n": 1, "s": "a"}', '{"n": "x"}']);
				const principal = r.chance(90) ? `User::"${r.below(USERS) + 1}"` : r.pick(['User::"007"', 'Robot::"1"', 'Group::"staff"']);
				out.push(`SELECT filter_test.compare(${sql(`${seed}/${world}/${set}`)}, ${sql(principal)}, ${sql(`Action::"${r.pick(ACTIONS)}"`)}, `
					+ `${sql(resource === DOC ? 'Doc' : 'Item')}, ${sql(context)});`);
			}
		}
		out.push('ROLLBACK;');
		process.stdout.write(out.splice(0).join('\n') + '\n');
	}
}

main();
