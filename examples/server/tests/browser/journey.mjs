// Drives the page in a real browser through the whole journey and checks what a person and a developer see.
//
//   node journey.mjs [PASS=]URL…      PASS is desktop (the default), phone, keyboard, limits, replaced, strict or plain
//
// Each pass wants a server of its own with an empty store: one user may be sent only so many messages. `replaced` wants
// the policy auth0, `strict` the policy strict, and `plain` a server without demonstration data. It prints a line a check,
// and exits with 1 if any of them failed.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const PASSWORD = 'correct horse battery staple';
const USER = 'user@example.com';
const PATIENCE = 8_000;
const BROWSER = process.env.CHROMIUM || '/usr/bin/chromium';
const ARGUMENTS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

let passed = 0;
let failed = 0;

function check(pass, name, good, detail = '') {
  if (good) passed += 1;
  else failed += 1;
  console.log(`${good ? 'ok  ' : 'FAIL'} ${pass}: ${name}${good || !detail ? '' : ` (${detail})`}`);
}

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** What a page showed, with the hands of a person: `press`, `type`, `see`. One for each pass. */
class Visitor {
  constructor(pass, url, page) {
    Object.assign(this, { pass, url, page, errors: [], violations: [] });
  }

  check(name, good, detail) { check(this.pass, name, good, detail); }

  /** Checks that something becomes true. */
  async eventually(name, probe, patience = PATIENCE) {
    const end = Date.now() + patience;
    let last;
    do {
      last = await probe();
      if (last === true) return this.check(name, true);
      await sleep(60);
    } while (Date.now() < end);
    return this.check(name, false, `last seen: ${JSON.stringify(last)}`);
  }

  /** The text of an element, or null if it isn't shown. */
  text(selector) {
    return this.page.evaluate((wanted) => {
      const node = [...document.querySelectorAll(wanted)].find((each) => each.checkVisibility());
      return node ? node.textContent.trim() : null;
    }, selector);
  }

  async see(name, selector, pattern, patience) {
    await this.eventually(name, async () => {
      const text = await this.text(selector);
      return (text !== null && pattern.test(text)) || text;
    }, patience);
  }

  view(title) { return this.see(`the view “${title}” appears`, '#view-title', new RegExp(`^${title}$`)); }

  async focused(name, selector) {
    await this.eventually(name, () => this.page.evaluate((wanted) => document.activeElement?.matches(wanted) || document.activeElement?.outerHTML.slice(0, 80), selector));
  }

  press(label, scope = 'main') { return this.page.locator(scope).getByRole('button', { name: label }).first().click(); }

  /** Checks the state that is lit in one of the two machines, and the edge that led to it. */
  async machine(name, state, edge) {
    const lit = () => this.page.evaluate((id) => {
      const figure = document.getElementById(`${id}-machine`);
      const one = (selector, key) => [...figure.querySelectorAll(selector)].map((node) => node.dataset[key]).join();
      return { state: one('.node[data-lit]', 'state'), edge: one('.edge[data-taken]', 'edge'), told: figure.querySelector('title').textContent };
    }, name);
    await this.eventually(`the ${name} machine lights ${state}${edge ? ` by ${edge}` : ''}`, async () => {
      const seen = await lit();
      return (seen.state === state && (edge === undefined || seen.edge === edge) && seen.told.includes(state)) || seen;
    });
  }

  /** Checks that the newest step has these effects. */
  async step(command, effects, denial = '') {
    await this.eventually(`the log shows ${command}${denial ? `, refused: ${denial}` : ''}${effects.length ? ` with ${effects.join(', ')}` : ''}`, () => this.page.evaluate(([name, refusal, wanted]) => {
      const seen = [...document.querySelectorAll('#log .step')].slice(0, 3).map((step) => [step.dataset.command, step.dataset.denial, [...step.querySelectorAll('.effects .chip')].map((chip) => chip.textContent).join()]);
      return seen.some((step) => step[0] === name && step[1] === refusal && wanted.every((effect) => step[2].includes(effect))) || seen;
    }, [command, denial, effects]));
  }

  async mail() { return (await fetch(new URL('/mailbox', this.url))).json(); }

