/* The account of somebody with both factors: the addresses in full, the apps, the recovery codes, and what can be changed. */

import { $, h, icon } from '../dom.js';
import { addressOf, associateApp, forget, givenName, isFew, leftText, nameOf, prefer, regenerate, remove, rename, said } from '../journey.js';
import { button, errorLine, field, heading, notice, run } from '../parts.js';
import { go, signOut, state } from '../state.js';
import { clock, momentOf } from '../time.js';

const STATES = { active: ['ok', 'Active'], unconfirmed: ['warn', 'Not confirmed'], disabled: ['bad', 'Blocked after too many wrong codes'] };

/** A question under a row, with the button that opened it out of the way meanwhile. */
function question(item, opener, { label, text, yes, no, busy, action }) {
  const error = errorLine();
  const confirm = button(yes, 'danger small', () => run(confirm, busy, action, error.show));
  const node = h('div', { class: 'row-ask', role: 'group', 'aria-label': label }, h('p', {}, text), error.node,
    h('div', { class: 'actions' }, confirm, button(no, 'secondary small', () => { node.remove(); opener.hidden = false; opener.focus(); })));
  opener.hidden = true;
  item.append(node);
  confirm.focus();
}

/** Asks for a name under a row. */
function naming(item, one, opener) {
  const { node: label, input, setError } = field({
    id: `name-${one.id}`, label: 'Name', hint: 'Such as “work phone”. Leave it empty to take the name away.', maxlength: 40, autocomplete: 'off', value: givenName(one) ?? '',
  });
  const save = button('Save', 'small', () => run(save, 'Saving…', async () => { await rename(one, input.value.trim()); $('view-title').focus(); }, setError));
  const close = () => { form.remove(); opener.hidden = false; opener.focus(); };
  const form = h('form', { class: 'row-form', on: { submit: (event) => { event.preventDefault(); save.click(); } } },
    label, h('div', { class: 'actions' }, save, button('Cancel', 'secondary small', close)));
  opener.hidden = true;
  item.append(form);
  input.focus();
}

/** What can be set about a factor: its name, and whether a sign-in asks for it first. */
function settings(item, one, error) {
  const name = nameOf(one);
  const nameIt = button('Rename', 'link', () => naming(item, one, nameIt), { 'aria-label': `Rename ${name}` });
  const several = state.authenticators.filter((other) => other.active && other.authenticator_type !== 'recovery-code').length > 1;
  const first = one.active && (several || one.preferred) && button(one.preferred ? 'Ask each time' : 'Ask for it first', 'link',
    () => run(first, 'One moment…', async () => { await prefer(one, !one.preferred); $('view-title').focus(); }, error.show), { 'aria-label': one.preferred ? `Ask each time, not for ${name}` : `Ask for it first: ${name}` });
  return h('div', { class: 'row-more' }, h('div', { class: 'options' }, nameIt, first), error.node);
}

function factorRow(one) {
  const name = nameOf(one);
  const app = one.authenticator_type === 'otp';
  const [tone, word] = STATES[one.state] || STATES[one.active ? 'active' : 'unconfirmed'];
  const item = h('li', { class: 'row', 'data-id': one.id },
    h('span', { class: 'row-icon' }, icon(app ? 'app' : 'mail')),
    h('span', { class: 'row-text' }, h('span', { class: 'row-name', dir: 'auto' }, name),
      h('span', { class: 'row-meta' }, h('span', { class: `chip ${tone}` }, word), one.preferred && h('span', { class: 'chip ok' }, 'Asked for first'), addressOf(one) && h('span', {}, addressOf(one)), one.created_at && h('span', {}, `Added ${momentOf(one.created_at)}`), h('span', {}, one.last_auth ? `Last used ${momentOf(one.last_auth)}` : 'Not used yet'))));
  if (one.removable === false) {
    item.querySelector('.row-meta').append(h('span', {}, 'Your verified address: it stays'));
    item.append(settings(item, one, errorLine()));
    return item;
  }
  const last = state.authenticators.filter((other) => other.active && other.authenticator_type !== 'recovery-code').length === 1 && one.active;
  const ask = button('Remove', 'secondary small', () => question(item, ask, {
    label: `Remove ${name}?`,
    text: last ? `Remove ${said(one)}? It is your only second factor: your recovery codes go with it.` : app ? 'Remove this app? Its codes stop working at once.' : `Remove ${said(one)}? No more codes will go there.`,
    yes: 'Remove it', no: 'Keep it', busy: 'Removing…',
    action: async () => { await remove(one); $('view-title').focus(); },
  }), { 'aria-label': `Remove ${name}` });
  item.append(ask);
  if (one.state !== 'unconfirmed') item.append(settings(item, one, errorLine()));
  return item;
}

