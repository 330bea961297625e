// Writes the inputs that a fuzz target starts from.
//
//   node seeds.js TARGET FOLDER FILE...
//
// FILE holds cases as JSON lines (test/core/cases, fuzz/seeds.jsonl; for the
// targets of schemas test/core/schema_cases, conform_cases, validate_cases).  For the
// target "image" the policies' texts are written, to be compiled by
// image_seeds.  Inputs are named by a hash of their bytes.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const [target, folder, ...files] = process.argv.slice(2);
const END = Buffer.from([0xff]); // ends a text of the target "authorize"
const MAX = 16384;

let count = 0;

function write(bytes) {
	if (bytes.length === 0 || bytes.length > MAX) {
		return;
	}
	const name = crypto.createHash('sha1').update(bytes).digest('hex');
	const file = path.join(folder, name);
	if (!fs.existsSync(file)) {
		fs.writeFileSync(file, bytes);
		count++;
	}
}

function text(value, raw) {
	return Buffer.from(raw !== undefined ? raw : value !== undefined ? JSON.stringify(value) : '');
}

for (const file of files) {
	let defaults = {};
	for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
		if (line.trim() === '') {
			continue;
		}
		const test = { ...defaults, ...JSON.parse(line) };
		if (test.defaults) {
			defaults = test.defaults;
			continue;
		}
		if (test.expr !== undefined) {
			test.policies = `permit(principal, action, resource) when { ${test.expr} };`;
		}
		const policies = text(undefined, test.policies || test.policy);
		const entities = text(test.entities, test.entities_text);
		const request = text(test.request, test.request_text);
		switch (target) {
			case 'policy':
			case 'image':
				write(policies);
				break;
			case 'entities':
				write(entities);
				break;
			case 'request':
				write(request);
				break;
			case 'authorize':
				write(Buffer.concat([Buffer.from('T'), policies, END,
					entities.length ? entities : Buffer.from('[]'), END, request, END]));
				break;
			case 'schema_text':
			case 'schema_json':
				if (test.format === (target === 'schema_json' ? 'json' : 'cedar')) {
					write(text(undefined, test.schema));
				}
				break;
			case 'conform':
				write(Buffer.concat([text(undefined, test.schema || ''), END, entities, END, request]));
				break;
			case 'validate':
				write(Buffer.concat([text(undefined, test.schema || ''), END, policies, END, entities, END, request]));
				break;
			default:
				throw new Error(`unknown target ${target}`);
		}
	}
}

// Bytes that drive the generator: the same in every run.
if (target === 'authorize' || target === 'validate') {
	let state = 1;
	for (let i = 0; i < 64; i++) {
		const bytes = Buffer.alloc(200 + 30 * i);
		for (let k = 0; k < bytes.length; k++) {
			state = (Math.imul(state, 1103515245) + 12345) >>> 0;
			bytes[k] = state >>> 16;
		}
		bytes[0] = target === 'validate' ? 0x47 : i; // 'G'; never 'T', which begins texts
		write(bytes);
	}
}

// Worlds made up for the comparison with the reference: schemas with policies,
// entities and requests that mostly fit.
if (target === 'validate') {
	const { world, caseOf } = require('../test/conformance/oracle/generate.js');
	for (let number = 0; number < 400; number++) {
		const test = caseOf(world(1, number));
		test.policies.forEach((policy, i) => {
			const request = test.requests[i % test.requests.length];
			write(Buffer.concat([test.schema, policy, test.entities, request].flatMap((part) => [Buffer.from(part), END])));
		});
	}
}

console.log(`${count} new seeds for ${target}`);
