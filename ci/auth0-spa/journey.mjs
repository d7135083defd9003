// The journey with an unmodified @auth0/auth0-spa-js in Chromium, on a page of another origin than the server's.
//
// The SDK's own first factor is a redirect to a login page, which this server does not have. So the page sends the password
// by a plain fetch and hands the `mfa_required` to the SDK with `mfa.setMFAAuthDetails`, as the SDK itself does with one that
// it meets. All else is the SDK: `mfa.getEnrollmentFactors`, `enroll`, `getAuthenticators`, `challenge` and `verify`, and
// `getUser` of the id_token that it checked and kept.
//
// The SDK insists on https, so a proxy with a certificate of its own stands in front, which Chromium is told to accept.
//
// Usage: node journey.mjs http://127.0.0.1:PORT/ KEY.pem CERTIFICATE.pem

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { chromium } from 'playwright-core';
import { codeOf } from './otp.mjs';

const [server, key, certificate] = process.argv.slice(2);
const tls = { key: readFileSync(key), cert: readFileSync(certificate) };
const sdk = readFileSync(new URL('node_modules/@auth0/auth0-spa-js/dist/auth0-spa-js.production.js', import.meta.url));
const target = new URL(server);

const proxy = https.createServer(tls, (request, reply) => {
  const { method, url: path, headers } = request;
  const passed = http.request({ host: target.hostname, port: target.port, method, path, headers }, (answer) => {
    reply.writeHead(answer.statusCode, answer.headers);
    answer.pipe(reply);
  });
  passed.on('error', () => reply.destroy());
  request.pipe(passed);
});
const pages = https.createServer(tls, ({ url }, reply) => {
  const script = url === '/sdk.js';
  reply.writeHead(200, { 'content-type': script ? 'text/javascript' : 'text/html' });
  reply.end(script ? sdk : '<!doctype html><title>app</title><script src="/sdk.js"></script>');
});
const port = (listener) => new Promise((done) => listener.listen(0, '127.0.0.1', () => done(listener.address().port)));
const [proxyPort, pagesPort] = [await port(proxy), await port(pages)];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--ignore-certificate-errors',
    `--host-resolver-rules=MAP mfa.test:443 127.0.0.1:${proxyPort}, MAP app.test:443 127.0.0.1:${pagesPort}, ` +
      `MAP other.test:443 127.0.0.1:${pagesPort}`,
  ],
});

let seen = 0;
async function code() {
  for (const until = Date.now() + 15_000; Date.now() < until; await new Promise((done) => setTimeout(done, 50))) {
    const mail = await (await fetch(`${server}mailbox`)).json();
    const codes = mail.map(({ text }) => text.match(/^ *(\d{6,9})$/m)?.[1]).filter(Boolean);
    if (codes.length > seen) {
      seen = codes.length;
      return codes[0];
    }
  }
  throw new Error('no mail');
}
const wrong = (right) => String((Number(right) + 1) % 10 ** right.length).padStart(right.length, '0');

async function open(origin) {
  const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
  page.on('console', (message) => { if (message.type() === 'error') console.error(`${origin}: ${message.text()}`); });
  await page.goto(`${origin}/`);
  await page.evaluate(() => {
    const scope = 'openid profile email';
    window.client = new auth0.Auth0Client({ domain: 'mfa.test', clientId: 'spa', authorizationParams: { scope } });
    window.signIn = async (username = 'user@example.com') => {
      const reply = await fetch('https://mfa.test/oauth/token', {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'password', client_id: 'spa', scope,
          username, password: 'correct horse battery staple',
        }),
      });
      const { error, mfa_token: mfaToken, mfa_requirements: requirements } = await reply.json();
      if (error !== 'mfa_required') throw new Error(error);
      client.mfa.setMFAAuthDetails(mfaToken, scope, undefined, requirements);
      return mfaToken;
    };
    // What the SDK throws, as it can cross over to the test.
    window.tried = async (work) => {
      try {
        return await work();
      } catch (thrown) {
        return { name: thrown.name, error: thrown.error, description: thrown.error_description };
      }
    };
  });
  return page;
}

