// The case table of the Cedar library and its oracle, the reference
// implementation (npm package @cedar-policy/cedar-wasm).
//
//   node cases.js fill [FILE...]     write what the oracle says into the cases
//   node cases.js check [FILE...]    ask the oracle again, report differences
//   node cases.js random N SEED      N random cases: the oracle and our driver;
//                                    differences are printed as cases
//
// FILE defaults to cases/*.jsonl beside this script; cases/README.md has the
// format.  CEDAR_WASM is the package's folder, where node does not find it by
// itself; CEDAR_DRIVER another driver than build/cedar-driver.
//
// What a case expects comes from the oracle only.  The oracle runs in a child
// process, because a trap leaves it unusable: the child is then started anew.
'use strict';

const fs = require('fs');
const os = require('os');
const path = require('path');
const { spawnSync } = require('child_process');

const plainStringify = JSON.stringify;

/* ------------------------------------------------------------- exact JSON */

// JavaScript's numbers are exact up to 2^53 only and know no difference
// between 1 and 1.0.  Every other number goes through as a string with a mark.
const MARK = '\u0000number:';

function parseExact(text) {
	return JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
		token[0] === '"' || (Number.isSafeInteger(Number(token)) && String(Number(token)) === token)
			? token
			: plainStringify(MARK + token)));
}

function stringifyExact(value) {
	return plainStringify(value).replace(/"\\u0000number:([^"]*)"/g, '$1');
}

