// Runs Wycheproof's JsonWebSignature cases through the library.
//
//   node wycheproof.mjs FILE
//
// A case is a key and a token; "valid" means that the key verifies it.  The
// key is the public one, where there is one.
import { readFileSync } from 'node:fs';
import { call, check, finish } from './driver.mjs';

// Labels that contradict the suite itself, and what is right instead.
const contradictions = {
  346: ['refused', 'the key says PS256, the token PS384: the suite calls that invalid in 331-340'],
  347: ['refused', 'the key says ES521, which is no algorithm of RFC 7518'],
  350: ['refused', 'as 346'],
  351: ['refused', 'as 347'],
  367: ['accepted', 'byte for byte the token of 357, which is labelled valid'],
  370: ['accepted', 'byte for byte the token of 357, which is labelled valid'],
  372: ['refused', 'a character outside of base64url, which 361-366 and 371 call invalid'],
  373: ['refused', 'a character outside of base64url, which 361-366 and 371 call invalid'],
};

// A refusal is for one of these reasons; that the key is not taken is one only
// where the case is about the key.
const refusals = new Set(['JOSE_ERR_MALFORMED', 'JOSE_ERR_ALGORITHM', 'JOSE_ERR_KEY_MISMATCH',
  'JOSE_ERR_SIGNATURE']);
const keyRefusals = {
  347: 'JOSE_ERR_KEY_UNSUPPORTED', 351: 'JOSE_ERR_KEY_UNSUPPORTED',
  353: 'JOSE_ERR_KEY_USE', 354: 'JOSE_ERR_KEY_USE', 355: 'JOSE_ERR_KEY_USE', 356: 'JOSE_ERR_KEY_USE',
};

const suite = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const tokens = new Map();
const codes = new Map();
let cases = 0;

for (const group of suite.testGroups) {
  const jwk = group.public ?? group.private;
  for (const test of group.tests) {
    const token = typeof test.jws === 'string' ? test.jws : JSON.stringify(test.jws);
    const answer = await call('verify', { jwk, token });
    const got = answer.code === 'JOSE_OK' ? 'accepted' : 'refused';
    const labelled = test.result === 'valid' ? 'accepted' : 'refused';
    const [want, reason] = contradictions[test.tcId] ?? [labelled];

    cases++;
    tokens.set(test.tcId, JSON.stringify([jwk, token]));
    codes.set(answer.code, (codes.get(answer.code) ?? 0) + 1);
    const reasonable = got === 'accepted' ||
      (keyRefusals[test.tcId] ? answer.code === keyRefusals[test.tcId] : refusals.has(answer.code));
    check(got === want && reasonable, `${test.tcId} (${test.comment}): ${got} (${answer.code}), expected ${want}`);
    if (reason) {
      check(want !== labelled, `${test.tcId}: the label is right now, strike it from the list`);
      console.log(`not as labelled: ${test.tcId} ${want}: ${reason}`);
    }
  }
}
check(cases === suite.numberOfTests, `${cases} cases of ${suite.numberOfTests}`);
for (const id of [367, 370]) {
  check(tokens.get(id) === tokens.get(357), `${id} is not the token of 357 any more`);
}
console.log([...codes].sort().map(([code, n]) => `${n} ${code}`).join(', '));
finish();
