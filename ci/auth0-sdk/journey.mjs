// The whole journey with an unmodified Auth0 SDK. It insists on https, so its fetch is told where the issuer really is.
// Usage: node journey.mjs ISSUER SERVER, such as https://countersign.test/ http://127.0.0.1:8080/

import assert from 'node:assert/strict';
import { AuthClient, isMfaRequiredError } from '@auth0/auth0-auth-js';
import { codeOf, wrongOtp } from './otp.mjs';

const [issuer, server] = process.argv.slice(2);
const username = 'user@example.com';
const byApp = 'app@example.com';
const password = 'correct horse battery staple';
const audience = `${issuer}mfa/`;

const client = new AuthClient({
  domain: new URL(issuer).host,
  clientId: 'demo',
  clientSecret: 'demo-secret',
  customFetch: (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    assert.ok(url.startsWith(issuer), url);
    const there = server + url.slice(issuer.length);
    return input instanceof Request ? fetch(new Request(there, input)) : fetch(there, init);
  },
});

async function mailbox() {
  const mail = await (await fetch(`${server}mailbox`)).json();
  return mail.map(({ text }) => text.match(/^ +(\d{6,9})$/m)?.[1]).filter(Boolean);
}

let seen = 0;
async function code() {
  for (const until = Date.now() + 10_000; Date.now() < until; await new Promise((done) => setTimeout(done, 20))) {
    const codes = await mailbox();
    if (codes.length > seen) {
      seen = codes.length;
      return codes[0];
    }
  }
  throw new Error('no mail');
}

async function refused(promise, error, description) {
  const thrown = await promise.then(() => assert.fail('it was not refused'), (thrown) => thrown);
  assert.equal(thrown.cause?.error, error, thrown.message);
  assert.equal(thrown.cause?.error_description, description);
}

async function signIn(username = 'user@example.com') {
  const scope = 'openid email enroll read:authenticators remove:authenticators';
  const thrown = await client.getTokenByPassword({ username, password, scope }).then(
    () => assert.fail('a password is not enough'),
    (thrown) => thrown,
  );
  assert.ok(isMfaRequiredError(thrown), thrown.message);
  return thrown.cause;
}

const wrong = (code) => String((Number(code) + 1) % 10 ** code.length).padStart(code.length, '0');

// Enrol.
let { mfa_token: mfaToken, mfa_requirements: requirements } = await signIn();
assert.deepEqual(requirements, { enroll: [{ type: 'email' }, { type: 'otp' }] });
const enrolled = await client.mfa.enrollAuthenticator({
  authenticatorTypes: ['oob'], oobChannels: ['email'], email: username, mfaToken,
});
assert.equal(enrolled.oobChannel, 'email');
assert.equal(enrolled.bindingMethod, 'prompt');
assert.equal(enrolled.recoveryCodes.length, 1);
const confirmation = await code();
await refused(
  client.mfa.verify({ factorType: 'oob', mfaToken, oobCode: enrolled.oobCode, bindingCode: wrong(confirmation) }),
  'invalid_grant', 'Invalid binding_code.',
);
let tokens = await client.mfa.verify({
  factorType: 'oob', mfaToken, oobCode: enrolled.oobCode, bindingCode: confirmation,
});
assert.equal(tokens.claims.email, username);
assert.equal(tokens.claims.iss, issuer);
await refused(
  client.mfa.verify({ factorType: 'oob', mfaToken, oobCode: enrolled.oobCode, bindingCode: confirmation }),
  'expired_token', 'oob_code is expired',
);

// Sign in with a code.
({ mfa_token: mfaToken, mfa_requirements: requirements } = await signIn());
assert.deepEqual(requirements, { challenge: [{ type: 'email' }, { type: 'recovery-code' }] });
await refused(
  client.mfa.enrollAuthenticator({ authenticatorTypes: ['oob'], oobChannels: ['email'], mfaToken }),
  'access_denied', 'User is already enrolled.',
);
let list = await client.mfa.listAuthenticators({ mfaToken });
assert.equal(list.length, 2);
const email = list.find(({ authenticatorType }) => authenticatorType === 'oob');
assert.equal(email.active, true);
assert.deepEqual(email.oobChannels, ['email']);
assert.equal(email.name, '****@exam*******');
let challenge = await client.mfa.challengeAuthenticator({ challengeType: 'oob', authenticatorId: email.id, mfaToken });
assert.equal(challenge.bindingMethod, 'prompt');
tokens = await client.mfa.verify({
  factorType: 'oob', mfaToken, oobCode: challenge.oobCode, bindingCode: await code(),
});
assert.ok(tokens.accessToken && tokens.idToken);
await refused(
  client.mfa.challengeAuthenticator({ challengeType: 'oob', mfaToken }), 'expired_token', 'mfa_token is expired',
);

