/*
 * An authenticator app: its secret, as a QR code and to type, while it is set up; and its code. The secret is in this page's
 * memory alone, and forgotten when it is confirmed.
 */

import { codeIn, digitsIn, digitsOf } from '../code.js';
import { copy, h } from '../dom.js';
import { byApp, byMail, hasRecovery, isElevated, verifyOtp } from '../journey.js';
import { button, disable, field, form, heading, isDisabled } from '../parts.js';
import { attemptsText } from '../refusals.js';
import { go, signOut, state } from '../state.js';
import { clock } from '../time.js';

/** What an app takes: the drawing for its camera, and the same as text. */
function setupOf({ secret, barcode }) {
  const image = h('img', { class: 'barcode', width: '220', height: '220', alt: 'QR code with the secret for your app', src: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(barcode)}` });
  const copyButton = button('Copy the key', 'secondary small', () => copy(secret, copyButton));
  return h('div', { class: 'stack' }, image,
    h('div', { class: 'field' }, h('span', { class: 'hint', id: 'key-label' }, 'No camera? Type this key into the app.'),
      h('p', { class: 'key', id: 'otp-secret', 'aria-labelledby': 'key-label' }, secret.match(/.{1,4}/g).map((part) => h('span', {}, part))), copyButton));
}

export function app() {
  const { purpose } = state.challenge;
  const confirm = purpose === 'confirm';
  const digits = state.info.otp_digits;
  const more = isElevated();
  const left = h('p', { class: 'hint', id: 'attempts', hidden: true });
  const entry = field({
    id: 'otp', label: `${digits}-digit code`, type: 'text', inputmode: 'numeric', autocomplete: 'one-time-code', pattern: '[0-9 \\-]*',
    spellcheck: 'false', autocapitalize: 'off', enterkeyhint: 'done', hint: 'The app shows another code again and again. Each works once.',
  });
  const { input } = entry;
  input.classList.add('code-input');
  let armed = true; // whether the last digit submits
  const submit = () => {
    armed = false;
    if (!isDisabled(main)) node.requestSubmit();
  };
  input.addEventListener('input', (event) => {
    const text = input.value;
    const whole = !event.inputType?.startsWith('delete') && (event.data?.length ?? 2) > 1; // pasted, dropped or filled in
    const found = whole ? codeIn(text, digits) : null;
    const typed = found || (whole ? digitsIn(text) : digitsOf(text)) || '';
    if (typed !== text) input.value = typed.slice(0, digits);
    if (typed.length <= 1) armed = true;
    if (found || (armed && typed.length === digits)) submit();
  });
  // Only a sign-in that the code completes has the device remembered.
  const remember = h('input', { id: 'remember', name: 'remember', type: 'checkbox' });
  const remembering = !more && h('label', { class: 'check', for: 'remember' }, remember, h('span', {}, 'Remember this device'));
  const { node, main } = form({
    fields: [entry], choices: remembering ? [remembering] : [], submit: confirm ? 'Confirm the app' : 'Verify', busy: 'Checking…',
    check: () => (input.value.length === digits ? null : [entry, `Enter all ${digits} digits of the code.`]),
    action: async () => {
      input.readOnly = true;
      try { await verifyOtp(input.value, !more && remember.checked); } finally { input.readOnly = false; }
    },
    extra: [left],
  });
  const others = byMail().length + byApp().length > 1;
  return {
    step: more ? 2 : 1, title: confirm ? 'Set up an authenticator app' : 'Enter the code of your app', focus: input,
    body: [
      confirm ? heading('Set up an authenticator app', 'Scan this with an app such as a password manager, then enter the code that it shows.')
        : heading('Enter the code of your app', 'Open your authenticator app and type the code that it shows now.'),
      confirm && state.setup && setupOf(state.setup),
      node,
      h('div', { class: 'options' },
        !confirm && hasRecovery() && button('Use a recovery code', 'link', () => go('recovery')),
        !confirm && others && button('Use another factor', 'link', () => go('choose')),
        confirm && !more && state.session.types?.includes('email') && button('Use an email address instead', 'link', () => go('enroll', { setup: null, challenge: null, recoveryCodes: null, unsaved: false })),
        more ? button('Back to your account', 'link', () => go('account', { setup: null, challenge: null, recoveryCodes: null, unsaved: false })) : button('Start again', 'link', () => signOut())),
    ],
    update() {
      left.hidden = state.attemptsLeft === null;
      if (state.attemptsLeft !== null) left.textContent = attemptsText(state.attemptsLeft);
    },
    tick(now) {
      const paused = now < state.codesFrom;
      if (main.classList.contains('busy')) return;
      disable(main, paused);
      const word = confirm ? 'Confirm the app' : 'Verify';
      main.textContent = paused ? `${word} in ${clock(state.codesFrom, now)}` : word;
    },
  };
}
