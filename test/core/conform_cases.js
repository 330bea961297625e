// Data read by a schema: the library's answers beside the reference's.
//
//   node conform_cases.js fill FILE...            fill in what the reference says
//   node conform_cases.js files DRIVER FILE...    compare the cases of files
//   node conform_cases.js corpus DRIVER [PATH]    compare the integration tests
//   node conform_cases.js random DRIVER N SEED    compare N cases made up
//
// DRIVER is build/conform_test; CEDAR_WASM and PATH as in schema_cases.js.
'use strict';

const fs = require('fs');
const os = require('os');
const path = require('path');
const { execFileSync, spawnSync } = require('child_process');
const generate = require('./conform_generate.js');

const SHOWN = 10; // differences printed in full
const BATCH = 1000;
const ARCHIVE = '../../../shared/conformance/cedar/cedar-integration-tests.tar.gz';

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

function same(a, b) {
	const canonical = (value) => (Array.isArray(value) ? value.map(canonical)
		: value !== null && typeof value === 'object'
			? Object.keys(value).sort().map((key) => [key, canonical(value[key])])
			: value);
	return JSON.stringify(canonical(a)) === JSON.stringify(canonical(b));
}

// Does it hold an integer that JavaScript cannot keep?
function isExact(value) {
	if (typeof value === 'number') {
		return !Number.isInteger(value) || Number.isSafeInteger(value);
	}
	return value === null || typeof value !== 'object' || Object.values(value).every(isExact);
}

