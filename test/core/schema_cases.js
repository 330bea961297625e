// Schemas: the library's answers beside the reference's.
//
//   node schema_cases.js fill FILE...            fill in what the reference says
//   node schema_cases.js files DRIVER FILE...    compare the cases of files
//   node schema_cases.js corpus DRIVER [PATH]    compare all *.cedarschema below a
//                                                folder, or in an archive
//   node schema_cases.js random DRIVER N SEED    compare N schemas made up
//
// DRIVER is build/schema_test; CEDAR_WASM the folder of the npm package
// @cedar-policy/cedar-wasm, where node does not find it by itself; PATH is
// CEDAR_INTEGRATION_TESTS when it is not given, and where that is not set the
// archive beside the repository (see test/conformance/cedar/run).  The last
// line is `N passed, N failed, N skipped`; skipped are schemas on which the
// reference itself gives up (it traps on deep nesting).
//
// What names of a schema mean is not in the reference's JSON.  "resolved" is
// made here of its JSON with resolved names: common types are replaced by what
// they stand for and hierarchies closed, independently of the library.
'use strict';

const fs = require('fs');
const os = require('os');
const path = require('path');
const { execFileSync, spawnSync } = require('child_process');
const generate = require('./schema_generate.js');

const SHOWN = 10; // differences printed in full
const BATCH = 1000;
const DUMP_LIMIT = 20000; // as in schema_test.c

function findOracle() {
	const from = process.env.CEDAR_WASM;
	const places = from
		? [path.resolve(from, 'nodejs'), path.resolve(from)]
		: ['@cedar-policy/cedar-wasm/nodejs'];
	for (const place of places) {
		try {
			return require.resolve(place, { paths: [__dirname, path.join(__dirname, '..')] });
		} catch {
			// the next one
		}
	}
	return null;
}

const oracleFile = findOracle();
let oracle = oracleFile && require(oracleFile);

// A trap leaves the instance unusable: take a new one.
function ask(name, arg) {
	try {
		return oracle[name](arg);
	} catch {
		for (const key of Object.keys(require.cache)) {
			if (key.startsWith(path.dirname(oracleFile))) {
				delete require.cache[key];
			}
		}
		oracle = require(oracleFile);
		return null;
	}
}

// ------------------------------------------------------------------ equality

