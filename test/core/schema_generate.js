// Makes up schemas, most of them sound and some of them broken: for
// schema_cases.js.  A seed gives the same ones on every machine.
'use strict';

// xorshift32
function randomness(seed) {
	let state = (seed * 2654435761) >>> 0 || 1;
	const bits = () => {
		state ^= state << 13;
		state >>>= 0;
		state ^= state >>> 17;
		state ^= state << 5;
		state >>>= 0;
		return state;
	};
	const below = (n) => bits() % n;
	return {
		below,
		chance: (percent) => below(100) < percent,
		pick: (list) => list[below(list.length)],
		times: (n, f) => Array.from({ length: n }, (_, i) => f(i)),
	};
}

const BUILTINS = ['Long', 'String', 'Bool', 'ipaddr', 'decimal', 'datetime', 'duration'];
const NAMESPACES = ['', 'A', 'B', 'A::B', 'N', 'Long'];
const ENTITY_NAMES = ['User', 'Group', 'Doc', 'E', 'T', 'Set', 'entity', 'type', 'in_', 'principal'];
const ODD_ENTITY_NAMES = ['Long', 'String', 'ipaddr', 'Bool', 'Action', 'Record', 'Entity', 'if', '__cedar', 'Boolean'];
const COMMON_NAMES = ['T', 'U', 'V', 'W', 'X', 'Context', 'E', 'action', 'tags'];
const ODD_COMMON_NAMES = ['ipaddr', 'decimal', 'Action', 'EntityOrCommon', 'Set', 'Long', 'Boolean', 'User', '__cedar', 'Extension'];
const LABELS = ['a', 'b', 'c', 'name', 'entity', 'Set', 'a b', '', 'if', 'é', 'x"y', 'n\n', '__cedar', '\u0000', '日本', 'appliesTo', '\\', 'B'];
const IDS = ['view', 'edit', 'all', 'read', 'a b', 'Action', 'in', 'x\\y', '"', 'é', '', 'type'];
const STRINGS = ['', 'x', 'some text', 'quote " here', 'line\nbreak', '\\', '\u0000', 'é日本', '\u0301', '\u200b', '😀', "it's", '\t\r'];
const ANNOTATIONS = ['doc', 'id', 'if', 'in', 'entity', '__cedar', '_', 'a1'];

// ------------------------------------------------------------------- a model

function makeModel(r) {
	const count = 1 + r.below(3);
	const chosen = [];
	while (chosen.length < count) {
		const ns = r.chance(45) ? '' : r.pick(NAMESPACES);
		if (!chosen.includes(ns)) {
			chosen.push(ns);
		}
	}
	// names tell their namespace, mostly, so that few hide each other
	const mark = (i, name) => (i === 0 || r.chance(4) ? name : `${name}${i}`);
	const names = (i, from, odd, n) => [...new Set(r.times(n, () =>
		(r.chance(2) ? r.pick(odd) : r.chance(2) ? r.pick(BUILTINS) : mark(i, r.pick(from)))))];
	const model = { declared: { entity: [], common: [], action: [] }, namespaces: [] };
	chosen.forEach((ns, i) => {
		const n = {
			ns,
			entities: names(i, ENTITY_NAMES, ODD_ENTITY_NAMES, r.below(5)),
			commons: names(i, COMMON_NAMES, ODD_COMMON_NAMES, r.below(4)),
			actions: [...new Set(r.times(r.below(4), () => mark(i, r.pick(IDS))))],
		};
		model.namespaces.push(n);
		n.entities.forEach((name) => model.declared.entity.push([ns, name]));
		n.commons.forEach((name, k) => model.declared.common.push([ns, name, k, i]));
		n.actions.forEach((name, k) => model.declared.action.push([ns, name, k, i]));
	});
	for (const [i, n] of model.namespaces.entries()) {
		fillNamespace(r, model, n, i);
	}
	return model;
}

function written(r, [ns, name], here) {
	if (ns === here || ns === '') {
		return ns === '' || r.chance(70) ? name : `${ns}::${name}`;
	}
	return r.chance(96) ? `${ns}::${name}` : name;
}

