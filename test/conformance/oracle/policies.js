// Policies as trees, and their text.
//
//   policy   {effect, notes: [[key, value or null]], principal, action, resource,
//            conds: [{k: 'when' or 'unless', e}]}, or {raw: a text}
//   scope    {op: 'any'}, {op: '==', 'in', 'is' or 'isin', type, uids: [uid] or slot: true}
//   uid      {type, id}
//
// An expression is {o, x: operands, …}:
//   long {v: digits}, string {v}, bool {v}, uid {type, id}, var {n}, slot {n}
//   if, ||, &&, ==, !=, <, <=, >, >=, in, +, -, *, !, neg
//   has {p: attributes}, . {n}, like {p: strings and nulls}, is {n}, isin {n}
//   set, record {k: keys}, call {n}, method {n; the first operand is before the dot}
// and how it is written: par (parentheses more than needed), odd (["a"] for .a,
// escapes for characters).
'use strict';

const WORD = /^[_a-zA-Z][_a-zA-Z0-9]*$/;
const RESERVED = new Set(['if', 'then', 'else', 'true', 'false', 'in', 'is', 'like', 'has', '__cedar']);

function escaped(text, odd, more) {
	let out = '';
	for (const c of text) {
		const code = c.codePointAt(0);
		if (c === '"' || c === '\\') {
			out += `\\${c}`;
		} else if (more && c === '*') {
			out += '\\*';
		} else if (code === 0) {
			out += odd ? '\\u{0}' : '\\0';
		} else if (odd && code < 0x80 && code % 3 === 0) {
			out += `\\x${code.toString(16).padStart(2, '0')}`;
		} else if (odd && (code >= 0x80 || code % 3 === 1)) {
			out += `\\u{${code.toString(16)}}`;
		} else if (c === '\n' || c === '\r' || c === '\t') {
			out += { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[c];
		} else {
			out += c;
		}
	}
	return out;
}

const quote = (text, odd) => `"${escaped(text, odd, false)}"`;
const uidText = (uid, odd) => `${uid.type}::${quote(uid.id, odd)}`;

// How tightly an expression binds, as the grammar has it.
const LEVEL = {
	if: 0, '||': 1, '&&': 2, '==': 3, '!=': 3, '<': 3, '<=': 3, '>': 3, '>=': 3, in: 3, has: 3, like: 3, is: 3, isin: 3,
	'+': 4, '-': 4, '*': 5, '!': 6, neg: 6, '.': 7, method: 7,
};

function levelOf(e) {
	return e.o === 'long' && e.v.startsWith('-') ? 6 : e.o in LEVEL ? LEVEL[e.o] : 8;
}

function text(e, least) {
	let out = bare(e);
	let level = levelOf(e);
	for (let n = (level < least ? 1 : 0) + (e.par || 0); n > 0; n--) {
		out = `(${out})`;
		level = 8;
	}
	return out;
}

function unary(e, sign) {
	// signs of one kind, at most four, and no number's own sign behind them
	let depth = 1;
	for (let at = e.x[0]; at.o === e.o && !at.par; at = at.x[0]) {
		depth++;
	}
	const [x] = e.x;
	return sign + (x.o === e.o && depth <= 4 ? text(x, 6) : text(x, 7));
}

function bare(e) {
	const { o, x } = e;
	switch (o) {
		case 'long':
		case 'bool':
			return String(e.v);
		case 'string':
			return quote(e.v, e.odd);
		case 'uid':
			return uidText(e, e.odd);
		case 'var':
			return e.n;
		case 'slot':
			return `?${e.n}`;
		case 'if':
			return `if ${text(x[0], 0)} then ${text(x[1], 0)} else ${text(x[2], 0)}`;
		case '||':
		case '&&':
		case '+':
		case '-':
		case '*':
			return `${text(x[0], LEVEL[o])} ${o} ${text(x[1], LEVEL[o] + 1)}`;
		case '!':
			return unary(e, '!');
		case 'neg':
			return unary(e, '-');
		case 'has':
			return `${text(x[0], 4)} has ${e.p.length === 1 && (e.odd || !WORD.test(e.p[0]) || RESERVED.has(e.p[0]))
				? quote(e.p[0], e.odd) : e.p.join('.')}`;
		case 'like':
			return `${text(x[0], 4)} like "${e.p.map((part) => (part === null ? '*' : escaped(part, e.odd, true))).join('')}"`;
		case 'is':
			return `${text(x[0], 4)} is ${e.n}`;
		case 'isin':
			return `${text(x[0], 4)} is ${e.n} in ${text(x[1], 4)}`;
		case '.':
			return text(x[0], 7) + (e.odd || !WORD.test(e.n) || RESERVED.has(e.n) ? `[${quote(e.n, e.odd)}]` : `.${e.n}`);
		case 'set':
			return `[${x.map((i) => text(i, 0)).join(', ')}]`;
		case 'record':
			return `{${x.map((i, n) => `${e.odd || !WORD.test(e.k[n]) || RESERVED.has(e.k[n]) ? quote(e.k[n], e.odd) : e.k[n]}: ${text(i, 0)}`).join(', ')}}`;
		case 'call':
			return `${e.n}(${x.map((i) => text(i, 0)).join(', ')})`;
		case 'method':
			return `${text(x[0], 7)}.${e.n}(${x.slice(1).map((i) => text(i, 0)).join(', ')})`;
		default:
			return `${text(x[0], 4)} ${o} ${text(x[1], 4)}`;
	}
}

function scopeText(name, s) {
	const whom = s.slot ? `?${name}` : s.uids === undefined ? ''
		: s.list ? `[${s.uids.map((u) => uidText(u, s.odd)).join(', ')}]` : uidText(s.uids[0], s.odd);
	switch (s.op) {
		case 'any':
			return name;
		case 'is':
			return `${name} is ${s.type}`;
		case 'isin':
			return `${name} is ${s.type} in ${whom}`;
		default:
			return `${name} ${s.op} ${whom}`;
	}
}

exports.expressionText = (e) => text(e, 0);

exports.policyText = (p) => {
	if (p.raw !== undefined) {
		return p.raw;
	}
	const notes = p.notes.map(([key, value]) => `@${key}${value === null ? '' : `(${quote(value, false)})`}\n`).join('');
	const conds = p.conds.map((c) => ` ${c.k} { ${text(c.e, 0)} }`).join('');
	return `${notes}${p.effect}(${scopeText('principal', p.principal)}, ${scopeText('action', p.action)}, `
		+ `${scopeText('resource', p.resource)})${conds};`;
};

exports.isTemplate = (p) => p.raw === undefined && Boolean(p.principal.slot || p.resource.slot);

// -------------------------------------------------------------- broken texts

const TOKENS = ['permit', 'forbid', 'when', 'unless', 'principal', 'action', 'resource', 'context', '?principal', '?resource', '?x',
	'if', 'then', 'else', 'in', 'is', 'has', 'like', 'true', 'false', '==', '!=', '<', '>=', '&&', '||', '!', '-', '+', '*', '/', '%', '=',
	'(', ')', '[', ']', '{', '}', ',', ';', ':', '::', '.', '@', '"x"', '"', '\\', '1', '0x1', '9223372036854775808', 'User', '__cedar',
	'// c\n', '"\\u{110000}"', '"\\x80"', '"\\q"', '"\\*"', 'foo(1)', 'ip("1.1.1.1")', 'App::User::"a"', '\u00a0', 'é', '!!!!!', '-----', '.x', '["x"]', '()', '1.5'];

exports.damage = (r, source) => {
	const tokens = source.match(/"(?:\\.|[^"\\])*"|\w+|::|[=!<>]=|&&|\|\||\s+|[^]/gu) || [];
	for (let n = 1 + r.below(2); n > 0; n--) {
		const at = r.below(tokens.length + 1);
		switch (r.below(5)) {
			case 0:
				tokens.splice(at, 1);
				break;
			case 1:
				tokens.splice(at, 0, r.pick(TOKENS));
				break;
			case 2:
				tokens.splice(at, 1, r.pick(TOKENS));
				break;
			case 3:
				tokens.splice(at, 0, tokens[r.below(tokens.length)]);
				break;
			default:
				tokens.splice(at, 0, ' ', r.pick(TOKENS), ' ');
		}
	}
	return tokens.join('');
};
