// Expressions made up for a schema: of a wanted type, or of any.
//
// A Maker makes them for one request environment.  What an expression needs
// (attributes and tags that may be missing) is tested for around the next
// boolean, in one of many ways, so that most of what is made type-checks.
'use strict';

const { EXTENSIONS, LABELS, ODD_LABELS, typeKey } = require('./schemas.js');

const LONGS = ['0', '1', '-1', '2', '3', '10', '42', '86400000', '9223372036854775807', '-9223372036854775808', '9007199254740993',
	'4294967296', '-2147483649'];
const STRINGS = ['', 'a', 'b', 'abc', 'a*c', 'é', '日本', 'q"q', 'n\nn', '\\', '\u0000', '😀', 'x y', "it's", '*', '1.2.3.4', '\u202e', 'A'];
const IDS = ['a', 'b', 'c', 'é', 'a b', '', 'q"', '\u0000', '\u2066'];
const LITERALS = {
	decimal: ['0.0', '1.5', '-1.2345', '922337203685477.5807', '-922337203685477.5808', '12.3', '-0.0001'],
	ipaddr: ['1.2.3.4', '127.0.0.1', '::1', '10.0.0.0/8', 'fe80::/10', '224.0.0.1', 'ff02::1', '0.0.0.0/0', '::/0', '1:2:3:4:5:6:7:8',
		'255.255.255.255/32'],
	datetime: ['2024-01-01', '1970-01-01T00:00:00Z', '2024-02-29T23:59:59.999Z', '0000-01-01', '9999-12-31T23:59:59+2359', '2024-06-30T12:00:00-0530'],
	duration: ['0ms', '1d', '-1d2h3m4s5ms', '9223372036854775807ms', '-9223372036854775808ms', '1h', '100000000d'],
};
const BROKEN = {
	decimal: ['1', '1.', '.5', '1.23456', '922337203685477.5808', 'a', '', ' 1.0', '1.0 ', '+1.0'],
	ipaddr: ['1.2.3', '1.2.3.256', '1.2.3.4/33', '::1/129', '01.2.3.4', '::ffff:1.2.3.4', '', '1.2.3.4/', '1.2.3.4/08', '1:2:3'],
	datetime: ['2024-13-01', '2023-02-29', '2024-01-01T24:00:00Z', '2024-01-01T00:00:00', '', '24-01-01', '2024-01-01T00:00:00+2460', '2024-01-01T00:00:60Z'],
	duration: ['', '1', '1x', '1h1d', '9223372036854775808ms', '--1d', '1d1d', '-', '106751991168d'],
};
const MAKERS = { decimal: 'decimal', ipaddr: 'ip', datetime: 'datetime', duration: 'duration' };
const METHODS = ['contains', 'containsAll', 'containsAny', 'isEmpty', 'getTag', 'hasTag', 'lessThan', 'lessThanOrEqual', 'greaterThan',
	'greaterThanOrEqual', 'isIpv4', 'isIpv6', 'isLoopback', 'isMulticast', 'isInRange', 'offset', 'durationSince', 'toDate', 'toTime',
	'toMilliseconds', 'toSeconds', 'toMinutes', 'toHours', 'toDays'];

exports.LONGS = LONGS;
exports.STRINGS = STRINGS;
exports.IDS = IDS;
exports.LITERALS = LITERALS;
exports.BROKEN = BROKEN;

function copy(e) {
	return {
		...e,
		...(e.x ? { x: e.x.map(copy) } : {}),
		...(e.p ? { p: [...e.p] } : {}),
		...(e.k ? { k: [...e.k] } : {}),
	};
}

const node = (o, ...x) => ({ o, x });
const bool = (v) => ({ o: 'bool', v });
const variable = (n) => ({ o: 'var', n });
const string = (v) => ({ o: 'string', v });
const T = { Bool: { k: 'Bool' }, Long: { k: 'Long' }, String: { k: 'String' } };
for (const name of EXTENSIONS) {
	T[name] = { k: name };
}
const setOf = (of) => ({ k: 'Set', of });
const entityOf = (name) => ({ k: 'Entity', name });

