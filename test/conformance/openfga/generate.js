// Models and tuples of OpenFGA made up, as SQL for psql that imports them and
// compares every check with an evaluator of OpenFGA's definitions of its own.
//
//   node generate.js SEED N
//
// The evaluator follows the definitions of OpenFGA's concepts: a user has a
// relation with an object by a tuple (itself, a userset that it is in, or
// type:*), by another relation of the object, or from an object that another
// relation names; unions, intersections and exclusions of these.
'use strict';

const { randomness } = require('../oracle/random.js');

const [seed, count] = process.argv.slice(2).map(Number);
const sql = (value) => `'${(typeof value === 'string' ? value : JSON.stringify(value)).replace(/'/g, "''")}'`;

const IDS = ['1', '2', 'x y'];
const USERS = ['anne', 'bob', 'carl'];

function model(r) {
	const self = { this: {} };
	const computed = (relation) => ({ computedUserset: { relation } });
	const from = (relation, tupleset) => ({ tupleToUserset: { tupleset: { relation: tupleset }, computedUserset: { relation } } });
	const union = (...child) => ({ union: { child } });
	const documents = {
		parent: self,
		owner: self,
		blocked: self,
		editor: r.pick([self, union(self, computed('owner')), union(self, computed('owner'), from('member', 'parent'))]),
		viewer: r.pick([union(self, computed('editor')), union(self, computed('editor'), from('viewer', 'parent')), computed('editor'), from('viewer', 'parent')]),
		can_read: r.pick([
			{ difference: { base: computed('viewer'), subtract: computed('blocked') } },
			{ intersection: { child: [computed('viewer'), self] } },
			union(computed('owner'), { difference: { base: computed('editor'), subtract: computed('blocked') } }),
		]),
		'can-share': r.pick([computed('owner'), { intersection: { child: [computed('can_read'), computed('editor')] } }]),
	};
	return {
		schema_version: '1.1',
		type_definitions: [
			{ type: 'user' },
			{ type: 'group', relations: { member: self } },
			{ type: 'folder', relations: { parent: self, member: self, viewer: r.pick([self, union(self, computed('member'), from('viewer', 'parent'))]) } },
			{ type: 'document', relations: documents },
		],
	};
}

function tuples(r) {
	const out = new Map();
	const add = (user, relation, object) => out.set(`${user} ${relation} ${object}`, { user, relation, object });
	const who = () => r.weighted([[6, () => `user:${r.pick(USERS)}`], [3, () => `group:${r.pick(IDS)}#member`], [1, () => 'user:*']])();
	// groups and folders are in ones of a greater number: no cycles
	IDS.forEach((id, i) => {
		r.times(r.below(3), () => add(`user:${r.pick(USERS)}`, 'member', `group:${id}`));
		if (i + 1 < IDS.length && r.chance(50)) {
			add(`group:${id}#member`, 'member', `group:${IDS[i + 1]}`);
			add(`folder:${IDS[i + 1]}`, 'parent', `folder:${id}`);
		}
		r.times(r.below(2), () => add(who(), r.pick(['member', 'viewer']), `folder:${id}`));
		if (r.chance(60)) {
			add(`folder:${r.pick(IDS)}`, 'parent', `document:${id}`);
		}
		r.times(r.below(4), () => add(who(), r.pick(['owner', 'blocked', 'editor', 'viewer', 'can_read']), `document:${id}`));
	});
	return [...out.values()];
}

// A tuple counts where the relation's definition has a part "this".
function check(m, list, user, relation, object, depth = 0) {
	if (depth > 40) {
		return false;
	}
	const [type, id] = [object.slice(0, object.indexOf(':')), object.slice(object.indexOf(':') + 1)];
	const of = m.type_definitions.find((t) => t.type === type);
	const definition = of && of.relations && of.relations[relation];
	if (!definition) {
		return false;
	}
	const holds = (d) => {
		if (d.this) {
			return list.some((t) => t.object === object && t.relation === relation && (t.user === user
				|| (t.user === `${user.slice(0, user.indexOf(':'))}:*`)
				|| (t.user.includes('#') && check(m, list, user, t.user.split('#')[1], t.user.split('#')[0], depth + 1))));
		}
		if (d.computedUserset) {
			return check(m, list, user, d.computedUserset.relation, object, depth + 1);
		}
		if (d.tupleToUserset) {
			return list.some((t) => t.object === object && t.relation === d.tupleToUserset.tupleset.relation && !t.user.includes('#')
				&& check(m, list, user, d.tupleToUserset.computedUserset.relation, t.user, depth + 1));
		}
		if (d.union) {
			return d.union.child.some(holds);
		}
		if (d.intersection) {
			return d.intersection.child.every(holds);
		}
		return holds(d.difference.base) && !holds(d.difference.subtract);
	};
	return holds(definition, id);
}

for (let number = 0; number < count; number++) {
	const r = randomness(seed, number);
	const m = model(r);
	const list = tuples(r);
	console.log('BEGIN;');
	console.log(`SELECT schema FROM authz.import_openfga(${sql(m)}, ${sql(list)}) \\gset`);
	// the schema fits what was made: it comes into force
	console.log("INSERT INTO authz.schema (policy_set, schema) VALUES ('default', :'schema');");
	const expected = [];
	for (const { type, relations } of m.type_definitions) {
		for (const relation of Object.keys(relations || {})) {
			for (const id of IDS) {
				for (const user of USERS) {
					expected.push([user, relation, type, id, check(m, list, `user:${user}`, relation, `${type}:${id}`)]);
				}
			}
		}
	}
	console.log(`SELECT CASE WHEN count(*) FILTER (WHERE got <> want) = 0 THEN format('ok %s %s', count(*), count(*) FILTER (WHERE want))
		ELSE ${sql(`FAILED ${seed}/${number}: `)} || string_agg(format('%s %s %s:%s %s', who, relation, type, id, got), '; ') FILTER (WHERE got <> want) || E'\\n' || ${sql({ m, list })} END
		FROM (SELECT *, authz.authz_check(authz.entity_uid('user', who), authz.entity_uid('Action', relation), authz.entity_uid(type, id)) AS got
			FROM (VALUES ${expected.map(([user, relation, type, id, want]) => `(${sql(user)}, ${sql(relation)}, ${sql(type)}, ${sql(id)}, ${want})`).join(', ')}) AS e (who, relation, type, id, want)) x;`);
	console.log('ROLLBACK;');
}