  /** The code of the newest message once there are `count` of them. */
  async code(count) {
    for (const end = Date.now() + PATIENCE; Date.now() < end; await sleep(60)) {
      const codes = (await this.mail()).map(({ text }) => /(?<!\d)\d{6,9}(?!\d)/.exec(text)?.[0]).filter(Boolean);
      if (codes.length >= count) return codes[0];
    }
    throw new Error(`message ${count} with a code did not arrive`);
  }

  /** Pastes as a person does, through the clipboard. */
  async paste(selector, text) {
    await this.page.evaluate((value) => navigator.clipboard.writeText(value), text);
    await this.page.locator(selector).focus();
    await this.page.keyboard.press('Control+V');
  }

  /** An error stands under its field, is part of its description, and the field has the focus. */
  async errorAt(field, pattern) {
    await this.see(`an error next to “${field}” says ${pattern}`, `#${field}-error`, pattern);
    const seen = await this.page.evaluate((id) => {
      const input = document.getElementById(id);
      const error = document.getElementById(`${id}-error`);
      const [a, b] = [input.getBoundingClientRect(), error.getBoundingClientRect()];
      return {
        described: (input.getAttribute('aria-describedby') || '').split(' ').includes(error.id),
        invalid: input.getAttribute('aria-invalid'), live: error.getAttribute('aria-live'),
        gap: b.top - a.bottom, focused: document.activeElement === input,
      };
    }, field);
    this.check(`the error belongs to “${field}”`, seen.described && seen.invalid === 'true' && seen.live === 'polite' && seen.focused, JSON.stringify(seen));
    this.check(`the error stands right under “${field}”`, seen.gap >= 0 && seen.gap < 24, `${seen.gap} px`);
  }

  /** What holds for every view: nothing sticks out, text can be read, buttons can be hit, everything has a name. */
  async sound(name) {
    await sleep(260); // colours fade
    const seen = await this.page.evaluate(audit);
    this.check(`${name}: no horizontal scroll`, seen.overflow <= 0, `${seen.overflow} px`);
    this.check(`${name}: contrast of at least 4.5`, seen.pale.length === 0, seen.pale.join('; '));
    this.check(`${name}: targets of at least 24 px`, seen.small.length === 0, seen.small.join('; '));
    this.check(`${name}: every control has a name`, seen.nameless.length === 0, seen.nameless.join('; '));
    this.check(`${name}: ids are unique and references hold`, seen.broken.length === 0, seen.broken.join('; '));
    this.check(`${name}: no inline style or handler`, seen.inline.length === 0, seen.inline.join('; '));
    if (process.env.SHOTS) await this.page.screenshot({ path: join(process.env.SHOTS, `${this.pass}-${name.replaceAll(' ', '-')}.png`), fullPage: true, caret: 'initial' });
  }
}

/** Runs in the page. */
function audit() {
  const shown = (node) => node.checkVisibility({ visibilityProperty: true }) && !node.closest('.visually-hidden, .skip');
  const label = (node) => `${node.tagName.toLowerCase()}${node.id ? `#${node.id}` : ''} “${node.textContent.trim().slice(0, 24)}”`;
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const luminance = ([r, g, b]) => [r, g, b].map((value) => value / 255).map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return rgba('Canvas');
  };
  const pale = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || ['SCRIPT', 'STYLE', 'NOSCRIPT', 'title'].includes(node.tagName) || !shown(node)) continue;
    if (node.closest('[aria-disabled="true"], :disabled')) continue; // exempt, WCAG 1.4.3
    const svg = node.closest('svg');
    const box = svg && node.closest('.node')?.querySelector('rect');
    const ink = luminance(rgba(getComputedStyle(node)[svg ? 'fill' : 'color']));
    const back = luminance(box ? rgba(getComputedStyle(box).fill) : ground(svg || node));
    const ratio = (Math.max(ink, back) + 0.05) / (Math.min(ink, back) + 0.05);
    if (ratio < 4.5) pale.push(`${label(node)} ${ratio.toFixed(2)}`);
  }
  const controls = [...document.querySelectorAll('button, input, summary')].filter(shown);
  const ids = [...document.querySelectorAll('[id]')].map((node) => node.id);
  const references = [...document.querySelectorAll('[aria-labelledby], [aria-describedby], [aria-controls], label[for]')]
    .flatMap((node) => ['aria-labelledby', 'aria-describedby', 'aria-controls', 'for'].flatMap((name) => (node.getAttribute(name) || '').split(' ').filter(Boolean)));
  return {
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    pale,
    small: controls.filter((node) => { const box = node.getBoundingClientRect(); return node.tagName !== 'SUMMARY' && (box.height < 24 || box.width < 24); }).map(label),
    nameless: controls.filter((node) => !(node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length)).map((node) => node.outerHTML.slice(0, 60)),
    broken: [...ids.filter((id, index) => ids.indexOf(id) !== index), ...references.filter((id) => !document.getElementById(id))],
    inline: [...document.querySelectorAll('*')].filter((node) => [...node.attributes].some(({ name }) => name.startsWith('on') || (name === 'style' && node.outerHTML.includes('style="')))).map(label),
  };
}