class Maker {
	// env: {principal, resource: names of types, action, context: a type}
	constructor(r, meaning, env) {
		this.r = r;
		this.meaning = meaning;
		this.env = env;
		this.paths = new Map(); // by the type's key: [{e, type, needs}]
		this.optional = []; // paths that need something
		this.all = [];
		this.findPaths();
	}

	// ------------------------------------------------------------ what can be read

	findPaths() {
		const { env } = this;
		let level = [
			{ e: variable('principal'), type: entityOf(env.principal), needs: [] },
			{ e: variable('resource'), type: entityOf(env.resource), needs: [] },
			{ e: variable('context'), type: env.context, needs: [] },
			{ e: variable('action'), type: entityOf(env.action.type), needs: [] },
		];
		for (let depth = 0; depth < 4 && this.all.length < 250; depth++) {
			const next = [];
			for (const path of level) {
				this.all.push(path);
				const key = typeKey(path.type);
				this.paths.set(key, [...(this.paths.get(key) || []), path]);
				if (path.needs.length > 0) {
					this.optional.push(path);
				}
				next.push(...this.steps(path));
			}
			level = next;
		}
	}

	shape(type) {
		if (type.k === 'Record') {
			return type;
		}
		const entity = type.k === 'Entity' ? this.meaning.entities.get(type.name) : undefined;
		return entity && entity.attrs ? this.meaning.record(entity.attrs) : { k: 'Record', attrs: [] };
	}

	tags(type) {
		const entity = type.k === 'Entity' ? this.meaning.entities.get(type.name) : undefined;
		return entity && entity.tags ? this.meaning.resolve(entity.tags) : null;
	}

	steps(path) {
		const out = this.shape(path.type).attrs.map((a) => ({
			e: { o: '.', x: [path.e], n: a.name },
			type: a.type,
			needs: a.opt ? [...path.needs, { e: path.e, attr: a.name }] : path.needs,
		}));
		const tags = this.tags(path.type);
		if (tags !== null) {
			const key = string(this.r.pick(['a', 'b', 'é']));
			out.push({
				e: { o: 'method', n: 'getTag', x: [path.e, key] },
				type: tags,
				needs: [...path.needs, { e: path.e, tag: key }],
			});
		}
		return out;
	}

	// ------------------------------------------------------------------- needs

	test(need) {
		return need.tag ? { o: 'method', n: 'hasTag', x: [copy(need.e), copy(need.tag)] }
			: { o: 'has', x: [copy(need.e)], p: [need.attr] };
	}

	// Tests for all of them, in order; `x has a && x.a has b` may be `x has a.b`.
	tests(needs) {
		const { r } = this;
		const out = [];
		for (let i = 0; i < needs.length; i++) {
			const test = this.test(needs[i]);
			while (test.o === 'has' && i + 1 < needs.length && needs[i + 1].attr !== undefined && r.chance(50)
				&& /^[a-z]\w*$/.test(needs[i].attr) && /^[a-z]+$/.test(needs[i + 1].attr)
				&& !['if', 'in', 'is', 'has', 'like'].includes(needs[i + 1].attr)
				&& JSON.stringify(needs[i + 1].e) === JSON.stringify({ o: '.', x: [needs[i].e], n: needs[i].attr })) {
				i++;
				test.p.push(needs[i].attr);
			}
			out.push(test);
		}
		return out;
	}

	// The needs that are not yet tested for, each once, in order.
	missing(needs, caps) {
		const seen = new Set(caps);
		return needs.filter((need) => {
			const key = JSON.stringify(need);
			const fresh = !seen.has(key);
			seen.add(key);
			return fresh;
		});
	}

	// A test that makes its needs known, in one of many shapes.
	known(tests, depth, caps) {
		const { r } = this;
		const all = () => tests.map(copy).reduce((a, b) => node('&&', a, b));
		const right = () => tests.map(copy).reduceRight((b, a) => node('&&', a, b));
		const any = () => this.bool(Math.min(depth, 1) - 1, caps);
		return r.weighted([
			[40, all], [10, right],
			[3, () => node('&&', any(), all())], [3, () => node('&&', all(), any())],
			[3, () => node('||', all(), all())],
			[3, () => node('||', node('&&', all(), any()), node('&&', any(), all()))],
			[2, () => node('||', bool(false), all())], [2, () => node('||', all(), bool(false))],
			[2, () => node('&&', bool(true), all())], [2, () => node('&&', all(), bool(true))],
			[2, () => node('if', any(), all(), all())],
			[2, () => node('if', all(), all(), bool(false))], [2, () => node('if', all(), any(), bool(false))],
			[1, () => node('if', bool(true), all(), any())],
			[1, () => node('!', node('!', all()))],
			[1, () => node('||', all(), bool(true))],
			[1, () => node('||', all(), any())],
			[1, () => node('==', all(), bool(true))],
			[1, () => node('&&', all(), all())],
			[1, () => node('if', all(), bool(true), all())],
			[1, () => node('&&', all(), bool(false))],
		])();
	}