function wildName(r) {
	return r.pick([r.pick(ENTITY_NAMES), r.pick(COMMON_NAMES), r.pick(BUILTINS), 'Nothing', 'A::Nothing',
		`__cedar::${r.pick(BUILTINS)}`, '__cedar::Nothing', 'Action', 'A::Action', 'Record', 'Boolean']);
}

function entityName(r, model, here) {
	if (model.declared.entity.length === 0 || r.chance(1)) {
		return wildName(r);
	}
	return written(r, r.pick(model.declared.entity), here);
}

// Mostly a common type that was declared before, so that there is no cycle.
function commonName(r, model, here, order) {
	const before = model.declared.common.filter(([, , k, i]) =>
		order === null || i < order[1] || (i === order[1] && k < order[0]) || r.chance(2));
	return before.length === 0 || r.chance(1) ? null : written(r, r.pick(before), here);
}

function makeType(r, model, here, depth, order) {
	const roll = r.below(100);
	if (depth > 0 && roll < 15) {
		return { kind: 'Set', element: makeType(r, model, here, depth - 1, order) };
	}
	if (depth > 0 && roll < 30) {
		return makeRecord(r, model, here, depth - 1, order);
	}
	if (roll < 45) {
		return { kind: 'Entity', name: entityName(r, model, here) };
	}
	if (roll < 60) {
		const name = commonName(r, model, here, order);
		if (name !== null) {
			return { kind: 'Common', name };
		}
	}
	if (roll < 61 && r.chance(40)) {
		return { kind: 'Either', name: wildName(r) };
	}
	if (roll < 75) {
		return { kind: 'Either', name: r.chance(20) ? `__cedar::${r.pick(BUILTINS)}` : r.pick(BUILTINS) };
	}
	return { kind: 'Builtin', name: r.pick(BUILTINS) };
}

function makeRecord(r, model, here, depth, order) {
	const attrs = new Map();
	for (let n = r.below(4); n > 0; n--) {
		attrs.set(r.pick(LABELS), {
			type: makeType(r, model, here, depth, order),
			optional: r.chance(30),
			notes: makeNotes(r, 10),
		});
	}
	return { kind: 'Record', attrs, open: r.chance(1) };
}

function makeNotes(r, percent) {
	const notes = new Map();
	while (r.chance(percent)) {
		notes.set(r.pick(ANNOTATIONS), r.chance(20) ? null : r.pick(STRINGS));
	}
	return notes;
}

function fillNamespace(r, model, n, i) {
	n.notes = n.ns === '' ? new Map() : makeNotes(r, 15);
	n.commons = n.commons.map((name, k) => ({
		name,
		notes: makeNotes(r, 10),
		type: makeType(r, model, n.ns, 3, [k, i]),
	}));
	n.entities = n.entities.map((name) => {
		const e = { name, notes: makeNotes(r, 10) };
		if (r.chance(12)) {
			e.ids = r.times(1 + r.below(3), () => r.pick(STRINGS));
			return e;
		}
		e.parents = r.times(r.chance(40) ? r.below(3) : 0, () => entityName(r, model, n.ns));
		e.shape = r.chance(70) ? makeRecord(r, model, n.ns, 2, null) : null;
		e.tags = r.chance(20) ? makeType(r, model, n.ns, 2, null) : null;
		return e;
	});
	n.actions = n.actions.map((name, k) => {
		const a = { name, notes: makeNotes(r, 10), parents: [], applies: null };
		const before = model.declared.action.filter(([, , at, of]) => of < i || (of === i && at < k) || r.chance(3));
		for (let left = before.length > 0 && r.chance(40) ? 1 + r.below(2) : 0; left > 0; left--) {
			const [ns, id] = r.pick(before);
			const type = ns === n.ns || ns === '' ? r.pick([null, 'Action']) : `${ns}::Action`;
			a.parents.push(r.chance(1) ? { type: r.pick([null, 'Action', 'User', 'A::Action']), id: r.pick(IDS) }
				: { type: type === 'Action' && r.chance(30) && ns !== '' ? `${ns}::Action` : type, id });
		}
		if (r.chance(65) && model.declared.entity.length > 0) {
			a.applies = {
				principals: r.times(1 + r.below(2), () => entityName(r, model, n.ns)),
				resources: r.times(1 + r.below(2), () => entityName(r, model, n.ns)),
				context: null,
			};
			const common = commonName(r, model, n.ns, null);
			if (common !== null && r.chance(30)) {
				a.applies.context = { kind: 'Common', name: common };
			} else if (r.chance(60)) {
				a.applies.context = makeRecord(r, model, n.ns, 2, null);
			}
		}
		return a;
	});
}

