// Cases made up: a schema, policies and templates with links, entities and
// requests.  world(seed, number) gives the same one on every machine.
//
//   world   {schema, policies, links, entities, requests, implicit}
//   link    {template: number of a policy, id, values: {principal, resource: uid}}
//   entity  {uid, attrs: [[name, value]], tags: [[name, value]] or null, parents: [uid]}
//   request {principal, action, resource, context: [[name, value]]}
//
// Values are in JSON as the reference reads it, with BigInt for integers and
// lists of pairs for objects: {o: [[name, value]]}.  implicit: escapes are left
// out, which a schema alone can make sense of.
'use strict';

const { randomness } = require('./random.js');
const { makeSchema, schemaText, Meaning, LABELS } = require('./schemas.js');
const { policyText, isTemplate, damage } = require('./policies.js');
const { Maker, LONGS, STRINGS, IDS, LITERALS, BROKEN } = require('./expressions.js');

// -------------------------------------------------------------------- policies

class Author {
	constructor(r, meaning) {
		this.r = r;
		this.meaning = meaning;
		this.makers = new Map(); // by environment: what can be read takes time to find
		this.envs = meaning.actions.filter((a) => a.applies && a.applies.principals.length > 0 && a.applies.resources.length > 0);
		this.main = null; // most of a world is about one environment, or few policies would apply
		this.main = this.env();
	}

	env() {
		const { r, meaning } = this;
		if (this.main !== null && r.chance(60)) {
			return this.main;
		}
		if (this.envs.length === 0) {
			return {
				principal: r.pick(meaning.types),
				resource: r.pick(meaning.types),
				action: r.pick(meaning.actions),
				context: { k: 'Record', attrs: [] },
			};
		}
		const action = r.pick(this.envs);
		return {
			principal: r.pick(action.applies.principals),
			resource: r.pick(action.applies.resources),
			action,
			context: meaning.context(action),
		};
	}

	maker(env) {
		const key = JSON.stringify([env.principal, env.resource, env.action.type, env.action.id]);
		if (!this.makers.has(key)) {
			this.makers.set(key, new Maker(this.r, this.meaning, env));
		}
		return this.makers.get(key);
	}

	uid(type) {
		const { r } = this;
		const entity = this.meaning.entities.get(type);
		return { type, id: entity && entity.ids && r.chance(90) ? r.pick(entity.ids) : r.pick(r.chance(70) ? IDS.slice(0, 3) : IDS) };
	}

	above(type) {
		const list = this.meaning.ancestors(type);
		return this.r.chance(20) || list.length === 0 ? type : this.r.pick(list);
	}

	// A scope that an entity of the type can be in, mostly.
	scope(type, single, slots) {
		const { r, meaning } = this;
		const t = r.chance(4) ? r.pick(r.chance(70) ? meaning.types : ['Nothing', 'App::Action']) : type;
		const known = meaning.entities.has(t);
		const whom = () => (slots && r.chance(60) ? { slot: true } : { uids: [this.uid(known ? this.above(t) : t)] });
		const odd = r.chance(5) ? { odd: 1 } : {};
		return r.weighted([
			[single ? 1 : 8, () => ({ op: 'any' })],
			[single ? 8 : 4, () => ({ op: 'is', type: t })],
			[3, () => ({ op: '==', ...(slots && r.chance(60) ? { slot: true } : { uids: [this.uid(t)] }), ...odd })],
			[slots ? 4 : 2, () => ({ op: 'in', ...whom(), ...odd })],
			[slots ? 4 : 2, () => ({ op: 'isin', type: t, ...whom(), ...odd })],
		])();
	}

