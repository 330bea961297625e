// Makes up a schema with entities, a request and policies that mostly fit it:
// for conform_cases.js.  A seed gives the same ones on every machine.
'use strict';

const { randomness } = require('./schema_generate.js');

const ATTRS = ['a', 'b', 'c', 'name', 'type', 'id', 'fn', 'arg', '__entity', '__extn', 'x y', ''];
const IDS = ['x', 'y', 'z', 'a b', ''];
const EXTENSIONS = {
	ipaddr: { fn: 'ip', args: ['10.0.0.1', '::1', '10.0.0.0/8', '1.2.3.4/32'] },
	decimal: { fn: 'decimal', args: ['1.0', '-2.5', '0.0001', '1.50'] },
	datetime: { fn: 'datetime', args: ['2024-01-01', '2024-01-01T00:00:00Z', '1969-12-31'] },
	duration: { fn: 'duration', args: ['1h', '-1d2h', '0ms', '60m'] },
};

// ----------------------------------------------------------------- a schema

function makeType(r, model, depth) {
	const roll = r.below(100);
	if (depth > 0 && roll < 18) {
		return { kind: 'Set', element: makeType(r, model, depth - 1) };
	}
	if (depth > 0 && roll < 34) {
		return makeRecord(r, model, depth - 1);
	}
	if (roll < 52) {
		return { kind: 'Entity', name: r.pick(model.names) };
	}
	if (roll < 56 && model.actions.length > 0) {
		return { kind: 'Entity', name: `${model.prefix}Action` };
	}
	if (roll < 76) {
		return { kind: 'Extension', name: r.pick(Object.keys(EXTENSIONS)) };
	}
	return { kind: r.pick(['Long', 'String', 'Bool']) };
}

function makeRecord(r, model, depth) {
	const attrs = new Map();
	for (let n = r.below(4); n > 0; n--) {
		attrs.set(r.pick(ATTRS), { type: makeType(r, model, depth), optional: r.chance(40) });
	}
	return { kind: 'Record', attrs };
}

function makeModel(r) {
	const ns = r.pick(['', '', 'N', 'N::M']);
	const model = { ns, prefix: ns === '' ? '' : `${ns}::` };
	const base = ['User', 'Group', 'Doc', 'Color'].slice(0, 2 + r.below(3));
	model.names = base.map((name) => model.prefix + name);
	model.actions = ['view', 'edit', 'all', 'more'].slice(0, 1 + r.below(4));
	model.types = base.map((name, i) => {
		const full = model.names[i];
		if (name === 'Color' || r.chance(8)) {
			return { name, full, ids: ['red', 'green', ''].slice(0, 1 + r.below(3)) };
		}
		return {
			name,
			full,
			parents: model.names.filter(() => r.chance(30)),
			shape: makeRecord(r, model, 2),
			tags: r.chance(40) ? makeType(r, model, 2) : null,
		};
	});
	model.groups = new Map(model.actions.map((id, i) =>
		[id, model.actions.slice(i + 1).filter(() => r.chance(40))]));
	model.applies = new Map(model.actions.map((id) => [id, r.chance(85) ? {
		principals: [r.pick(model.names), ...model.names.filter(() => r.chance(40))],
		resources: [r.pick(model.names), ...model.names.filter(() => r.chance(40))],
		context: makeRecord(r, model, 2),
	} : null]));
	return model;
}

function quote(s) {
	return JSON.stringify(s);
}

function typeText(type) {
	switch (type.kind) {
		case 'Set':
			return `Set<${typeText(type.element)}>`;
		case 'Record':
			return `{${[...type.attrs].map(([name, attr]) =>
				`${quote(name)}${attr.optional ? '?' : ''}: ${typeText(attr.type)}`).join(', ')}}`;
		case 'Entity':
			return type.name;
		case 'Extension':
			return `__cedar::${type.name}`;
		default:
			return `__cedar::${type.kind}`;
	}
}

