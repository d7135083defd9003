/*
 * An authenticator app: its secret, as a QR code and to type, while it is set up; and its code. The secret is in this page's
 * memory alone, and forgotten when it is confirmed.
 */

import { codeIn, digitsIn, digitsOf } from '../code.js';
import { copy, h } from '../dom.js';
import { byApp, byMail, hasRecovery, isElevated, verifyOtp } from '../journey.js';
import { button, disable, field, form, heading, isDisabled, notice } from '../parts.js';
import { attemptsText, explain } from '../refusals.js';
import { go, set, signOut, state } from '../state.js';
import { clock } from '../time.js';

/** How many codes are wanted at once while the account is guessed at. */
const ROW = 4;

const WHY = 'Many wrong codes were entered for this account, so one code is not enough now. Enter four that follow each other: the app shows the next one after each.';

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
  const several = () => (state.challenge?.codes ?? 1) > 1;
  let row = []; // the codes that were entered so far, where four are wanted
  let next = 0; // when the app shows the next one
  const why = h('div', { hidden: true }, notice('info', WHY));
  const progress = h('p', { class: 'hint', id: 'row', role: 'status', hidden: true });
  /** The app's next step, by this device's clock. */
  const nextStep = (now) => (Math.floor(now / 1000 / state.info.otp_step) + 1) * state.info.otp_step * 1000;
  const restart = () => { row = []; next = 0; input.value = ''; armed = true; };
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
      if (several()) {
        // One code of each step: the same one again is not the next.
        if (row.at(-1) !== input.value) row.push(input.value);
        next = nextStep(Date.now());
        input.value = '';
        armed = true;
        if (row.length < ROW) return;
      }
      const otp = row.length ? row.join(' ') : input.value;
      input.readOnly = true;
      try { await verifyOtp(otp, !more && remember.checked); } finally { input.readOnly = false; if (row.length) restart(); }
    },
    refused: (refusal) => {
      if (explain(refusal).fourCodes) { set({ challenge: { ...state.challenge, codes: ROW } }); restart(); }
    },
    extra: [progress, left],
  });
  const others = byMail().length + byApp().length > 1;
  return {
    step: more ? 2 : 1, title: confirm ? 'Set up an authenticator app' : 'Enter the code of your app', focus: input,
    body: [
      confirm ? heading('Set up an authenticator app', 'Scan this with an app such as a password manager, then enter the code that it shows.')
        : heading('Enter the code of your app', 'Open your authenticator app and type the code that it shows now.'),
      confirm && state.setup && setupOf(state.setup),
      why,
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
      const waits = row.length > 0 && now < next;
      why.hidden = progress.hidden = !several();
      // Said when it changes, and not each second: the button counts down.
      const told = waits ? `Code ${row.length} of ${ROW} is in. Wait until the app shows the next one.` : `Enter code ${row.length + 1} of ${ROW}.`;
      if (progress.textContent !== told) progress.textContent = told;
      if (waits) {
        disable(main, true);
        main.textContent = `Next code in ${clock(next, now)}`;
        return;
      }
      disable(main, paused);
      const word = confirm ? 'Confirm the app' : 'Verify';
      main.textContent = paused ? `${word} in ${clock(state.codesFrom, now)}` : word;
    },
  };
}
