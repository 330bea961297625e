// The examples of RFC 7515, 7517, 7520, 7638 and 8037 (rfc.json).
//
// A key is read, written and read again, and has the thumbprint of the text;
// a token verifies with its key, and where the algorithm has no chance in it,
// signing gives the same token.  Examples that the library refuses by design
// have the code of the refusal.
import { readFileSync } from 'node:fs';
import { call, check, finish } from './driver.mjs';

const { keys, tokens } = JSON.parse(readFileSync(new URL('rfc.json', import.meta.url), 'utf8'));
const secrets = ['d', 'p', 'q', 'dp', 'dq', 'qi'];

function sameMembers(name, got, want, members) {
  for (const member of members) {
    check(got?.[member] === want[member], `${name}: "${member}" is ${got?.[member]}, expected ${want[member]}`);
  }
}

for (const [name, key] of Object.entries(keys)) {
  const { jwk } = key;
  const answer = await call('key', { jwk, alg: key.alg });
  if (!check(answer.code === (key.code ?? 'JOSE_OK'), `${name}: ${answer.code}: ${answer.message}`) || key.code) {
    continue;
  }
  check(answer.private === key.private, `${name}: private is ${answer.private}`);
  check(answer.alg === key.alg, `${name}: alg is ${answer.alg}`);
  check(answer.kid === (jwk.kid ?? null), `${name}: kid is ${answer.kid}`);
  const valid = await call('validate', { jwk, alg: key.alg });
  check(valid.code === 'JOSE_OK', `${name}: ${valid.code}: ${valid.message}`);

  const thumbprint = await call('thumbprint', { jwk, alg: key.alg });
  check(thumbprint.code === 'JOSE_OK', `${name}: ${thumbprint.code}`);
  if (key.thumbprint) {
    check(thumbprint.thumbprint === key.thumbprint, `${name}: thumbprint is ${thumbprint.thumbprint}`);
  }

  const parts = Object.keys(jwk).filter((member) => !['alg', 'use', 'kid'].includes(member));
  if (key.private) {
    const written = await call('export', { jwk, alg: key.alg, part: 'private' });
    sameMembers(name, written.jwk, jwk, parts);
    const again = await call('export', { jwk: written.jwk, part: 'private' });
    check(JSON.stringify(again.jwk) === JSON.stringify(written.jwk), `${name}: does not come back the same`);
  }
  const written = await call('export', { jwk, alg: key.alg, part: 'public' });
  if (jwk.kty === 'oct') {
    check(written.code === 'JOSE_ERR_ARGUMENT', `${name}: a secret is written as a public key`);
  } else {
    sameMembers(name, written.jwk, jwk, parts.filter((member) => !secrets.includes(member)));
    for (const member of secrets) {
      check(written.jwk[member] === undefined, `${name}: "${member}" is in the public key`);
    }
  }
}

for (const example of tokens) {
  const { name, token, payload } = example;
  const { jwk, alg } = keys[example.key];
  const answer = await call('verify', { jwk, alg, token });
  if (!check(answer.code === (example.code ?? 'JOSE_OK'), `${name}: ${answer.code}: ${answer.message}`) || example.code) {
    continue;
  }
  check(answer.payload === payload, `${name}: the payload is ${answer.payload}`);
  check(answer.kid === example.kid, `${name}: kid is ${answer.kid}`);
  if (example.reproducible) {
    const signed = await call('sign', { jwk, alg, payload, kid: example.kid });
    check(signed.token === token, `${name}: signing gives ${signed.token}`);
  }
}
finish();