	action(action, single) {
		const { r, meaning } = this;
		const uid = (a) => ({ type: a.type, id: a.id });
		const a = r.chance(3) ? r.pick(meaning.actions) : action;
		const group = () => {
			const groups = meaning.groups(a);
			return uid(groups.length > 0 && r.chance(70) ? r.pick(groups) : a);
		};
		if (r.chance(3)) {
			return { op: r.pick(['==', 'in']), uids: [r.pick([{ type: a.type, id: 'nothing' }, { type: 'Nothing::Action', id: a.id }])] };
		}
		return r.weighted([
			[single ? 1 : 6, () => ({ op: 'any' })],
			[single ? 8 : 4, () => ({ op: '==', uids: [uid(a)] })],
			[2, () => ({ op: 'in', uids: [group()] })],
			[2, () => ({ op: 'in', list: true, uids: r.times(r.below(4), (i) => (i === 0 ? group() : uid(r.pick(meaning.actions)))) })],
		])();
	}

	policy() {
		const { r, meaning } = this;
		const env = this.env();
		const maker = this.maker(env);
		const single = r.chance(70); // as few environments as possible
		const template = r.chance(15);
		const kind = r.weighted([[55, 'good'], [30, 'mutated'], [15, 'wild']]);
		const deep = r.chance(1) && r.chance(50);
		const depth = deep ? 0 : r.weighted([[2, 1], [4, 2], [3, 3], [1, 4]]);
		const policy = {
			effect: r.chance(75) ? 'permit' : 'forbid',
			notes: r.chance(5) ? [[r.pick(['id', 'doc', 'if']), r.chance(70) ? r.pick(STRINGS) : null]] : [],
			principal: this.scope(env.principal, single, template),
			action: this.action(env.action, single),
			resource: this.scope(env.resource, single, template),
			conds: r.times(template && r.chance(30) ? 0 : r.weighted([[1, 0], [8, 1], [2, 2], [1, 3]]), () => ({
				k: r.chance(80) ? 'when' : 'unless',
				e: kind === 'wild' ? maker.wild(depth) : maker.bool(depth, new Set()),
			})),
		};
		if (kind === 'mutated' && policy.conds.length > 0) {
			for (let n = 1 + r.below(3); n > 0; n--) {
				const cond = r.pick(policy.conds);
				cond.e = maker.mutate(cond.e);
			}
		}
		if (deep && policy.conds.length > 0) {
			policy.conds[0].e = this.nest(policy.conds[0].e, r.pick([20, 40, 90, 90, 200, 400]));
		}
		if (r.chance(2)) {
			return { raw: damage(r, policyText(policy)) };
		}
		return policy;
	}

	nest(e, depth) {
		const { r } = this;
		const shape = r.below(5);
		for (let i = 0; i < depth; i++) {
			const t = { o: 'bool', v: true };
			e = [
				() => ({ ...e, par: 1 + (e.par || 0) }),
				() => ({ o: '!', x: [{ ...e, par: 1 }] }),
				() => ({ o: '&&', x: [t, { ...e, par: 1 }] }),
				() => ({ o: 'if', x: [t, e, { o: 'bool', v: false }] }),
				() => ({ o: '.', x: [{ o: 'record', k: ['a'], x: [e] }], n: 'a' }),
			][shape]();
		}
		return e;
	}

	links(policies, requests) {
		const { r, meaning } = this;
		const out = [];
		policies.forEach((p, template) => {
			if (p.raw !== undefined || !isTemplate(p)) {
				return;
			}
			for (let n = r.below(3); n > 0; n--) {
				const value = (name) => r.weighted([
					[10, () => r.pick(requests)[name]],
					[4, () => this.uid(this.above(this.main[name]))],
					[3, () => this.uid(r.pick(meaning.types))],
					[1, () => this.uid(r.pick(['Nothing', 'Action', meaning.actions[0].type]))],
				])();
				const values = {};
				if (p.principal.slot) {
					values.principal = value('principal');
				}
				if (p.resource.slot) {
					values.resource = value('resource');
				}
				out.push({ template, id: `link${out.length}`, values });
			}
		});
		return out;
	}
}

// ------------------------------------------------------------------------ data

class Data {
	constructor(r, meaning, implicit) {
		this.r = r;
		this.meaning = meaning;
		this.implicit = implicit;
	}

	uid(type) {
		const entity = this.meaning.entities.get(type);
		return { type, id: entity && entity.ids ? this.r.pick(entity.ids) : this.r.pick(IDS.slice(0, 4)) };
	}

