// Schemas as models: made up, written as text or JSON, and what they mean.
//
//   schema  {format, spaces: [{name, commons, entities, actions}]}
//   common  {name, type}
//   entity  {name, ids} or {name, parents, attrs, tags}
//   action  {id, parents: [{space, id}], applies: {principals, resources, context} or null}
//   type    {k: 'Long', …}, {k: 'Set', of}, {k: 'Record', attrs: [{name, type, opt}]},
//           {k: 'Entity', name}, {k: 'Common', name}
//
// Names of types are fully qualified.  A context is a list of attributes or a
// common type.
'use strict';

const PRIMITIVES = ['Long', 'String', 'Bool'];
const EXTENSIONS = ['decimal', 'ipaddr', 'datetime', 'duration'];
const SPACES = ['App', 'N', 'App::Sub', 'A'];
const ENTITIES = ['User', 'Group', 'Org', 'Doc', 'Folder', 'Team', 'Device', 'principal', 'type_', 'Tag'];
const COMMONS = ['Address', 'Level', 'Names', 'Range', 'Meta', 'Ctx'];
const LABELS = ['name', 'age', 'owner', 'level', 'flag', 'ip', 'when', 'cost', 'list', 'info', 'a', 'b', 'c', 'boss'];
const ODD_LABELS = ['a b', '', 'if', 'in', 'é', 'q"q', 'n\n', '\u0000', '日本', 'like', '__cedar', 'principal', '\\', 'x*y', 'is_', 'Set', 'x\u202e'];
const ACTIONS = ['view', 'edit', 'delete', 'share', 'read', 'a b', 'é', 'in', 'q"'];
const GROUPS = ['any', 'write', 'admin'];
const ENUM_IDS = ['red', 'green', 'a b', 'é', ''];

exports.PRIMITIVES = PRIMITIVES;
exports.EXTENSIONS = EXTENSIONS;
exports.ODD_LABELS = ODD_LABELS;
exports.LABELS = LABELS;

const full = (space, name) => (space === '' ? name : `${space}::${name}`);
exports.full = full;

// -------------------------------------------------------------------- making

function makeType(r, world, depth, commons) {
	const roll = r.below(100);
	if (depth > 0 && roll < 16) {
		return { k: 'Set', of: makeType(r, world, depth - 1, commons) };
	}
	if (depth > 0 && roll < 28) {
		return { k: 'Record', attrs: makeAttrs(r, world, depth - 1, commons, 4) };
	}
	if (roll < 50) {
		return { k: 'Entity', name: r.pick(world.entities) };
	}
	if (roll < 58 && commons.length > 0) {
		return { k: 'Common', name: r.pick(commons) };
	}
	return { k: r.pick(roll < 85 ? PRIMITIVES : EXTENSIONS) };
}

function makeAttrs(r, world, depth, commons, most) {
	const names = new Set(r.times(r.below(most + 1), () => r.pick(r.chance(90) ? LABELS : ODD_LABELS)));
	return [...names].map((name) => ({ name, type: makeType(r, world, depth, commons), opt: r.chance(45) }));
}

