/*
 * Typing or pasting the code from the mail. It is submitted once, when its last digit is there. A wrong code that is edited
 * afterwards waits for the button, so that no edit costs an attempt by surprise.
 */

import { codeIn, digitsIn, digitsOf, grouped } from '../code.js';
import { h, icon, say } from '../dom.js';
import { byApp, byMail, hasRecovery, isElevated, resend, verify } from '../journey.js';
import { button, disable, field, form, heading, isDisabled, notice, run } from '../parts.js';
import { attemptsText, explain } from '../refusals.js';
import { go, set, signOut, state } from '../state.js';
import { clock } from '../time.js';

export function code() {
  const { purpose, name, destination, digits } = state.challenge;
  const long = digits > 9;
  const more = isElevated();
  const left = h('p', { class: 'hint', id: 'attempts', hidden: true });
  const entry = field({
    id: 'code', label: `${digits}-digit code`, type: 'text', inputmode: 'numeric', autocomplete: 'one-time-code', pattern: '[0-9 \\-]*',
    spellcheck: 'false', autocapitalize: 'off', enterkeyhint: 'done',
  });
  const { input } = entry;
  input.classList.add('code-input', ...(long ? ['long'] : []));

  /** Shows these digits, in groups if there are many, with the caret behind as many of them as before. */
  const show = (code) => {
    const ahead = digitsOf(input.value.slice(0, input.selectionStart ?? input.value.length)).length;
    const text = grouped(code, digits);
    if (text === input.value) return;
    input.value = text;
    const caret = grouped(code.slice(0, ahead), digits).length;
    if (document.activeElement === input) input.setSelectionRange(caret, caret);
  };
  const entered = () => digitsOf(input.value);

  // Only a sign-in that the code completes has the device remembered.
  const remember = h('input', { id: 'remember', name: 'remember', type: 'checkbox' });
  const remembering = !more && h('label', { class: 'check', for: 'remember' }, remember, h('span', {}, 'Remember this device'));

  let wrong = new Set(); // codes that the server refused for this challenge
  let armed = true;      // whether the last digit submits
  let outgrown = false;  // whether the next code is longer, so that this one is dead
  const none = `No single ${digits}-digit code is in that text. Copy the code alone, or type it.`;

  const submit = () => {
    armed = false;
    if (!isDisabled(main)) node.requestSubmit();
  };
  /** Takes the one code of a text, or says that there is none. */
  const take = (text) => {
    const found = codeIn(text, digits);
    show(found || '');
    entry.setError(found ? null : none);
    if (found) submit();
  };
  input.addEventListener('input', (event) => {
    const text = input.value;
    const whole = !event.inputType?.startsWith('delete') && (event.data?.length ?? 2) > 1; // pasted, dropped or filled in
    const typed = whole ? digitsIn(text) : digitsOf(text);
    if (whole && (typed === null || typed.length > digits || (typed.length === digits && codeIn(text, digits)))) return take(text);
    show(typed.slice(0, digits));
    if (typed.length <= 1) armed = true;
    if (armed && typed.length === digits) submit();
  });
  input.addEventListener('paste', (event) => {
    event.preventDefault();
    take(event.clipboardData?.getData('text') || '');
  });

  const life = h('span', { role: 'timer' });
  const sendAgain = async (node) => {
    entry.setError(null);
    await run(node, 'Sending…', async () => {
      await resend();
      wrong = new Set();
      armed = true;
      input.value = '';
      say('A message is on its way.');
      input.disabled = false;
      input.focus();
    }, (text) => { entry.setError(text); input.focus(); });
  };
  const again = button('Send again', 'link', () => { if (!isDisabled(again)) sendAgain(again); }, { id: 'resend' });
  const fresh = button('Send a new code', 'primary full', () => { if (!isDisabled(fresh)) sendAgain(fresh); }, { id: 'fresh', hidden: true });
  const pause = h('div', { hidden: true });

  const { node, main } = form({
    fields: [entry], choices: remembering ? [remembering] : [], submit: purpose === 'confirm' ? 'Confirm the address' : 'Verify', busy: 'Checking…',
    check: () => {
      if (entered().length !== digits) return [entry, `Enter all ${digits} digits of the code.`];
      if (wrong.has(entered())) return [entry, `You tried that code already, and it was not right. ${state.attemptsLeft ? attemptsText(state.attemptsLeft) : ''}`.trim()];
      return null;
    },
    action: async () => {
      input.readOnly = true;
      try { await verify(entered(), !more && remember.checked); } finally { input.readOnly = false; }
    },
    refused: (refusal) => {
      if (refusal.message === 'Invalid binding_code.') wrong.add(entered());
      // The server sends the longer one at once, whatever the cool-down of this one.
      outgrown = Boolean(explain(refusal).longer);
      if (outgrown) set({ challenge: { ...state.challenge, expires: 0, resend: 0 } });
    },
    extra: [fresh, left, h('div', { class: 'timers' }, life, again), pause],
  });

  let waited = false;
  let expired = false;
  return {
    step: more ? 2 : 1, title: 'Enter the code', focus: input,
    body: [
      heading('Check your email', h('span', {}, 'We sent a code to ', h('strong', { dir: 'auto' }, name), destination && `, ${destination}`, '.')),
      long && notice('info', `Many wrong codes were entered for this account, so this code has ${digits} digits, in groups of four.`),
      node,
      h('div', { class: 'options' },
        purpose === 'authenticate' && hasRecovery() && button('Use a recovery code', 'link', () => go('recovery')),
        purpose === 'authenticate' && byMail().length + byApp().length > 1 && button(byApp().length ? 'Use another factor' : 'Use another address', 'link', () => go('choose')),
        purpose === 'confirm' && button('Use another address', 'link', () => go('enroll', { recoveryCodes: null, unsaved: false })),
        more ? button('Back to your account', 'link', () => go('account', { recoveryCodes: null, unsaved: false })) : button('Start again', 'link', () => signOut())),
    ],
    isStale: () => Boolean(state.challenge) && state.challenge.digits !== digits,
    update() {
      left.hidden = state.attemptsLeft === null;
      if (state.attemptsLeft !== null) left.textContent = attemptsText(state.attemptsLeft);
    },
    tick(now) {
      if (!state.challenge) return;
      const { expires, resend: from } = state.challenge;
      const over = now >= expires;
      life.classList.toggle('late', over);
      life.replaceChildren(icon('clock'), ...(over ? ['This code has expired'] : [h('span', {}, 'Expires in ', h('span', { class: 'clock' }, clock(expires, now)))]));
      if (over && !expired) say('This code has expired. You can ask for a new one.');
      if (over !== expired) {
        // A code that is dead takes no input: the way to a new one stands in the place of the button.
        const focused = node.contains(document.activeElement);
        [input.disabled, main.hidden, fresh.hidden, again.hidden] = [over, over, !over, over];
        if (over) { input.value = ''; if (!outgrown) entry.setError(null); left.hidden = true; }
        if (focused) (over ? fresh : input).focus();
      }
      expired = over;
      const paused = now < state.codesFrom;
      if (!main.classList.contains('busy')) disable(main, paused);
      pause.hidden = !paused;
      if (paused) pause.replaceChildren(notice('warn', 'No code is taken for another ', h('span', { class: 'clock' }, clock(state.codesFrom, now)), purpose === 'authenticate' && hasRecovery() ? '. A recovery code still works.' : '.'));
      const wait = Math.max(from, state.messagesFrom, state.codesFrom);
      const waiting = now < wait;
      for (const [one, text] of [[again, 'Send again'], [fresh, 'Send a new code']]) {
        if (one.classList.contains('busy')) continue;
        disable(one, waiting);
        one.textContent = waiting ? `${text} in ${clock(wait, now)}` : text;
      }
      if (waited && !waiting) say('You can ask for a new code now.');
      waited = waiting;
    },
  };
}