// The case's expectation, or null where the reference gives up.
function expectation(test) {
	const schema = /^\s*\{/.test(test.schema) ? JSON.parse(test.schema) : test.schema;
	const policies = { staticPolicies: test.policies || '' };
	const expect = {};
	if (test.entities !== undefined) {
		const answer = ask('checkParseEntities', { entities: test.entities, schema });
		if (answer === null) {
			return null;
		}
		expect.entities = answer.type === 'success';
	}
	if (test.request !== undefined) {
		const call = { ...test.request, schema, validateRequest: true };
		if (call.context === undefined) {
			call.context = {};
		}
		const alone = ask('isAuthorized', { ...call, entities: [], policies: { staticPolicies: '' } });
		if (alone === null) {
			return null;
		}
		expect.request = alone.type === 'success';
		if (expect.request && expect.entities && test.policies !== undefined) {
			const answer = ask('isAuthorized', { ...call, entities: test.entities, policies });
			if (answer === null || answer.type !== 'success') {
				return null;
			}
			const { decision, diagnostics } = answer.response;
			expect.decision = decision;
			expect.reason = [...diagnostics.reason].sort();
			expect.errors = diagnostics.errors.map((error) => error.policyId).sort();
		}
	}
	return expect;
}

function difference(expect, answer) {
	if (answer.fault !== undefined) {
		return `fault: ${answer.fault}`;
	}
	for (const [key, value] of Object.entries(expect)) {
		if (!key.endsWith('_error') && !same(answer[key], value)) {
			return `${key}: ${JSON.stringify(answer[key])}`;
		}
	}
	return null;
}

function answers(driver, tests) {
	const run = spawnSync(driver, ['--answer'], {
		input: tests.map((test) => JSON.stringify({
			schema: test.schema,
			policies: test.policies,
			// as texts: the driver's own JSON has no NUL in keys
			entities_text: test.entities === undefined ? undefined : JSON.stringify(test.entities),
			request_text: test.request === undefined ? undefined : JSON.stringify(test.request),
		}) + '\n').join(''),
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

const totals = { passed: 0, failed: 0, skipped: 0, entities: 0, request: 0, decision: 0 };

function compare(driver, tests) {
	const got = answers(driver, tests);
	tests.forEach((test, i) => {
		const expect = expectation(test);
		if (expect === null) {
			totals.skipped++;
			return;
		}
		const why = difference(expect, got[i]);
		if (why === null) {
			totals.passed++;
			for (const key of ['entities', 'request', 'decision']) {
				totals[key] += expect[key] ? 1 : 0;
			}
			return;
		}
		if (++totals.failed <= SHOWN) {
			console.log(`${test.name || 'a case'}: ${why}`);
			console.log(`  case: ${JSON.stringify(test)}`);
			console.log(`  reference: ${JSON.stringify(expect)}`);
			console.log(`  answer: ${JSON.stringify(got[i])}`);
		}
	});
}

function finish() {
	console.log(`entities fit ${totals.entities} times, requests ${totals.request} times; ` +
		`${totals.decision} decisions`);
	console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
	process.exitCode = totals.failed === 0 && totals.passed > 0 ? 0 : 1;
}

function compareAll(driver, tests) {
	for (let i = 0; i < tests.length; i += BATCH) {
		compare(driver, tests.slice(i, i + BATCH));
	}
	finish();
}

// --------------------------------------------------------------------- cases

function readCases(file) {
	let defaults = {};
	return fs.readFileSync(file, 'utf8').split('\n').filter((line) => line !== '').map((line, i) => {
		const test = JSON.parse(line);
		if (test.defaults) {
			defaults = test.defaults;
			return { line };
		}
		return { name: `${path.basename(file)}:${i + 1}`, own: test, test: { ...defaults, ...test } };
	});
}

function fill(file) {
	const lines = readCases(file).map(({ name, line, own, test }) => {
		if (line !== undefined) {
			return line;
		}
		const expect = expectation(test);
		if (expect === null) {
			throw new Error(`${name}: the reference has no answer`);
		}
		for (const key of ['entities', 'request']) {
			const error = own.expect && own.expect[`${key}_error`];
			if (error) {
				if (expect[key] !== false) {
					throw new Error(`${name}: the reference has no error`);
				}
				expect[`${key}_error`] = error;
			}
		}
		return JSON.stringify({ ...own, expect });
	});
	fs.writeFileSync(file, lines.join('\n') + '\n');
	console.log(`${file}: ${lines.length} lines`);
}

// -------------------------------------------------------------------- corpus

function testsBelow(folder) {
	return fs.readdirSync(folder, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile() && entry.name.endsWith('.json') &&
			!entry.name.endsWith('.entities.json'))
		.map((entry) => path.join(entry.parentPath || entry.path, entry.name)).sort();
}

// Files are named relative to the folder of the tests, or to the archive.
function readBeside(folder, file) {
	for (const place of [path.join(folder, file), path.join(folder, 'handwritten', file)]) {
		if (fs.existsSync(place)) {
			return fs.readFileSync(place, 'utf8');
		}
	}
	return null;
}

function compareFolder(driver, folder) {
	const tests = [];
	for (const file of testsBelow(folder)) {
		const test = JSON.parse(fs.readFileSync(file, 'utf8'));
		if (!Array.isArray(test.requests) || !test.schema) {
			continue;
		}
		const schema = readBeside(folder, test.schema);
		const entities = readBeside(folder, test.entities);
		const policies = readBeside(folder, test.policies);
		if (schema === null || entities === null || policies === null) {
			totals.skipped++;
			continue;
		}
		for (const request of test.requests.slice(0, 3)) {
			const one = {
				name: path.relative(folder, file),
				schema,
				entities: JSON.parse(entities),
				request: {
					principal: request.principal,
					action: request.action,
					resource: request.resource,
					context: request.context,
				},
				policies,
			};
			if (!isExact(one.entities) || !isExact(one.request)) {
				totals.skipped++;
				continue;
			}
			tests.push(one);
		}
	}
	compareAll(driver, tests);
}

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
	const temp = fs.mkdtempSync(path.join(os.tmpdir(), 'conform_cases'));
	try {
		execFileSync('tar', ['-xzf', source, '-C', temp, '--no-same-owner']);
		compareFolder(driver, temp);
	} finally {
		fs.rmSync(temp, { recursive: true });
	}
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
			compareAll(args[0], args.slice(1).flatMap(readCases).filter(({ test }) => test !== undefined)
				.map(({ name, test }) => ({ ...test, name })));
			return;
		case 'corpus':
			corpus(args[0], args[1]);
			return;
		case 'random': {
			const next = generate.cases(Number(args[2]));
			for (let left = Number(args[1]); left > 0; left -= BATCH) {
				compare(args[0], Array.from({ length: Math.min(left, BATCH) }, next));
			}
			finish();
			return;
		}
		default:
			console.error('usage: conform_cases.js fill | files | corpus | random …');
			process.exitCode = 2;
	}
}

main(...process.argv.slice(2));