function byBytes(a, b) {
	return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

// Objects by sorted keys, so that equal values have equal texts.
function canonical(value) {
	if (Array.isArray(value)) {
		return value.map(canonical);
	}
	if (value !== null && typeof value === 'object') {
		return Object.keys(value).sort().map((key) => [key, canonical(value[key])]);
	}
	return value;
}

function same(a, b) {
	return JSON.stringify(canonical(a)) === JSON.stringify(canonical(b));
}

// ------------------------------------------------------------------ resolved

class TooLarge extends Error {}

const BUILTIN = {
	Bool: { type: 'Boolean' },
	Long: { type: 'Long' },
	String: { type: 'String' },
	decimal: { type: 'Extension', name: 'decimal' },
	ipaddr: { type: 'Extension', name: 'ipaddr' },
	datetime: { type: 'Extension', name: 'datetime' },
	duration: { type: 'Extension', name: 'duration' },
};

function closure(direct) {
	const all = new Map();
	for (const start of direct.keys()) {
		const found = new Set();
		const todo = [...direct.get(start)];
		while (todo.length > 0) {
			const at = todo.pop();
			if (!found.has(at)) {
				found.add(at);
				todo.push(...direct.get(at));
			}
		}
		all.set(start, [...found]);
	}
	return all;
}

function resolve(schema) {
	const full = (ns, name) => (ns === '' ? name : `${ns}::${name}`);
	const commons = new Map();
	let left = DUMP_LIMIT;

	function convert(type) {
		if (--left < 0) {
			throw new TooLarge();
		}
		switch (type.type) {
			case 'String':
			case 'Long':
			case 'Boolean':
				return { type: type.type };
			case 'Set':
				return { type: 'Set', element: convert(type.element) };
			case 'Record':
				return {
					type: 'Record',
					attributes: Object.entries(type.attributes)
						.sort((a, b) => byBytes(a[0], b[0]))
						.map(([name, attr]) => [name, attr.required !== false, convert(attr)]),
				};
			case 'Entity':
				return { type: 'Entity', name: type.name };
			case 'Extension':
				return { type: 'Extension', name: type.name };
			default: {
				if (type.name !== undefined) { // a common type may be named EntityOrCommon
					throw new Error('the reference left a name open');
				}
				const common = commons.get(type.type);
				if (common !== undefined) {
					return convert(common);
				}
				return BUILTIN[type.type.replace(/^__cedar::/, '')];
			}
		}
	}

	const record = (type) => convert(type || { type: 'Record', attributes: {} });
	const uidKey = (type, id) => JSON.stringify([type, id]);
	const parents = new Map();
	const groups = new Map();
	for (const [ns, def] of Object.entries(schema)) {
		for (const [name, type] of Object.entries(def.commonTypes || {})) {
			commons.set(full(ns, name), type);
		}
		for (const [name, entity] of Object.entries(def.entityTypes)) {
			parents.set(full(ns, name), entity.memberOfTypes || []);
		}
		for (const [id, action] of Object.entries(def.actions)) {
			groups.set(uidKey(full(ns, 'Action'), id),
				(action.memberOf || []).map((group) => uidKey(group.type, group.id)));
		}
	}
	const ancestors = closure(parents);
	const allGroups = closure(groups);
	const entities = {};
	const actions = [];
	for (const [ns, def] of Object.entries(schema)) {
		for (const [name, entity] of Object.entries(def.entityTypes)) {
			const e = {
				ancestors: ancestors.get(full(ns, name)).sort(byBytes),
				shape: record(entity.shape),
			};
			if (entity.tags) {
				e.tags = convert(entity.tags);
			}
			if (entity.enum) {
				e.enum = [...new Set(entity.enum)].sort(byBytes);
			}
			entities[full(ns, name)] = e;
		}
		for (const [id, action] of Object.entries(def.actions)) {
			const uid = [full(ns, 'Action'), id];
			const applies = action.appliesTo || {};
			actions.push({
				uid,
				ancestors: allGroups.get(uidKey(...uid)).map((key) => JSON.parse(key)).sort(uidOrder),
				principals: [...new Set(applies.principalTypes || [])].sort(byBytes),
				resources: [...new Set(applies.resourceTypes || [])].sort(byBytes),
				context: record(applies.context),
			});
		}
	}
	actions.sort((a, b) => uidOrder(a.uid, b.uid));
	return { entities, actions };
}

function uidOrder(a, b) {
	return byBytes(a[0], b[0]) || byBytes(a[1], b[1]);
}

// ------------------------------------------------------- what the oracle says

// The case's expectation, or null where the reference gives up.
function expectation(test) {
	let schema = test.schema;
	const isJson = test.format ? test.format === 'json' : /^\s*\{/.test(schema);
	if (isJson) {
		try {
			schema = JSON.parse(schema);
		} catch {
			return { parses: false };
		}
		if (typeof schema === 'string') {
			return { parses: false }; // to the reference's functions that is a text
		}
	}
	const json = ask('schemaToJson', schema);
	if (json === null) {
		return null;
	}
	if (json.type !== 'success') {
		return { parses: false };
	}
	const expect = { parses: true, json: json.json };
	const text = ask('schemaToText', schema);
	if (text === null) {
		return null;
	}
	expect.text = text.type === 'success';
	if (expect.text) {
		const again = ask('schemaToJson', text.text);
		if (again === null) {
			return null;
		}
		if (again.type !== 'success') {
			expect.text_json = null; // what it prints is no schema
		} else if (!same(again.json, expect.json)) {
			expect.text_json = again.json;
		}
	}
	// names are resolved from a text alone
	const source = isJson ? (expect.text && !('text_json' in expect) ? text.text : null) : schema;
	if (source !== null) {
		const resolved = ask('schemaToJsonWithResolvedTypes', source);
		if (resolved === null) {
			return null;
		}
		if (resolved.type === 'success') {
			try {
				expect.resolved = resolve(resolved.json);
			} catch (e) {
				if (!(e instanceof TooLarge)) {
					throw e;
				}
			}
		}
	}
	return expect;
}

// ------------------------------------------------------------------- probing

// A value of the resolved type, in JSON that the reference reads by its schema.
function valueOf(type, resolved) {
	switch (type.type) {
		case 'String':
			return 'x';
		case 'Long':
			return 1;
		case 'Boolean':
			return true;
		case 'Set':
			return [valueOf(type.element, resolved)];
		case 'Record':
			return Object.fromEntries(type.attributes.map(([name, , attr]) => [name, valueOf(attr, resolved)]));
		case 'Extension':
			return { decimal: '1.0', ipaddr: '::1', datetime: '2024-01-01', duration: '1h' }[type.name];
		default: {
			const entity = resolved.entities[type.name];
			const action = resolved.actions.find(({ uid }) => uid[0] === type.name);
			return { type: type.name, id: entity && entity.enum ? entity.enum[0] : action ? action.uid[1] : 'x' };
		}
	}
}

// The reference resolves names of texts alone.  Of a schema in JSON that has no
// text it can be asked whether data of the types that the library found fit.
function probe(test, resolved) {
	const schema = JSON.parse(test.schema);
	const entities = [];
	for (const [type, entity] of Object.entries(resolved.entities)) {
		const uid = valueOf({ type: 'Entity', name: type }, resolved);
		entities.push({
			uid,
			attrs: valueOf(entity.shape, resolved),
			tags: entity.tags ? { a: valueOf(entity.tags, resolved) } : {},
			parents: entity.ancestors.map((name) => valueOf({ type: 'Entity', name }, resolved))
				.filter((parent) => parent.type !== type),
		});
		// without its parents: a hierarchy of types may have cycles
		entities[entities.length - 1].uid.id += entity.enum ? '' : entities.length;
	}
	const answer = ask('checkParseEntities', { entities, schema });
	if (answer !== null && answer.type !== 'success') {
		return `data of the types found do not fit: ${answer.errors[0].message}`;
	}
	for (const action of resolved.actions) {
		if (action.principals.length === 0 || action.resources.length === 0) {
			continue;
		}
		const one = (name) => valueOf({ type: 'Entity', name }, resolved);
		const call = {
			principal: one(action.principals[0]),
			action: { type: action.uid[0], id: action.uid[1] },
			resource: one(action.resources[0]),
			context: valueOf(action.context, resolved),
			policies: { staticPolicies: '' },
			entities: [],
			schema,
			validateRequest: true,
		};
		const asked = ask('isAuthorized', call);
		if (asked !== null && asked.type !== 'success') {
			return `a request of the types found does not fit: ${asked.errors[0].message}`;
		}
	}
	totals.probed++;
	return null;
}

// Why the answer is not what was expected, or null.
function difference(test, expect, answer) {
	if (answer === undefined || answer.fault !== undefined) {
		return `fault: ${answer && answer.fault}`;
	}
	if (answer.parses !== expect.parses) {
		return `parses: ${answer.parses}`;
	}
	if (!expect.parses) {
		return null;
	}
	if (!same(JSON.parse(answer.json), expect.json)) {
		return `json: ${answer.json}`;
	}
	if (answer.text !== expect.text) {
		return `text: ${answer.text}`;
	}
	if (expect.text && expect.text_json !== null) {
		const want = 'text_json' in expect ? expect.text_json : expect.json;
		if (answer.text_json === undefined || !same(JSON.parse(answer.text_json), want)) {
			return `the text does not come back: ${answer.text_out} ${JSON.stringify(answer.text_json_error)}`;
		}
	}
	if (!expect.resolved && answer.resolved && test.format === 'json') {
		return probe(test, answer.resolved);
	}
	if (expect.resolved && answer.resolved && !same(answer.resolved, expect.resolved)) {
		return `resolved: ${JSON.stringify(answer.resolved)}\n  reference: ${JSON.stringify(expect.resolved)}`;
	}
	return null;
}

// ----------------------------------------------------------------- comparing

function answers(driver, tests) {
	const run = spawnSync(driver, ['--answer'], {
		input: tests.map((test) => JSON.stringify({ schema: test.schema, format: test.format }) + '\n').join(''),
		maxBuffer: 1 << 30,
	});
	if (run.error) {
		throw run.error;
	}
	const lines = run.stdout.toString().split('\n').slice(0, -1).map((line) => JSON.parse(line));
	if (lines.length !== tests.length) {
		throw new Error(`the driver gave ${lines.length} answers to ${tests.length} cases, ` +
			`status ${run.status} ${run.signal || ''}\n${run.stderr}`);
	}
	return lines;
}

const totals = { passed: 0, failed: 0, skipped: 0, parsed: 0, resolved: 0, probed: 0 };

function compare(driver, tests) {
	const got = answers(driver, tests);
	tests.forEach((test, i) => {
		const expect = expectation(test);
		if (expect === null) {
			totals.skipped++;
			return;
		}
		const why = difference(test, expect, got[i]);
		if (why === null) {
			totals.passed++;
			totals.parsed += expect.parses ? 1 : 0;
			totals.resolved += expect.resolved && got[i].resolved ? 1 : 0;
			return;
		}
		if (++totals.failed <= SHOWN) {
			console.log(`${test.name || 'a case'}: ${JSON.stringify(test.schema)} (${test.format})`);
			console.log(`  ${why}`);
			console.log(`  reference: ${JSON.stringify(expect)}`);
			console.log(`  answer: ${JSON.stringify(got[i])}`);
		}
	});
}

function compareAll(driver, tests) {
	for (let i = 0; i < tests.length; i += BATCH) {
		compare(driver, tests.slice(i, i + BATCH));
	}
	console.log(`${totals.parsed} are schemas; the names of ${totals.resolved} were compared, of ${totals.probed} probed`);
	console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
	process.exitCode = totals.failed === 0 && totals.passed > 0 ? 0 : 1;
}

function readCases(file) {
	return fs.readFileSync(file, 'utf8').split('\n').filter((line) => line !== '')
		.map((line, i) => ({ name: `${path.basename(file)}:${i + 1}`, test: JSON.parse(line) }));
}

function fill(file) {
	const lines = readCases(file).map(({ name, test }) => {
		const expect = expectation(test);
		if (expect === null) {
			throw new Error(`${name}: the reference has no answer`);
		}
		for (const key of ['code', 'offset', 'length', 'message', 'hint']) {
			if (test.expect && key in test.expect) {
				if (expect.parses) {
					throw new Error(`${name}: the reference has no error`);
				}
				expect[key] = test.expect[key];
			}
		}
		return JSON.stringify({ ...test, expect });
	});
	fs.writeFileSync(file, lines.join('\n') + '\n');
	console.log(`${file}: ${lines.length} cases`);
}

function schemasBelow(folder) {
	return fs.readdirSync(folder, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile() && entry.name.endsWith('.cedarschema'))
		.map((entry) => path.join(entry.parentPath || entry.path, entry.name)).sort();
}

const ARCHIVE = '../../../shared/conformance/cedar/cedar-integration-tests.tar.gz';

function corpus(driver, where) {
	const source = where || process.env.CEDAR_INTEGRATION_TESTS || path.join(__dirname, ARCHIVE);
	if (!fs.existsSync(source)) {
		console.log(`skipped: nothing at ${source} (set CEDAR_INTEGRATION_TESTS)`);
		console.log('0 passed, 0 failed, 1 skipped');
		return;
	}
	if (fs.statSync(source).isDirectory()) {
		compareFolder(driver, source);
		return;
	}
	const temp = fs.mkdtempSync(path.join(os.tmpdir(), 'schema_cases'));
	try {
		execFileSync('tar', ['-xzf', source, '-C', temp, '--no-same-owner']);
		compareFolder(driver, temp);
	} finally {
		fs.rmSync(temp, { recursive: true });
	}
}

function compareFolder(driver, folder) {
	const tests = [];
	for (const file of schemasBelow(folder)) {
		const name = path.relative(folder, file);
		const schema = fs.readFileSync(file, 'utf8');
		tests.push({ name, schema, format: 'cedar' });
		const json = ask('schemaToJson', schema);
		if (json !== null && json.type === 'success') {
			tests.push({ name: `${name} (JSON)`, schema: JSON.stringify(json.json), format: 'json' });
		}
	}
	compareAll(driver, tests);
}

function main(command, ...args) {
	if (oracle === null) {
		console.log('skipped: no oracle (set CEDAR_WASM)');
		console.log('0 passed, 0 failed, 1 skipped');
		return;
	}
	switch (command) {
		case 'fill':
			args.forEach(fill);
			return;
		case 'files':
			compareAll(args[0], args.slice(1).flatMap(readCases)
				.map(({ name, test }) => ({ ...test, name })));
			return;
		case 'corpus':
			corpus(args[0], args[1]);
			return;
		case 'random': {
			const next = generate.schemas(Number(args[2]));
			for (let left = Number(args[1]); left > 0; left -= BATCH) {
				compare(args[0], Array.from({ length: Math.min(left, BATCH) }, next));
			}
			compareAll(args[0], []);
			return;
		}
		default:
			console.error('usage: schema_cases.js fill | files | corpus | random …');
			process.exitCode = 2;
	}
}

main(...process.argv.slice(2));