function recoveryRow(one) {
  const left = one?.recovery_codes_left;
  const known = left !== undefined;
  const few = known && isFew(left);
  const [tone, word] = !one ? ['warn', 'None yet'] : !known ? ['ok', 'Active'] : [left === 0 ? 'bad' : few ? 'warn' : 'ok', leftText(left)];
  const item = h('li', { class: 'row', 'data-id': one?.id || 'recovery-codes' },
    h('span', { class: 'row-icon' }, icon('key')),
    h('span', { class: 'row-text' }, h('span', { class: 'row-name' }, 'Recovery codes'),
      h('span', { class: 'row-meta' }, h('span', { class: `chip ${tone}`, id: 'codes-left' }, word), h('span', {}, 'Each works once'))));
  const ask = button(one ? 'Make new' : 'Make some', 'secondary small', () => question(item, ask, {
    label: 'Make new recovery codes?',
    text: one ? 'Make new recovery codes? The old ones stop working at once.' : 'Make recovery codes? Each gets you in once if you lose access to your email.',
    yes: 'Make new codes', no: 'Not now', busy: 'Making…', action: () => regenerate(),
  }), { 'aria-label': 'Make new recovery codes' });
  item.append(ask);
  if (few || !one) {
    item.append(h('div', { class: 'row-more' }, notice('warn', !one ? 'Without recovery codes you cannot sign in when you lose access to your email.'
      : left === 0 ? 'All recovery codes are used. Make new ones, or you cannot sign in when you lose access to your email.'
        : 'Few recovery codes are left. Make new ones before they run out.')));
  }
  return item;
}

function deviceRow(one) {
  const name = one.current ? 'This device' : `Device from ${momentOf(one.remembered_since)}`;
  const item = h('li', { class: 'row', 'data-id': one.id },
    h('span', { class: 'row-icon' }, icon('key')),
    h('span', { class: 'row-text' }, h('span', { class: 'row-name' }, name),
      h('span', { class: 'row-meta' }, h('span', {}, `Last used ${momentOf(one.last_used)}`), h('span', {}, `Remembered until ${momentOf(one.expires_at)}`))));
  const ask = button('Forget', 'secondary small', () => question(item, ask, {
    label: `Forget ${name}?`, text: 'Forget this device? You are signed out everywhere else.',
    yes: 'Forget it', no: 'Keep it', busy: 'Forgetting…',
    action: async () => { await forget(one); $('view-title').focus(); },
  }), { 'aria-label': `Forget ${name}` });
  item.append(ask);
  return item;
}

export function account() {
  const list = h('ul', { class: 'rows', 'aria-labelledby': 'factors-title' });
  const empty = h('p', { class: 'empty' }, 'No second factor. The next sign-in asks you to add one.');
  const told = h('div', { 'aria-live': 'polite' });
  const left = h('span', { class: 'clock' });
  const devices = h('ul', { class: 'rows', 'aria-labelledby': 'devices-title' });
  const remembered = h('section', { class: 'stack tight', hidden: true }, h('h2', { id: 'devices-title' }, 'Remembered devices'), devices);
  const error = errorLine();
  const addApp = button('Add an app', 'secondary', () => run(addApp, 'One moment…', associateApp, error.show), { id: 'add-app' });
  let shown = null;
  let listed = null;
  return {
    step: 2, title: 'Your account',
    body: [
      heading('You are signed in', h('span', {}, 'as ', h('strong', {}, state.session.username), '.')),
      told,
      h('section', { class: 'stack tight' }, h('h2', { id: 'factors-title' }, 'Second factors'), list, empty),
      remembered,
      error.node,
      h('div', { class: 'actions' }, button('Add an address', 'secondary', () => go('enroll')), addApp, button('Sign out', 'secondary', () => signOut('You are signed out.', 'ok'))),
      h('p', { class: 'hint' }, 'This session may change your factors for ', left, '.'),
    ],
    update() {
      told.replaceChildren(...(state.notice ? [notice(state.notice.kind, state.notice.text)] : []));
      told.hidden = !state.notice;
      if (listed !== state.devices) {
        listed = state.devices;
        devices.replaceChildren(...(listed || []).map(deviceRow));
        remembered.hidden = !listed?.length;
      }
      if (shown === state.authenticators) return;
      shown = state.authenticators;
      const factors = shown.filter((one) => one.authenticator_type !== 'recovery-code');
      const codes = shown.find((one) => one.authenticator_type === 'recovery-code');
      const rows = factors.map(factorRow);
      // Recovery codes go with an active factor.
      if (codes || factors.some((one) => one.active)) rows.push(recoveryRow(codes));
      list.replaceChildren(...rows);
      list.hidden = rows.length === 0;
      empty.hidden = rows.length > 0;
    },
    tick(now) {
      if (!state.session?.expires) return;
      left.textContent = clock(state.session.expires, now);
      if (now >= state.session.expires) signOut('Your session has ended. Please sign in again.', 'warn');
    },
  };
}