// Lines of case files are ASCII: what cannot be seen cannot be overlooked.
function toLine(value) {
	return stringifyExact(value).replace(/[^\x20-\x7e]/g, (c) =>
		'\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
}

/* ------------------------------------------------------------------ cases */

// A case as the driver takes it: the shorthands of the files spelled out.
function complete(test, defaults) {
	const whole = { ...defaults, ...test };
	if (whole.expr !== undefined) {
		whole.policies = `permit(principal, action, resource) when { ${whole.expr} };`;
		delete whole.expr;
	}
	if (test.entities_text !== undefined) {
		delete whole.entities;
	}
	if (test.request_text !== undefined) {
		delete whole.request;
	}
	return whole;
}

function inputOf(whole) {
	const { policies, entities, entities_text, request, request_text } = whole;
	const textOf = (value, text) =>
		text !== undefined ? text : value === undefined ? undefined : stringifyExact(value);
	return {
		policies,
		entities: textOf(entities, entities_text),
		request: textOf(request, request_text),
	};
}

/* ----------------------------------------------------------------- oracle */

function loadOracle() {
	const from = process.env.CEDAR_WASM;
	const candidates = from
		? [path.resolve(from, 'nodejs'), path.resolve(from)]
		: ['@cedar-policy/cedar-wasm/nodejs'];
	for (const candidate of candidates) {
		try {
			return require.resolve(candidate, { paths: [__dirname] });
		} catch {
			try {
				return require.resolve(candidate); // NODE_PATH
			} catch {
				continue;
			}
		}
	}
	if (from) {
		throw new Error(`CEDAR_WASM: no oracle at ${from}`);
	}
	return null;
}

// In the child: answers questions until the oracle traps.
function serveOracle() {
	const oracle = require(loadOracle());

	// The oracle takes an object and asks JSON.stringify for its text; it is
	// given the text that we have, with all that an object would lose.
	class Text {
		constructor(text) {
			this.text = text;
		}
	}
	JSON.stringify = (value, ...rest) =>
		value instanceof Text ? value.text : plainStringify(value, ...rest);

	let thrown = 0;
	function call(name, argument) {
		try {
			return oracle[name](argument);
		} catch (e) {
			if (e instanceof WebAssembly.RuntimeError || e instanceof RangeError) {
				throw e;
			}
			thrown++;
			return { type: 'failure', errors: [{ message: String(e) }] };
		}
	}

	const isJson = (text) => {
		try {
			JSON.parse(text);
			return true;
		} catch {
			return false;
		}
	};

	// Text that is pasted into a call must not reach beyond its place.
	function checkPart(name, member, text) {
		const got = call(name, new Text(`{"${member}":${text}\n}`));
		if (got.type === 'success' && !isJson(text)) {
			throw new Error(`not one JSON value: ${text}`);
		}
		return got;
	}

	// A uid in text form, which requests may have and the oracle's may not.
	function uidOf(text) {
		const got = call('policyToJson', `permit(principal == ${text}\n, action, resource);`);
		if (got.type === 'success' && text.includes('(')) {
			throw new Error(`the oracle cannot judge this uid: ${text}`);
		}
		return got.type === 'success' ? got.json.principal.entity : null;
	}

	// Policies of a text that holds templates too, under the ids of their places
	// in it.  The oracle gives both lists in order, up to ten policies.
	function staticPolicies(text, parts) {
		if (parts.policy_templates.length === 0) {
			return text;
		}
		const policies = [...parts.policies];
		const templates = [...parts.policy_templates];
		const byId = {};
		let rest = text;
		for (let i = 0; policies.length + templates.length > 0; i++) {
			rest = rest.replace(/^(?:\s|\x85|\/\/[^\n\r]*)*/, '');
			const from = [policies, templates].find((list) => list.length > 0 && rest.startsWith(list[0]));
			if (!from || i >= 10) {
				throw new Error('cannot place the policies of a text with templates');
			}
			if (from === policies) {
				byId[`policy${i}`] = from[0];
			}
			rest = rest.slice(from.shift().length);
		}
		return byId;
	}

	const codes = [
		[/^type error: /, 'CEDAR_EVAL_TYPE'],
		[/^integer overflow /, 'CEDAR_EVAL_OVERFLOW'],
		[/^entity `[^]*` does not exist$/, 'CEDAR_EVAL_NO_ENTITY'],
		[/^`[^]*` does not have the attribute `/, 'CEDAR_EVAL_NO_ATTR'],
		[/^record does not have the attribute `/, 'CEDAR_EVAL_NO_ATTR'],
		[/^`[^]*` does not have the tag `/, 'CEDAR_EVAL_NO_TAG'],
		[/^error while evaluating `\w+` extension function: /, 'CEDAR_EVAL_EXTENSION'],
		[/^wrong number of arguments provided to extension function /, 'CEDAR_EVAL_ARITY'],
	];
	function codeOf(message) {
		const found = codes.find(([pattern]) => pattern.test(message));
		if (!found) {
			throw new Error(`no code for the oracle's message: ${message}`);
		}
		return found[1];
	}

	function ask({ policies, entities, request }) {
		const parts = call('policySetTextToParts', policies);
		if (parts.type !== 'success') {
			return { parses: false };
		}
		if (entities !== undefined && checkPart('checkParseEntities', 'entities', entities).type !== 'success') {
			return { refused: 'entities' };
		}
		if (request === undefined) {
			return { parses: true };
		}
		let text = request.trim();
		if (!isJson(text) || text[0] !== '{') {
			if (call('isAuthorized', new Text(text)).type === 'success') {
				throw new Error(`the oracle takes this for a call: ${text}`);
			}
			return { refused: 'request' };
		}
		const members = parseExact(text);
		let rebuild = false;
		for (const name of ['principal', 'action', 'resource']) {
			if (typeof members[name] === 'string' && !members[name].startsWith(MARK)) {
				members[name] = uidOf(members[name]);
				if (members[name] === null) {
					return { refused: 'request' };
				}
				rebuild = true;
			}
		}
		if (rebuild) {
			text = stringifyExact(members);
		}
		const more = [
			...(members.context === undefined ? ['"context":{}'] : []),
			`"policies":{"staticPolicies":${plainStringify(staticPolicies(policies, parts))}}`,
			`"entities":${entities ?? '[]'}`,
		];
		const comma = Object.keys(members).length > 0 ? ',' : '';
		const got = call('isAuthorized', new Text(`${text.slice(0, -1)}${comma}${more.join()}}`));
		if (got.type !== 'success') {
			return { refused: 'request' };
		}
		const { decision, diagnostics } = got.response;
		const failed = diagnostics.errors.map((e) => [e.policyId, codeOf(e.error.message)])
			.sort(([a], [b]) => (a < b ? -1 : 1));
		return {
			decision,
			reason: [...diagnostics.reason].sort(),
			errors: failed.map(([id]) => id),
			codes: Object.fromEntries(failed),
		};
	}

	const [questions, answers] = process.argv.slice(3);
	const out = fs.openSync(answers, 'w');
	for (const line of fs.readFileSync(questions, 'utf8').split('\n').slice(0, -1)) {
		let answer;
		try {
			answer = ask(JSON.parse(line));
		} catch (e) {
			answer = e instanceof WebAssembly.RuntimeError || e instanceof RangeError
				? { trap: String(e) } : { unclear: String(e) };
		}
		fs.writeSync(out, plainStringify(answer) + '\n');
		// every exception that crosses the oracle costs some of its stack
		if (answer.trap || thrown > 100) {
			break;
		}
	}
	fs.closeSync(out);
}

const temp = {
	folder: null,
	file(name) {
		if (!this.folder) {
			this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cases-'));
			process.on('exit', () => fs.rmSync(this.folder, { recursive: true, force: true }));
		}
		return path.join(this.folder, name);
	},
};

function readLines(file) {
	return fs.readFileSync(file, 'utf8').split('\n').slice(0, -1);
}

// The oracle's answers to all inputs, in their order.  {trap}: it broke down.
function askOracle(inputs) {
	const answers = [];
	while (answers.length < inputs.length) {
		const questions = temp.file('questions.jsonl');
		const replies = temp.file('replies.jsonl');
		fs.writeFileSync(questions, inputs.slice(answers.length).map((i) => plainStringify(i) + '\n').join(''));
		fs.rmSync(replies, { force: true });
		const run = spawnSync(process.execPath, [__filename, '--oracle', questions, replies],
			{ stdio: ['ignore', 'inherit', 'inherit'] });
		if (!fs.existsSync(replies)) {
			throw new Error(`the oracle does not start: ${run.error || run.signal || `status ${run.status}`}`);
		}
		const got = readLines(replies).map((l) => JSON.parse(l));
		// a trap counts when the child was new; else it is asked again
		if (got.length > 1 && got[got.length - 1].trap) {
			got.pop();
		}
		if (got.length === 0) {
			got.push({ trap: `the oracle ended with ${run.signal || run.status}` });
		}
		answers.push(...got);
	}
	return answers;
}

/* ----------------------------------------------------------------- driver */

function askDriver(wholes) {
	let driver = process.env.CEDAR_DRIVER;
	if (!driver) {
		const made = spawnSync('make', ['-s', '-C', __dirname, 'build/cedar-driver'],
			{ stdio: ['ignore', 'inherit', 'inherit'] });
		if (made.status !== 0) {
			throw new Error('the driver does not build');
		}
		driver = path.join(__dirname, 'build', 'cedar-driver');
	}
	const input = temp.file('driver-in.jsonl');
	const output = temp.file('driver-out.jsonl');
	fs.writeFileSync(input, wholes.map((whole) => {
		const { policies, entities, request } = inputOf(whole);
		return plainStringify({ policies, entities_text: entities, request_text: request }) + '\n';
	}).join(''));
	const stdin = fs.openSync(input, 'r');
	const stdout = fs.openSync(output, 'w');
	const run = spawnSync(driver, [], { stdio: [stdin, stdout, 'inherit'] });
	fs.closeSync(stdin);
	fs.closeSync(stdout);
	if (run.error) {
		throw run.error;
	}
	return readLines(output).map((line) => {
		try {
			return JSON.parse(line);
		} catch {
			return { fault: `not JSON: ${line.slice(0, 200)}` };
		}
	});
}

// The driver's answer in the terms of an expectation, as cases_test.c has it.
function asExpectation(answer) {
	if (!answer || answer.fault) {
		return { fault: answer ? answer.fault : 'no answer' };
	}
	if (answer.parses === false) {
		return { parses: false };
	}
	if (answer.parses) {
		return { parses: true };
	}
	if (answer.refused) {
		return { refused: answer.refused };
	}
	return {
		decision: answer.decision,
		reason: answer.reason,
		errors: answer.errors,
		codes: Object.fromEntries(answer.messages.map((m) => m.split(': ').slice(0, 2))
			.sort(([a], [b]) => (a < b ? -1 : 1))),
	};
}

/* ------------------------------------------------------------------ files */

function expectationOf(test, answer) {
	const expect = { ...answer };
	if (expect.codes && (test.any_code || Object.keys(expect.codes).length === 0)) {
		delete expect.codes;
	}
	return expect;
}

function readCases(file) {
	let defaults = {};
	return readLines(file).map((line, i) => {
		let test;
		try {
			test = line.trim() === '' ? {} : parseExact(line);
		} catch (e) {
			throw new Error(`${file}:${i + 1}: ${e.message}`);
		}
		if (test.defaults !== undefined) {
			defaults = test.defaults;
		}
		const isCase = test.policies !== undefined || test.expr !== undefined;
		return { line, number: i + 1, test, whole: isCase ? complete(test, defaults) : null };
	});
}

function eachFile(files, handle) {
	const folder = path.join(__dirname, 'cases');
	const all = files.length > 0 ? files : fs.readdirSync(folder)
		.filter((name) => name.endsWith('.jsonl')).sort().map((name) => path.join(folder, name));
	for (const file of all) {
		const rows = readCases(file);
		const cases = rows.filter((row) => row.whole);
		const answers = askOracle(cases.map((row) => inputOf(row.whole)));
		cases.forEach((row, i) => {
			row.answer = answers[i];
		});
		handle(file, rows, cases);
	}
}

function fill(files) {
	let changed = 0;
	let unclear = 0;
	eachFile(files, (file, rows, cases) => {
		for (const row of cases) {
			if (row.answer.trap || row.answer.unclear) {
				unclear++;
				console.log(`${file}:${row.number}: ${row.answer.trap || row.answer.unclear}`);
				continue;
			}
			const { expect: before, ...test } = row.test;
			const expect = expectationOf(test, row.answer);
			if (before !== undefined && plainStringify(before) !== plainStringify(expect)) {
				console.log(`${file}:${row.number}: was ${plainStringify(before)}, is ${plainStringify(expect)}`);
			}
			const line = toLine({ ...test, expect });
			changed += line !== row.line;
			row.line = line;
		}
		fs.writeFileSync(file, rows.map((row) => row.line + '\n').join(''));
	});
	console.log(`${changed} lines changed, ${unclear} without an answer`);
	return unclear === 0;
}

function check(files) {
	let passed = 0;
	let failed = 0;
	eachFile(files, (file, rows, cases) => {
		const seen = new Map();
		for (const row of cases) {
			const expect = expectationOf(row.test, row.answer);
			const wrong = [];
			if (plainStringify(row.test.expect) !== plainStringify(expect)) {
				wrong.push(`expects ${plainStringify(row.test.expect)}, the oracle says ${plainStringify(expect)}`);
			}
			const key = plainStringify(inputOf(row.whole));
			if (seen.has(key)) {
				wrong.push(`the same as line ${seen.get(key)}`);
			}
			seen.set(key, row.number);
			if (wrong.length === 0) {
				passed++;
			} else {
				failed++;
				console.log(`${file}:${row.number}: ${wrong.join('; ')}`);
			}
		}
		console.log(`${path.basename(file)}: ${cases.length} cases`);
	});
	console.log(`${passed} passed, ${failed} failed`);
	return failed === 0 && passed > 0;
}

/* ----------------------------------------------------------- random cases */

// mulberry32
function random(seed) {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let t = Math.imul(state ^ (state >>> 15), 1 | state);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
}

// Over a small vocabulary, so that the parts often speak of the same things.
// Mostly well-typed; then some of it is damaged.
class Generator {
	constructor(seed) {
		this.next = random(seed);
	}

	below(n) {
		return Math.floor(this.next() * n);
	}

	chance(p) {
		return this.next() < p;
	}

	pick(list) {
		return list[this.below(list.length)];
	}

	many(least, most, make) {
		return Array.from({ length: least + this.below(most - least + 1) }, make);
	}

	// Replace, drop, double or insert one piece of a list or text.
	damage(text, alphabet) {
		const list = Array.isArray(text) ? [...text] : Array.from(text);
		const at = this.below(list.length + 1);
		switch (this.below(5)) {
			case 0:
				list.splice(at, 1);
				break;
			case 1:
				list.splice(at, 0, this.pick(alphabet));
				break;
			case 2:
				list.splice(at, 1, this.pick(alphabet));
				break;
			case 3:
				list.splice(at, 0, ...list.slice(at, at + 1 + this.below(3)));
				break;
			default: {
				const [one] = list.splice(at, 1);
				if (one !== undefined) {
					list.splice(this.below(list.length + 1), 0, one);
				}
			}
		}
		return Array.isArray(text) ? list : list.join('');
	}

	/* texts of extension values */

	digits(least, most) {
		return this.many(least, most, () => this.pick([...'0123456789'])).join('');
	}

	two(most) {
		return String(this.below(most + 1)).padStart(2, '0');
	}

	decimalText() {
		return this.pick(['', '', '-']) + this.pick(['0', '1', '00', '12', '922337203685477',
			'922337203685478', this.digits(1, 15)])
			+ '.' + this.pick(['0', '5', '23', '5807', '5808', '0000', this.digits(1, 5)]);
	}

	ipText() {
		const byte = () => this.pick(['0', '1', '10', '127', '224', '255', '256', '01', String(this.below(256))]);
		const group = () => this.pick(['0', '1', 'ff', 'FFee', 'ffff', '0db8', '12345', this.below(65536).toString(16)]);
		const v4 = this.chance(0.5);
		let text = v4 ? this.many(4, 4, byte).join('.') : this.many(8, 8, group).join(':');
		if (!v4 && this.chance(0.7)) {
			text = this.many(0, 4, group).join(':') + '::' + this.many(0, 4, group).join(':');
		}
		return this.chance(0.5) ? text
			: `${text}/${this.pick(['0', '4', '8', '24', '31', '32', '33', '64', '127', '128', '129', '01', '', '+8', this.digits(1, 3)])}`;
	}

	datetimeText() {
		const year = this.pick(['0000', '0001', '0004', '1582', '1900', '1969', '1970', '2000', '2024', '9999', this.digits(4, 4)]);
		let text = `${year}-${this.pick([this.two(12), this.two(13), '02'])}-${this.pick([this.two(28), this.two(32), '29', '31'])}`;
		if (this.chance(0.3)) {
			return text;
		}
		text += `T${this.two(24)}:${this.two(60)}:${this.two(60)}`;
		if (this.chance(0.4)) {
			text += `.${this.digits(3, 3)}`;
		}
		return text + this.pick(['Z', 'Z', `+${this.two(24)}${this.two(60)}`, `-${this.two(24)}${this.two(60)}`]);
	}

	durationText() {
		const number = () => this.pick(['0', '1', '7', '00', '60', '999', '106751991167', '9223372036854775807',
			'9223372036854775808', '9223372036854775', this.digits(1, 12)]);
		const units = ['d', 'h', 'm', 's', 'ms'].filter(() => this.chance(0.35));
		return this.pick(['', '', '-']) + units.map((unit) => number() + unit).join('');
	}

	extensionText(kind) {
		const text = {
			decimal: () => this.decimalText(),
			ip: () => this.ipText(),
			datetime: () => this.datetimeText(),
			duration: () => this.durationText(),
		}[kind]();
		return this.chance(0.1)
			? this.damage(text, [...'0123456789abcdfhmsxTZ.:/+-_ ', '\u0661', '\0']) : text;
	}

	/* names, strings, uids */

	type() {
		return this.pick(['U', 'U', 'G', 'G', 'R', 'N::U', 'N::M::G']);
	}

	id() {
		return this.chance(0.8) ? this.pick(['a', 'b', 'c'])
			: this.pick(['', 'x y', '\u00e9', '*', '"', '\\', '\0', '\n', '\u{1f600}']);
	}

	uid() {
		if (this.known && this.chance(0.7)) {
			return this.pick(this.known);
		}
		return { type: this.type(), id: this.id() };
	}

	action() {
		return { type: this.chance(0.9) ? 'Action' : 'N::Action', id: this.pick(['v', 'v', 'v', 'w', 'all', 'x y']) };
	}

	attr() {
		return this.pick(['n', 's', 'b', 'e', 'set', 'rec', 'dec', 'addr', 'at', 'span', 'missing', 'a b', '', 'if', '\u00e9']);
	}

	// A Cedar string literal; with stars for a pattern.
	literal(text, pattern) {
		const body = Array.from(text).map((c) => {
			if (c === '*' && pattern) {
				return '\\*';
			}
			if (c === '"' || c === '\\') {
				return '\\' + c;
			}
			if (c === '\0' && this.chance(0.8)) {
				return '\\0';
			}
			if (this.chance(0.05)) {
				return `\\u{${c.codePointAt(0).toString(16)}}`;
			}
			if (this.chance(0.03) && c < '\x7f') {
				return `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`;
			}
			return c;
		}).join('');
		return `"${this.chance(0.01)
			? this.damage(body, ['\\', '\\n', '\\q', '\\u{', '}', '\\x', '\\*', '\\\n ', '\r', '\n', "\\'", '\\u{d800}'])
			: body}"`;
	}

	string() {
		return this.pick(['', 'a', 'b', 'ab', 'abc', 'x y', '\u00e9', 'e\u0301', '*', 'a*b', '\\', '"', '\0', 'a\nb',
			'\u{1f600}', 'aXbXc', 'N::U', this.many(0, 6, () => this.pick([...'ab*'])).join('')]);
	}

	uidText({ type, id }) {
		return `${type.split('::').join(this.chance(0.97) ? '::' : ' :: ')}::${this.literal(id)}`;
	}

	long() {
		return this.pick(['0', '1', '1', '2', '3', '5', '10', '60', '4294967296', '9007199254740993', '9223372036854775807',
			'9223372036854775808', '3037000500', this.digits(1, 3), this.digits(1, 20)]);
	}

	/* expressions: [text, precedence], from if (0) to a member access (7) */

	expr(type, depth) {
		const kinds = ['bool', 'long', 'string', 'entity', 'set', 'rec', 'dec', 'addr', 'at', 'span'];
		const kind = this.chance(0.06) ? this.pick(kinds) : type ?? this.pick(kinds);
		if (depth > 0 && this.chance(0.08)) {
			const sub = (t) => this.at(0, t, depth - 1);
			return [`if ${sub('bool')} then ${sub(kind)} else ${sub(kind)}`, 0];
		}
		if (depth > 0 && this.chance(0.12)) {
			return this.access(kind, depth - 1);
		}
		return this[`${kind}Expr`](depth - 1);
	}

	// An expression in a place that takes this precedence and more.
	at(precedence, type, depth) {
		const [text, own] = this.expr(type, depth);
		if (own < precedence ? this.chance(0.98) : this.chance(0.04)) {
			return `(${text})`;
		}
		return text;
	}

	binary(operators, precedence, type, depth) {
		const operator = this.pick(operators);
		// comparisons do not associate; the others do to the left
		const left = precedence === 3 ? 4 : precedence;
		return [`${this.at(left, type, depth)}${this.space()}${operator}${this.space()}${this.at(precedence + 1, type, depth)}`, precedence];
	}

	space() {
		return this.pick([' ', ' ', ' ', ' ', ' ', '\n', '\t', ' // a comment "\n ']);
	}

	access(kind, depth) {
		const names = { bool: 'b', long: 'n', string: 's', entity: 'e', set: 'set', rec: 'rec', dec: 'dec', addr: 'addr', at: 'at', span: 'span' };
		const name = this.chance(0.85) ? names[kind] : this.attr();
		const base = this.pick(['principal', 'resource', 'context', 'context', 'action', null])
			?? this.at(7, this.pick(['entity', 'rec']), depth);
		if (this.chance(0.05)) {
			return [`${base}.getTag(${this.at(0, 'string', depth)})`, 7];
		}
		return /^[a-z]+$/.test(name) && name !== 'if' && this.chance(0.85)
			? [`${base}.${name}`, 7]
			: [`${base}[${this.literal(name)}]`, 7];
	}

	method(self, name, args, depth) {
		const given = this.chance(0.01) ? this.damage(args, ['long', 'string']) : args;
		return [`${this.at(7, self, depth)}.${name}(${given.map((arg) => this.at(0, arg, depth)).join(', ')})`, 7];
	}

	boolExpr(depth) {
		if (depth < 0) {
			return [this.pick(['true', 'false']), 7];
		}
		const comparable = this.pick(['long', 'long', 'at', 'span']);
		return this.pick([
			() => [this.pick(['true', 'false']), 7],
			() => this.binary(['&&'], 2, 'bool', depth),
			() => this.binary(['||'], 1, 'bool', depth),
			() => [`${this.pick(['!', '!', '!!', '!!!!', '!!!!!'])}${this.at(7, 'bool', depth)}`, 6],
			() => this.binary(['==', '!='], 3, undefined, depth),
			() => this.binary(['==', '!='], 3, this.pick(['set', 'rec', 'entity', 'string', 'dec', 'addr', 'at', 'span']), depth),
			() => this.binary(['<', '<=', '>', '>='], 3, comparable, depth),
			() => this.binary(['in'], 3, 'entity', depth),
			() => [`${this.at(4, 'entity', depth)} in ${this.entitySet(depth)}`, 3],
			() => [`${this.at(4, 'entity', depth)} is ${this.type()}${this.chance(0.4) ? ` in ${this.chance(0.5) ? this.at(4, 'entity', depth) : this.entitySet(depth)}` : ''}`, 3],
			() => [`${this.at(4, this.pick(['entity', 'rec']), depth)} has ${this.hasPath()}`, 3],
			() => [`${this.at(4, 'string', depth)} like ${this.pattern()}`, 3],
			() => this.method('set', 'contains', [undefined], depth),
			() => this.method('set', this.pick(['containsAll', 'containsAny']), ['set'], depth),
			() => this.method('set', 'isEmpty', [], depth),
			() => this.method('entity', 'hasTag', ['string'], depth),
			() => this.method('dec', this.pick(['lessThan', 'lessThanOrEqual', 'greaterThan', 'greaterThanOrEqual']), ['dec'], depth),
			() => this.method('addr', this.pick(['isIpv4', 'isIpv6', 'isLoopback', 'isMulticast']), [], depth),
			() => this.method('addr', 'isInRange', ['addr'], depth),
		])();
	}

	hasPath() {
		const name = this.attr();
		if (!/^[a-z]+$/.test(name) || this.chance(0.1)) {
			return this.literal(name);
		}
		return [name, ...(this.chance(0.3) ? this.many(1, 2, () => this.pick(['n', 'rec', 's', 'missing', 'e'])) : [])].join('.');
	}

	pattern() {
		return `"${this.many(0, 5, () => this.chance(0.4) ? '*' : this.literal(this.string(), true).slice(1, -1)).join('')}"`;
	}

	entitySet(depth) {
		return `[${this.many(0, 3, () => this.at(0, 'entity', depth)).join(', ')}]`;
	}

	longExpr(depth) {
		if (depth < 0 || this.chance(0.3)) {
			const number = this.long();
			return this.chance(0.2)
				? [`${this.pick(['-', '--', '---', '-----'])}${this.chance(0.2) ? `(${number})` : number}`, 6] : [number, 7];
		}
		return this.pick([
			() => this.binary(['+', '-'], 4, 'long', depth),
			() => this.binary(['+', '-'], 4, 'long', depth),
			() => this.binary(['*'], 5, 'long', depth),
			() => [`-${this.at(7, 'long', depth)}`, 6],
			() => this.method('span', this.pick(['toMilliseconds', 'toSeconds', 'toMinutes', 'toHours', 'toDays']), [], depth),
		])();
	}

	stringExpr() {
		return [this.literal(this.string()), 7];
	}

	entityExpr() {
		return [this.pick(['principal', 'action', 'resource', null, null])
			?? this.uidText(this.chance(0.9) ? this.uid() : this.action()), 7];
	}

	setExpr(depth) {
		const kind = this.chance(0.8) ? this.pick(['long', 'string', 'bool', 'entity', 'set', 'rec', 'dec', 'addr']) : undefined;
		return [`[${depth < 0 ? '' : this.many(0, 4, () => this.at(0, kind, depth - 1)).join(', ')}]`, 7];
	}

	// Keys in order: of several failing members the oracle reports the first by key.
	recExpr(depth) {
		const keys = [...new Set(depth < 0 ? [] : this.many(0, 3, () => this.attr()))]
			.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
		if (keys.length > 0 && this.chance(0.01)) {
			keys.push(keys[0]);
		}
		return [`{${keys.map((key) => `${/^[a-z]+$/.test(key) && key !== 'if' ? key : this.literal(key)}: ${this.at(0, undefined, depth - 1)}`).join(', ')}}`, 7];
	}

	construct(fn, kind, depth) {
		const arg = this.chance(0.95) || depth < 0
			? this.literal(this.extensionText(kind)) : this.at(0, 'string', depth);
		return [`${fn}(${arg})`, 7];
	}

	decExpr(depth) {
		return this.construct('decimal', 'decimal', depth);
	}

	addrExpr(depth) {
		return this.construct('ip', 'ip', depth);
	}

	atExpr(depth) {
		if (depth < 0 || this.chance(0.5)) {
			return this.construct('datetime', 'datetime', depth);
		}
		return this.chance(0.6) ? this.method('at', 'offset', ['span'], depth) : this.method('at', 'toDate', [], depth);
	}

	spanExpr(depth) {
		if (depth < 0 || this.chance(0.5)) {
			return this.construct('duration', 'duration', depth);
		}
		return this.chance(0.6) ? this.method('at', 'durationSince', ['at'], depth) : this.method('at', 'toTime', [], depth);
	}

	/* policies */

	scope(name, uid) {
		return name + this.pick([
			() => '', () => '', () => '', () => '', () => '',
			() => ` == ${this.uidText(uid())}`,
			() => ` in ${this.uidText(uid())}`,
			() => name === 'action'
				? ` in [${this.many(0, 3, () => this.uidText(uid())).join(', ')}]`
				: ` is ${this.type()}${this.chance(0.4) ? ` in ${this.uidText(uid())}` : ''}`,
			() => (name === 'action' || this.chance(0.8) ? '' : ` ${this.pick(['==', 'in'])} ?${name}`),
		])();
	}

	policy() {
		const annotations = this.chance(0.1)
			? this.many(1, 2, () => `@${this.pick(['id', 'a', 'if', 'in'])}${this.chance(0.7) ? `(${this.literal(this.string())})` : ''} `) : [];
		const conditions = this.many(0, 2, () =>
			`\n${this.pick(['when', 'when', 'unless'])} { ${this.at(0, this.chance(0.97) ? 'bool' : undefined, 1 + this.below(4))} }`);
		return `${annotations.join('')}${this.pick(['permit', 'permit', 'forbid'])}(${this.scope('principal', () => this.uid())}, ${
			this.scope('action', () => this.action())}, ${this.scope('resource', () => this.uid())})${conditions.join('')};`;
	}

	policies() {
		const text = this.many(1, 3, () => this.policy()).join(this.pick(['\n', ' ', '']));
		if (this.chance(0.88)) {
			return text;
		}
		const tokens = text.match(/"(?:[^"\\]|\\.)*"|\w+|\s+|[^\s\w]/gu) ?? [];
		const words = ['principal', 'action', 'resource', 'context', 'if', 'then', 'else', 'true', 'in', 'is', 'has', 'like', '==',
			'!', '-', '(', ')', '[', ']', '{', '}', '.', ',', ';', ':', '::', '"a"', '1', 'U', 'when', 'permit', '?principal', '@', '&&',
			'||', '+', '*', '/', '%', '=', '<', '__cedar', 'contains', 'ip', '//', '\u00a0', '\u{1f600}', "'"];
		return this.damage(tokens, words).join('');
	}

	/* data */

	value(kind, depth) {
		const kinds = ['b', 'n', 's', 'e', 'set', 'rec', 'dec', 'addr', 'at', 'span'];
		const extension = (fn, text) => (this.chance(0.9)
			? { __extn: { fn, arg: text } } : { __extn: { fn, args: [text] } });
		switch (kinds.includes(kind) && this.chance(0.95) ? kind : this.pick(kinds)) {
			case 'b':
				return this.chance(0.5);
			case 'n':
				return this.chance(0.9) ? this.below(20) - 5 : MARK + this.pick(['9223372036854775807', '-9223372036854775808', '9007199254740993']);
			case 's':
				return this.string();
			case 'e':
				return { __entity: this.uid() };
			case 'set':
				return depth <= 0 ? [] : this.many(0, 4, () => this.value(this.pick(['n', 's', undefined]), depth - 1));
			case 'rec':
				return depth <= 0 ? {} : this.record(depth - 1, 4);
			// a text that is refused refuses all: mostly good ones
			case 'dec':
				return extension('decimal', this.chance(0.003) ? this.extensionText('decimal') : this.pick(['0.0', '1.5', '-0.23', '12.3400']));
			case 'addr':
				return extension('ip', this.chance(0.003) ? this.extensionText('ip') : this.pick(['10.0.0.1', '10.0.0.0/8', '127.0.0.1', '::1', 'ff00::/8']));
			case 'at':
				return extension('datetime', this.chance(0.003) ? this.extensionText('datetime') : this.pick(['2024-02-29', '1969-12-31T23:59:59.999Z', '2024-01-01T00:00:00+0130']));
			default:
				return extension('duration', this.chance(0.003) ? this.extensionText('duration') : this.pick(['0ms', '1d', '-1h30m', '1ms', '24h']));
		}
	}

	// Attributes or a context: mostly those that expressions ask for.
	typical() {
		const names = ['n', 's', 'b', 'e', 'set', 'rec', 'dec', 'addr', 'at', 'span', 'a b', '', 'if', '\u00e9'];
		return Object.fromEntries(names.filter((name, i) => this.chance(i < 10 ? 0.75 : 0.2))
			.map((name) => [name, this.value(name, 3)]));
	}

	record(depth, most) {
		return Object.fromEntries(this.many(0, most, () => this.attr()).map((name) => [name, this.value(name, depth)]));
	}

	// Parents come before their children, so there is no cycle but by damage.
	entities() {
		const seen = [];
		const list = [];
		for (const uid of [...this.many(2, 8, () => this.uid()), ...this.many(0, 2, () => this.action())]) {
			const isAction = uid.type.endsWith('Action');
			const key = uid.type + '\0' + uid.id;
			if (seen.some((other) => other.key === key) && this.chance(0.97)) {
				continue;
			}
			const parents = [...seen.filter(() => this.chance(0.3)).map((other) => other.uid), ...(this.chance(0.1) ? [this.uid()] : [])]
				.filter((parent) => !isAction || parent.type.endsWith('Action') || this.chance(0.05));
			const entity = {
				uid: this.chance(0.9) ? uid : { __entity: uid },
				attrs: this.typical(),
				parents: parents.map((parent) => (this.chance(0.9) ? parent : { __entity: parent })),
			};
			if (this.chance(0.4)) {
				entity.tags = this.record(2, 3);
			}
			list.push(entity);
			seen.push({ key, uid });
		}
		return list;
	}

	// One part of the tree replaced, dropped or added.
	damageTree(tree) {
		const places = [];
		(function walk(node) {
			if (node !== null && typeof node === 'object') {
				for (const key of Object.keys(node)) {
					places.push([node, key]);
					walk(node[key]);
				}
			}
		})(tree);
		if (places.length === 0) {
			return tree;
		}
		const [node, key] = this.pick(places);
		const junk = [null, '', 'U::"a"', [], {}, ['U', 'a'], 1.5, MARK + '-0', MARK + '1e2', MARK + '1.0', MARK + '9223372036854775808',
			true, { type: 'U', id: 'a' }, { __entity: { type: 'U', id: 'a' } }, { __entity: { type: 'U' } }, { __extn: { fn: 'ip' } },
			{ __extn: { fn: 'isIpv4', arg: { __extn: { fn: 'ip', arg: '::1' } } } }, { __expr: 'principal' }, { type: 'if', id: 'a' },
			{ type: 'U', id: 1 }, { type: ' U', id: 'a' }, { __entity: { type: 'U', id: 'a', more: 1 } }];
		switch (this.below(4)) {
			case 0:
				if (Array.isArray(node)) {
					node.splice(key, 1);
				} else {
					delete node[key];
				}
				break;
			case 1: {
				const [other, from] = this.pick(places);
				node[key] = structuredClone(other[from]);
				break;
			}
			case 2:
				if (!Array.isArray(node)) {
					node[this.pick(['type', 'id', '__entity', '__extn', '__expr', 'fn', 'arg', 'args', 'more'])] = this.pick(junk);
					break;
				}
				// fall through
			default:
				node[key] = this.pick(junk);
		}
		return tree;
	}

	damageText(value) {
		const tokens = stringifyExact(value).match(/"(?:[^"\\]|\\.)*"|[\w.+-]+|[^\s\w]/gu);
		return this.damage(tokens, ['{', '}', '[', ']', ',', ':', '"a"', '"type":"U"', 'null', '1', '-0', '01', '1e400', '"\\ud800"',
			'"\\u0000"', '"\\q"', 'tru', '"attrs":{}', ' ']).join('');
	}

	request() {
		const request = { principal: this.uid(), action: this.action(), resource: this.uid(), context: this.typical() };
		for (const name of ['principal', 'action', 'resource']) {
			if (this.chance(0.1)) {
				request[name] = { __entity: request[name] };
			}
		}
		return request;
	}

	part(test, name, value) {
		if (this.chance(0.02)) {
			test[`${name}_text`] = this.damageText(value);
		} else {
			test[name] = this.chance(0.04) ? this.damageTree(value) : value;
		}
	}

	case() {
		const entities = this.entities();
		if (entities.length > 0) {
			this.known = entities.map(({ uid }) => uid.__entity ?? uid);
		}
		const request = this.request();
		// the request's own, its entities and others: scopes should often match
		this.known = [request.principal, request.resource].map((uid) => uid.__entity ?? uid).concat(this.known ?? []);
		const test = { policies: this.policies() };
		this.part(test, 'entities', entities);
		this.part(test, 'request', request);
		return test;
	}
}