exports.makeSchema = (r) => {
	const names = r.weighted([[4, ['']], [3, [r.pick(SPACES)]], [2, ['', r.pick(SPACES)]],
		[1, [SPACES[0], SPACES[2]]], [1, ['', SPACES[0], SPACES[2]]]]);
	const used = new Set();
	const distinct = (from, i) => {
		// a name of two namespaces hides one of them
		const name = r.pick(from);
		const marked = used.has(name) || (i > 0 && r.chance(70)) ? `${name}${i + 1}` : name;
		used.add(name);
		return marked;
	};
	const world = { entities: [], commons: [] };
	const spaces = names.map((name, i) => {
		const space = {
			name,
			commons: [...new Set(r.times(r.below(3), () => distinct(COMMONS, i)))].map((n) => ({ name: n })),
			entities: [...new Set(r.times((i === 0 ? 2 : 0) + r.below(4), () => distinct(ENTITIES, i)))].map((n) => ({ name: n })),
			actions: [],
		};
		space.entities.forEach((e) => world.entities.push(full(name, e.name)));
		return space;
	});
	for (const space of spaces) {
		for (const common of space.commons) {
			common.type = r.chance(60) ? { k: 'Record', attrs: makeAttrs(r, world, 2, world.commons, 4) }
				: makeType(r, world, 2, world.commons);
			world.commons.push(full(space.name, common.name));
		}
	}
	const records = spaces.flatMap((space) => space.commons.filter((c) => c.type.k === 'Record')
		.map((c) => full(space.name, c.name)));
	const earlier = [];
	for (const space of spaces) {
		for (const entity of space.entities) {
			if (r.chance(10)) {
				entity.ids = [...new Set(r.times(1 + r.below(3), () => r.pick(ENUM_IDS)))];
				continue;
			}
			entity.parents = [...new Set(r.times(r.weighted([[4, 0], [4, 1], [2, 2]]), () => r.pick(world.entities)))];
			entity.attrs = makeAttrs(r, world, 2, world.commons, 6);
			entity.tags = r.chance(35) ? makeType(r, world, 1, world.commons) : null;
		}
		const ids = [...new Set([...(r.chance(50) ? [r.pick(GROUPS)] : []),
			...r.times(1 + r.below(4), () => r.pick(ACTIONS))])];
		for (const id of ids) {
			const action = { id, parents: [], applies: null };
			if (earlier.length > 0 && r.chance(50)) {
				action.parents = [r.pick(earlier), ...(r.chance(20) ? [r.pick(earlier)] : [])]
					.filter((p, i, list) => list.indexOf(p) === i);
			}
			if (r.chance(GROUPS.includes(id) ? 20 : 90)) {
				action.applies = {
					principals: [...new Set(r.times(r.weighted([[6, 1], [3, 2], [1, 3]]), () => r.pick(world.entities)))],
					resources: [...new Set(r.times(r.weighted([[6, 1], [3, 2], [1, 3]]), () => r.pick(world.entities)))],
					context: records.length > 0 && r.chance(15) ? { k: 'Common', name: r.pick(records) }
						: makeAttrs(r, world, 2, world.commons, 4),
				};
				// JSON alone can say that there are none
				if (r.chance(2)) {
					action.applies[r.pick(['principals', 'resources'])] = [];
				}
			}
			space.actions.push(action);
			earlier.push({ space: space.name, id });
		}
	}
	return { format: r.chance(50) ? 'cedar' : 'json', spaces };
};

// ------------------------------------------------------------------- writing

const WORD = /^[_a-zA-Z][_a-zA-Z0-9]*$/;
const RESERVED = new Set(['if', 'then', 'else', 'true', 'false', 'in', 'is', 'like', 'has', '__cedar']);

function quote(text) {
	return `"${text.replace(/[\\"\u0000-\u001f]/g, (c) =>
		(c === '\\' || c === '"' ? `\\${c}` : c === '\n' ? '\\n' : `\\u{${c.codePointAt(0).toString(16)}}`))}"`;
}

function label(text) {
	return WORD.test(text) && !RESERVED.has(text) ? text : quote(text);
}

// A name as it is written in a namespace.
function short(space, name) {
	return space !== '' && name.startsWith(`${space}::`) && !name.slice(space.length + 2).includes('::')
		? name.slice(space.length + 2) : name;
}

function typeText(space, type) {
	switch (type.k) {
		case 'Set':
			return `Set<${typeText(space, type.of)}>`;
		case 'Record':
			return attrsText(space, type.attrs);
		case 'Entity':
		case 'Common':
			return short(space, type.name);
		default:
			return EXTENSIONS.includes(type.k) ? `__cedar::${type.k}` : type.k;
	}
}

function attrsText(space, attrs) {
	return `{${attrs.map((a) => `${label(a.name)}${a.opt ? '?' : ''}: ${typeText(space, a.type)}`).join(', ')}}`;
}

function toText(schema) {
	const out = [];
	for (const { name: space, commons, entities, actions } of schema.spaces) {
		const lines = [];
		for (const c of commons) {
			lines.push(`type ${c.name} = ${typeText(space, c.type)};`);
		}
		for (const e of entities) {
			if (e.ids) {
				lines.push(`entity ${e.name} enum [${e.ids.map(quote).join(', ')}];`);
				continue;
			}
			lines.push(`entity ${e.name}${e.parents.length > 0 ? ` in [${e.parents.map((p) => short(space, p)).join(', ')}]` : ''}`
				+ ` ${attrsText(space, e.attrs)}${e.tags ? ` tags ${typeText(space, e.tags)}` : ''};`);
		}
		for (const a of actions) {
			const parents = a.parents.map((p) => (p.space === space ? label(p.id) : `${full(p.space, 'Action')}::${quote(p.id)}`));
			const list = (names) => `[${names.map((n) => short(space, n)).join(', ')}]`;
			const applies = a.applies && ` appliesTo { principal: ${list(a.applies.principals)}, resource: ${list(a.applies.resources)}, context: `
				+ `${Array.isArray(a.applies.context) ? attrsText(space, a.applies.context) : typeText(space, a.applies.context)} }`;
			lines.push(`action ${label(a.id)}${parents.length > 0 ? ` in [${parents.join(', ')}]` : ''}${applies || ''};`);
		}
		out.push(space === '' ? lines.join('\n') : `namespace ${space} {\n${lines.join('\n')}\n}`);
	}
	return out.join('\n');
}

