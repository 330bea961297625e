// Compares the Cedar library's answers with those of the reference's
// integration tests.
//
//   node compare.js DRIVER TESTS TEMP MODULES
//
// DRIVER is cedar-driver, TESTS the unpacked archive, TEMP a folder for the
// requests and answers, MODULES a folder whose node_modules may hold the oracle.
//
// Generated tests (corpus/): the stored expectation is the measure.
// Handwritten tests: their expectations were made with a schema, which turns
// strings into extension values.  A request counts when the oracle, asked
// without the schema, gives the stored answer; the others are skipped.
'use strict';

const fs = require('fs');
const path = require('path');
const { spawnSync } = require('child_process');

const [driver, tests, temp, modules] = process.argv.slice(2);
const SHOWN = 20; // differences printed in full

// Integers beyond 2^53 go through as strings with a mark, and come out exact.
const MARK = '\u0000integer:';
const plainStringify = JSON.stringify;

function parseExact(text) {
	return JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
		/^-?\d+$/.test(token) && !Number.isSafeInteger(Number(token))
			? plainStringify(MARK + token)
			: token));
}

function stringifyExact(value) {
	return plainStringify(value).replace(/"\\u0000integer:(-?\d+)"/g, '$1');
}

function loadOracle() {
	const name = '@cedar-policy/cedar-wasm/nodejs';
	const from = process.env.CEDAR_WASM;
	const candidates = from
		? [path.resolve(from, 'nodejs'), path.resolve(from)]
		: [name];
	for (const candidate of candidates) {
		let file;
		try {
			file = require.resolve(candidate, { paths: [modules, __dirname] });
		} catch {
			try {
				file = require.resolve(candidate); // NODE_PATH
			} catch {
				continue;
			}
		}
		return require(file);
	}
	if (from) {
		throw new Error(`CEDAR_WASM: no oracle at ${from}`);
	}
	return null;
}

const oracle = loadOracle();

function answerOf(decision, reason, errors) {
	return { decision, reason: [...reason].sort(), errors: [...errors].sort() };
}

function same(a, b) {
	return plainStringify(a) === plainStringify(b);
}

// The oracle's answer without a schema, or why there is none.
function ask(test, request) {
	JSON.stringify = stringifyExact; // the oracle's way out of JavaScript
	try {
		const got = oracle.isAuthorized({
			principal: request.principal,
			action: request.action,
			resource: request.resource,
			context: request.context,
			policies: { staticPolicies: test.policies },
			entities: parseExact(test.entities),
		});
		if (got.type !== 'success') {
			return { refused: got.errors.map((e) => e.message).join('; ') };
		}
		const { decision, diagnostics } = got.response;
		return answerOf(decision, diagnostics.reason, diagnostics.errors.map((e) => e.policyId));
	} catch (e) {
		return { refused: String(e) };
	} finally {
		JSON.stringify = plainStringify;
	}
}

function readTest(file, base) {
	const json = parseExact(fs.readFileSync(file, 'utf8'));
	return {
		file: path.relative(tests, file),
		policies: fs.readFileSync(path.join(base, json.policies), 'utf8'),
		entities: fs.readFileSync(path.join(base, json.entities), 'utf8'),
		requests: json.requests,
	};
}

function filesBelow(folder) {
	return fs.readdirSync(folder, { withFileTypes: true })
		.sort((a, b) => (a.name < b.name ? -1 : 1))
		.flatMap((entry) => {
			const full = path.join(folder, entry.name);
			return entry.isDirectory() ? filesBelow(full) : [full];
		});
}

// All requests through the driver; the answers in the order of the requests.
function drive(cases) {
	const input = path.join(temp, 'requests.jsonl');
	const output = path.join(temp, 'answers.jsonl');
	const fd = fs.openSync(input, 'w');
	for (const { test, request } of cases) {
		const { principal, action, resource, context } = request;
		fs.writeSync(fd, plainStringify({
			policies: test.policies,
			entities_text: test.entities,
			request_text: stringifyExact({ principal, action, resource, context }),
		}) + '\n');
	}
	fs.closeSync(fd);
	const stdin = fs.openSync(input, 'r');
	const stdout = fs.openSync(output, 'w');
	const run = spawnSync(driver, [], { stdio: [stdin, stdout, 'inherit'] });
	fs.closeSync(stdin);
	fs.closeSync(stdout);
	if (run.error) {
		throw run.error;
	}
	const answers = fs.readFileSync(output, 'utf8').split('\n').slice(0, -1)
		.map((line) => {
			try {
				return JSON.parse(line);
			} catch {
				return { fault: `not JSON: ${line.slice(0, 200)}` };
			}
		});
	if (answers.length < cases.length) {
		const why = run.signal ? `signal ${run.signal}` : `status ${run.status}`;
		console.log(`the driver ended with ${why} after ${answers.length} of ${cases.length} answers`);
	}
	return answers;
}

let passed = 0;
let failed = 0;
let skipped = 0;

function compare(title, cases) {
	const answers = drive(cases);
	let shown = 0;
	const before = { passed, failed };
	cases.forEach(({ test, request, index }, i) => {
		const want = answerOf(request.decision, request.reason, request.errors);
		const got = answers[i] || { fault: 'no answer' };
		const ours = got.decision === undefined
			? got
			: answerOf(got.decision, got.reason, got.errors);
		if (!got.fault && same(ours, want)) {
			passed++;
			return;
		}
		failed++;
		if (++shown > SHOWN) {
			return;
		}
		console.log(`FAILED ${test.file}, request ${index}: ${request.description}`);
		console.log(`  expected ${plainStringify(want)}`);
		console.log(`  got      ${plainStringify(got)}`);
		if (oracle) {
			const theirs = ask(test, request);
			console.log(`  oracle without schema ${plainStringify(theirs)}: `
				+ (same(theirs, want) ? 'agrees with the expectation'
					: same(theirs, ours) ? 'agrees with us' : 'agrees with neither'));
		}
	});
	if (shown > SHOWN) {
		console.log(`and ${shown - SHOWN} further failures`);
	}
	console.log(`${title}: ${passed - before.passed} passed, ${failed - before.failed} failed`);
}

function requestsOf(test) {
	return test.requests.map((request, index) => ({ test, request, index }));
}

const corpus = filesBelow(path.join(tests, 'corpus'))
	.filter((file) => file.endsWith('.json') && !file.endsWith('.entities.json'))
	.map((file) => readTest(file, tests));
if (corpus.length === 0) {
	console.log('the archive has no generated tests');
	failed++;
} else {
	compare(`${corpus.length} generated tests`, corpus.flatMap(requestsOf));
}

const handwritten = filesBelow(path.join(tests, 'handwritten', 'tests'))
	.filter((file) => file.endsWith('.json'))
	.map((file) => readTest(file, path.join(tests, 'handwritten')));
const all = handwritten.flatMap(requestsOf);
if (!oracle) {
	skipped += all.length;
	console.log(`${handwritten.length} handwritten tests: ${all.length} requests skipped, `
		+ 'no oracle (npm package @cedar-policy/cedar-wasm)');
} else {
	const alike = all.filter(({ test, request, index }) => {
		const want = answerOf(request.decision, request.reason, request.errors);
		const theirs = ask(test, request);
		if (same(theirs, want)) {
			return true;
		}
		skipped++;
		console.log(`skipped ${test.file}, request ${index}: without a schema the oracle says ${plainStringify(theirs)}`);
		return false;
	});
	compare(`${handwritten.length} handwritten tests`, alike);
}

console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
