// Talks to the driver of the JOSE library (test/jose/driver.c), a line at a
// time, and counts checks.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const path = process.env.JOSE_DRIVER;
if (!path) {
  throw new Error('JOSE_DRIVER names the driver; test/conformance/jose/run sets it');
}
const child = spawn(path, [], { stdio: ['pipe', 'pipe', 'inherit'] });
const waiting = [];
createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()(JSON.parse(line)));
child.on('exit', (code, signal) => {
  if (waiting.length > 0) {
    console.log(`the driver ended with ${signal ?? code}`);
    process.exit(1);
  }
});

let passed = 0;
let failed = 0;

// The driver's answer; a broken promise of jose.h is a failed check.
export async function call(op, members) {
  const answer = await new Promise((resolve) => {
    waiting.push(resolve);
    child.stdin.write(JSON.stringify({ op, ...members }) + '\n');
  });
  if (answer.fault) {
    check(false, `${op}: ${answer.fault}: ${answer.message}`);
  }
  return answer;
}

export function check(ok, what) {
  if (ok) {
    passed++;
  } else {
    failed++;
    console.log(what);
  }
  return ok;
}

// The last line, as the scripts read it.
export function finish() {
  child.stdin.end();
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}
