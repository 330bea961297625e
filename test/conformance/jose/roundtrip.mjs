// Keys and tokens go between the library and npm's jose, both ways, for every
// algorithm.
//
//   JOSE_NPM   folder of the npm package jose, where node does not find it by
//              itself
import { webcrypto } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { createRequire } from 'node:module';
import { call, check, finish } from './driver.mjs';

// Before version 20, node does not have it as a global.
globalThis.crypto ??= webcrypto;

const require = createRequire(import.meta.url);
const jose = await import(pathToFileURL(require.resolve(process.env.JOSE_NPM ?? 'jose')));

const algorithms = [
  'HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512',
  'ES256', 'ES384', 'ES512', 'EdDSA',
];
const rounds = 8;
const encode = (bytes) => Buffer.from(bytes).toString('base64url');

function publicPart(jwk) {
  if (jwk.kty === 'oct') {
    return jwk;
  }
  const { d, p, q, dp, dq, qi, ...rest } = jwk;
  return rest;
}

async function theirs(alg) {
  if (alg.startsWith('HS')) {
    return { ...(await jose.exportJWK(await jose.generateSecret(alg, { extractable: true }))), alg };
  }
  const { privateKey } = await jose.generateKeyPair(alg, { extractable: true, modulusLength: 2048 });
  return { ...(await jose.exportJWK(privateKey)), alg };
}

async function ours(alg) {
  const { jwk } = await call('generate', { alg });
  check(jwk.kid === (await jose.calculateJwkThumbprint(jwk)), `${alg}: kid is not the thumbprint`);
  return jwk;
}

// Every length of payload modulo 3, and bytes that are not UTF-8.
const payloads = [];
for (let i = 0; i < rounds; i++) {
  payloads.push(Uint8Array.from({ length: i * 37 }, (_, k) => (k * 151 + i * 83) & 255));
}

for (const alg of algorithms) {
  for (const [maker, jwk] of [['theirs', await theirs(alg)], ['ours', await ours(alg)]]) {
    const name = `${alg}, key ${maker}`;
    const pub = publicPart(jwk);
    const theirPrivate = await jose.importJWK(jwk, alg);
    const theirPublic = await jose.importJWK(pub, alg);
    const thumbprint = await call('thumbprint', { jwk: pub });
    check(thumbprint.thumbprint === (await jose.calculateJwkThumbprint(pub)), `${name}: thumbprints differ`);
    const valid = await call('validate', { jwk });
    check(valid.code === 'JOSE_OK', `${name}: ${valid.code}`);

    for (const [i, payload] of payloads.entries()) {
      const header = i % 2 ? { alg, typ: 'JWT', kid: `kid "${i}" \u00e9\u{1f600}` } : { alg };
      const token = await new jose.CompactSign(payload).setProtectedHeader(header).sign(theirPrivate);
      const read = await call('verify', { jwk: pub, token, typ: header.typ });
      check(read.code === 'JOSE_OK' && read.payload === encode(payload) &&
        read.typ === header.typ && read.kid === header.kid, `${name}, payload ${i}: theirs: ${read.code} ${read.message}`);

      const signed = await call('sign', { jwk, payload: encode(payload), typ: header.typ, kid: header.kid });
      try {
        const back = await jose.compactVerify(signed.token, theirPublic, { algorithms: [alg] });
        check(encode(back.payload) === encode(payload) && back.protectedHeader.typ === header.typ &&
          back.protectedHeader.kid === (header.kid ?? jwk.kid), `${name}, payload ${i}: ours is read as another`);
      } catch (error) {
        check(false, `${name}, payload ${i}: ours: ${error}`);
      }

      // one character of each segment changed: neither takes it
      for (const position of [3, token.indexOf('.') + 1, token.lastIndexOf('.') + 5]) {
        const c = token[position];
        const changed = token.slice(0, position) + (c === 'A' ? 'B' : 'A') + token.slice(position + 1);
        const bad = await call('verify', { jwk: pub, token: changed });
        check(bad.code !== 'JOSE_OK', `${name}: changed at ${position}, accepted`);
      }
    }
  }
}

// Both decide alike about claims, at every edge.
const now = 1700000000;
const { jwk } = await call('generate', { alg: 'EdDSA' });
const secret = await jose.importJWK(jwk, 'EdDSA');
const verifier = await jose.importJWK(publicPart(jwk), 'EdDSA');
const sets = [{}];
for (const delta of [-61, -60, -59, -1, 0, 1, 59, 60, 61]) {
  sets.push({ exp: now + delta }, { nbf: now + delta }, { iat: now + delta });
}
for (const aud of ['api', 'other', ['api'], ['x', 'api'], ['x'], [], '', 7, ['api', 7], null, { a: 1 }]) {
  sets.push({ aud });
}
for (const iss of ['me', 'you', '', 7, null, ['me']]) {
  sets.push({ iss });
}
for (const sub of ['alice', 'bob', 'Alice', 'alice ']) {
  sets.push({ sub });
}
for (const exp of ['1800000000', null, true, [now + 5], {}]) {
  sets.push({ exp }, { nbf: exp }, { iat: exp });
}
const expectations = [
  { any_audience: true },
  { any_audience: true, leeway: 60 },
  { audience: 'api' },
  { audience: ['z', 'api'], leeway: 60 },
  { any_audience: true, issuer: 'me' },
  { any_audience: true, subject: 'alice' },
  { any_audience: true, required: ['exp'] },
  { any_audience: true, max_age: 60 },
  { any_audience: true, max_age: 60, leeway: 1 },
];
const codes = {
  ERR_JWT_EXPIRED: ['JOSE_ERR_EXPIRED'],
  ERR_JWT_CLAIM_VALIDATION_FAILED: ['JOSE_ERR_MISSING_CLAIM', 'JOSE_ERR_ISSUER', 'JOSE_ERR_AUDIENCE',
    'JOSE_ERR_SUBJECT', 'JOSE_ERR_NOT_YET_VALID', 'JOSE_ERR_MALFORMED'],
  ERR_JWT_INVALID: ['JOSE_ERR_MALFORMED'],
};
for (const claims of sets) {
  const text = JSON.stringify(claims);
  const token = await new jose.CompactSign(Buffer.from(text)).setProtectedHeader({ alg: 'EdDSA' }).sign(secret);
  for (const want of expectations) {
    let theirs = null;
    try {
      await jose.jwtVerify(token, verifier, {
        audience: want.audience, issuer: want.issuer, subject: want.subject, clockTolerance: want.leeway,
        requiredClaims: want.required, maxTokenAge: want.max_age, currentDate: new Date(now * 1000),
      });
    } catch (error) {
      theirs = error.code;
    }
    const answer = await call('claims', { ...want, payload: encode(text), now });
    // they look at the types only of what they compare
    const stricter = theirs === null && answer.code === 'JOSE_ERR_MALFORMED';
    check(stricter || (theirs === null ? answer.code === 'JOSE_OK' : codes[theirs]?.includes(answer.code)),
      `${text} ${JSON.stringify(want)}: ${answer.code}, theirs ${theirs}`);
  }
}
finish();
