// Policies checked against a schema: the cases of validate_cases beside
// the reference.
//
//   node validate_cases.js fill FILE...   fill in what the reference says
//   node validate_cases.js check          is what is filled in still what it says?
//
// A case has "policy", one policy or template, and "schema", or that of the
// file's first line, {"defaults": {...}}; "expect" holds what is found, each
// once, as "error CODE" or "warning CODE", sorted.  Cases with a "level" are
// written by hand: the npm package knows no levels.
'use strict';

const fs = require('fs');
const path = require('path');
const { findOracle } = require('../conformance/oracle/sides.js');
const { findingsOf } = require('../conformance/oracle/compare.js');

const FOLDER = path.join(__dirname, 'validate_cases');
const oracle = findOracle();

function expectation({ schema, policy }) {
	const kind = /^[^{]*\?(principal|resource)/.test(policy) ? 'templates' : 'staticPolicies';
	const answer = oracle.ask('validate', JSON.stringify({ schema, policies: { [kind]: { policy0: policy } } }));
	if (answer === null || answer.type !== 'success') {
		throw new Error(`${policy}\n${JSON.stringify(answer)}`);
	}
	return [...new Set(findingsOf(answer).map(([, code, warning]) => `${warning ? 'warning' : 'error'} ${code}`))].sort();
}

// The lines of a file, each with what its defaults add.
function read(file) {
	let defaults = {};
	return fs.readFileSync(file, 'utf8').split('\n').filter((line) => line !== '').map((line) => {
		const own = JSON.parse(line);
		defaults = own.defaults || defaults;
		return { own, test: own.defaults || own.level !== undefined ? null : { ...defaults, ...own } };
	});
}

function fill(file) {
	const lines = read(file).map(({ own, test }) => JSON.stringify(test === null ? own : { ...own, expect: expectation(test) }));
	fs.writeFileSync(file, `${lines.join('\n')}\n`);
}

function check() {
	const totals = [0, 0];
	for (const file of fs.readdirSync(FOLDER)) {
		for (const { test } of read(path.join(FOLDER, file))) {
			if (test === null) {
				continue;
			}
			const theirs = JSON.stringify(expectation(test));
			const wrong = theirs !== JSON.stringify(test.expect);
			totals[wrong ? 1 : 0]++;
			if (wrong) {
				console.log(`FAILED ${file}: ${test.policy}\n  ${JSON.stringify(test.expect)}\n  reference: ${theirs}`);
			}
		}
	}
	console.log(`${totals[0]} passed, ${totals[1]} failed`);
	process.exitCode = totals[1] === 0 ? 0 : 1;
}

const [command, ...files] = process.argv.slice(2);
if (oracle === null) {
	console.log('skipped: no oracle (set CEDAR_WASM)');
	console.log('0 passed, 0 failed, 1 skipped');
} else if (command === 'fill') {
	files.forEach(fill);
} else if (command === 'check') {
	check();
} else {
	console.error('usage: validate_cases.js fill FILE... | check');
	process.exitCode = 2;
}
