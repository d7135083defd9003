/* The first factor: the password of the demonstration account. */

import { h } from '../dom.js';
import { button, field, form, heading, looksLikeEmail, notice } from '../parts.js';
import { signIn as send } from '../journey.js';
import { state } from '../state.js';

export function signIn() {
  const { username, password: secret } = state.info;
  const email = field({ id: 'email', label: 'Email', type: 'email', autocomplete: 'username', inputmode: 'email', spellcheck: 'false', value: username });
  const password = field({
    id: 'password', label: 'Password', type: 'password', autocomplete: 'current-password', value: secret,
    action: (input) => {
      const toggle = button('Show', 'link', () => {
        const shown = input.type === 'text';
        input.type = shown ? 'password' : 'text';
        toggle.textContent = shown ? 'Show' : 'Hide';
        toggle.setAttribute('aria-label', shown ? 'Show password' : 'Hide password');
      }, { 'aria-label': 'Show password', class: 'link inline' });
      return toggle;
    },
  });
  const { node } = form({
    fields: [email, password], submit: 'Continue', busy: 'Signing in…',
    check: () => (!looksLikeEmail(email.input.value.trim()) ? [email, 'Enter the email address of your account.'] : !password.input.value ? [password, 'Enter your password.'] : null),
    action: () => send(email.input.value.trim(), password.input.value),
  });
  return {
    step: 0, title: 'Sign in', focus: email.input,
    body: [
      heading('Sign in', 'Two steps: your password, then a code from your email.'),
      node,
      h('p', { class: 'hint' }, h('a', { href: '/reset' }, 'Forgot your password?'), ' · ', h('a', { href: '/signup' }, 'Sign up')),
      notice('info', 'The demonstration account is filled in. Press Continue.'),
    ],
  };
}