function schemaText(model) {
	const out = [];
	for (const t of model.types) {
		out.push(t.ids ? `entity ${t.name} enum [${t.ids.map(quote).join(', ')}];`
			: `entity ${t.name}${t.parents.length > 0 ? ` in [${t.parents.join(', ')}]` : ''} ${typeText(t.shape)}${
				t.tags ? ` tags ${typeText(t.tags)}` : ''};`);
	}
	for (const id of model.actions) {
		const groups = model.groups.get(id);
		const applies = model.applies.get(id);
		out.push(`action ${id}${groups.length > 0 ? ` in [${groups.join(', ')}]` : ''}${applies
			? ` appliesTo { principal: [${applies.principals}], resource: [${applies.resources}], context: ${typeText(applies.context)} }`
			: ''};`);
	}
	return model.ns === '' ? out.join('\n') : `namespace ${model.ns} {\n${out.join('\n')}\n}`;
}

// ------------------------------------------------------------------- values

// A uid of the type: mostly one that may be.
function makeUid(r, model, name) {
	const type = model.types.find((t) => t.full === name);
	if (name === `${model.prefix}Action`) {
		return { type: name, id: r.chance(97) ? r.pick(model.actions) : r.pick(IDS) };
	}
	return { type: name, id: type && type.ids && r.chance(96) ? r.pick(type.ids) : r.pick(IDS) };
}

function uidJson(r, uid) {
	const roll = r.below(100);
	if (roll < 50) {
		return { ...uid };
	}
	if (roll < 90) {
		return { __entity: { ...uid } };
	}
	if (roll < 93) {
		return [uid.type, uid.id];
	}
	if (roll < 95) {
		return { __entity: [uid.type, uid.id] };
	}
	if (roll < 97) {
		return { ...uid, more: 1.5 };
	}
	return { __entity: { ...uid, more: null }, type: 'x', id: 1 };
}

function extensionJson(r, name, arg, depth) {
	const { fn } = EXTENSIONS[name];
	const roll = r.below(100);
	if (roll < 35) {
		return arg;
	}
	if (roll < 65) {
		return { __extn: { fn, arg } };
	}
	if (roll < 75) {
		return { fn, arg };
	}
	if (roll < 85) {
		return r.pick([{ __extn: { fn, args: [arg] } }, { fn, args: [arg] }]);
	}
	if (roll < 88) {
		return r.pick([{ __extn: { fn, arg, more: 1.5 }, more: null }, { fn, arg, args: [] }, { fn, arg: 1.5, args: [arg] },
			{ __extn: { fn: 'nothing' }, fn, arg }]);
	}
	if (depth > 0 && name === 'datetime') {
		return { fn: 'offset', args: [extensionJson(r, 'datetime', arg, depth - 1),
			extensionJson(r, 'duration', r.pick(EXTENSIONS.duration.args), depth - 1)] };
	}
	if (depth > 0 && name === 'duration') {
		return { fn: 'durationSince', args: [extensionJson(r, 'datetime', r.pick(EXTENSIONS.datetime.args), depth - 1),
			extensionJson(r, 'datetime', r.pick(EXTENSIONS.datetime.args), depth - 1)] };
	}
	return { __extn: { fn, arg } };
}

const WRONG = [null, true, 1, 1.5, 'x', [], {}, [1], ['x'], { a: 1 }, { type: 'User', id: 'x' }, { __entity: { type: 'User', id: 'x' } },
	{ __entity: { type: 'Nothing', id: 'x' } }, { __extn: { fn: 'ip', arg: '1.1.1.1' } }, { __extn: { fn: 'decimal', arg: 'x' } },
	{ fn: 'ip', arg: '1.1.1.1' }, { fn: 'nothing', arg: 'x' }, { fn: 'ip', args: [] }, { fn: 'ip' }, { __expr: 'x' }, ['User', 'x'],
	{ __extn: { fn: 'isIpv4', arg: { __extn: { fn: 'ip', arg: '1.1.1.1' } } } }, { __extn: { fn: 'toDays', arg: { __extn: { fn: 'duration', arg: '1d' } } } },
	{ __extn: { fn: 'isIpv4', arg: '1.1.1.1' } }, { type: 'User', id: 1 }, 'User::"x"', { type: 'us er', id: 'x' }];