// ---------------------------------------------------------- the Cedar syntax

const RESERVED = /^(if|then|else|true|false|in|is|has|like)$/;
const IDENT = /^[_a-zA-Z][_a-zA-Z0-9]*$/;

function quote(r, s) {
	let out = '"';
	for (const c of s) {
		const cp = c.codePointAt(0);
		if (c === '"' || c === '\\') {
			out += `\\${c}`;
		} else if (c === '\n' || c === '\r') {
			out += c === '\n' && r.chance(50) ? c : c === '\n' ? '\\n' : '\\r';
		} else if (cp === 0) {
			out += r.pick(['\\0', '\\u{0}', '\\x00']);
		} else if (r.chance(5)) {
			out += `\\u{${cp.toString(16)}}`;
		} else {
			out += c;
		}
	}
	return `${out}"`;
}

function writeText(r, model) {
	const space = () => (r.chance(80) ? ' ' : r.pick(['\n', '\t', '  ', ' // note\n', '/**/'.slice(0, 0) + '\r\n', '\u00a0', '//"\n']));
	const tight = () => (r.chance(70) ? '' : space());
	const label = (s) => (IDENT.test(s) && !RESERVED.test(s) && r.chance(80) ? s : quote(r, s));
	const comma = () => (r.chance(30) ? `${tight()},` : '');
	const list = (items) => (items.length === 1 && r.chance(50) ? items[0] : `[${tight()}${items.join(`,${tight()}`)}${tight()}]`);
	const path = (name) => (r.chance(95) ? name : name.split('::').join(`${tight()}::${tight()}`));
	const notes = (map) => [...map].map(([key, value]) =>
		`@${tight()}${key}${value === null ? '' : `${tight()}(${tight()}${quote(r, value)}${tight()})`}${space()}`).join('');
	const record = (type) => {
		const attrs = [...type.attrs].map(([name, attr]) =>
			`${notes(attr.notes)}${label(name)}${tight()}${attr.optional ? '?' : ''}${tight()}:${tight()}${typeText(attr.type)}`);
		if (attrs.length > 0 && r.chance(2)) {
			attrs.push(r.pick(attrs)); // twice
		}
		return `{${tight()}${attrs.join(`${tight()},${tight()}`)}${attrs.length > 0 ? comma() : ''}${tight()}}`;
	};
	const typeText = (type) => {
		switch (type.kind) {
			case 'Set':
				return `Set${tight()}<${tight()}${typeText(type.element)}${tight()}>`;
			case 'Record':
				return record(type);
			default:
				return path(type.name);
		}
	};
	const entity = (e, more) => {
		const names = [e.name, ...more].join(`${tight()},${tight()}`);
		let out = `${notes(e.notes)}entity${space()}${names}`;
		if (e.ids) {
			return `${out}${space()}enum${tight()}[${e.ids.map((id) => quote(r, id)).join(`,${tight()}`)}]${tight()};`;
		}
		if (e.parents.length > 0 || r.chance(2)) {
			out += `${space()}in${space()}${list(e.parents)}`;
		}
		if (e.shape !== null) {
			out += `${tight()}${r.pick(['', '='])}${tight()}${record(e.shape)}`;
		}
		if (e.tags !== null) {
			out += `${space()}tags${space()}${typeText(e.tags)}`;
		}
		return `${out}${tight()};`;
	};
	const action = (a) => {
		let out = `${notes(a.notes)}action${space()}${label(a.name)}`;
		if (a.parents.length > 0) {
			out += `${space()}in${space()}${list(a.parents.map(({ type, id }) =>
				(type === null ? label(id) : `${path(type)}::${quote(r, id)}`)))}`;
		}
		if (a.applies !== null) {
			const parts = [`principal${tight()}:${tight()}${list(a.applies.principals.map(path))}`,
				`resource${tight()}:${tight()}${list(a.applies.resources.map(path))}`];
			if (a.applies.context !== null) {
				parts.splice(r.below(3), 0, `context:${tight()}${typeText(a.applies.context)}`);
			}
			out += `${space()}appliesTo${tight()}{${tight()}${parts.join(`${tight()},${tight()}`)}${comma()}${tight()}}`;
		}
		return `${out}${r.chance(3) ? ' attributes {}' : ''}${tight()};`;
	};
	const out = [];
	for (const n of model.namespaces) {
		const decls = [
			...n.commons.map((c) => `${notes(c.notes)}type${space()}${c.name}${tight()}=${tight()}${typeText(c.type)}${tight()};`),
			...n.entities.map((e) => entity(e, r.chance(5) ? [`${e.name}_`] : [])),
			...n.actions.map(action),
		];
		for (let i = decls.length - 1; i > 0; i--) { // in any order
			const k = r.below(i + 1);
			[decls[i], decls[k]] = [decls[k], decls[i]];
		}
		const text = decls.map((d) => `${d}${tight()}`).join('');
		out.push(n.ns === '' ? text
			: `${notes(n.notes)}namespace${space()}${path(n.ns)}${tight()}{${tight()}${text}}${tight()}`);
	}
	return out.join(tight());
}

