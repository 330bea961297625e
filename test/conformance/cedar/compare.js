// Compares the Cedar library's answers with those of the reference's
// integration tests.
//
//   node compare.js DRIVER VALIDATE_DRIVER TESTS TEMP
//
// The drivers are cedar-driver and cedar-validate-driver of test/core, TESTS is
// the unpacked archive, TEMP a folder for the requests and answers.
//
// Without a schema: for generated tests (corpus/) the stored expectation is the
// measure.  Expectations of handwritten tests were made with a schema, which
// turns strings into extension values; a request counts when the oracle, asked
// without the schema, gives the stored answer; the others are skipped.
//
// With the schemas (validateRequest): the stored expectations are the measure,
// and where the oracle, asked, says something else, the oracle.
'use strict';

const fs = require('fs');
const path = require('path');
const { spawnSync } = require('child_process');
const { Service, findOracle, parseExact, stringifyExact } = require('../oracle/sides.js');
const { findingsOf } = require('../oracle/compare.js');

const [driver, validateDriver, tests, temp] = process.argv.slice(2);
const SHOWN = 20; // differences printed in full

const oracle = findOracle();

function answerOf(decision, reason, errors) {
	return { decision, reason: [...reason].sort(), errors: [...errors].sort() };
}

function same(a, b) {
	return JSON.stringify(a) === JSON.stringify(b);
}

// The oracle's answer, or why there is none.
function ask(test, request, withSchema) {
	const { principal, action, resource, context } = request;
	const call = stringifyExact({ principal, action, resource, context, policies: { staticPolicies: test.policies } });
	const schema = withSchema ? `,"schema":${JSON.stringify(test.schema)},"validateRequest":true` : '';
	const got = oracle.ask('isAuthorized', `${call.slice(0, -1)},"entities":${stringifyExact(parseExact(test.entities))}${schema}}`);
	if (got === null || got.type !== 'success') {
		return { refused: JSON.stringify(got).slice(0, 300) };
	}
	const { decision, diagnostics } = got.response;
	return answerOf(decision, diagnostics.reason, diagnostics.errors.map((e) => e.policyId));
}

function readTest(file, base) {
	const json = parseExact(fs.readFileSync(file, 'utf8'));
	return {
		file: path.relative(tests, file),
		policies: fs.readFileSync(path.join(base, json.policies), 'utf8'),
		entities: fs.readFileSync(path.join(base, json.entities), 'utf8'),
		schema: fs.readFileSync(path.join(base, json.schema), 'utf8'),
		shouldValidate: json.shouldValidate,
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
		fs.writeSync(fd, JSON.stringify({
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
		console.log(`  expected ${JSON.stringify(want)}`);
		console.log(`  got      ${JSON.stringify(got)}`);
		if (oracle) {
			const theirs = ask(test, request, false);
			console.log(`  oracle without schema ${JSON.stringify(theirs)}: `
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
		const theirs = ask(test, request, false);
		if (same(theirs, want)) {
			return true;
		}
		skipped++;
		console.log(`skipped ${test.file}, request ${index}: without a schema the oracle says ${JSON.stringify(theirs)}`);
		return false;
	});
	compare(`${handwritten.length} handwritten tests`, alike);
}

// ------------------------------------------------------------ with the schemas

const counts = { validates: [0, 0], requests: [0, 0] }; // compared; of these, the oracle is not of the corpus's opinion

// Passed when it is what is stored, or what the oracle says instead.
function judge(what, title, ours, stored, theirs) {
	counts[what][0]++;
	if (same(ours, stored) && (theirs === null || same(theirs, ours))) {
		passed++;
	} else if (theirs === null) {
		skipped++;
		console.log(`skipped ${title}: ours ${JSON.stringify(ours)}, stored ${JSON.stringify(stored)}, no oracle to ask`);
	} else if (same(ours, theirs)) {
		passed++;
		counts[what][1]++;
		console.log(`the oracle differs from the corpus in ${title}: ${JSON.stringify(theirs)}, stored ${JSON.stringify(stored)}`);
	} else {
		failed++;
		console.log(`FAILED ${title}: ours ${JSON.stringify(ours)}, stored ${JSON.stringify(stored)}, oracle ${JSON.stringify(theirs)}`);
	}
}

// Which policies do not validate; null: the schema is none.
function offenders(test) {
	const answer = oracle.ask('validate', JSON.stringify({ schema: test.schema, policies: { staticPolicies: test.policies } }));
	if (answer === null || answer.type !== 'success') {
		return null;
	}
	return [...new Set(findingsOf(answer).filter(([, , warning]) => !warning).map(([id]) => id))].sort();
}

function withSchema(service, test) {
	const got = service.ask(JSON.stringify({
		schema: test.schema,
		format: 'cedar',
		text: test.policies,
		entities: test.entities,
		requests: test.requests.map(({ principal, action, resource, context }) => stringifyExact({ principal, action, resource, context })),
	}));
	if (got === null || got.fault) {
		failed += 1 + test.requests.length;
		console.log(`FAILED ${test.file}: ${got === null ? 'the driver died' : got.fault}`);
		return;
	}
	const ours = got.schema ? [...new Set(got.findings.filter(([, , warning]) => !warning).map(([i]) => `policy${i}`))].sort() : null;
	const stored = test.shouldValidate;
	judge('validates', test.file, ours !== null && ours.length === 0, stored, oracle && (offenders(test) || [null]).length === 0);
	if (oracle && !same(ours, offenders(test))) {
		failed++;
		console.log(`FAILED ${test.file}: policies that do not validate: ours ${JSON.stringify(ours)}, oracle ${JSON.stringify(offenders(test))}`);
	}
	test.requests.forEach((request, i) => {
		const one = got.typed && got.typed.entities ? got.typed.requests[i] : {};
		const mine = one.fits ? answerOf(one.decision, one.reason, one.errors) : { refused: true };
		const want = answerOf(request.decision, request.reason, request.errors);
		let theirs = null;
		if (oracle && !same(mine, want)) {
			theirs = ask(test, request, true);
			theirs = theirs.refused ? { refused: true } : theirs;
		}
		judge('requests', `${test.file}, request ${i}`, mine, want, theirs);
	});
}

const service = new Service(validateDriver);
[...corpus, ...handwritten].forEach((test) => withSchema(service, test));
service.close();
const told = ([all, other]) => `${all} compared, in ${other} the oracle differs from the corpus`;
console.log(`${corpus.length + handwritten.length} tests with their schemas: shouldValidate ${told(counts.validates)}; requests ${told(counts.requests)}`);
if (oracle) {
	oracle.close();
}

console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
