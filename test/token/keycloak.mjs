// Keys and tokens as Keycloak makes them: an RS256 key to sign, an RSA-OAEP key
// that is of no use here, tokens with all the claims of its access tokens.
//
//   node keycloak.mjs FOLDER ISSUER
//
// Writes keycloak.jwks and NAME.token.  Uses nothing but node.
import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'

const [folder, issuer] = process.argv.slice(2)
mkdirSync(folder, { recursive: true })

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const encryption = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
const kid = 'FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE'
const now = Math.floor(Date.now() / 1000)

writeFileSync(`${folder}/keycloak.jwks`, JSON.stringify({
  keys: [
    { kid: 'oaep', ...encryption.export({ format: 'jwk' }), alg: 'RSA-OAEP', use: 'enc', x5c: ['MIICmzCCAYMCBgF4HR7HNDANBgkqhkiG9w0BAQsFADARMQ8wDQYDVQQDDAZtYXN0ZXI='], x5t: 'x', 'x5t#S256': 'x' },
    { kid, ...publicKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', x5c: ['MIICmzCCAYMCBgF4HR7HNDANBgkqhkiG9w0BAQsFADARMQ8wDQYDVQQDDAZtYXN0ZXI='], x5t: 'x', 'x5t#S256': 'x' }
  ]
}))

function token (name, claims, header = {}) {
  const sub = randomUUID()
  const input = base64url({ alg: 'RS256', typ: 'JWT', kid, ...header }) + '.' + base64url({
    exp: now + 300,
    iat: now,
    jti: randomUUID(),
    iss: issuer,
    aud: ['api', 'account'],
    sub,
    typ: 'Bearer',
    azp: 'web',
    session_state: randomUUID(),
    acr: '1',
    'allowed-origins': ['https://app.example.com'],
    realm_access: { roles: ['default-roles-demo', 'offline_access', 'uma_authorization'] },
    resource_access: { account: { roles: ['manage-account', 'view-profile'] } },
    scope: 'openid email profile',
    sid: randomUUID(),
    email_verified: true,
    name: 'Alice Marino',
    preferred_username: 'alice',
    given_name: 'Alice',
    family_name: 'Marino',
    email: 'alice@example.com',
    role: 'authz_user',
    ...claims
  })
  writeFileSync(`${folder}/${name}.token`, input + '.' + createSign('sha256').update(input).sign(privateKey, 'base64url'))
  writeFileSync(`${folder}/${name}.sub`, claims.sub ?? sub)
}

token('alice', {})
token('bob', {})
token('role', { role: 'authz_delegate' })
token('audience', { aud: 'account' })
token('expired', { exp: now - 10 })
// In the name of others.
token('ours', { iss: 'https://auth.example.com', sub: 'alice' })
token('keycloak', { iss: 'https://keycloak.example.com/realms/demo' })
token('ours_kid', { iss: 'https://auth.example.com', sub: 'alice' }, { kid: process.env.OUR_KID ?? 'x' })