function makeValue(r, model, type, depth) {
	if (r.chance(1)) {
		return JSON.parse(JSON.stringify(r.pick(WRONG)));
	}
	switch (type.kind) {
		case 'Long':
			return r.below(20) - 10;
		case 'String':
			return r.pick(['', 'x', 'y', 'some text']);
		case 'Bool':
			return r.chance(50);
		case 'Entity':
			return uidJson(r, makeUid(r, model, r.chance(99) ? type.name : r.pick(model.names)));
		case 'Extension':
			return extensionJson(r, type.name, r.pick(EXTENSIONS[type.name].args), 2);
		case 'Set':
			return r.times(r.below(4), () => makeValue(r, model, type.element, depth - 1));
		default:
			return makeObject(r, model, type, depth);
	}
}

function makeObject(r, model, type, depth) {
	const out = {};
	for (const [name, attr] of type.attrs) {
		if (attr.optional ? r.chance(60) : r.chance(99)) {
			out[name] = makeValue(r, model, attr.type, depth);
		}
	}
	if (r.chance(1)) {
		out[r.pick(ATTRS)] = makeValue(r, model, makeType(r, model, 1), depth);
	}
	return out;
}

// ---------------------------------------------------------------- entities

function closed(model, id) {
	const found = new Set();
	const todo = [...model.groups.get(id)];
	while (todo.length > 0) {
		const at = todo.pop();
		if (!found.has(at)) {
			found.add(at);
			todo.push(...model.groups.get(at));
		}
	}
	return [...found];
}

function ancestorTypes(model, full) {
	const found = new Set();
	const todo = [full];
	while (todo.length > 0) {
		const type = model.types.find((t) => t.full === todo[todo.length - 1]);
		todo.pop();
		for (const parent of (type && type.parents) || []) {
			if (!found.has(parent)) {
				found.add(parent);
				todo.push(parent);
			}
		}
	}
	return [...found];
}

function makeAction(r, model) {
	const id = r.pick(model.actions);
	const type = `${model.prefix}Action`;
	const groups = r.chance(50) ? closed(model, id) : model.groups.get(id);
	return {
		uid: { type, id: r.chance(97) ? id : r.pick(IDS) },
		attrs: r.chance(97) ? {} : { a: 1 },
		parents: (r.chance(90) ? groups : groups.slice(1)).map((group) => ({ type, id: group })),
		...(r.chance(5) ? { tags: r.pick([{}, { a: 'x' }]) } : {}),
	};
}

function makeEntity(r, model) {
	if (r.chance(12)) {
		return makeAction(r, model);
	}
	const type = r.pick(model.types);
	const uid = makeUid(r, model, r.chance(99) ? type.full : r.pick(['Nothing', 'Group', 'N::Group']));
	const allowed = ancestorTypes(model, type.full);
	const entity = {
		uid: uidJson(r, uid),
		attrs: type.ids ? (r.chance(99) ? {} : { a: 1 }) : makeObject(r, model, type.shape, 3),
		parents: r.times(allowed.length > 0 ? r.below(3) : 0, () =>
			uidJson(r, makeUid(r, model, r.chance(99) ? r.pick(allowed) : r.pick([...model.names, `${model.prefix}Action`])))),
	};
	if (type.tags && r.chance(60)) {
		entity.tags = Object.fromEntries(r.times(r.below(3), () => [r.pick(ATTRS), makeValue(r, model, type.tags, 2)]));
	} else if (r.chance(2)) {
		entity.tags = r.pick([{}, { a: 'x' }, null, []]);
	}
	if (r.chance(1)) {
		delete entity[r.pick(['uid', 'attrs', 'parents'])];
	}
	return r.chance(2) ? ['uid', 'attrs', 'parents', 'tags'].filter((key) => key in entity).map((key) => entity[key]) : entity;
}

