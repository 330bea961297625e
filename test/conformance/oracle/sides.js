// The two sides of a comparison: this library and the reference.
//
// A Service is a child process that answers a line with a line; it is asked
// synchronously, over named pipes, and started again when it has died.
'use strict';

const fs = require('fs');
const os = require('os');
const path = require('path');
const { execFileSync, spawn } = require('child_process');

class Service {
	constructor(program) {
		this.program = program;
		this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oracle-'));
		this.child = null;
		this.buffer = Buffer.alloc(1 << 16);
		process.on('exit', () => this.remove()); // an error, too, leaves nothing behind
	}

	start() {
		const [input, output] = ['in', 'out'].map((name) => path.join(this.folder, name));
		for (const file of [input, output]) {
			if (!fs.existsSync(file)) {
				execFileSync('mkfifo', [file]);
			}
		}
		this.child = spawn('sh', ['-c', 'exec "$0" <"$1" >"$2"', this.program, input, output],
			{ stdio: ['ignore', 'ignore', 'inherit'] });
		this.child.unref();
		this.input = fs.openSync(input, 'w');
		this.output = fs.openSync(output, 'r');
	}

	stop() {
		if (this.child !== null) {
			fs.closeSync(this.input);
			fs.closeSync(this.output);
			this.child = null;
		}
	}

	// The answer to a line, parsed; null when the service died of it.
	ask(line) {
		if (this.child === null) {
			this.start();
		}
		try {
			const bytes = Buffer.from(`${line}\n`);
			for (let done = 0; done < bytes.length;) {
				done += fs.writeSync(this.input, bytes, done);
			}
			const parts = [];
			for (;;) {
				const n = fs.readSync(this.output, this.buffer, 0, this.buffer.length, null);
				if (n === 0) {
					this.stop();
					return null;
				}
				parts.push(Buffer.from(this.buffer.subarray(0, n)));
				if (this.buffer[n - 1] === 10) {
					return JSON.parse(Buffer.concat(parts).toString());
				}
			}
		} catch (e) {
			if (e.code !== 'EPIPE') {
				throw e;
			}
			this.stop();
			return null;
		}
	}

	remove() {
		fs.rmSync(this.folder, { recursive: true, force: true });
	}

	close() {
		this.stop();
		this.remove();
	}
}

// --------------------------------------------------------------- the reference

// Integers beyond 2^53 go into JavaScript as strings with a mark, and come out
// exact where the package writes its argument as JSON.
const MARK = '\u0000integer:';
const plainStringify = JSON.stringify;

function parseExact(text) {
	return JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
		(/^-?\d+$/.test(token) && !Number.isSafeInteger(Number(token)) ? plainStringify(MARK + token) : token)));
}

function stringifyExact(value) {
	return plainStringify(value).replace(/"\\u0000integer:(-?\d+)"/g, '$1');
}

class Oracle {
	// Every request without and with the schema: what isAuthorized says, in order.
	authorize(policies, schema, entities, requests) {
		const out = { plain: [], typed: [] };
		const set = this.ask('preparsePolicySet', '"policies"', policies);
		if (set === null || set.type !== 'success') {
			return set;
		}
		if (schema !== null) {
			const read = this.ask('preparseSchema', '"schema"', schema);
			if (read === null || read.type !== 'success') {
				return read;
			}
		}
		for (const request of requests) {
			const call = `${request.slice(0, -1)},"entities":${entities},"preparsedPolicySetId":"policies"`;
			out.plain.push(this.ask('statefulIsAuthorized', `${call},"validateRequest":false}`));
			if (schema !== null) {
				out.typed.push(this.ask('statefulIsAuthorized', `${call},"preparsedSchemaName":"schema","validateRequest":true}`));
			}
		}
		return out;
	}
}

// The npm package, in this process.
class Package extends Oracle {
	constructor(file) {
		super();
		this.file = file;
		this.module = require(file);
		this.has = { levels: false };
	}

	// The answer; null when it trapped (then its memory is spoilt, and a new one
	// is taken), and for what JavaScript does not pass on, like keys that are
	// there twice.
	ask(fn, ...texts) {
		const values = texts.map(parseExact);
		if (values.some((value, i) => stringifyExact(value) !== texts[i])) {
			return null;
		}
		JSON.stringify = stringifyExact;
		try {
			return this.module[fn](...values);
		} catch (e) {
			if (!(e instanceof WebAssembly.RuntimeError || e instanceof RangeError)) {
				return { type: 'thrown', message: String(e) };
			}
			for (const key of Object.keys(require.cache)) {
				if (key.startsWith(path.dirname(this.file))) {
					delete require.cache[key];
				}
			}
			this.module = require(this.file);
			return null;
		} finally {
			JSON.stringify = plainStringify;
		}
	}

	close() {}
}

// The Rust crate, in a process of its own: bench/peers/oracle.
class Crate extends Oracle {
	constructor(program) {
		super();
		this.service = new Service(program);
		this.has = { levels: true };
	}

	ask(fn, ...texts) {
		return this.service.ask(`{"fn":${JSON.stringify(fn)},"args":[${texts.join(',')}]}`);
	}

	close() {
		this.service.close();
	}
}

// The crate where CEDAR_PEER names the program, else the package; or null.
exports.findOracle = () => {
	if (process.env.CEDAR_PEER) {
		return new Crate(process.env.CEDAR_PEER);
	}
	const from = process.env.CEDAR_WASM;
	const places = from ? [path.resolve(from, 'nodejs'), path.resolve(from)] : ['@cedar-policy/cedar-wasm/nodejs'];
	for (const place of places) {
		try {
			return new Package(require.resolve(place, { paths: [__dirname, path.join(__dirname, '../..')] }));
		} catch {
			// the next one
		}
	}
	if (from) {
		throw new Error(`CEDAR_WASM: no oracle at ${from}`);
	}
	return null;
};

exports.Service = Service;
exports.parseExact = parseExact;
exports.stringifyExact = stringifyExact;
