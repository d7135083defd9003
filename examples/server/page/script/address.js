/*
 * Signing up with a confirmed address, and resetting a forgotten password: one script, for both pages ask alike.
 *
 * The page asks for a message, and takes its link or its code together with a new password. A link's token is in the
 * fragment. It is taken from there into this script's memory, and out of the address bar, before anything else.
 */

import { $, h, say } from './dom.js';
import { Refusal, call } from './server.js';

const SIGN_UP = document.body.dataset.purpose === 'signup';
const PATH = SIGN_UP ? '/signup' : '/reset';
const WORDS = SIGN_UP
  ? {
    ask: 'Sign up', lead: 'Enter your email address. You get a message with a link that confirms it.',
    finish: 'Choose a password', submit: 'Make my account', done: 'Your account is ready', after: 'Sign in with your address and your new password.',
  }
  : {
    ask: 'Reset your password', lead: 'Enter the email address of your account. You get a message with a link that sets a new password.',
    finish: 'Set a new password', submit: 'Set the password', done: 'Your password is set', after: 'You are signed out everywhere. Sign in with your new password.',
  };

const fragment = new URLSearchParams(location.hash.slice(1));
const [token, address] = [fragment.get('token'), fragment.get('email')];
if (token) history.replaceState(null, '', location.pathname);

const field = (id, label, attributes) => {
  const input = h('input', { id, name: id, class: 'input', required: true, ...attributes });
  return { input, node: h('div', { class: 'field' }, h('label', { for: id }, label), input) };
};
const email = (value) => field('email', 'Email', { type: 'email', autocomplete: 'username', inputmode: 'email', spellcheck: 'false', value });
const password = () => field('password', 'New password', { type: 'password', autocomplete: 'new-password', minlength: '8' });

/** Shows a view, and puts the focus where one goes on. */
function show(title, focus, ...body) {
  const heading = h('h1', { id: 'view-title', tabindex: '-1' }, title);
  $('card').replaceChildren(h('div', { class: 'card-body' }, h('div', { class: 'heading' }, heading), ...body));
  (focus || heading).focus();
}

/** A form whose button is used once at a time, with an error line of its own. */
function form(fields, label, action) {
  const error = h('p', { class: 'error', role: 'alert' });
  const button = h('button', { type: 'submit', class: 'button primary' }, label);
  const node = h('form', { novalidate: true, on: { submit: async (event) => {
    event.preventDefault();
    error.textContent = '';
    const wrong = fields.find(({ input }) => !input.checkValidity());
    if (wrong) {
      error.textContent = wrong.input.validationMessage;
      wrong.input.focus();
      return;
    }
    button.disabled = true;
    try {
      await action();
    } catch (failure) {
      error.textContent = failure instanceof Refusal ? failure.message : 'The server does not answer. Try again in a moment.';
      button.disabled = false;
    }
  } } }, fields.map(({ node: part }) => part), error, button);
  return node;
}

function ask() {
  const to = email(address || '');
  show(WORDS.ask, to.input, h('p', {}, WORDS.lead), form([to], 'Send me a link', async () => {
    await call('POST', `${PATH}/ask`, { body: { email: to.input.value.trim() }, cookies: true });
    sent(to.input.value.trim());
  }), SIGN_UP ? null : h('p', { class: 'hint' }, h('a', { href: '/' }, 'Back to signing in')));
}

/** The same for an address that has an account and for one that has none. */
function sent(to) {
  const code = field('code', 'Code from the message', { inputmode: 'numeric', autocomplete: 'one-time-code', spellcheck: 'false' });
  const secret = password();
  show('Look into your mailbox', null,
    h('p', { id: 'sent' }, `If a message can be sent to ${to}, it is on its way. Open its link in this browser, or enter its code here.`),
    form([code, secret], WORDS.submit, () => finish({ email: to, code: code.input.value, password: secret.input.value })),
    h('p', { class: 'hint' }, h('button', { type: 'button', class: 'link', on: { click: ask } }, 'Ask again')));
  say('A message is on its way.');
}

function opened() {
  const secret = password();
  show(WORDS.finish, secret.input, h('p', { id: 'for' }, `For ${address}`),
    form([secret], WORDS.submit, () => finish({ email: address, token, password: secret.input.value })),
    h('p', { class: 'hint' }, h('button', { type: 'button', class: 'link', on: { click: ask } }, 'Ask for a new link')));
}

async function finish(body) {
  await call('POST', PATH, { body, cookies: true });
  show(WORDS.done, null, h('p', { id: 'after' }, WORDS.after), h('p', {}, h('a', { href: '/', class: 'button primary' }, 'Sign in')));
}

if (token && address) opened();
else ask();
