// What both sides say of a case, and whether it is the same.
'use strict';

// The reference's messages, by what they say; our codes.
const CODES = [
	[/unrecognized entity type/, 'unrecognized_entity_type'],
	[/unrecognized action/, 'unrecognized_action'],
	[/unable to find an applicable action/, 'no_applicable_action'],
	[/unexpected type/, 'unexpected_type'],
	[/are not compatible$/, 'incompatible_types'],
	[/unable to guarantee safety of access to optional attribute/, 'unsafe_optional_attribute'],
	[/unable to guarantee safety of access to tag/, 'unsafe_tag'],
	[/attribute .* not found/s, 'unknown_attribute'],
	[/`\.getTag\(\)` is not allowed/, 'no_tags_allowed'],
	[/wrong number of arguments/, 'wrong_number_of_arguments'],
	[/error during extension function argument validation/, 'invalid_argument'],
	[/extension constructors may not be called with non-literal/, 'argument_not_literal'],
	[/empty set literals are forbidden/, 'empty_set'],
	[/this policy requires level/, 'level_exceeded'],
	[/entity literals cannot be dereferenced/, 'literal_dereferenced'],
	[/policy is impossible/, 'impossible_policy'],
	[/enum/, 'invalid_enum_entity'],
	[/contains BIDI control characters/, 'bidirectional_text'],
	// what the reference says when it looks for levels in what does not type-check
	[/internal invariant violated/, null],
	// these need Unicode's tables and are not here: docs/cedar.md
	[/contains mixed scripts/, null],
	[/General Security Profile/, null],
];

function codeOf(message) {
	for (const [pattern, code] of CODES) {
		if (pattern.test(message)) {
			return code;
		}
	}
	return `? ${message}`;
}

// [id, code, is it a warning?] of an answer to validate.
function findingsOf(answer) {
	const list = (items, warning) => items
		.map((item) => [item.policyId, codeOf(item.error.message), warning, item.error.sourceLocations])
		.filter(([, code]) => code !== null);
	return [...list(answer.validationErrors, false), ...list(answer.validationWarnings, true)];
}

exports.codeOf = codeOf;
exports.findingsOf = findingsOf;

function canonical(value) {
	if (Array.isArray(value)) {
		return value.map(canonical);
	}
	if (value !== null && typeof value === 'object') {
		return Object.keys(value).sort().map((key) => [key, canonical(value[key])]);
	}
	return value;
}

const same = (a, b) => JSON.stringify(canonical(a)) === JSON.stringify(canonical(b));

// ------------------------------------------------------------- the reference

const FORMS = 3; // policies of each case whose JSON is compared, too