// ---- The passes -----------------------------------------------------------------------------------------------------

async function header(visitor) {
  const response = await fetch(visitor.url);
  const policy = response.headers.get('content-security-policy') || '';
  visitor.check('the policy forbids everything but what is named', /default-src 'none'/.test(policy), policy);
  visitor.check('the policy names script and style by hash', /script-src 'sha256-/.test(policy) && /style-src 'sha256-/.test(policy), policy);
  visitor.check('the policy has no unsafe source', !/unsafe-/.test(policy), policy);
  const html = await response.text();
  visitor.check('the page loads nothing from elsewhere', !/(?:src|href)\s*=\s*["']?(?:https?:)?\/\//i.test(html) && !/@import|url\(\s*[\x22\x27]?(?:https?:|\/\/)/i.test(html));
  visitor.check('the page has one script and one style', html.match(/<script\b/g).length === 1 && html.match(/<style\b/g).length === 1);
}

async function open(visitor) {
  await visitor.page.goto(visitor.url);
  await visitor.view('Sign in');
}

async function signIn(visitor) {
  await visitor.press('Continue');
}

async function enrol(visitor, messages = 0) {
  await signIn(visitor);
  await visitor.view('Protect your account');
  await visitor.press('Send the code');
  await visitor.view('Check your email');
  return visitor.code(messages + 1);
}

const wrongOf = (code) => String((Number(code) + 1) % 10 ** code.length).padStart(code.length, '0');

async function signOut(visitor) {
  await visitor.press('Sign out');
  await visitor.view('Sign in');
}

/** Everything, with a mouse, on a desk. */
async function desktop(visitor) {
  const { page } = visitor;
  await header(visitor);
  await open(visitor);
  await visitor.see('the mailbox is empty', '#mailbox', /No mail yet/);
  await visitor.see('the log is empty', '#log-empty', /Nothing happened yet/);
  await visitor.sound('sign in');

  await page.fill('#password', 'wrong');
  await signIn(visitor);
  await visitor.errorAt('password', /do not match/);
  await page.fill('#password', '');
  await signIn(visitor);
  await visitor.errorAt('password', /Enter your password/);
  await page.fill('#email', 'nobody');
  await signIn(visitor);
  await visitor.errorAt('email', /Enter the email address/);
  await page.fill('#email', USER);
  await page.fill('#password', PASSWORD);
  await page.getByRole('button', { name: 'Show password' }).click();
  visitor.check('the password can be shown', await page.getAttribute('#password', 'type') === 'text');
  await page.getByRole('button', { name: 'Hide password' }).click();

  await signIn(visitor);
  await visitor.view('Protect your account');
  await visitor.focused('the address has the focus', '#address');
  await visitor.sound('enrol');
  await page.fill('#address', 'nothing');
  await visitor.press('Send the code');
  await visitor.errorAt('address', /Enter an email address/);
  await page.fill('#address', USER);
  await visitor.press('Send the code');
  await visitor.view('Check your email');
  await visitor.focused('the code has the focus', '#code');
  const traits = await page.evaluate(() => ['autocomplete', 'inputmode'].map((name) => document.getElementById('code').getAttribute(name)).join());
  visitor.check('the code field asks for a one-time code and digits', traits === 'one-time-code,numeric', traits);
  await visitor.machine('challenge', 'pending', '');
  await visitor.machine('enrollment', 'unconfirmed', '');
  await visitor.step('associate', ['SendEmail']);
  const first = await visitor.code(1);
  await visitor.see('the mailbox shows the code', '#mailbox output', new RegExp(first));
  await visitor.see('the life of the code is counted down', 'form [role=timer]', /Expires in 4:\d\d/);
  await visitor.see('the wait for another is counted down', '#resend', /Send again in 0:\d\d/);
  const before = await visitor.text('#resend');
  await sleep(1_700);
  visitor.check('the countdown goes down', await visitor.text('#resend') < before, `${before} and ${await visitor.text('#resend')}`);
  await page.click('#resend', { force: true });
  await sleep(200);
  visitor.check('asking too early sends nothing', (await visitor.mail()).length === 1);

  await page.fill('#code', '12');
  await visitor.press('Confirm');
  await visitor.errorAt('code', /Enter all 6 digits/);
  await page.fill('#code', wrongOf(first));
  await visitor.press('Confirm');
  await visitor.errorAt('code', /not right/);
  await visitor.machine('challenge', 'pending', 'pending-pending');
  await visitor.step('verify_oob', [], 'invalid_binding_code');
  await visitor.sound('wrong code');
  await page.fill('#code', '');
  await page.keyboard.type('1a2 3');
  visitor.check('only digits are kept', await page.inputValue('#code') === '123', await page.inputValue('#code'));
  await page.fill('#code', '');
  await visitor.paste('#code', '123 456');
  visitor.check('a code pasted with a space arrives whole', await page.inputValue('#code') === '123456', await page.inputValue('#code'));
  await visitor.paste('#code', `${first.slice(0, 3)}-${first.slice(3)}\n`);
  visitor.check('a code pasted with a hyphen arrives whole', await page.inputValue('#code') === first, await page.inputValue('#code'));
  visitor.check('a change takes the error away', await visitor.text('#code-error') === null);
  await page.keyboard.press('Enter');

  await visitor.view('Save your recovery codes');
  await visitor.machine('challenge', 'verified', 'pending-verified');
  await visitor.machine('enrollment', 'active', 'unconfirmed-active');
  await visitor.step('verify_oob', ['IssueToken', 'Notify']);
  const codes = await page.locator('.codes li').allTextContents();
  visitor.check('the recovery codes are shown', codes.length > 0 && codes.every((code) => /^[0-9A-Z]{24}$/.test(code)), codes.length);
  await visitor.press('Copy');
  await visitor.see('copying is confirmed', '.actions', /Copied/);
  visitor.check('the recovery codes are in the clipboard', await page.evaluate(() => navigator.clipboard.readText()) === codes.join('\n'));
  const [file] = await Promise.all([page.waitForEvent('download'), visitor.press('Download')]);
  visitor.check('the recovery codes can be saved', file.suggestedFilename() === 'recovery-codes.txt');
  await visitor.sound('recovery codes');
  await visitor.press('I have saved them');
  await visitor.view('You are signed in');
  await visitor.see('the authenticator is active', '.rows .row:has(.button)', /Active/);
  visitor.check('the recovery codes are shown once', !(await page.content()).includes(codes[0].slice(0, 6)));
  await visitor.sound('account');
  await signOut(visitor);
  await visitor.see('signing out is confirmed', '.notice', /signed out/);

  await signIn(visitor);
  await visitor.view('Check your email');
  const second = await visitor.code(2);
  visitor.check('the next sign-in has a code of its own', second !== first);
  await visitor.machine('challenge', 'pending', '');
  await visitor.step('challenge', ['SendEmail']);
  await visitor.see('asking again becomes possible when the wait is over', '#resend', /^Send again$/, 40_000);
  await page.click('#resend');
  const third = await visitor.code(3);
  await visitor.see('the wait starts anew', '#resend', /Send again in 0:\d\d/);
  await visitor.machine('challenge', 'pending', 'pending-pending');
  await page.fill('#code', third);
  await visitor.press('Verify');
  await visitor.view('You are signed in');
  await visitor.machine('challenge', 'verified', 'pending-verified');
  await visitor.step('verify_oob', ['IssueToken']);
  await signOut(visitor);

  await signIn(visitor);
  await visitor.view('Check your email');
  await visitor.press('Use a recovery code');
  await visitor.view('Use a recovery code');
  await visitor.press('Use the recovery code');
  await visitor.errorAt('recovery', /Enter one of/);
  await page.fill('#recovery', '2'.repeat(24));
  await visitor.press('Use the recovery code');
  await visitor.errorAt('recovery', /not right/);
  await visitor.sound('recovery');
  await visitor.paste('#recovery', ` ${codes[0].toLowerCase().match(/.{6}/g).join('-')} `);
  await page.locator('#recovery').evaluate((input) => { if (!input.value.includes('-')) throw new Error('nothing was pasted'); });
  await visitor.press('Use the recovery code');
  await visitor.see('the recovery code signs in', '#view-title', /You are signed in/);
  await visitor.see('the spent code is told', '.notice', /spent/);
  await visitor.step('verify_recovery', ['IssueToken', 'Notify']);

  await visitor.press('Remove');
  await visitor.focused('removing asks first', '.danger');
  await visitor.sound('remove');
  await visitor.press('Keep it');
  await visitor.focused('keeping gives the focus back', '[aria-label^="Remove"]');
  await visitor.press('Remove');
  await visitor.press('Remove it');
  await visitor.see('the account has no factor left', '.empty', /No second factor/);
  await visitor.machine('enrollment', 'gone', 'active-gone');
  await visitor.step('remove', ['Notify']);
  await visitor.focused('the focus is not lost', '#view-title');
  await visitor.sound('no factor');
  await page.getByRole('button', { name: 'Developer view' }).click();
  visitor.check('the developer view can be hidden', !(await page.isVisible('#core')) && await page.getAttribute('#toggle-core', 'aria-expanded') === 'false');
}

/** The same on a phone, in the dark, without motion. */
async function phone(visitor) {
  const { page } = visitor;
  await open(visitor);
  await visitor.sound('sign in');
  const code = await enrol(visitor);
  await visitor.sound('code');
  await page.fill('#code', wrongOf(code));
  await visitor.press('Confirm');
  await visitor.errorAt('code', /not right/);
  await visitor.sound('wrong code');
  await visitor.see('the wait for another is counted down', '#resend', /Send again in 0:\d\d/);
  await visitor.paste('#code', `${code.slice(0, 3)} ${code.slice(3)}`);
  await visitor.press('Confirm');
  await visitor.view('Save your recovery codes');
  await visitor.sound('recovery codes');
  const codes = await page.locator('.codes li').allTextContents();
  await visitor.press(/I have saved/);
  await visitor.view('You are signed in');
  await visitor.sound('account');

  await visitor.press('Add an address');
  await visitor.view('Add another address');
  await page.fill('#address', 'second.address.with.a.long.name@subdomain.example.com');
  await visitor.press('Send the code');
  await visitor.view('Check your email');
  await visitor.sound('second address');
  await visitor.machine('enrollment', 'unconfirmed', '');
  await page.fill('#code', await visitor.code(2));
  await visitor.press('Confirm');
  await visitor.view('You are signed in');
  await visitor.eventually('both addresses are listed', async () => await page.locator('.rows .row .button').count() === 2);
  await visitor.machine('enrollment', 'active', 'unconfirmed-active');
  await visitor.sound('two addresses');
  await signOut(visitor);

  await signIn(visitor);
  await visitor.view('Where should the code go\\?');
  await visitor.sound('choose');
  await page.locator('button.row').nth(1).click();
  await visitor.view('Check your email');
  await visitor.press('Use a recovery code');
  await visitor.sound('recovery');
  await page.fill('#recovery', codes[1] || codes[0]);
  await visitor.press('Use the recovery code');
  await visitor.view('You are signed in');
  const moving = await page.evaluate(() => Math.max(...[...document.querySelectorAll('*')].flatMap((node) => getComputedStyle(node).transitionDuration.split(',').map(parseFloat))));
  visitor.check('reduced motion is respected', moving <= 0.001, `${moving} s`);
  await visitor.sound('signed in');
}

/** With the keyboard alone: no click, no `fill`. */
async function keyboard(visitor) {
  const { page } = visitor;
  const { keyboard: keys } = page;
  const to = async (name, selector) => {
    for (let presses = 0; presses < 60; presses += 1) {
      if (await page.evaluate((wanted) => document.activeElement.matches(wanted), selector)) {
        await sleep(200); // the ring fades in
        const ring = await page.evaluate(() => { const style = getComputedStyle(document.activeElement); return style.outlineStyle !== 'none' || style.boxShadow !== 'none'; });
        return visitor.check(`${name} is reached by Tab and shows it`, ring);
      }
      await keys.press('Tab');
    }
    return visitor.check(`${name} is reached by Tab and shows it`, false);
  };
  await open(visitor);
  await keys.press('Tab');
  await visitor.focused('the first stop skips to the form', '.skip');
  await keys.press('Enter');
  await to('the password', '#password');
  await keys.press('Enter');
  await visitor.view('Protect your account');
  await visitor.focused('the address has the focus', '#address');
  await keys.press('Enter');
  await visitor.view('Check your email');
  await visitor.focused('the code has the focus', '#code');
  const code = await visitor.code(1);
  await keys.type(wrongOf(code));
  await keys.press('Enter');
  await visitor.errorAt('code', /not right/);
  await keys.type(`${code.slice(0, 3)} ${code.slice(3)}`); // the wrong one is selected, so typing replaces it
  await keys.press('Enter');
  await visitor.view('Save your recovery codes');
  await visitor.focused('the heading has the focus', '#view-title');
  const codes = await page.locator('.codes li').allTextContents();
  await to('“I have saved them”', '.card .primary');
  await keys.press('Space');
  await visitor.view('You are signed in');
  await to('“Sign out”', '.actions .button:last-child');
  await keys.press('Enter');
  await visitor.view('Sign in');
  await visitor.focused('the email has the focus', '#email');
  await keys.press('Enter');
  await visitor.view('Check your email');
  await to('“Use a recovery code”', '.options .link');
  await keys.press('Enter');
  await visitor.focused('the recovery code has the focus', '#recovery');
  await keys.type(codes[0].toLowerCase());
  await keys.press('Enter');
  await visitor.view(codes.length > 1 ? 'You are signed in' : 'Save your new recovery code');
  await to('“Remove”', '.row .button');
  await keys.press('Enter');
  await visitor.focused('“Remove it” has the focus', '.danger');
  await keys.press('Enter');
  await visitor.see('the account has no factor left', '.empty', /No second factor/);
  await to('the log', '#log');
  await to('“Developer view”', '#toggle-core');
  await keys.press('Enter');
  visitor.check('the developer view can be hidden', !(await page.isVisible('#core')));
}

/** What a person sees who guesses too often, on a tablet. */
async function limits(visitor) {
  const { page } = visitor;
  await open(visitor);
  const code = await enrol(visitor);
  const guess = async (wrong) => {
    await page.fill('#code', wrong);
    await visitor.press('Confirm');
    await page.waitForSelector('#code-error span');
  };
  for (let round = 0; round < 5; round += 1) await guess(wrongOf(code));
  await visitor.machine('challenge', 'exhausted', 'pending-exhausted');
  await visitor.sound('exhausted');
  await guess(code);
  await visitor.errorAt('code', /no longer valid|Start again/);
  await visitor.press('Start again');
  await visitor.view('Sign in');
  const again = await enrol(visitor, 1);
  for (let round = 0; round < 5; round += 1) await guess(wrongOf(again));
  await visitor.press('Start again');
  await visitor.view('Sign in');
  await signIn(visitor);
  await visitor.view('Protect your account');
  await visitor.press('Send the code');
  await visitor.errorAt('address', /Too many wrong codes\. Wait about \d minutes/);
  await visitor.step('associate', [], 'locked');
  await visitor.sound('locked');
}

/** A recovery code whose use gives another. */
async function replaced(visitor) {
  const { page } = visitor;
  await open(visitor);
  await page.fill('#code', await enrol(visitor));
  await visitor.press('Confirm');
  await visitor.view('Save your new recovery code');
  const [code] = await page.locator('.codes li').allTextContents();
  await visitor.press('I have saved it');
  await visitor.view('You are signed in');
  await signOut(visitor);
  await signIn(visitor);
  await visitor.view('Check your email');
  await visitor.press('Use a recovery code');
  await page.fill('#recovery', code);
  await visitor.press('Use the recovery code');
  await visitor.view('Save your new recovery code');
  const [next] = await page.locator('.codes li').allTextContents();
  visitor.check('the code that takes its place is another', /^[0-9A-Z]{24}$/.test(next) && next !== code, next);
  await visitor.sound('replacement');
  await visitor.press('I have saved it');
  await visitor.view('You are signed in');
}

/** A policy under which email confirms an address and completes no sign-in. Its codes are longer. */
async function strict(visitor) {
  const { page } = visitor;
  await open(visitor);
  const code = await enrol(visitor);
  visitor.check('the code has 8 digits', code.length === 8, code);
  await visitor.see('the field asks for 8 digits', 'label[for=code]', /8-digit/);
  await visitor.see('the wait is that of the policy', '#resend', /Send again in (1:00|0:5\d)/);
  await page.fill('#code', code.slice(0, 6));
  await visitor.press('Confirm');
  await visitor.errorAt('code', /Enter all 8 digits/);
  await visitor.paste('#code', `${code.slice(0, 4)} ${code.slice(4)}`);
  await visitor.press('Confirm');
  await visitor.view('Sign in');
  await visitor.see('what was done and what was not is told', '.notice', /The address is confirmed.*does not complete a sign-in/);
  await visitor.machine('challenge', 'verified', 'pending-verified');
  await visitor.machine('enrollment', 'active', 'unconfirmed-active');
  await visitor.sound('confirmed only');
}

/** A server without demonstration data has nothing that the page could sign in to, and no panel. */
async function plain(visitor) {
  await header(visitor);
  await open(visitor);
  await visitor.see('what is missing is told', '.notice', /without demonstration data/);
  visitor.check('there is no developer view', !(await visitor.page.isVisible('#core')) && !(await visitor.page.isVisible('#toggle-core')));
  visitor.check('nothing is filled in', await visitor.page.inputValue('#email') + await visitor.page.inputValue('#password') === '');
  visitor.check('there is nothing to press', await visitor.page.getAttribute('button[type=submit]', 'aria-disabled') === 'true');
  await visitor.sound('plain');
}

const PASSES = {
  desktop: { run: desktop, viewport: { width: 1280, height: 900 }, colorScheme: 'light' },
  phone: { run: phone, viewport: { width: 360, height: 740 }, colorScheme: 'dark', reducedMotion: 'reduce', hasTouch: true },
  keyboard: { run: keyboard, viewport: { width: 1024, height: 768 }, colorScheme: 'dark' },
  limits: { run: limits, viewport: { width: 768, height: 1024 }, colorScheme: 'light' },
  replaced: { run: replaced, viewport: { width: 360, height: 740 }, colorScheme: 'light' },
  strict: { run: strict, viewport: { width: 768, height: 1024 }, colorScheme: 'dark' },
  plain: { run: plain, viewport: { width: 1280, height: 900 }, colorScheme: 'dark' },
};

async function drive(pass, url) {
  const { run, ...settings } = PASSES[pass];
  const profile = await mkdtemp(join(tmpdir(), 'countersign-browser-'));
  const context = await chromium.launchPersistentContext(profile, { executablePath: BROWSER, headless: true, args: ARGUMENTS, ...settings });
  context.setDefaultTimeout(PATIENCE);
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: new URL(url).origin });
  const page = context.pages()[0] || await context.newPage();
  const visitor = new Visitor(pass, url, page);
  // A browser logs each refused request as an error. Those are the point of some steps, so they are told apart by place.
  page.on('console', (message) => {
    const refused = /^Failed to load resource: the server responded with a status of 4\d\d/.test(message.text()) && /\/(oauth\/token|mfa\/(associate|challenge))$/.test(message.location().url);
    if (['error', 'warning'].includes(message.type()) && !refused) visitor.errors.push(message.text());
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
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