// Sign in with the recovery code, and get the one that takes its place.
({ mfa_token: mfaToken } = await signIn());
await refused(
  client.mfa.verify({ factorType: 'recovery-code', mfaToken, recoveryCode: '23456789ABCDEFGHJKLMNPQR' }),
  'invalid_grant', 'MFA Authorization rejected.',
);
tokens = await client.mfa.verify({
  factorType: 'recovery-code', mfaToken, recoveryCode: enrolled.recoveryCodes[0],
});
assert.ok(tokens.accessToken);

// With a token for the MFA audience: add another address, and remove the first.
({ mfa_token: mfaToken } = await signIn());
challenge = await client.mfa.challengeAuthenticator({ challengeType: 'oob', mfaToken });
tokens = await client.mfa.verify({
  factorType: 'oob', mfaToken, oobCode: challenge.oobCode, bindingCode: await code(), audience,
});
const elevated = tokens.accessToken;
await refused(
  client.mfa.challengeAuthenticator({ challengeType: 'oob', mfaToken: elevated }), 'invalid_grant', 'Malformed mfa_token',
);
const second = await client.mfa.enrollAuthenticator({
  authenticatorTypes: ['oob'], oobChannels: ['email'], email: 'second@example.com', mfaToken: elevated,
});
assert.equal(second.recoveryCodes, undefined);
tokens = await client.mfa.verify({
  factorType: 'oob', mfaToken: elevated, oobCode: second.oobCode, bindingCode: await code(),
});
assert.equal(tokens.accessToken, elevated);
await client.mfa.deleteAuthenticator({ authenticatorId: email.id, mfaToken: elevated });
list = await client.mfa.listAuthenticators({ mfaToken: elevated });
assert.deepEqual(list.filter(({ type }) => type === 'email').map(({ name }) => name), ['seco**@exam*******']);
await refused(
  client.mfa.deleteAuthenticator({ authenticatorId: email.id, mfaToken: elevated }),
  'invalid_authenticator', 'The authenticator was not found.',
);
await refused(
  client.mfa.listAuthenticators({ mfaToken: 'x' }),
  'invalid_grant', 'The mfa_token provided is invalid. Try getting a new token.',
);

// Another user enrolls an app, by what the QR code holds.
({ mfa_token: mfaToken } = await signIn(byApp));
const app = await client.mfa.enrollAuthenticator({ authenticatorTypes: ['otp'], mfaToken });
assert.equal(app.authenticatorType, 'otp');
const uri = new URL(app.barcodeUri);
assert.equal(`${uri.protocol}//${uri.host}`, 'otpauth://totp');
assert.ok(decodeURIComponent(uri.pathname).endsWith(`:${byApp}`), app.barcodeUri);
const key = uri.searchParams.get('secret');
assert.equal(key, app.secret);
assert.equal(app.recoveryCodes.length, 1);
await refused(
  client.mfa.verify({ factorType: 'otp', mfaToken, otp: wrongOtp(key) }), 'invalid_grant', 'Invalid otp_code.',
);
const confirming = codeOf(key);
tokens = await client.mfa.verify({ factorType: 'otp', mfaToken, otp: confirming });
assert.equal(tokens.claims.email, byApp);

// Sign in by the app: nothing is sent, and a code is taken once.
({ mfa_token: mfaToken, mfa_requirements: requirements } = await signIn(byApp));
assert.deepEqual(requirements, { challenge: [{ type: 'recovery-code' }, { type: 'otp' }] });
list = await client.mfa.listAuthenticators({ mfaToken });
const { id, active } = list.find(({ authenticatorType }) => authenticatorType === 'otp');
assert.equal(active, true);
const before = (await mailbox()).length;
challenge = await client.mfa.challengeAuthenticator({ challengeType: 'otp', authenticatorId: id, mfaToken });
assert.equal(challenge.challengeType, 'otp');
assert.equal(challenge.oobCode, undefined);
await refused(
  client.mfa.verify({ factorType: 'otp', mfaToken, otp: confirming }), 'invalid_grant', 'Invalid otp_code.',
);
// The next step's code: the policy takes it, so that nobody has to wait.
const next = codeOf(key, 1);
tokens = await client.mfa.verify({ factorType: 'otp', mfaToken, otp: next });
assert.ok(tokens.accessToken && tokens.idToken);
({ mfa_token: mfaToken } = await signIn(byApp));
await refused(
  client.mfa.verify({ factorType: 'otp', mfaToken, otp: next }), 'invalid_grant', 'Invalid otp_code.',
);
assert.equal((await mailbox()).length, before, 'no code is sent');
tokens = await client.mfa.verify({ factorType: 'recovery-code', mfaToken, recoveryCode: app.recoveryCodes[0] });
assert.ok(tokens.accessToken);
console.log('The SDK did the whole journey.');