// ---------------------------------------------------------------------- JSON

function writeJson(r, model) {
	// an object of fixed members, now and then as an array of their values
	const struct = (names, object) => {
		if (!r.chance(1)) {
			return object;
		}
		const last = Math.max(-1, ...names.map((name, i) => (name in object ? i : -1)));
		return names.slice(0, last + 1).map((name) => (name in object ? object[name] : null));
	};
	const notes = (object, map) => {
		if (map.size > 0 || r.chance(2)) {
			object.annotations = Object.fromEntries(map);
		}
		return object;
	};
	const type = (t) => {
		switch (t.kind) {
			case 'Set':
				return { type: 'Set', element: type(t.element) };
			case 'Record': {
				const out = { type: 'Record', attributes: {} };
				for (const [name, attr] of t.attrs) {
					const a = notes(type(attr.type), attr.notes);
					if (attr.optional || r.chance(10)) {
						a.required = !attr.optional;
					}
					out.attributes[name] = a;
				}
				if (t.open || r.chance(5)) {
					out.additionalAttributes = t.open;
				}
				return out;
			}
			case 'Entity':
				return r.chance(70) ? { type: 'Entity', name: t.name } : { type: 'EntityOrCommon', name: t.name };
			case 'Common':
				return r.chance(70) ? { type: t.name } : { type: 'EntityOrCommon', name: t.name };
			case 'Either':
				return { type: 'EntityOrCommon', name: t.name };
			default:
				if (['Long', 'String', 'Bool'].includes(t.name)) {
					return r.chance(85) ? { type: t.name === 'Bool' ? 'Boolean' : t.name } : { type: `__cedar::${t.name}` };
				}
				return r.chance(85) ? { type: 'Extension', name: t.name } : { type: t.name };
		}
	};
	const entity = (e) => {
		const out = notes({}, e.notes);
		if (e.ids) {
			return struct(['memberOfTypes', 'shape', 'tags', 'enum', 'annotations'], { ...out, enum: e.ids });
		}
		if (e.parents.length > 0 || r.chance(10)) {
			out.memberOfTypes = e.parents;
		}
		if (e.shape !== null) {
			out.shape = type(e.shape);
		} else if (r.chance(3)) {
			out.shape = type({ kind: 'Common', name: r.pick(COMMON_NAMES) });
		}
		if (e.tags !== null) {
			out.tags = type(e.tags);
		}
		return struct(['memberOfTypes', 'shape', 'tags', 'enum', 'annotations'], out);
	};
	const action = (a) => {
		const out = notes({}, a.notes);
		if (a.parents.length > 0 || r.chance(10)) {
			out.memberOf = a.parents.map(({ type: t, id }) =>
				struct(['id', 'type'], t === null && r.chance(90) ? { id } : { id, type: t }));
		}
		if (a.applies !== null) {
			const applies = { principalTypes: a.applies.principals, resourceTypes: a.applies.resources };
			if (r.chance(3)) {
				applies[r.pick(['principalTypes', 'resourceTypes'])] = [];
			}
			if (a.applies.context !== null) {
				applies.context = type(a.applies.context);
			}
			out.appliesTo = struct(['resourceTypes', 'principalTypes', 'context'], applies);
		}
		if (r.chance(3)) {
			out[r.pick(['attributes', 'appliesTo', 'memberOf'])] = null;
		}
		return struct(['attributes', 'appliesTo', 'memberOf', 'annotations'], out);
	};
	const schema = {};
	for (const n of model.namespaces) {
		const ns = {
			entityTypes: Object.fromEntries(n.entities.map((e) => [e.name, entity(e)])),
			actions: Object.fromEntries(n.actions.map((a) => [a.name, action(a)])),
		};
		if (n.commons.length > 0 || r.chance(10)) {
			ns.commonTypes = Object.fromEntries(n.commons.map((c) => [c.name, notes(type(c.type), c.notes)]));
		}
		schema[n.ns] = struct(['commonTypes', 'entityTypes', 'actions', 'annotations'], notes(ns, n.notes));
	}
	return schema;
}

