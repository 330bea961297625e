// Runs the Cedar core and the Rust crate on the same requests, in turns, and
// prints their times side by side.  Stops at the first decision on which the
// two do not agree.
//
//   node compare.js DATA-DIR CORE-PROGRAM CRATE-PROGRAM
//
// The times come from the programs: for each request the median of its times
// in some passes over all requests, less the cost of reading the clock.
// `row` is another view of the same work: the shortest whole pass over the
// requests of a hierarchy with no clock in between, divided by their number; the
// median of the hierarchies.
'use strict';

const fs = require('fs');
const path = require('path');
const readline = require('readline');
const { spawn } = require('child_process');

const PASSES = 5;

// From so many policies on the crate takes milliseconds a request, and one pass.
const MANY_FOR_THE_CRATE = 10000;

class Engine {
	constructor(name, program) {
		this.name = name;
		this.child = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
		this.child.on('error', (e) => {
			console.error(`${program}: ${e.message}`);
			process.exit(1);
		});
		this.child.stdin.on('error', () => {});
		this.lines = readline.createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
	}

	async run(prefix, passes) {
		this.child.stdin.write(`run ${prefix} ${passes}\n`);
		const { value, done } = await this.lines.next();

		if (done)
			throw new Error(`${this.name} gave no answer for ${prefix}`);
		return JSON.parse(value);
	}

	end() {
		this.child.stdin.end();
	}
}

// ------------------------------------------------------------- comparison

const list = (numbers) => (numbers.length ? numbers.join(', ') : 'none');
const describe = (d) =>
	`${d.allow ? 'allow' : 'deny'}, reasons ${list(d.reasons)}, errors ${list(d.errors)}`;

function requireAgreement(prefix, core, crate) {
	if (core.policies !== crate.policies || core.decisions.length !== crate.decisions.length)
		throw new Error(`${prefix}: the engines have read different files`);
	core.decisions.forEach((decision, i) => {
		const ours = describe(decision);
		const theirs = describe(crate.decisions[i]);

		if (ours !== theirs)
			throw new Error(`${prefix}, request ${i + 1}: the core says ${ours}; the crate says ${theirs}`);
	});
}

const mean = (numbers) => numbers.reduce((a, b) => a + b, 0) / numbers.length;

function quantile(numbers, p) {
	const sorted = [...numbers].sort((a, b) => a - b);

	return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))];
}

function summary(results) {
	const times = results.flatMap((r) => r.times);

	return {
		median: quantile(times, 0.5),
		p90: quantile(times, 0.9),
		p99: quantile(times, 0.99),
		// after a single pass there is no row: its times are long enough
		row: quantile(results.map((r) => r.row / r.times.length || mean(r.times)), 0.5),
	};
}

async function measure(engines, data, one) {
	const results = { core: [], crate: [] };

	for (let h = 0; h < one.hierarchies; h++) {
		const prefix = path.join(data, one.id, `${h}`);
		const order = h % 2 === 0 ? ['core', 'crate'] : ['crate', 'core'];
		const answers = {};

		for (const name of order) {
			const passes = name === 'crate' && one.size >= MANY_FOR_THE_CRATE ? 1 : PASSES;

			answers[name] = await engines[name].run(prefix, passes);
		}
		requireAgreement(prefix, answers.core, answers.crate);
		results.core.push(answers.core);
		results.crate.push(answers.crate);
	}
	const decisions = results.core.flatMap((r) => r.decisions);

	return {
		policies: mean(results.core.map((r) => r.policies)),
		requests: decisions.length,
		allowed: decisions.filter((d) => d.allow).length,
		core: summary(results.core),
		crate: summary(results.crate),
		decisions,
	};
}

// Both forms of an application grant the same.
function requireSameAnswers(one, decisions, seen) {
	const key = `${one.app} ${one.size}`;
	const answers = decisions.map((d) => (d.allow ? '+' : '-')).join('');

	if (seen.has(key) && seen.get(key) !== answers)
		throw new Error(`${key}: the two forms do not grant the same`);
	seen.set(key, answers);
}

// ---------------------------------------------------------------- printing

// Nanoseconds with three digits that count.
function time(ns) {
	for (const [unit, factor] of [['ns', 1], ['µs', 1e3], ['ms', 1e6]])
		if (ns < 999.5 * factor || unit === 'ms')
			return `${(ns / factor).toPrecision(Math.max(3, String(Math.floor(ns / factor)).length))} ${unit}`;
	return '';
}

const short = (ns) => (ns < 1000 ? `${Math.round(ns)} ns` : time(ns));
const ratio = (a, b) => `${(b / a).toPrecision(b / a < 100 ? 3 : Math.floor(Math.log10(b / a)) + 1)}×`;

const COLUMNS = [
	['application', -12], ['form', -10], ['size', 6], ['policies', 8], ['allowed', 7],
	['core median', 11], ['p90', 8], ['p99', 8],
	['crate median', 12], ['p90', 8], ['p99', 8],
	['ratio', 7], ['p90', 7], ['p99', 7], ['in a row', 8],
];

const line = (cells) => `| ${COLUMNS.map(([, width], i) =>
	(width < 0 ? cells[i].padEnd(-width) : cells[i].padStart(width))).join(' | ')} |`;

const rule = () => `|${COLUMNS.map(([, width]) =>
	(width < 0 ? '-'.repeat(2 - width) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;

async function main() {
	const [data, core, crate] = process.argv.slice(2);

	if (!crate) {
		console.error('usage: node compare.js DATA-DIR CORE-PROGRAM CRATE-PROGRAM');
		process.exit(2);
	}
	const cases = JSON.parse(fs.readFileSync(path.join(data, 'cases.json'), 'utf8'));
	const engines = { core: new Engine('core', core), crate: new Engine('crate', crate) };
	const seen = new Map();
	const ratios = [];
	const many = [];
	let requests = 0;

	console.log(line(COLUMNS.map(([title]) => title)));
	console.log(rule());
	for (const one of cases) {
		const m = await measure(engines, data, one);

		requireSameAnswers(one, m.decisions, seen);
		requests += m.requests;
		if (one.app === 'many')
			many.push({ size: one.size, median: m.core.median });
		else
			ratios.push(m.crate.median / m.core.median);
		console.log(line([
			one.app, one.form, `${one.size}`, `${Math.round(m.policies)}`,
			`${Math.round(100 * m.allowed / m.requests)} %`,
			short(m.core.median), short(m.core.p90), short(m.core.p99),
			short(m.crate.median), short(m.crate.p90), short(m.crate.p99),
			ratio(m.core.median, m.crate.median), ratio(m.core.p90, m.crate.p90),
			ratio(m.core.p99, m.crate.p99), ratio(m.core.row, m.crate.row),
		]));
	}
	ratios.sort((a, b) => a - b);
	console.log(`\nThe two agree on the decision, the reasons and the errors of all ${requests} requests.`);
	console.log(`Ratio of the medians over the applications: from ${ratios[0].toFixed(1)}× to ` +
		`${ratios[ratios.length - 1].toFixed(0)}×, half of them above ` +
		`${quantile(ratios, 0.5).toFixed(1)}×.`);
	const [few, most] = [many[0], many[many.length - 1]];

	console.log(`From ${few.size} to ${most.size} policies the core's median grows to ` +
		`${(most.median / few.median).toFixed(2)}×.`);
	Object.values(engines).forEach((engine) => engine.end());
}

main().catch((e) => {
	console.error(`compare.js: ${e.message}`);
	process.exit(1);
});