let failed = true;
try {
  const page = await open('https://app.test');

  // Enrol.
  let mfaToken = await page.evaluate(() => signIn());
  assert.deepEqual(await page.evaluate((t) => client.mfa.getEnrollmentFactors(t), mfaToken), [{ type: 'email' }, { type: 'otp' }]);
  const enrolled = await page.evaluate(
    (t) => client.mfa.enroll({ mfaToken: t, factorType: 'email', email: 'user@example.com' }), mfaToken,
  );
  assert.equal(enrolled.oobChannel, 'email');
  assert.equal(enrolled.recoveryCodes.length > 0, true);
  const verify = (answer) => page.evaluate((a) => tried(() => client.mfa.verify(a)), { mfaToken, ...answer });
  let tokens = await verify({ oobCode: enrolled.oobCode, bindingCode: await code() });
  assert.ok(tokens.access_token && tokens.id_token, JSON.stringify(tokens));
  const user = await page.evaluate(() => client.getUser());
  assert.equal(user?.email, 'user@example.com');

  // Sign in with a code, after a wrong one whose error the SDK must be able to read across the origins.
  mfaToken = await page.evaluate(() => signIn());
  const list = await page.evaluate((t) => client.mfa.getAuthenticators(t), mfaToken);
  const email = list.find(({ type }) => type === 'email');
  assert.equal(email?.active, true, JSON.stringify(list));
  const challenge = await page.evaluate(
    ([t, id]) => client.mfa.challenge({ mfaToken: t, challengeType: 'oob', authenticatorId: id }), [mfaToken, email.id],
  );
  const right = await code();
  const refused = await verify({ oobCode: challenge.oobCode, bindingCode: wrong(right) });
  assert.equal(refused.error, 'invalid_grant', JSON.stringify(refused));
  tokens = await verify({ oobCode: challenge.oobCode, bindingCode: right });
  assert.ok(tokens.access_token && tokens.id_token, JSON.stringify(tokens));

  // Sign in with a recovery code.
  mfaToken = await page.evaluate(() => signIn());
  tokens = await verify({ recoveryCode: enrolled.recoveryCodes[0] });
  assert.ok(tokens.access_token, JSON.stringify(tokens));

  // Another user enrolls an app, and signs in by it.
  mfaToken = await page.evaluate(() => signIn('app@example.com'));
  const app = await page.evaluate((t) => client.mfa.enroll({ mfaToken: t, factorType: 'otp' }), mfaToken);
  assert.equal(new URL(app.barcodeUri).searchParams.get('secret'), app.secret);
  assert.equal(app.recoveryCodes.length > 0, true);
  const confirming = codeOf(app.secret);
  tokens = await verify({ otp: confirming });
  assert.ok(tokens.access_token && tokens.id_token, JSON.stringify(tokens));
  assert.equal((await page.evaluate(() => client.getUser()))?.email, 'app@example.com');
  mfaToken = await page.evaluate(() => signIn('app@example.com'));
  const apps = await page.evaluate((t) => client.mfa.getAuthenticators(t), mfaToken);
  assert.equal(apps.some(({ type, active }) => type === 'otp' && active), true, JSON.stringify(apps));
  const again = await verify({ otp: confirming });
  assert.deepEqual([again.error, again.description], ['invalid_grant', 'Invalid otp_code.'], 'a code is taken once');
  tokens = await verify({ otp: codeOf(app.secret, 1) });
  assert.ok(tokens.access_token && tokens.id_token, JSON.stringify(tokens));

  // A bearer token that is none: the SDK reads the error, and a page the challenge.
  const bad = await page.evaluate(async () => {
    client.mfa.setMFAAuthDetails('x', 'openid');
    const thrown = await tried(() => client.mfa.getAuthenticators('x'));
    const reply = await fetch('https://mfa.test/mfa/authenticators', { headers: { authorization: 'Bearer x' } });
    return { thrown, status: reply.status, challenge: reply.headers.get('www-authenticate') };
  });
  assert.equal(bad.thrown.error, 'invalid_grant', JSON.stringify(bad));
  assert.equal(bad.status, 401);
  assert.match(bad.challenge, /error="invalid_token"/);

  // The control: the same page of an origin that no client registered gets nothing.
  const other = await open('https://other.test');
  const kept = await other.evaluate(() => tried(() => signIn()));
  assert.equal(kept.name, 'TypeError', JSON.stringify(kept));
  console.log('The SDK did the journey from another origin, and a page of no registered origin did not.');
  failed = false;
} finally {
  await browser.close();
  proxy.close();
  pages.close();
  if (failed) process.exitCode = 1;
}