	// A boolean in which what it needs is known.
	guarded(depth, caps, make) {
		const { r } = this;
		const needs = [];
		const e = make(needs);
		const missing = this.missing(needs, caps);
		if (missing.length === 0 || r.chance(3)) {
			return e;
		}
		const known = this.known(this.tests(missing), depth, caps);
		return r.weighted([
			[8, () => node('&&', known, e)],
			[2, () => node('if', known, e, this.bool(depth - 2, caps))],
			[1, () => node('if', node('!', known), bool(false), e)],
			[1, () => node('||', node('!', known), e)],
		])();
	}

	// -------------------------------------------------------------- wanted types

	path(type, caps, needs) {
		const list = this.paths.get(typeKey(type)) || [];
		if (list.length === 0) {
			return null;
		}
		const found = this.r.pick(list);
		if (found.needs.length > 2 && this.missing(found.needs, caps).length > 2 && this.r.chance(70)) {
			return null;
		}
		needs.push(...found.needs);
		const e = copy(found.e);
		if (this.r.chance(5)) {
			e.odd = 1;
		}
		return e;
	}

	// An expression of the type, or null where there is none.
	make(type, depth, caps, needs) {
		const { r } = this;
		if (type.k === 'Bool' && r.chance(70)) {
			return this.bool(depth, caps);
		}
		if (r.chance(depth > 0 ? 45 : 65)) {
			const e = this.path(type, caps, needs);
			if (e !== null) {
				return e;
			}
		}
		if (depth > 0 && r.chance(10)) {
			return this.branch(type, depth, caps, needs);
		}
		return this.fresh(type, depth, caps, needs) || this.path(type, caps, needs);
	}

	// if, and records that are read at once
	branch(type, depth, caps, needs) {
		const a = this.make(type, depth - 1, caps, needs);
		if (a === null || this.r.chance(25)) {
			return a === null ? null : { o: '.', x: [{ o: 'record', k: ['a', 'b'], x: [a, this.anything(0, caps, needs)] }], n: 'a' };
		}
		const b = this.make(type, depth - 1, caps, needs);
		return node('if', this.bool(depth - 1, caps), a, b || copy(a));
	}

	fresh(type, depth, caps, needs) {
		const { r, meaning } = this;
		const operand = (t) => this.make(t, depth - 1, caps, needs);
		switch (type.k) {
			case 'Bool':
				return this.bool(depth, caps);
			case 'Long':
				if (depth > 0 && r.chance(50)) {
					return r.weighted([
						[6, () => node(r.pick(['+', '-', '*']), operand(T.Long), operand(T.Long))],
						[2, () => node('neg', operand(T.Long))],
						[2, () => ({ o: 'method', n: r.pick(['toMilliseconds', 'toSeconds', 'toMinutes', 'toHours', 'toDays']), x: [operand(T.duration)] })],
					])();
				}
				return { o: 'long', v: r.pick(LONGS) };
			case 'String':
				return { ...string(r.pick(STRINGS)), ...(r.chance(15) ? { odd: 1 } : {}) };
			case 'Entity':
				return this.uid(type.name);
			case 'Set': {
				const x = r.times(r.weighted([[1, 1], [3, 2], [2, 3]]), () => this.make(type.of, depth - 1, caps, needs));
				return x.includes(null) ? null : { o: 'set', x };
			}
			case 'Record': {
				if (type.attrs.some((a) => a.opt)) {
					return null; // a record literal has no optional attributes
				}
				const x = type.attrs.map((a) => this.make(a.type, depth - 1, caps, needs));
				return x.includes(null) ? null : { o: 'record', k: type.attrs.map((a) => a.name), x };
			}
			case 'datetime':
				if (depth > 0 && r.chance(40)) {
					return r.chance(60) ? { o: 'method', n: 'offset', x: [operand(T.datetime), operand(T.duration)] }
						: { o: 'method', n: 'toDate', x: [operand(T.datetime)] };
				}
				break;
			case 'duration':
				if (depth > 0 && r.chance(40)) {
					return r.chance(60) ? { o: 'method', n: 'durationSince', x: [operand(T.datetime), operand(T.datetime)] }
						: { o: 'method', n: 'toTime', x: [operand(T.datetime)] };
				}
				break;
			default:
		}
		if (!(type.k in MAKERS)) {
			throw new Error(`no such type: ${type.k} ${meaning.types}`);
		}
		return { o: 'call', n: MAKERS[type.k], x: [string(r.pick(r.chance(97) ? LITERALS[type.k] : BROKEN[type.k]))] };
	}