	value(type) {
		const { r } = this;
		switch (type.k) {
			case 'Bool':
				return r.chance(50);
			case 'Long':
				return BigInt(r.pick(LONGS));
			case 'String':
				return r.pick(STRINGS);
			case 'Entity': {
				const uid = this.uid(type.name);
				const pair = { o: [['type', uid.type], ['id', uid.id]] };
				return this.implicit ? pair : { o: [['__entity', pair]] };
			}
			case 'Set':
				return r.times(r.below(4), () => this.value(type.of));
			case 'Record':
				return { o: this.record(type.attrs) };
			default: {
				const arg = r.pick(LITERALS[type.k]);
				const fn = type.k === 'ipaddr' ? 'ip' : type.k;
				return this.implicit ? (r.chance(50) ? arg : { o: [['fn', fn], ['arg', arg]] })
					: { o: [['__extn', { o: [['fn', fn], ['arg', arg]] }]] };
			}
		}
	}

	record(attrs) {
		return attrs.filter((a) => !a.opt || this.r.chance(60)).map((a) => [a.name, this.value(a.type)]);
	}

	entities() {
		const { r, meaning } = this;
		const out = [];
		const made = new Set();
		for (let n = r.below(9); n > 0; n--) {
			const uid = this.uid(r.pick(meaning.types));
			const key = JSON.stringify(uid);
			if (!made.has(key)) {
				made.add(key);
				out.push(this.entity(uid));
			}
		}
		if (r.chance(10)) {
			const action = r.pick(meaning.actions);
			out.push({
				uid: { type: action.type, id: action.id },
				attrs: [],
				tags: null,
				parents: (r.chance(80) ? meaning.groups(action) : []).map((a) => ({ type: a.type, id: a.id })),
			});
		}
		return out;
	}

	entity(uid) {
		const { r, meaning } = this;
		const type = meaning.entities.get(uid.type);
		if (type.ids) {
			return { uid, attrs: [], tags: null, parents: [] };
		}
		// downwards alone, or there could be cycles
		const parents = (type.parents.length > 0 ? r.times(r.below(3), () => this.uid(r.pick(type.parents))) : [])
			.filter((p) => `${p.type} ${p.id}` > `${uid.type} ${uid.id}` || r.chance(2));
		return {
			uid,
			attrs: this.record(meaning.record(type.attrs).attrs),
			tags: type.tags ? r.times(r.below(3), (i) => [['a', 'b', 'é'][i], this.value(meaning.resolve(type.tags))]) : null,
			parents: parents.filter((p, i) => parents.findIndex((q) => q.type === p.type && q.id === p.id) === i),
		};
	}

	request(author) {
		const { r } = this;
		const env = author.env();
		const action = { type: env.action.type, id: env.action.id };
		return {
			principal: this.uid(r.chance(95) ? env.principal : r.pick(this.meaning.types)),
			action: r.chance(97) ? action : { type: env.action.type, id: 'nothing' },
			resource: this.uid(r.chance(95) ? env.resource : r.pick(this.meaning.types)),
			context: this.record(env.context.attrs),
		};
	}

