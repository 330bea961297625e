// Cases made up, put through this library and through the reference.
//
//   node main.js DRIVER N SEED...     N cases, shared among the seeds
//
// DRIVER is build/cedar-validate-driver of test/core.  The oracle is the npm
// package (CEDAR_WASM: its folder), or where CEDAR_PEER names it the program of
// bench/peers/oracle, which knows levels, too.  What regressions.jsonl holds is
// compared first.
//
// A case is one policy validated or one request decided.  They come in worlds,
// each with a schema, a policy set with links, and entities.  Skipped are those
// of which the oracle gave up, and what it cannot do.  A difference is made small
// and printed as a line for regressions.jsonl.
//
// ORACLE_JOBS processes (2 at most, as many as there are processors) take turns
// with the worlds; ORACLE_SHRINK is the number of cases tried for each difference.
'use strict';

const fs = require('fs');
const os = require('os');
const path = require('path');
const { fork } = require('child_process');
const { Service, findOracle } = require('./sides.js');
const { theirs, ours, differences } = require('./compare.js');
const { world, caseOf, POLICIES, REQUESTS } = require('./generate.js');
const { shrink } = require('./shrink.js');

const SHOWN = 10; // differences made small and printed
const SHRINK = Number(process.env.ORACLE_SHRINK || 3000); // cases tried for each
const LEVELS = [0, 1, 2, 3];
const REGRESSIONS = path.join(__dirname, 'regressions.jsonl');

const WORLD = POLICIES + REQUESTS; // cases of one world

const totals = { passed: 0, failed: 0, skipped: 0 };
const made = {}; // what the cases reach: where all are refused, nothing is tested
const codes = {};
let shown = 0;
let oracle = null;
let driver = null;

function compare(test) {
	const levels = oracle.has.levels ? LEVELS : [];
	const other = theirs(oracle, test, levels);
	return other === null ? null : { other, found: differences(test, ours(driver, test, levels), other) };
}

function tell(title, found) {
	console.log(`FAILED ${title}`);
	for (const [kind, item, a, b] of found.slice(0, 5)) {
		console.log(`  ${kind} ${item || ''}\n    ours   ${JSON.stringify(a)}\n    theirs ${JSON.stringify(b)}`);
	}
}

function countIn(test, found) {
	const cases = test.policies.length + test.requests.length;
	const bad = Math.min(Math.max(1, cases), new Set(found.map(([, item]) => item)).size);
	totals.failed += bad;
	totals.passed += cases - bad;
}

function replay() {
	const lines = fs.readFileSync(REGRESSIONS, 'utf8').split('\n').filter((line) => line !== '');
	lines.forEach((line, i) => {
		const { note, ...test } = JSON.parse(line);
		const result = compare(test);
		if (result === null) {
			totals.skipped += test.policies.length + test.requests.length;
			return;
		}
		countIn(test, result.found);
		if (result.found.length > 0) {
			tell(`regressions.jsonl:${i + 1} ${note || ''}`, result.found);
		}
	});
	console.log(`${lines.length} known cases`);
}

function count(in_, key, n) {
	in_[key] = (in_[key] || 0) + n;
}

function note(test, other) {
	count(made, other.schema ? `schemas in ${test.format}` : 'schemas refused', 1);
	other.kinds.forEach((kind) => count(made, kind === null ? 'policies that do not parse' : `policies that parse (${kind})`, 1));
	if (other.schema) {
		const bad = new Set(other.findings.filter(([, , warning]) => !warning).map(([id]) => id));
		const read = other.kinds.filter((kind) => kind !== null).length;
		count(made, 'policies that validate', read - [...bad].filter((id) => id.startsWith('policy')).length);
		count(made, 'links', test.links.length);
		count(made, 'links that do not validate', [...bad].filter((id) => id.startsWith('link')).length);
		for (const line of new Set([other.findings, ...(other.levels || [])].flat().map(([id, code]) => `${id} ${code}`))) {
			count(codes, line.slice(line.indexOf(' ') + 1), 1);
		}
	}
	for (const kind of ['plain', 'typed']) {
		for (const answer of other[kind]) {
			const how = kind === 'plain' ? 'without schema' : 'by schema';
			count(made, `${answer.refused ? 'refused' : answer.decision} ${how}`, 1);
			count(made, `with errors ${how}`, answer.errors && answer.errors.length > 0 ? 1 : 0);
			count(made, `by a link ${how}`, answer.reason && answer.reason.some((id) => id.startsWith('link')) ? 1 : 0);
		}
	}
}

function random(seed, number) {
	const tree = world(seed, number);
	const test = caseOf(tree);
	const result = compare(test);
	if (result === null) {
		totals.skipped += WORLD;
		return;
	}
	note(test, result.other);
	countIn(test, result.found);
	if (result.found.length === 0 || ++shown > SHOWN) {
		return;
	}
	const [kind] = result.found[0];
	const small = shrink(tree, (next) => {
		const again = compare(caseOf(next));
		return again !== null && again.found.some(([k]) => k === kind);
	}, SHRINK);
	const smallCase = caseOf(small);
	tell(`seed ${seed}, number ${number}`, compare(smallCase).found);
	console.log(JSON.stringify(smallCase));
}

// ------------------------------------------------------------------- processes

// Worlds first, first + step, … of those of all seeds.
function work({ program, n, seeds, first, step }) {
	oracle = findOracle();
	driver = new Service(program);
	if (first === 0) {
		replay();
	}
	for (let i = first; i * WORLD < n; i += step) {
		random(seeds[i % seeds.length], Math.floor(i / seeds.length));
	}
	driver.close();
	oracle.close();
	process.send({ totals, made, codes });
}

function print(title, counts) {
	const list = Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1));
	console.log(`${title}:`);
	list.forEach(([key, n]) => console.log(`${String(n).padStart(10)} ${key}`));
}

function main() {
	const [program, cases, ...seeds] = process.argv.slice(2);
	oracle = findOracle();
	if (oracle === null) {
		console.log('skipped: no oracle (set CEDAR_WASM)');
		console.log('0 passed, 0 failed, 1 skipped');
		return;
	}
	if (!oracle.has.levels) {
		console.log('levels are not compared: the npm package knows none (CEDAR_PEER)');
	}
	oracle.close();
	const step = Number(process.env.ORACLE_JOBS || Math.min(2, os.cpus().length));
	let left = step;
	for (let first = 0; first < step; first++) {
		const child = fork(__filename, ['--work'], { stdio: 'inherit' });
		let told = false;
		child.send({ program, n: Number(cases), seeds: seeds.map(Number), first, step });
		child.on('message', (part) => {
			told = true;
			[[totals, part.totals], [made, part.made], [codes, part.codes]].forEach(([to, from]) =>
				Object.entries(from).forEach(([key, n]) => count(to, key, n)));
		});
		child.on('exit', (status, signal) => {
			if (!told || status !== 0) {
				console.log(`FAILED: a process ended with ${signal || `status ${status}`}`);
				totals.failed++;
			}
			if (--left === 0) {
				print('reached', made);
				print('policies and links by what is found', codes);
				console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
				process.exitCode = totals.failed === 0 && totals.passed > 0 ? 0 : 1;
			}
		});
	}
}

if (process.argv[2] === '--work') {
	process.once('message', (message) => {
		work(message);
		process.disconnect();
	});
} else {
	main();
}