// Too deep for JavaScript to compare as a tree?
const isDeep = (text) => (text.match(/[([{!]|\bif\b/g) || []).length > 150;

// Which policies parse, and as what: 'static', 'template' or null; null where
// the reference gave up.
function kindsOf(oracle, policies) {
	const guess = policies.map((text) => (/^[^{]*\?(principal|resource)/.test(text) ? 'template' : 'static'));
	const ask = (kinds) => oracle.ask('checkParsePolicySet', setOf(policies, kinds, []));
	const all = ask(guess);
	if (all !== null && all.type === 'success') {
		return guess;
	}
	const kinds = [];
	for (let i = 0; i < policies.length; i++) {
		kinds.push(null);
		for (const kind of [guess[i], guess[i] === 'static' ? 'template' : 'static']) {
			const one = ask(policies.map((_, k) => (k === i ? kind : null)));
			if (one === null) {
				return null;
			}
			if (one.type === 'success') {
				kinds[i] = kind;
				break;
			}
		}
	}
	return kinds;
}

// A policy set in the reference's JSON.
function setOf(policies, kinds, links) {
	const of = (kind) => Object.fromEntries(policies.flatMap((text, i) => (kinds[i] === kind ? [[`policy${i}`, text]] : [])));
	return JSON.stringify({
		staticPolicies: of('static'),
		templates: of('template'),
		templateLinks: links.filter((link) => kinds[link.template] === 'template').map((link) => ({
			templateId: `policy${link.template}`,
			newId: link.id,
			values: {
				...(link.principal ? { '?principal': link.principal } : {}),
				...(link.resource ? { '?resource': link.resource } : {}),
			},
		})),
	});
}

function responseOf(answer) {
	if (answer.type !== 'success') {
		return { refused: true, why: JSON.stringify(answer).slice(0, 400) };
	}
	const { decision, diagnostics } = answer.response;
	return { decision, reason: [...diagnostics.reason].sort(), errors: diagnostics.errors.map((e) => e.policyId).sort() };
}

// What the reference says; null where it gave up.
exports.theirs = (oracle, test, levels) => {
	const schema = test.format === 'json' ? test.schema : JSON.stringify(test.schema);
	const json = oracle.ask('schemaToJson', schema);
	const kinds = kindsOf(oracle, test.policies);
	if (json === null || kinds === null) {
		return null;
	}
	const set = setOf(test.policies, kinds, test.links);
	const forms = kinds.slice(0, FORMS).map((kind, i) => (kind === null || isDeep(test.policies[i]) ? {}
		: oracle.ask(kind === 'static' ? 'policyToJson' : 'templateToJson', JSON.stringify(test.policies[i]))));
	if (forms.includes(null)) {
		return null;
	}
	// a schema that is written as JSON can still be none
	const answer = json.type !== 'success' ? json : oracle.ask('validate', `{"schema":${schema},"policies":${set}}`);
	const out = { kinds, forms: forms.map((form) => form.json), schema: answer !== null && answer.type === 'success' };
	if (answer === null) {
		return null;
	}
	if (!out.schema) {
		const alone = json.type === 'success' ? oracle.ask('checkParseSchema', schema) : json;
		if (alone === null || alone.type === 'success') {
			return null; // it was not the schema
		}
		out.why = JSON.stringify(alone).slice(0, 400);
	} else {
		out.json = json.json;
		out.findings = findingsOf(answer);
		// levels take the reference a time exponential in the nesting of ifs
		if (levels.length > 0 && test.policies.every((text) => (text.match(/\bif\b/g) || []).length < 20)) {
			const places = kinds.flatMap((kind, i) => (kind === null ? [] : [i]));
			const texts = places.map((i) => `${test.policies[i]}\n`).join('');
			const answers = oracle.ask('validateWithLevels',
				`{"schema":${schema},"policies":${JSON.stringify(texts)},"levels":${JSON.stringify(levels)}}`);
			if (!Array.isArray(answers)) {
				return null;
			}
			out.levels = answers.map((one) => findingsOf(one)
				.map(([id, ...rest]) => [`policy${places[Number(id.slice(6))]}`, ...rest]));
		}
	}
	const decisions = oracle.authorize(set, out.schema ? schema : null, test.entities, test.requests);
	if (decisions === null || decisions.plain === undefined || [...decisions.plain, ...decisions.typed].includes(null)) {
		return null;
	}
	out.plain = decisions.plain.map(responseOf);
	out.typed = decisions.typed.map(responseOf);
	return out;
};

// --------------------------------------------------------------- this library

exports.ours = (driver, test, levels) => driver.ask(JSON.stringify({ ...test, levels }));

// ---------------------------------------------------------------- differences

const show = (findings) => [...new Set(findings.map(([id, code, warning]) => `${id} ${warning ? 'warning' : 'error'} ${code}`))].sort();

function requestsOf(side) {
	return side.requests.map((one) => (side.entities && one.fits
		? { decision: one.decision, reason: [...one.reason].sort(), errors: [...one.errors].sort() } : { refused: true }));
}

/*
 * Does our finding stand where one of the reference's does?  The reference gives
 * every step of a.b.c the place of the whole, ours is the step at fault; of an
 * unknown type ours is the whole uid or `is`; what the reference made
 * itself of a scope has no place; its negative numbers lack their sign.
 */
function fits(text, code, [start, end], theirs) {
	const step = () => /^\s*[.[]/.test(Buffer.from(text).subarray(end).toString());
	const unsigned = () => /^-\s*\d/.test(Buffer.from(text).subarray(start, end).toString());
	return theirs.length === 0 || theirs.some((at) => (at.start > start && at.end === end && unsigned()) || (at.start === start && (at.end === end || (at.end > end && step())))
		|| (code === 'unrecognized_entity_type' && at.start >= start && at.end <= end));
}

function misplaced(test, ours, theirs) {
	const out = [];
	const wanted = theirs.filter(([id]) => id.startsWith('policy')).map(([id, code, , places]) => ({ id, code, places, met: places.length === 0 }));
	for (const [i, code, , start, end] of ours) {
		const same = wanted.filter((one) => one.id === `policy${i}` && one.code === code);
		const met = same.filter((one) => fits(test.policies[i], code, [start, end], one.places));
		met.forEach((one) => {
			one.met = true;
		});
		if (met.length === 0) {
			out.push(['position', `policy${i}`, [code, start, end], same.map((one) => one.places.map((at) => [at.start, at.end]))]);
		}
	}
	wanted.filter((one) => !one.met).forEach((one) => out.push(['position', one.id, null, [one.code, one.places.map((at) => [at.start, at.end])]]));
	return out;
}

// [[kind, policy or request, what ours is, what theirs is]]
exports.differences = (test, ours, theirs) => {
	const out = [];
	const differ = (kind, item, a, b) => {
		if (!same(a, b)) {
			out.push([kind, item, a, b]);
		}
	};
	if (ours === null) {
		return [['died', null, 'the driver died', null]];
	}
	if (ours.fault !== undefined) {
		out.push(['fault', null, ours.fault, null]);
	}
	differ('schema', null, ours.schema, theirs.schema);
	ours.parses.forEach((parses, i) => differ('parse', `policy${i}`, parses, theirs.kinds[i] !== null));
	if (out.length > 0) {
		return out;
	}
	theirs.forms.forEach((form, i) => form !== undefined && differ('form', `policy${i}`, JSON.parse(ours.forms[i]), form));
	const split = (findings) => {
		const by = new Map();
		show(findings).forEach((line) => {
			const id = line.split(' ')[0];
			by.set(id, [...(by.get(id) || []), line.slice(id.length + 1)]);
		});
		return by;
	};
	const findings = (kind, a, b) => {
		const [mine, other] = [split(a), split(b)];
		for (const id of new Set([...mine.keys(), ...other.keys()])) {
			differ(kind, id, mine.get(id) || [], other.get(id) || []);
		}
	};
	if (theirs.schema) {
		differ('json', null, JSON.parse(ours.json), theirs.json);
		const named = (list) => (list || []).map(([i, ...rest]) => [`policy${i}`, ...rest]);
		findings('finding', [...named(ours.findings), ...ours.links.map(([i, ...rest]) => [test.links[i].id, ...rest])], theirs.findings);
		if (out.length === 0) {
			out.push(...misplaced(test, ours.findings, theirs.findings));
		}
		// of a policy that is wrong anyway, levels say nothing
		const wrong = new Set(theirs.findings.filter(([, , warning]) => !warning).map(([id]) => id));
		const sound = (list) => list.filter(([id]) => !wrong.has(id));
		(theirs.levels || []).forEach((list, i) => findings(`level ${i}`, sound(named(ours.levels[i])), sound(list)));
	}
	for (const kind of theirs.schema ? ['plain', 'typed'] : ['plain']) {
		requestsOf(ours[kind]).forEach((mine, i) => {
			const { why, ...other } = theirs[kind][i];
			differ(kind, `request${i}`, mine, other);
		});
	}
	return out;
};
