// Cases made up, put through this library and through the reference.
//
//   node main.js DRIVER N SEED...     N cases of each seed
//
// DRIVER is build/cedar-validate-driver of test/core.  The oracle is the npm
// package (CEDAR_WASM: its folder), or where CEDAR_PEER names it the program of
// bench/peers/oracle, which knows levels, too.  What regressions.jsonl holds is
// compared first.
//
// A case is one policy validated or one request decided.  Skipped are those of
// which the oracle gave up, and what it cannot do.  A difference is made small
// and printed as a line for regressions.jsonl.
'use strict';

const fs = require('fs');
const path = require('path');
const { Service, findOracle } = require('./sides.js');
const { theirs, ours, differences } = require('./compare.js');
const { world, caseOf, POLICIES, REQUESTS } = require('./generate.js');
const { shrink } = require('./shrink.js');

const SHOWN = 10; // differences made small and printed
const SHRINK = Number(process.env.ORACLE_SHRINK || 3000); // cases tried for each
const LEVELS = [0, 1, 2, 3];
const REGRESSIONS = path.join(__dirname, 'regressions.jsonl');

const oracle = findOracle();
const [program, count, ...seeds] = process.argv.slice(2);
const totals = { passed: 0, failed: 0, skipped: 0 };
let shown = 0;
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

const made = { schemas: 0, valid: 0, invalid: 0, unread: 0, allow: 0, deny: 0, erring: 0, refused: 0, codes: {} };

// What the cases reach: where all are refused, nothing is tested.
function note(test, other) {
	made.schemas += other.schema ? 1 : 0;
	made.unread += other.kinds.filter((kind) => kind === null).length;
	if (other.schema) {
		const bad = new Set(other.findings.filter(([, , warning]) => !warning).map(([id]) => id));
		made.invalid += bad.size;
		made.valid += other.kinds.filter((kind, i) => kind !== null && !bad.has(`policy${i}`)).length;
		for (const line of new Set(other.findings.map(([id, code]) => `${id} ${code}`))) {
			const code = line.slice(line.indexOf(' ') + 1);
			made.codes[code] = (made.codes[code] || 0) + 1;
		}
	}
	for (const answer of [...other.plain, ...other.typed]) {
		made[answer.refused ? 'refused' : answer.decision]++;
		made.erring += answer.errors && answer.errors.length > 0 ? 1 : 0;
	}
}

function random(seed, number) {
	const tree = world(seed, number);
	const test = caseOf(tree);
	const result = compare(test);
	if (result === null) {
		totals.skipped += POLICIES + REQUESTS;
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

function main() {
	if (oracle === null) {
		console.log('skipped: no oracle (set CEDAR_WASM)');
		console.log('0 passed, 0 failed, 1 skipped');
		return;
	}
	driver = new Service(program);
	if (!oracle.has.levels) {
		console.log('levels are not compared: the npm package knows none (CEDAR_PEER)');
	}
	replay();
	for (const seed of seeds) {
		const start = Date.now();
		for (let number = 0; number < Number(count) / (POLICIES + REQUESTS); number++) {
			random(Number(seed), number);
		}
		console.log(`seed ${seed}: ${((Date.now() - start) / 1000).toFixed(0)} s`);
	}
	const { codes, ...rest } = made;
	console.log(Object.entries(rest).map(([key, n]) => `${n} ${key}`).join(', '));
	console.log(Object.entries(codes).sort().map(([key, n]) => `${n} ${key}`).join(', '));
	driver.close();
	oracle.close();
	console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
	process.exitCode = totals.failed === 0 && totals.passed > 0 ? 0 : 1;
}

main();