	uid(name) {
		const { r } = this;
		const entity = this.meaning.entities.get(name);
		if (entity === undefined) {
			const actions = this.meaning.actions.filter((a) => a.type === name);
			return { o: 'uid', type: name, id: actions.length > 0 && r.chance(97) ? r.pick(actions).id : r.pick(IDS) };
		}
		return { o: 'uid', type: name, id: entity.ids && r.chance(95) ? r.pick(entity.ids) : r.pick(IDS) };
	}

	// A type that something in reach has, or one made up.
	type(depth) {
		const { r } = this;
		if (r.chance(60)) {
			return r.pick(this.all).type;
		}
		return r.weighted([
			[8, () => T[r.pick(['Bool', 'Long', 'String', ...EXTENSIONS])]],
			[2, () => entityOf(r.pick(this.meaning.types))],
			[depth > 0 ? 3 : 0, () => setOf(this.type(depth - 1))],
			[depth > 0 ? 1 : 0, () => ({ k: 'Record', attrs: [{ name: 'a', type: this.type(depth - 1), opt: false }] })],
		])();
	}

	anything(depth, caps, needs) {
		for (;;) {
			const e = this.make(this.type(1), depth, caps, needs);
			if (e !== null) {
				return e;
			}
		}
	}

	// ----------------------------------------------------------------- booleans

	bool(depth, caps) {
		const { r } = this;
		if (depth <= 0) {
			return r.weighted([
				[3, () => bool(r.chance(50))],
				[5, () => this.guarded(depth, caps, (needs) => this.atom(0, caps, needs))],
				[3, () => this.guarded(depth, caps, (needs) => this.path(T.Bool, caps, needs) || bool(true))],
			])();
		}
		return r.weighted([
			[20, () => this.guarded(depth, caps, (needs) => this.atom(depth, caps, needs))],
			[6, () => node('&&', this.bool(depth - 1, caps), this.bool(depth - 1, caps))],
			[5, () => node('||', this.bool(depth - 1, caps), this.bool(depth - 1, caps))],
			[3, () => node('!', this.bool(depth - 1, caps))],
			[3, () => node('if', this.bool(depth - 1, caps), this.bool(depth - 1, caps), this.bool(depth - 1, caps))],
			[8, () => this.used(depth, caps)],
			[1, () => bool(r.chance(50))],
		])();
	}

	// What may be missing is tested for, and then used.
	used(depth, caps) {
		const { r } = this;
		if (this.optional.length === 0) {
			return this.bool(depth - 1, caps);
		}
		const path = r.pick(this.optional);
		const missing = this.missing(path.needs, caps);
		const inside = new Set([...caps, ...path.needs.map((need) => JSON.stringify(need))]);
		const known = missing.length === 0 ? this.bool(0, caps) : this.known(this.tests(missing), depth, caps);
		const body = r.chance(50) ? this.bool(depth - 1, inside)
			: this.guarded(depth - 1, inside, (needs) => {
				needs.push(...path.needs);
				const other = this.make(path.type, depth - 1, inside, needs);
				return node('==', copy(path.e), other || copy(path.e));
			});
		return r.chance(80) ? node('&&', known, body) : node('if', known, body, this.bool(depth - 2, caps));
	}

