/* Adding an address, or an app instead: the first one, or another one to an account that has both factors. */

import { h } from '../dom.js';
import { associate, associateApp, isElevated } from '../journey.js';
import { button, errorLine, field, form, heading, looksLikeEmail, run } from '../parts.js';
import { go, signOut, state } from '../state.js';

export function enroll() {
  const more = isElevated();
  const email = field({
    id: 'address', label: 'Email address', type: 'email', autocomplete: 'email', inputmode: 'email', spellcheck: 'false',
    value: more ? '' : state.session.username, hint: `We send a ${state.info.code_digits}-digit code to it.`,
  });
  const { node } = form({
    fields: [email], submit: 'Send the code', busy: 'Sending…',
    check: () => (looksLikeEmail(email.input.value.trim()) ? null : [email, 'Enter an email address, such as name@example.com.']),
    action: () => associate(email.input.value.trim()),
  });
  const error = errorLine();
  const app = button('Use an authenticator app instead', 'link', () => run(app, 'One moment…', associateApp, error.show), { id: 'use-app' });
  return {
    step: more ? 2 : 1, title: 'Add an email address', focus: email.input,
    body: [
      more ? heading('Add another address', 'It can receive sign-in codes as soon as you confirm it.')
        : heading('Protect your account', 'There is no second factor yet. Add an email address that only you can read.'),
      node,
      error.node,
      h('div', { class: 'options' }, app, more ? button('Back to your account', 'link', () => go('account')) : button('Use another account', 'link', () => signOut())),
    ],
  };
}
