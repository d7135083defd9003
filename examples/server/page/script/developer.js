/*
 * Inside the core: the record's two machines and the log of steps, for those who develop against the server. It draws
 * `state.core`, which holds no code, token, handle or seed.
 */

import { $, h } from './dom.js';
import { state } from './state.js';
import { clock, plural, timeOf } from './time.js';

const EFFECTS = { send: 'Send', issue_token: 'IssueToken', notify: 'Notify' };
const words = (name) => String(name).replaceAll('_', ' ');
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const short = (id) => { const [kind, rest] = id.split('|'); return rest ? `${kind}|…${rest.slice(-5)}` : `${id.slice(0, 6)}…`; };

let coreShown = null;
let lastStep = 0;
const seen = new Map(); // authenticator id → the last state and name it had, so that one that is gone can be told

/** Draws the record and the log when they are others than before. */
export function drawCore() {
  $('facts').hidden = !state.core;
  if (!state.core || state.core === coreShown) return;
  coreShown = state.core;
  const { core } = state;
  facts($('facts'), {
    Policy: state.info.policy, Enrolled: core.enrolled ? 'yes' : 'no', 'Recovery codes': core.recovery_codes_left, Revision: core.revision ? `…${core.revision.slice(-6)}` : 'none yet',
  });
  drawChallenge(core);
  drawEnrollment(core);
  drawLog(core.steps);
  countDown(Date.now());
}

function facts(list, entries) {
  list.replaceChildren(...Object.entries(entries).filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value instanceof Node ? value : String(value)))));
}

const TONE = { pending: 'warn', unconfirmed: 'warn', verified: 'ok', active: 'ok', exhausted: 'bad', disabled: 'bad' };

/** Lights one state and the edge that led to it; no state means that there is nothing yet. */
function light(name, current, edge, description) {
  const figure = $(`${name}-machine`);
  for (const node of figure.querySelectorAll('.node')) node.toggleAttribute('data-lit', node.dataset.state === current);
  for (const one of figure.querySelectorAll('.edge')) one.toggleAttribute('data-taken', one.dataset.edge === edge);
  $(`${name}-desc`).textContent = description;
  const chip = $(`${name}-chip`);
  chip.className = `chip ${TONE[current] || ''}`;
  chip.textContent = current ? capital(current) : 'None';
}

function drawChallenge({ challenges, steps }) {
  const one = challenges.at(-1);
  if (!one) {
    light('challenge', null, null, 'The challenge machine. The record holds no challenge.');
    return facts($('challenge-facts'), {});
  }
  const guessed = steps.find((step) => step.authenticator === one.authenticator)?.denial === 'invalid_binding_code';
  const looped = one.state === 'pending' && (one.sends > 1 || guessed);
  const edge = one.state === 'pending' ? (looped ? 'pending-pending' : null) : `pending-${one.state}`;
  light('challenge', one.state, edge, `The challenge machine. Its current state is ${one.state}.`);
  facts($('challenge-facts'), {
    Purpose: one.purpose, Cause: one.cause && words(one.cause), Messages: one.sends, 'Code changes': one.generation || null,
    Deadline: one.state === 'pending' ? h('span', { 'data-until': Date.parse(one.deadline), 'data-over': 'passed, not seen yet' }) : timeOf(one.deadline),
    Authenticator: short(one.authenticator),
  });
}

function drawEnrollment({ authenticators, steps }) {
  for (const one of authenticators) seen.set(one.id, one);
  const mentioned = steps.find((step) => step.authenticator && !step.authenticator.startsWith('recovery-code|'))?.authenticator;
  const one = authenticators.find((each) => each.id === mentioned) || (seen.has(mentioned) || !authenticators.length ? null : authenticators.at(-1));
  if (one) {
    const edge = { unconfirmed: null, active: 'unconfirmed-active', disabled: 'active-disabled' }[one.state];
    light('enrollment', one.state, edge, `The enrollment machine. Its current state is ${one.state}.`);
    facts($('enrollment-facts'), { Name: one.name, 'Wrong in a row': one.failures, Authenticator: short(one.id) });
  } else if (mentioned) {
    const last = seen.get(mentioned);
    const before = steps.find((step) => step.command === 'remove' && !step.denial && step.authenticator === mentioned) ? (last?.state === 'disabled' ? 'disabled' : 'active') : 'unconfirmed';
    light('enrollment', 'gone', `${before}-gone`, 'The enrollment machine. The authenticator is gone.');
    facts($('enrollment-facts'), { Name: last?.name, Authenticator: short(mentioned) });
  } else {
    light('enrollment', null, null, 'The enrollment machine. The record holds no authenticator.');
    facts($('enrollment-facts'), {});
  }
}

function drawLog(steps) {
  $('log-empty').hidden = steps.length > 0;
  $('log').hidden = steps.length === 0;
  $('log-count').textContent = steps.length ? plural(steps.length, 'step') : '';
  const fresh = steps.filter((step) => step.n > lastStep);
  if (!fresh.length) return;
  lastStep = fresh[0].n;
  $('log').prepend(...fresh.map(drawStep));
  while ($('log').children.length > 50) $('log').lastElementChild.remove();
}

function drawStep({ at, command, denial, evaluated, authenticator, effects }) {
  const quiet = !denial && !effects.length && ['associate', 'challenge'].includes(command);
  const about = [authenticator && short(authenticator), evaluated && 'a code was compared', quiet && (/^[th]otp/.test(authenticator || '') ? 'nothing is sent or written' : 'too soon: nothing is sent')].filter(Boolean).join(' · ');
  return h('li', { class: `step${denial ? ' refused' : ''}`, 'data-command': command, 'data-denial': denial || '' },
    h('span', { class: 'dot', 'aria-hidden': 'true' }),
    h('div', {},
      h('div', { class: 'step-top' }, h('span', { class: 'step-name' }, command), h('time', { class: 'step-time', datetime: at }, timeOf(at))),
      h('p', { class: 'step-note' }, [denial && `Refused: ${words(denial)}`, about].filter(Boolean).join(' · ')),
      effects.length ? h('ul', { class: 'effects' }, effects.map(drawEffect)) : null));
}

function drawEffect(effect) {
  const text = {
    send: () => `to ${effect.to}, to ${effect.purpose}`,
    issue_token: () => `to client ${effect.client}`,
    notify: () => `the account's holder: ${words(effect.event)}`,
  }[effect.kind]?.() || '';
  const tone = { send: 'accent', issue_token: 'ok', notify: '' }[effect.kind];
  return h('li', { 'data-effect': effect.kind }, h('span', { class: `chip ${tone}` }, EFFECTS[effect.kind] || effect.kind), h('span', {}, text));
}

/** Fills every element that counts down to an instant of its own. */
export function countDown(now) {
  for (const node of document.querySelectorAll('[data-until]')) {
    const until = Number(node.dataset.until);
    node.textContent = now < until ? `in ${clock(until, now)}` : node.dataset.over;
  }
}

export function showCore(shown) {
  $('core').hidden = !shown;
  $('frame').classList.toggle('with-core', shown);
  $('toggle-core').setAttribute('aria-expanded', String(shown));
}