// No uid twice, mostly, and few cycles: parents come later in the list.
function makeEntities(r, model) {
	const list = r.times(r.below(6), () => makeEntity(r, model));
	const seen = new Set();
	return list.filter((entity) => {
		const key = JSON.stringify(entity.uid);
		const old = seen.has(key);
		seen.add(key);
		return !old || r.chance(10);
	});
}

// ----------------------------------------------------------------- requests

function makeRequest(r, model) {
	const id = r.pick(model.actions);
	const applies = model.applies.get(id) || { principals: model.names, resources: model.names, context: { attrs: new Map() } };
	return {
		principal: uidJson(r, makeUid(r, model, r.chance(97) ? r.pick(applies.principals) : r.pick([...model.names, 'Nothing', `${model.prefix}Action`]))),
		action: uidJson(r, { type: r.chance(98) ? `${model.prefix}Action` : 'M::Action', id: r.chance(97) ? id : r.pick(IDS) }),
		resource: uidJson(r, makeUid(r, model, r.chance(97) ? r.pick(applies.resources) : r.pick([...model.names, 'Nothing']))),
		context: r.chance(98) ? makeObject(r, model, applies.context, 3) : r.pick([null, [], 'x', { __entity: { type: 'User', id: 'x' } }]),
	};
}

// The value as an expression, written by itself.
function expression(r, model, type) {
	switch (type.kind) {
		case 'Long':
			return `${r.below(20) - 10}`;
		case 'String':
			return quote(r.pick(['', 'x', 'y']));
		case 'Bool':
			return r.pick(['true', 'false']);
		case 'Entity': {
			const uid = makeUid(r, model, type.name);
			return `${uid.type}::${quote(uid.id)}`;
		}
		case 'Extension': {
			const { fn, args } = EXTENSIONS[type.name];
			return `${fn}(${quote(r.pick(args))})`;
		}
		case 'Set':
			return `[${r.times(r.below(3), () => expression(r, model, type.element)).join(', ')}]`;
		default:
			return `{${[...type.attrs].filter(([, attr]) => !attr.optional || r.chance(50))
				.map(([name, attr]) => `${quote(name)}: ${expression(r, model, attr.type)}`).join(', ')}}`;
	}
}

function makePolicy(r, model) {
	const conditions = [];
	const use = (variable, shape) => {
		if (shape && shape.attrs && shape.attrs.size > 0) {
			const [name, attr] = r.pick([...shape.attrs]);
			conditions.push(`${variable} has ${quote(name)} && ${variable}[${quote(name)}] ${r.pick(['==', '!='])} ${expression(r, model, attr.type)}`);
		}
	};
	const type = r.pick(model.types);
	const parent = makeUid(r, model, r.pick(model.names));
	const action = `${model.prefix}Action::${quote(r.pick(model.actions))}`;
	const scope = [r.pick(['principal', `principal is ${type.full}`, `principal in ${parent.type}::${quote(parent.id)}`]),
		r.pick(['action', `action == ${action}`, `action in ${action}`, `action in [${action}]`]), 'resource'];
	use('principal', type.shape);
	if (r.chance(50)) {
		use('context', (model.applies.get(r.pick(model.actions)) || {}).context);
	}
	if (type.tags && r.chance(50)) {
		conditions.push(`principal.hasTag("a") && principal.getTag("a") == ${expression(r, model, type.tags)}`);
	}
	return `${r.chance(75) ? 'permit' : 'forbid'}(${scope.join(', ')})${
		conditions.length > 0 ? ` when { ${r.pick(conditions)} }` : ''};`;
}

// A function that gives the next case.
exports.cases = (seed) => {
	const r = randomness(seed);
	return () => {
		const model = makeModel(r);
		return {
			schema: schemaText(model),
			entities: makeEntities(r, model),
			request: makeRequest(r, model),
			policies: r.times(1 + r.below(4), () => makePolicy(r, model)).join('\n'),
		};
	};
};