const BATCH = 2000;

function randomCases(count, seed) {
	let passed = 0;
	let failed = 0;
	const kinds = {};
	for (let done = 0; done < count; done += BATCH) {
		const tests = Array.from({ length: Math.min(BATCH, count - done) }, (_, i) =>
			new Generator(Math.imul(seed, 1000003) + done + i).case());
		const wanted = askOracle(tests.map(inputOf));
		const given = askDriver(tests);
		tests.forEach((test, i) => {
			if (wanted[i].trap || wanted[i].unclear) {
				kinds.unclear = (kinds.unclear ?? 0) + 1;
				console.log(`no answer for case ${done + i}: ${wanted[i].trap || wanted[i].unclear}`);
				return;
			}
			const kind = wanted[i].refused ?? (wanted[i].parses === false ? 'parse' : wanted[i].decision);
			kinds[kind] = (kinds[kind] ?? 0) + 1;
			const expect = expectationOf(test, wanted[i]);
			const got = expectationOf(test, asExpectation(given[i]));
			if (plainStringify(got) === plainStringify(expect)) {
				passed++;
				return;
			}
			failed++;
			console.log(toLine({ name: `random ${seed}, case ${done + i}`, ...test, expect }));
			console.log(`  ours: ${plainStringify(given[i])}`);
		});
	}
	console.log(Object.entries(kinds).map(([kind, n]) => `${kind} ${n}`).join(', '));
	console.log(`${passed} passed, ${failed} failed`);
	return failed === 0 && passed > 0;
}

/* ------------------------------------------------------------------- main */

function main() {
	const [command, ...args] = process.argv.slice(2);
	if (command === '--oracle') {
		serveOracle();
		return true;
	}
	if (!['fill', 'check', 'random'].includes(command)) {
		console.error('usage: node cases.js fill [FILE...] | check [FILE...] | random N SEED');
		return false;
	}
	if (loadOracle() === null) {
		console.log('skipped: no oracle (npm package @cedar-policy/cedar-wasm, or CEDAR_WASM)');
		console.log('0 passed, 0 failed, 1 skipped');
		return true;
	}
	if (command === 'random') {
		const [count, seed] = args.map(Number);
		if (!(count > 0) || !Number.isInteger(seed)) {
			console.error('usage: node cases.js random N SEED');
			return false;
		}
		return randomCases(count, seed);
	}
	return command === 'fill' ? fill(args) : check(args);
}

process.exitCode = main() ? 0 : 1;