	atom(depth, caps, needs) {
		const { r, meaning } = this;
		const operand = (t) => this.make(t, depth - 1, caps, needs);
		const entity = () => this.make(entityOf(r.chance(70) ? r.pick([this.env.principal, this.env.resource]) : r.pick(meaning.types)),
			depth - 1, caps, needs);
		const either = (a, b) => r.pick([a, b]);
		const some = r.pick(this.all);
		const choices = [
			[8, () => {
				const t = this.type(1);
				const a = operand(t);
				const b = operand(t);
				return a === null || b === null ? null : node(either('==', '!='), a, b);
			}],
			[6, () => {
				const t = r.weighted([[4, T.Long], [1, T.datetime], [1, T.duration]]);
				return node(r.pick(['<', '<=', '>', '>=']), operand(t), operand(t));
			}],
			[4, () => {
				const e = entity();
				if (r.chance(15)) {
					return this.actionIn();
				}
				const name = r.chance(70) && e.o === 'var' ? this.above(this.env[e.n]) : r.pick(meaning.types);
				return node('in', e, r.chance(70) ? this.make(entityOf(name), depth - 1, caps, needs)
					: this.make(setOf(entityOf(name)), depth - 1, caps, needs));
			}],
			[2, () => ({ o: 'is', x: [entity()], n: r.pick(meaning.types) })],
			[1, () => ({ o: 'isin', x: [entity(), this.uid(r.pick(meaning.types))], n: r.pick(meaning.types) })],
			[3, () => {
				const attrs = this.shape(some.type).attrs;
				needs.push(...some.needs);
				return {
					o: 'has',
					x: [copy(some.type.k === 'Record' || some.type.k === 'Entity' ? some.e : variable('context'))],
					p: [attrs.length > 0 && r.chance(80) ? r.pick(attrs).name : r.pick(LABELS)],
				};
			}],
			[2, () => this.deepHas(needs)],
			[2, () => {
				const e = entity();
				return { o: 'method', n: 'hasTag', x: [e, operand(T.String)] };
			}],
			[2, () => ({ o: 'like', x: [operand(T.String)], p: this.pattern() })],
			[3, () => {
				const t = this.type(0);
				const a = operand(setOf(t));
				const b = operand(t);
				return a === null || b === null ? null : { o: 'method', n: 'contains', x: [a, b] };
			}],
			[2, () => {
				const t = setOf(this.type(0));
				const a = operand(t);
				const b = operand(t);
				return a === null || b === null ? null : { o: 'method', n: either('containsAll', 'containsAny'), x: [a, b] };
			}],
			[1, () => {
				const a = operand(setOf(this.type(0)));
				return a === null ? null : { o: 'method', n: 'isEmpty', x: [a] };
			}],
			[2, () => ({
				o: 'method',
				n: r.pick(['lessThan', 'lessThanOrEqual', 'greaterThan', 'greaterThanOrEqual']),
				x: [operand(T.decimal), operand(T.decimal)],
			})],
			[2, () => ({ o: 'method', n: r.pick(['isIpv4', 'isIpv6', 'isLoopback', 'isMulticast']), x: [operand(T.ipaddr)] })],
			[1, () => ({ o: 'method', n: 'isInRange', x: [operand(T.ipaddr), operand(T.ipaddr)] })],
			[1, () => this.actionIn()],
			[2, () => this.path(T.Bool, caps, needs)],
		];
		for (;;) {
			const e = r.weighted(choices)();
			if (e !== null) {
				return e;
			}
		}
	}

	above(name) {
		const list = this.meaning.entities.has(name) ? this.meaning.ancestors(name) : [];
		return list.length > 0 && this.r.chance(85) ? this.r.pick(list) : this.r.pick(this.meaning.types);
	}

	deepHas(needs) {
		const { r } = this;
		const start = r.pick(this.all);
		const p = [];
		needs.push(...start.needs);
		for (let type = start.type; p.length < 1 + r.below(4);) {
			const attrs = this.shape(type).attrs.filter((a) => /^[a-z]+$/.test(a.name) && !['if', 'in', 'is', 'has', 'like'].includes(a.name));
			if (attrs.length === 0 || r.chance(5)) {
				p.push(r.pick(LABELS));
				break;
			}
			const attr = r.pick(attrs);
			p.push(attr.name);
			type = attr.type;
		}
		const fits = start.type.k === 'Record' || start.type.k === 'Entity';
		return { o: 'has', x: [copy(fits || r.chance(5) ? start.e : variable('resource'))], p };
	}