// -------------------------------------------------------------------- damage

const TOKENS = ['entity', 'action', 'type', 'namespace', 'in', 'appliesTo', 'principal', 'resource', 'context',
	'tags', 'enum', 'Set', 'attributes', ';', ',', ':', '::', '{', '}', '[', ']', '<', '>', '=', '?', '@', '(', ')',
	'"x"', 'X', 'Long', '__cedar::Long', '"', '\\', '1', '//', '==', '?x', '$', '\u3000', '>=', '"\\x80"', '"\\\n"', '\u0001'];

function damageText(r, text) {
	const tokens = text.match(/"(?:\\.|[^"\\])*"|\w+|::|\s+|[^]/gu) || [];
	for (let n = 1 + r.below(2); n > 0; n--) {
		const at = r.below(tokens.length + 1);
		switch (r.below(4)) {
			case 0:
				tokens.splice(at, 1);
				break;
			case 1:
				tokens.splice(at, 0, r.pick(TOKENS));
				break;
			case 2:
				tokens.splice(at, 1, r.pick(TOKENS));
				break;
			default:
				tokens.splice(at, 0, tokens[r.below(tokens.length)]);
		}
	}
	return tokens.join('');
}

const VALUES = [null, true, false, 0, 1.5, '', 'x', 'Long', 'Record', 'A::B', ' A', 'if', [], {}, ['x'], [[]], { type: 'Long' },
	{ type: 'Record', attributes: {} }, { id: 'view' }, { a: 'b' }, { type: 'Set' }, '__cedar::Long', 'A::', '::A', 'A:B'];
const KEYS = ['type', 'name', 'element', 'attributes', 'required', 'annotations', 'additionalAttributes', 'shape', 'tags',
	'enum', 'memberOfTypes', 'memberOf', 'appliesTo', 'principalTypes', 'resourceTypes', 'context', 'commonTypes',
	'entityTypes', 'actions', 'id', 'x', '', 'A B', '__cedar', 'if'];

function damageJson(r, schema) {
	const places = [];
	const visit = (value) => {
		if (value !== null && typeof value === 'object') {
			places.push(value);
			Object.values(value).forEach(visit);
		}
	};
	visit(schema);
	const at = r.pick(places);
	const keys = Object.keys(at);
	const value = () => JSON.parse(JSON.stringify(r.pick(VALUES)));
	if (Array.isArray(at)) {
		at.splice(r.below(at.length + 1), r.below(2), value());
	} else if (keys.length === 0 || r.chance(40)) {
		at[r.pick(KEYS)] = value();
	} else if (r.chance(50)) {
		at[r.pick(keys)] = value();
	} else {
		delete at[r.pick(keys)];
	}
}

exports.randomness = randomness;

// A function that gives the next schema: {schema, format}.
exports.schemas = (seed) => {
	const r = randomness(seed);
	return () => {
		const model = makeModel(r);
		if (r.chance(50)) {
			const text = writeText(r, model);
			return { schema: r.chance(20) ? damageText(r, text) : text, format: 'cedar' };
		}
		const json = writeJson(r, model);
		if (r.chance(20)) {
			damageJson(r, json);
		}
		return { schema: JSON.stringify(json), format: 'json' };
	};
};
