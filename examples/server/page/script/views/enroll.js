/* Adding an address: the first one, or another one to an account that has both factors. */

import { h } from '../dom.js';
import { associate, isElevated } from '../journey.js';
import { button, field, form, heading, looksLikeEmail } from '../parts.js';
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
  return {
    step: more ? 2 : 1, title: 'Add an email address', focus: email.input,
    body: [
      more ? heading('Add another address', 'It can receive sign-in codes as soon as you confirm it.')
        : heading('Protect your account', 'There is no second factor yet. Add an email address that only you can read.'),
      node,
      h('div', { class: 'options' }, more ? button('Back to your account', 'link', () => go('account')) : button('Use another account', 'link', () => signOut())),
    ],
  };
}