	actionIn() {
		const { r, meaning } = this;
		const one = () => this.uid(r.chance(95) ? r.pick(meaning.actions).type : r.pick(meaning.types));
		const left = r.chance(80) ? variable('action') : one();
		return r.weighted([
			[3, () => node('in', left, one())],
			[3, () => node('in', left, { o: 'set', x: r.times(1 + r.below(3), () => (r.chance(90) ? one() : variable('action'))) })],
			[3, () => node(r.pick(['==', '!=']), left, one())],
			[1, () => ({ o: 'is', x: [left], n: r.pick(meaning.actions).type })],
			[1, () => node('in', variable(r.pick(['principal', 'resource'])), one())],
		])();
	}

	pattern() {
		const { r } = this;
		return r.times(r.below(5), () => (r.chance(45) ? null : r.pick(STRINGS)));
	}

	// ---------------------------------------------------------------- no types

	// Anything that the grammar allows, with names of the schema.
	wild(depth) {
		const { r, meaning } = this;
		const sub = () => this.wild(depth - 1);
		const attr = () => (r.chance(80) ? this.someAttr() : r.pick(r.chance(80) ? LABELS : ODD_LABELS));
		if (depth <= 0) {
			return r.weighted([
				[8, () => copy(r.pick(this.all).e)],
				[4, () => variable(r.pick(['principal', 'action', 'resource', 'context']))],
				[2, () => ({ o: 'long', v: r.pick(LONGS) })], [2, () => string(r.pick(STRINGS))], [2, () => bool(r.chance(50))],
				[2, () => this.uid(r.chance(80) ? r.pick(meaning.types) : r.pick([this.env.action.type, 'Nothing', 'App::Nothing']))],
				[1, () => ({ o: 'set', x: [] })], [1, () => ({ o: 'record', k: [], x: [] })],
				[1, () => this.extension()],
			])();
		}
		return r.weighted([
			[4, () => this.wild(0)],
			[8, () => node(r.pick(['&&', '||', '==', '!=', '<', '<=', '>', '>=', 'in', '+', '-', '*']), sub(), sub())],
			[2, () => node(r.pick(['!', 'neg']), sub())],
			[2, () => node('if', sub(), sub(), sub())],
			[3, () => ({ o: '.', x: [sub()], n: attr() })],
			[3, () => ({ o: 'has', x: [sub()], p: [attr()] })],
			[1, () => this.deepHas([])],
			[1, () => ({ o: 'like', x: [sub()], p: this.pattern() })],
			[1, () => ({ o: 'is', x: [sub()], n: r.chance(90) ? r.pick(meaning.types) : 'Nothing' })],
			[1, () => ({ o: 'isin', x: [sub(), sub()], n: r.pick(meaning.types) })],
			[1, () => ({ o: 'set', x: r.times(r.below(4), sub) })],
			[1, () => {
				const k = [...new Set(r.times(r.below(3), attr))];
				return { o: 'record', k, x: k.map(sub) };
			}],
			[1, () => ({ o: 'call', n: r.pick(Object.values(MAKERS)), x: [r.chance(50) ? string(r.pick(STRINGS)) : sub()] })],
			[4, () => {
				const n = r.pick(METHODS);
				const arity = /^(contains|getTag|hasTag|less|greater|isInRange|offset|durationSince)/.test(n) ? 1 : 0;
				return { o: 'method', n, x: r.times((r.chance(97) ? arity : r.below(3)) + 1, sub) };
			}],
			[2, () => this.bool(depth - 1, new Set())],
			[2, () => this.anything(depth - 1, new Set(), [])],
		])();
	}

	someAttr() {
		const attrs = this.shape(this.r.pick(this.all).type).attrs;
		return attrs.length > 0 ? this.r.pick(attrs).name : this.r.pick(LABELS);
	}

