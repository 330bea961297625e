// Users over HTTP: each signs in, refreshes its tokens, asks for decisions, over
// a kept-alive connection of its own.  Started by bench/auth_flow/run.
//
//   http.js URL SECONDS RATE WEIGHTS <SEEDS
//
//   RATE      0: closed loop, every user sends its next request at once; else
//             open loop, so many requests a second in all, at random moments
//             (Poisson), each by the user who has been idle longest; a request's
//             time then begins when it was due
//   WEIGHTS   of login, refresh, check, as in 2,8,90
//   SEEDS     a line for each user: email, password, access token, refresh token
//
// Prints a line for each request, as pgbench -l does: user, number, microseconds
// ("failed" for a refusal with retry_after, "unsent" when no user was idle until
// after the end or PostgREST had no connection free for 10 s, "error" for
// anything else that is no success), operation (0, 1, 2), second, microsecond.
'use strict';

const fs = require('fs');
const http = require('http');

const [base, seconds, rate] = [new URL(process.argv[2]), +process.argv[3], +process.argv[4]];
const weights = process.argv[5].split(',').map(Number);
const users = fs.readFileSync(0, 'utf8').trim().split('\n').map((line, id) => {
	const [email, password, access, refresh] = line.split('\t');
	return { id, email, password, access, refresh, number: 0, agent: new http.Agent({ keepAlive: true, maxSockets: 1 }) };
});
const total = weights.reduce((a, b) => a + b);
const out = [];
const now = () => Number(process.hrtime.bigint() / 1000n);
const start = now();
const end = start + seconds * 1e6;
/* How long after the end what was due before it may still be sent, in microseconds. */
const GRACE = 2e6;
let firstError;

function pick() {
	let x = Math.random() * total, op = 0;
	while (op < weights.length - 1 && (x -= weights[op]) >= 0)
		op++;
	return op;
}

function body(user, op) {
	switch (op) {
		case 0: return { email: user.email, password: user.password };
		case 1: return { refresh_token: user.refresh };
		default: return { action: 'Action::"view"', resource: `Document::"${1 + Math.floor(Math.random() * 10000)}"` };
	}
}

function send(user, op) {
	return new Promise((resolve) => {
		const text = JSON.stringify(body(user, op));
		const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
		if (op === 2)
			headers.Authorization = 'Bearer ' + user.access;
		const request = http.request({
			host: base.hostname, port: base.port, path: '/rpc/' + ['login', 'refresh', 'check'][op],
			method: 'POST', headers, agent: user.agent,
		}, (response) => {
			let answer = '';
			response.setEncoding('utf8');
			response.on('data', (d) => { answer += d; });
			response.on('end', () => {
				let json;
				try {
					json = JSON.parse(answer);
				} catch {
					// said below
				}
				if (response.statusCode === 200 && (op === 2 ? typeof json === 'boolean' : json?.access_token)) {
					if (op !== 2) {
						user.access = json.access_token;
						user.refresh = json.refresh_token;
					}
					resolve('');
				} else if (json?.retry_after) {
					resolve('failed');
				} else if (json?.code === 'PGRST003') {
					/* No connection of the pool was free in 10 s. */
					resolve('unsent');
				} else {
					firstError ??= `${response.statusCode} ${answer}`;
					resolve('error');
				}
			});
		});
		request.on('error', (e) => {
			firstError ??= String(e);
			resolve('error');
		});
		request.end(text);
	});
}

function line(user, outcome, op, at) {
	return `${user.id} ${user.number++} ${outcome} ${op} ${Math.floor((at - start) / 1e6)} ${(at - start) % 1e6}`;
}

async function act(user, due) {
	const op = pick();
	const outcome = await send(user, op);
	const done = now();
	out.push(line(user, outcome || done - due, op, done));
}

async function closedLoop() {
	await Promise.all(users.map(async (user) => {
		for (let due = now(); due < end; due = now())
			await act(user, due);
	}));
}

async function openLoop() {
	const idle = users.slice(), waiting = [], running = new Set();
	const run = (user, due) => {
		const p = act(user, due).then(() => {
			running.delete(p);
			if (waiting.length > 0 && now() < end + GRACE)
				run(user, waiting.shift());
			else
				idle.push(user);
		});
		running.add(p);
	};
	for (let due = start; due < end;) {
		const t = now();
		for (; due <= t && due < end; due += -Math.log(1 - Math.random()) * 1e6 / rate) {
			if (idle.length > 0)
				run(idle.shift(), Math.floor(due));
			else
				waiting.push(Math.floor(due));
		}
		await new Promise((resolve) => setTimeout(resolve, 1));
	}
	while (running.size > 0)
		await Promise.all(running);
	waiting.forEach(() => out.push(line(users[0], 'unsent', weights.findIndex((w) => w === Math.max(...weights)), end)));
}

(rate > 0 ? openLoop() : closedLoop()).then(() => {
	process.stdout.write(out.join('\n') + '\n');
	if (firstError)
		console.error('first error: ' + firstError);
	users.forEach((user) => user.agent.destroy());
});
