// A person in front of the page: what is pressed, typed and seen, and the checks that hold for every view.

import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { audit } from './audit.mjs';

export const PASSWORD = 'correct horse battery staple';
export const USER = 'user@example.com';
export const PATIENCE = 8_000;
const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const count = { passed: 0, failed: 0 };

export function check(pass, name, good, detail = '') {
  if (good) count.passed += 1;
  else count.failed += 1;
  console.log(`${good ? 'ok  ' : 'FAIL'} ${pass}: ${name}${good || !detail ? '' : ` (${detail})`}`);
}

export const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

export const wrongOf = (code) => String((Number(code) + 1) % 10 ** code.length).padStart(code.length, '0');

/** What a page showed, with the hands of a person: `press`, `type`, `see`. One for each pass. */
export class Visitor {
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

  /** What the server answers to somebody else, on another machine, who knows the demonstration's client. */
  async elsewhere(path, body) {
    const form = new URLSearchParams({ client_id: 'demo', client_secret: 'demo-secret', ...body });
    return (await fetch(new URL(path, this.url), { method: 'POST', body: form })).json();
  }

  /** The same, who knows the password as well: the token of a sign-in of their own. */
  async signInElsewhere() {
    return (await this.elsewhere('/oauth/token', { grant_type: 'password', username: USER, password: PASSWORD })).mfa_token;
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

  /** The code of the newest message, if it is a long one. */
  async longCode() {
    for (const end = Date.now() + PATIENCE; Date.now() < end; await sleep(60)) {
      const [newest] = await this.mail();
      const found = /(?<!\d)\d{4}(?: \d{4}){4}(?!\d)/.exec(newest?.text ?? '');
      if (found) return found[0].replaceAll(' ', '');
    }
    throw new Error('no message with a long code arrived');
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
    // The page's policy lets no script in; the debugger's evaluation is not bound by it.
    const found = await this.page.evaluate(`${AXE}; axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ' at ' + nodes.map((node) => node.target.join(' ')).join(', ')))`);
    this.check(`${name}: no violation of axe-core`, found.length === 0, found.join('; '));
    if (process.env.SHOTS) await this.page.screenshot({ path: join(process.env.SHOTS, `${this.pass}-${name.replaceAll(' ', '-')}.png`), fullPage: true, caret: 'initial' });
  }

  // ---- Steps that many passes take

  async open(title = 'Sign in') {
    await this.page.goto(this.url);
    await this.view(title);
  }

  signIn() { return this.press('Continue'); }

  /** Signs in and asks for the first address; the code of its message. */
  async enrol(messages = 0) {
    await this.signIn();
    await this.view('Protect your account');
    await this.press('Send the code');
    await this.view('Check your email');
    return this.code(messages + 1);
  }

  /** Fills the code in, whose last digit submits it. */
  enter(code) { return this.page.fill('#code', code); }

  /** Enters a wrong code and waits for the answer. */
  async guess(code) {
    const answer = this.page.waitForResponse((response) => response.url().endsWith('/oauth/token'));
    await this.page.fill('#code', '');
    await this.enter(code);
    await answer;
  }

  /** Enrols, saves the recovery codes and is at the account; the recovery codes. */
  async account() {
    await this.open();
    await this.enter(await this.enrol());
    await this.view('Save your recovery codes');
    const codes = await this.page.locator('.codes li').allTextContents();
    await this.press(/I have saved/);
    await this.view('You are signed in');
    return codes;
  }

  async signOut() {
    await this.press('Sign out');
    await this.view('Sign in');
  }

  /** How many requests with a binding code are sent while something is done. */
  async submissions(act) {
    let sent = 0;
    const note = (request) => { if ((request.postData() || '').includes('mfa-oob')) sent += 1; };
    this.page.on('request', note);
    await act();
    this.page.off('request', note);
    return sent;
  }
}
