/* Signing in with a recovery code. */

import { h } from '../dom.js';
import { byApp, byMail, recover } from '../journey.js';
import { button, field, form, heading } from '../parts.js';
import { go, signOut, state } from '../state.js';

/** The way back to the other factor, if there is one. */
function back() {
  if (state.challenge?.oobCode) return button('Back to the email code', 'link', () => go('code'));
  if (state.challenge) return button('Back to the app', 'link', () => go('app'));
  if (byApp().length > 0) return button('Use another factor', 'link', () => go('choose'));
  return byMail().length > 0 && button('Send a code instead', 'link', () => go('choose'));
}

export function recovery() {
  const code = field({
    id: 'recovery', label: 'Recovery code', type: 'text', autocomplete: 'off', autocapitalize: 'characters', spellcheck: 'false',
    hint: 'One of the codes that you saved: 24 letters and digits.',
  });
  code.input.classList.add('recovery-input');
  const tidy = () => code.input.value.normalize('NFKC').replace(/[\s‐-―−-]|\p{Cf}/gu, '').toUpperCase();
  const { node } = form({
    fields: [code], submit: 'Use the recovery code', busy: 'Checking…',
    check: () => (tidy() ? null : [code, 'Enter one of your recovery codes.']),
    action: () => recover(tidy()),
  });
  return {
    step: 1, title: 'Use a recovery code', focus: code.input,
    body: [
      heading('Use a recovery code', 'For when you cannot read your email. Each code works once.'),
      node,
      h('div', { class: 'options' },
        back(),
        button('Start again', 'link', () => signOut())),
    ],
  };
}
