/* The parts that views share: headings, fields, buttons, forms, and the one way to run an action behind a button. */

import { $, h, icon } from './dom.js';
import { describe, explain } from './refusals.js';
import { Refusal, ServerError } from './server.js';
import { endedBy } from './journey.js';
import { set, signOut, state } from './state.js';
import { clock } from './time.js';

const NOTICE_ICON = { ok: 'check', info: 'info', warn: 'clock', bad: 'alert' };
export const notice = (kind, ...content) => h('div', { class: `notice ${kind}` }, icon(NOTICE_ICON[kind]), h('div', {}, ...content));

export function heading(title, ...lines) {
  return h('div', { class: 'heading' }, h('h1', { id: 'view-title', tabindex: '-1' }, title), ...lines.map((line) => h('p', {}, line)));
}

/** Where in the journey the person is. */
export function progress(current) {
  const names = ['Password', 'Second factor', 'Signed in'];
  return h('ol', { class: 'steps', 'aria-label': 'Progress' }, names.map((name, index) =>
    h('li', { class: index < current ? 'done' : null, 'aria-current': index === current ? 'step' : null }, name)));
}

/** A labelled field whose error stands right under it and is part of its description. */
export function field({ id, label, hint, action, ...attributes }) {
  const input = h('input', { id, name: id, class: 'input', ...attributes });
  const hintNode = hint && h('p', { class: 'hint', id: `${id}-hint` }, hint);
  const error = h('p', { class: 'error', id: `${id}-error`, 'aria-live': 'polite' });
  input.setAttribute('aria-describedby', `${hint ? `${id}-hint ` : ''}${id}-error`);
  const setError = (text) => {
    error.replaceChildren(...(text ? [icon('alert'), h('span', {}, text)] : []));
    if (text) input.setAttribute('aria-invalid', 'true');
    else input.removeAttribute('aria-invalid');
  };
  input.addEventListener('input', () => setError(null));
  const box = action ? h('div', { class: 'with-action' }, input, action(input)) : input;
  return { node: h('div', { class: 'field' }, h('label', { for: id }, label), box, error, hintNode), input, setError };
}

export function button(text, kind, onclick, attributes = {}) {
  return h('button', { type: 'button', class: kind === 'link' ? 'link' : `button ${kind}`, ...attributes, on: onclick && { click: onclick } }, text);
}

/** Marks a button as not usable without taking the focus from it. */
export function disable(node, disabled) {
  if (disabled) node.setAttribute('aria-disabled', 'true');
  else node.removeAttribute('aria-disabled');
}
export const isDisabled = (node) => node.getAttribute('aria-disabled') === 'true';

/** An error beside a button, for actions without a field. */
export function errorLine() {
  const node = h('p', { class: 'error', role: 'alert' });
  return { node, show: (text) => node.replaceChildren(...(text ? [icon('alert'), h('span', {}, text)] : [])) };
}

/** Called after every action: the mailbox and the panel look for news. */
let settled = () => {};
export function onSettled(look) { settled = look; }

/**
 * Runs an action for a button: once at a time and with a spinner. `fail` shows a refusal in its place; trouble is shown on
 * its own, with a way to try again. A refusal that leaves nothing to do in this view goes to another.
 */
export async function run(node, busyText, action, fail) {
  if (isDisabled(node)) return;
  const before = [...node.childNodes];
  disable(node, true);
  node.classList.add('busy');
  node.replaceChildren(...(node.classList.contains('link') ? [] : [h('span', { class: 'spinner', 'aria-hidden': 'true' })]), busyText);
  showTrouble(null);
  const restore = () => {
    node.classList.remove('busy');
    node.replaceChildren(...before);
    disable(node, false);
  };
  try {
    await action();
    restore();
  } catch (error) {
    restore();
    if (error instanceof ServerError) showTrouble(error, () => run(node, busyText, error.resume || action, fail));
    else if (error instanceof Refusal) refused(error, fail);
    else throw error;
  } finally {
    settled();
  }
}

function refused(refusal, fail) {
  const meaning = explain(refusal);
  if (meaning.restart && state.session) return signOut(meaning.text, 'warn');
  if (endedBy(refusal, meaning)) return;
  if (meaning.attemptsLeft !== undefined) set({ attemptsLeft: meaning.attemptsLeft });
  if (meaning.messages) set({ messagesFrom: meaning.until });
  if (meaning.locked) set({ codesFrom: meaning.until });
  fail(meaning.text, refusal);
}

let waiting = 0;

/** Shows trouble at the head of the card, or takes it away. */
function showTrouble(trouble, retry) {
  clearInterval(waiting);
  const slot = $('trouble');
  if (!slot) return;
  if (!trouble) return slot.replaceChildren();
  const { title, text } = describe(trouble);
  const again = button('Try again', 'secondary small', () => { if (!isDisabled(again)) retry(); });
  const from = Date.now() + (trouble.kind === 'busy' ? Math.max(1, trouble.retryAfter) * 1000 : 0);
  const tick = () => {
    const now = Date.now();
    disable(again, now < from);
    again.textContent = now < from ? `Try again in ${clock(from, now)}` : 'Try again';
    if (now >= from) clearInterval(waiting);
  };
  waiting = setInterval(tick, 500);
  tick();
  slot.replaceChildren(h('div', { class: 'trouble', 'data-kind': trouble.kind }, icon('signal'), h('strong', {}, title), h('span', {}, text), again));
  again.focus();
}

/** A form of fields with one main button. `check` returns the first field with its error, or nothing. */
export function form({ fields, submit, busy, check, action, refused: onRefused, choices = [], extra = [] }) {
  const main = button(submit, 'primary', null, { type: 'submit', class: 'button primary full' });
  const node = h('form', { class: 'stack', novalidate: true }, fields.map((one) => one.node), ...choices, main, ...extra);
  const fail = (target, text) => {
    target.setError(text);
    target.input.focus();
    target.input.select();
  };
  node.addEventListener('submit', (event) => {
    event.preventDefault();
    if (isDisabled(main)) return;
    for (const one of fields) one.setError(null);
    const wrong = check?.();
    if (wrong) return fail(...wrong);
    run(main, busy, action, (text, refusal) => {
      onRefused?.(refusal);
      fail(fields[fields.length - 1], text);
    });
  });
  return { node, main };
}

export const looksLikeEmail = (text) => /^[^\s@]+@[^\s@]+$/.test(text);