function typeJson(type) {
	switch (type.k) {
		case 'Set':
			return { type: 'Set', element: typeJson(type.of) };
		case 'Record':
			return { type: 'Record', attributes: attrsJson(type.attrs) };
		case 'Entity':
			return { type: 'Entity', name: type.name };
		case 'Common':
			return { type: type.name };
		case 'Bool':
			return { type: 'Boolean' };
		default:
			return EXTENSIONS.includes(type.k) ? { type: 'Extension', name: type.k } : { type: type.k };
	}
}

function attrsJson(attrs) {
	return Object.fromEntries(attrs.map((a) => [a.name, { ...typeJson(a.type), ...(a.opt ? { required: false } : {}) }]));
}

function toJson(schema) {
	const out = {};
	for (const { name: space, commons, entities, actions } of schema.spaces) {
		out[space] = {
			commonTypes: Object.fromEntries(commons.map((c) => [c.name, typeJson(c.type)])),
			entityTypes: Object.fromEntries(entities.map((e) => [e.name, e.ids ? { enum: e.ids } : {
				memberOfTypes: e.parents,
				shape: { type: 'Record', attributes: attrsJson(e.attrs) },
				...(e.tags ? { tags: typeJson(e.tags) } : {}),
			}])),
			actions: Object.fromEntries(actions.map((a) => [a.id, {
				memberOf: a.parents.map((p) => ({ type: full(p.space, 'Action'), id: p.id })),
				...(a.applies ? {
					appliesTo: {
						principalTypes: a.applies.principals,
						resourceTypes: a.applies.resources,
						context: Array.isArray(a.applies.context)
							? { type: 'Record', attributes: attrsJson(a.applies.context) } : typeJson(a.applies.context),
					},
				} : {}),
			}])),
		};
	}
	return out;
}

exports.schemaText = (schema) => (schema.format === 'json' ? JSON.stringify(toJson(schema)) : toText(schema));

// ------------------------------------------------------------------- meaning

class Meaning {
	constructor(schema) {
		this.commons = new Map();
		this.entities = new Map(); // by full name
		this.actions = [];
		for (const space of schema.spaces) {
			space.commons.forEach((c) => this.commons.set(full(space.name, c.name), c.type));
			space.entities.forEach((e) => this.entities.set(full(space.name, e.name), e));
			space.actions.forEach((a) => this.actions.push({ ...a, type: full(space.name, 'Action'), space: space.name }));
		}
		this.types = [...this.entities.keys()];
	}

	// Common types replaced, attributes in order of their names.
	resolve(type) {
		switch (type.k) {
			case 'Common':
				return this.resolve(this.commons.get(type.name));
			case 'Set':
				return { k: 'Set', of: this.resolve(type.of) };
			case 'Record':
				return this.record(type.attrs);
			default:
				return type;
		}
	}

	record(attrs) {
		return {
			k: 'Record',
			attrs: attrs.map((a) => ({ name: a.name, type: this.resolve(a.type), opt: a.opt }))
				.sort((a, b) => (a.name < b.name ? -1 : 1)),
		};
	}

	context(action) {
		const { context } = action.applies;
		return Array.isArray(context) ? this.record(context) : this.resolve(context);
	}

	// The types that an entity of the type can be in, itself left out.
	ancestors(name) {
		const found = new Set();
		const todo = [name];
		while (todo.length > 0) {
			for (const parent of this.entities.get(todo.pop()).parents || []) {
				if (!found.has(parent)) {
					found.add(parent);
					todo.push(parent);
				}
			}
		}
		return [...found];
	}

	groups(action) {
		const found = new Set();
		const todo = [action];
		while (todo.length > 0) {
			for (const p of todo.pop().parents) {
				const parent = this.actions.find((a) => a.space === p.space && a.id === p.id);
				if (!found.has(parent)) {
					found.add(parent);
					todo.push(parent);
				}
			}
		}
		return [...found];
	}
}

exports.Meaning = Meaning;
exports.typeKey = (type) => JSON.stringify(type);