	// Change one place of a value, an entity or a request.
	mutate(thing) {
		const { r } = this;
		const odd = () => r.weighted([
			[2, () => r.chance(50)], [2, () => BigInt(r.pick(LONGS))], [2, () => r.pick(STRINGS)], [1, () => []], [1, () => ({ o: [] })],
			[1, () => ['a', 1n]], [1, () => [true, true]], [1, () => null], [1, () => 1.5],
			[1, () => ({ o: [['__extn', { o: [['fn', r.pick(['ip', 'decimal', 'datetime', 'duration', 'f'])],
				['arg', r.pick(r.pick(Object.values(r.chance(50) ? LITERALS : BROKEN)))]] }]] })],
			[1, () => ({ o: [['__entity', { o: [['type', r.pick([...this.meaning.types, 'Nothing'])], ['id', 'a']] }]] })],
			[1, () => ({ o: [['type', r.pick(this.meaning.types)], ['id', 'a']] })],
		])();
		const uid = () => r.pick([{ type: r.pick(this.meaning.types), id: r.pick(IDS) }, { type: 'Nothing', id: 'a' },
			{ type: this.meaning.actions[0].type, id: this.meaning.actions[0].id }]);
		const places = [];
		const visit = (value, set) => {
			places.push(set);
			if (Array.isArray(value)) {
				value.forEach((v, i) => visit(v, (w) => {
					value[i] = w;
				}));
			} else if (value !== null && typeof value === 'object') {
				value.o.forEach((pair) => visit(pair[1], (w) => {
					pair[1] = w;
				}));
			}
		};
		const pairs = thing.attrs || thing.context;
		[...pairs, ...(thing.tags || [])].forEach((pair) => visit(pair[1], (w) => {
			pair[1] = w;
		}));
		r.weighted([
			[places.length > 0 ? 6 : 0, () => r.pick(places)(odd())],
			[2, () => pairs.push([r.pick(LABELS), odd()])],
			[pairs.length > 0 ? 3 : 0, () => pairs.splice(r.below(pairs.length), 1)],
			[thing.parents ? 3 : 0, () => thing.parents.push(uid())],
			[thing.uid ? 1 : 0, () => {
				thing.uid = uid();
			}],
			[thing.uid ? 1 : 0, () => {
				thing.tags = [...(thing.tags || []), ['a', odd()]];
			}],
			[thing.context ? 3 : 0, () => {
				thing[r.pick(['principal', 'action', 'resource'])] = uid();
			}],
		])();
	}
}

const POLICIES = 8;
const REQUESTS = 2;

exports.POLICIES = POLICIES;
exports.REQUESTS = REQUESTS;

exports.world = (seed, number) => {
	const r = randomness(seed, number);
	const schema = makeSchema(r);
	const meaning = new Meaning(schema);
	const author = new Author(r, meaning);
	const policies = r.times(POLICIES, () => author.policy());
	const implicit = r.chance(25);
	const data = new Data(r, meaning, implicit);
	const entities = data.entities();
	const requests = r.times(REQUESTS, () => data.request(author));
	if (entities.length > 0 && r.chance(12)) {
		data.mutate(r.pick(entities));
	}
	requests.filter(() => r.chance(12)).forEach((request) => data.mutate(request));
	return { schema, policies, links: author.links(policies, requests), entities, requests };
};

// -------------------------------------------------------------- as it is asked

// JSON with BigInt and {o: pairs}.
function json(value) {
	if (typeof value === 'bigint') {
		return value.toString();
	}
	if (Array.isArray(value)) {
		return `[${value.map(json).join(',')}]`;
	}
	if (value !== null && typeof value === 'object') {
		return `{${value.o.map(([key, v]) => `${JSON.stringify(key)}:${json(v)}`).join(',')}}`;
	}
	return JSON.stringify(value);
}

// The case as texts: what is asked of both sides, and what regressions.jsonl has.
exports.caseOf = (world) => ({
	schema: schemaText(world.schema),
	format: world.schema.format,
	policies: world.policies.map(policyText),
	// of a world that was made smaller some are no links any more
	links: world.links.filter((link) => isTemplate(world.policies[link.template])).map((link) => ({
		template: link.template,
		id: link.id,
		...Object.fromEntries(Object.entries(link.values).filter(([name]) => world.policies[link.template][name].slot)),
	})),
	entities: `[${world.entities.map((e) => json({
		o: [
			['uid', { o: [['type', e.uid.type], ['id', e.uid.id]] }],
			['attrs', { o: e.attrs }],
			['parents', e.parents.map((p) => ({ o: [['type', p.type], ['id', p.id]] }))],
			...(e.tags === null ? [] : [['tags', { o: e.tags }]]),
		],
	})).join(',')}]`,
	requests: world.requests.map((q) => json({
		o: [...['principal', 'action', 'resource'].map((key) => [key, { o: [['type', q[key].type], ['id', q[key].id]] }]),
			['context', { o: q.context }]],
	})),
});
