// Drives the page in a real browser and checks what a person and a developer see.
//
//   node journey.mjs [PASS=]URL…      PASS is a name in PASSES below; desktop is the default
//
// Each pass wants a server of its own with an empty store: one user may be sent only so many messages. run.sh starts each
// with the policy it wants. It prints a line a check, and exits with 1 if any of them failed. With a directory in SHOTS it
// leaves a picture of every state there, and with COLOUR=light or COLOUR=dark all are of that kind.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { about } from './passes/about.mjs';
import { address } from './passes/address.mjs';
import { addresses } from './passes/addresses.mjs';
import { app } from './passes/app.mjs';
import { desktop } from './passes/desktop.mjs';
import { devices } from './passes/devices.mjs';
import { four } from './passes/four.mjs';
import { keyboard } from './passes/keyboard.mjs';
import { limits, locked, messages } from './passes/limits.mjs';
import { long } from './passes/long.mjs';
import { names } from './passes/names.mjs';
import { pasting } from './passes/pasting.mjs';
import { phone } from './passes/phone.mjs';
import { recoveryCodes } from './passes/recovery_codes.mjs';
import { reload } from './passes/reload.mjs';
import { replaced } from './passes/replaced.mjs';
import { strict } from './passes/strict.mjs';
import { trouble } from './passes/trouble.mjs';
import { PATIENCE, Visitor, check, count } from './visitor.mjs';

const BROWSER = process.env.CHROMIUM || '/usr/bin/chromium';
const ARGUMENTS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

const DESK = { width: 1280, height: 900 };
const TABLET = { width: 768, height: 1024 };
const PHONE = { width: 360, height: 740 };

// `faults` says that the pass provokes failures, which the browser logs.
const PASSES = {
  desktop: { run: desktop, viewport: DESK, colorScheme: 'light' },
  phone: { run: phone, viewport: PHONE, colorScheme: 'dark', reducedMotion: 'reduce', hasTouch: true },
  keyboard: { run: keyboard, viewport: { width: 1024, height: 768 }, colorScheme: 'dark' },
  limits: { run: limits, viewport: TABLET, colorScheme: 'light' },
  locked: { run: locked, viewport: DESK, colorScheme: 'dark' },
  long: { run: long, viewport: PHONE, colorScheme: 'light' },
  messages: { run: messages, viewport: PHONE, colorScheme: 'dark' },
  replaced: { run: replaced, viewport: PHONE, colorScheme: 'light' },
  strict: { run: strict, viewport: TABLET, colorScheme: 'dark' },
  about: { run: about, viewport: DESK, colorScheme: 'dark', faults: true },
  pasting: { run: pasting, viewport: PHONE, colorScheme: 'light' },
  codes: { run: recoveryCodes, viewport: TABLET, colorScheme: 'dark' },
  reload: { run: reload, viewport: DESK, colorScheme: 'dark' },
  trouble: { run: trouble, viewport: PHONE, colorScheme: 'dark', faults: true },
  addresses: { run: addresses, viewport: TABLET, colorScheme: 'light' },
  names: { run: names, viewport: PHONE, colorScheme: 'dark' },
  address: { run: address, viewport: PHONE, colorScheme: 'light' },
  devices: { run: devices, viewport: TABLET, colorScheme: 'light' },
  app: { run: app, viewport: PHONE, colorScheme: 'dark' },
  four: { run: four, viewport: DESK, colorScheme: 'light' },
};

async function drive(pass, url) {
  const { run, faults, ...settings } = PASSES[pass];
  const profile = await mkdtemp(join(tmpdir(), 'countersign-browser-'));
  const context = await chromium.launchPersistentContext(profile, { executablePath: BROWSER, headless: true, args: ARGUMENTS, ...settings, ...(process.env.COLOUR && { colorScheme: process.env.COLOUR }), ...(process.env.WIDTH && { viewport: { width: Number(process.env.WIDTH), height: 800 } }) });
  context.setDefaultTimeout(PATIENCE);
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: new URL(url).origin });
  const page = context.pages()[0] || await context.newPage();
  const visitor = new Visitor(pass, url, page);
  // A browser logs each refused request as an error. Those are the point of some steps, so they are told apart by place.
  page.on('console', (message) => {
    const refused = /^Failed to load resource: the server responded with a status of 4\d\d/.test(message.text()) && /\/(oauth\/token|mfa\/(associate|challenge|authenticators|devices\/device_\w+)|signup|reset)$/.test(message.location().url);
    const provoked = faults && /^Failed to load resource: (net::ERR_|the server responded with a status of 50[03])/.test(message.text());
    if (['error', 'warning'].includes(message.type()) && !refused && !provoked) visitor.errors.push(message.text());
  });
  page.on('pageerror', (error) => visitor.errors.push(error.stack || error.message));
  page.on('request', (request) => { if (!request.url().startsWith(new URL(url).origin) && !/^(data|blob):/.test(request.url())) visitor.errors.push(`asked for ${request.url()}`); });
  await page.exposeFunction('reportViolation', (text) => visitor.violations.push(text));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => window.reportViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
  });
  try {
    await run(visitor);
  } catch (error) {
    check(pass, 'the journey goes on to its end', false, error.stack || error.message);
    await page.screenshot({ path: join(tmpdir(), `countersign-browser-${pass}.png`), fullPage: true }).catch(() => {});
    console.log(`     a picture of it: ${join(tmpdir(), `countersign-browser-${pass}.png`)}`);
  }
  check(pass, 'no console error', visitor.errors.length === 0, visitor.errors.join('; '));
  check(pass, 'no violation of the content security policy', visitor.violations.length === 0, visitor.violations.join('; '));
  await context.close();
  await rm(profile, { recursive: true, force: true, maxRetries: 5 });
}

const wanted = process.argv.slice(2).map((argument) => /^(?:([a-z]+)=)?(https?:\/\/.+)$/.exec(argument));
if (!wanted.length || wanted.some((match) => !match || (match[1] && !PASSES[match[1]]))) {
  console.error(`usage: node journey.mjs [PASS=]URL…, where PASS is one of ${Object.keys(PASSES).join(', ')}`);
  process.exit(2);
}
for (const [, pass = 'desktop', url] of wanted) await drive(pass, url);
console.log(`\n${count.passed} passed, ${count.failed} failed`);
process.exit(count.failed ? 1 : 0);