	extension() {
		const { r } = this;
		const k = r.pick(EXTENSIONS);
		return { o: 'call', n: MAKERS[k], x: [string(r.pick(r.chance(60) ? LITERALS[k] : BROKEN[k]))] };
	}

	// --------------------------------------------------------------- mutations

	// Change one place of an expression; gives the expression.
	mutate(root) {
		const { r, meaning } = this;
		const places = [];
		const visit = (e, set) => {
			places.push([e, set]);
			(e.x || []).forEach((x, i) => visit(x, (y) => {
				e.x[i] = y;
			}));
		};
		let top = root;
		visit(root, (e) => {
			top = e;
		});
		const has = (o) => places.filter(([e]) => e.o === o);
		const [e, set] = r.pick(places);
		const pairs = { contains: 'containsAll', containsAll: 'contains', lessThan: 'isInRange', isInRange: 'lessThan', getTag: 'hasTag',
			hasTag: 'getTag', toDate: 'toTime', offset: 'durationSince', isIpv4: 'isEmpty', isEmpty: 'toDays' };
		r.weighted([
			[5, () => set(this.anything(1, new Set(), []))],
			[3, () => set(this.wild(1))],
			[2, () => set({ o: 'set', x: [] })],
			[3, () => set(e.x && e.x.length > 0 ? e.x[r.below(e.x.length)] : bool(true))],
			[3, () => set(node(r.pick(['!', 'neg']), e))],
			[2, () => set(node('if', this.bool(0, new Set()), e, this.anything(0, new Set(), [])))],
			[2, () => set(node(r.pick(['&&', '||']), this.bool(0, new Set()), e))],
			[1, () => set({ o: 'record', k: ['a'], x: [e] })],
			[1, () => set({ o: 'set', x: [e, copy(e)] })],
			[6, () => { // a test that is no longer there
				const tests = [...has('&&'), ...has('if')];
				if (tests.length > 0) {
					const [at, put] = r.pick(tests);
					put(at.x[1]);
				}
			}],
			[3, () => { // a test of another attribute
				const tests = has('has');
				if (tests.length > 0) {
					const [at] = r.pick(tests);
					at.p[r.below(at.p.length)] = r.pick(LABELS);
				}
			}],
			[4, () => { // an attribute that there is not
				const gets = has('.');
				if (gets.length > 0) {
					r.pick(gets)[0].n = r.chance(50) ? this.someAttr() : r.pick(LABELS);
				}
			}],
			[3, () => { // operands the other way round
				const two = places.filter(([at]) => at.x && at.x.length === 2);
				if (two.length > 0) {
					r.pick(two)[0].x.reverse();
				}
			}],
			[3, () => { // another operator
				const two = places.filter(([at]) => ['&&', '||', '==', '!=', '<', '>', '+', '*', 'in'].includes(at.o));
				if (two.length > 0) {
					r.pick(two)[0].o = r.pick(['&&', '||', '==', '<', '+', 'in']);
				}
			}],
			[3, () => { // another name of a type
				const named = places.filter(([at]) => at.o === 'is' || at.o === 'isin' || at.o === 'uid');
				if (named.length > 0) {
					const [at] = r.pick(named);
					const name = r.chance(70) ? r.pick(meaning.types) : r.pick(['Nothing', 'App::Nothing', 'Action', 'App::Action']);
					if (at.o === 'uid') {
						at.type = name;
					} else {
						at.n = name;
					}
				}
			}],
			[4, () => { // more or fewer arguments, others, none that is literal
				const calls = [...has('call'), ...has('method')];
				if (calls.length > 0) {
					const [at] = r.pick(calls);
					r.weighted([
						[2, () => at.x.push(this.anything(0, new Set(), []))],
						[2, () => at.x.length > 1 && at.x.pop()],
						[3, () => {
							at.n = pairs[at.n] || at.n;
						}],
						[3, () => {
							if (at.o === 'call') {
								at.x[0] = r.chance(50) ? this.make(T.String, 0, new Set(), []) : this.extension().x[0];
							}
						}],
					])();
				}
			}],
			[2, () => { // another variable
				const vars = has('var');
				if (vars.length > 0) {
					r.pick(vars)[0].n = r.pick(['principal', 'action', 'resource', 'context']);
				}
			}],
		])();
		return top;
	}
}

exports.Maker = Maker;
