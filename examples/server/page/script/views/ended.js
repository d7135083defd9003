/* No code is taken any more: what is over, when it can go on, and one way out. */

import { h, icon, say } from '../dom.js';
import { button, disable, heading, isDisabled } from '../parts.js';
import { go, signOut, state } from '../state.js';
import { clock, whenOf } from '../time.js';

export function ended() {
  const { title, lines, until, recovery, account } = state.ended;
  const when = h('span', { class: 'when' });
  const restart = button('Sign in again', 'primary full', () => { if (!isDisabled(restart)) signOut(); }, { id: 'restart' });
  const back = account && button('Back to your account', 'primary full', () => go('account', { ended: null }), { id: 'restart' });
  const head = heading(title, ...lines, when);
  head.prepend(h('span', { class: 'emblem' }, icon('lock')));
  let waited = null;
  return {
    step: account ? 2 : 1, title,
    body: [
      head,
      back || restart,
      h('div', { class: 'options' },
        recovery && button('Use a recovery code', 'link', () => go('recovery', { ended: null })),
        account ? button('Sign out', 'link', () => signOut('You are signed out.', 'ok')) : button('Use another account', 'link', () => signOut())),
    ],
    tick(now) {
      const waiting = now < until;
      disable(restart, waiting);
      restart.textContent = waiting ? `Sign in again in ${clock(until, now)}` : 'Sign in again';
      if (waiting === waited) return;
      when.textContent = waiting ? `You can go on ${whenOf(until, now)}.` : account ? 'You can try again after your next sign-in.' : 'You can sign in again now.';
      if (waited) say('You can sign in again now.');
      waited = waiting;
    },
  };
}
