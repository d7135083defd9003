/* Which of several addresses the code should go to, or which app it comes from. */

import { h, icon } from '../dom.js';
import { addressOf, byApp, byMail, challenge, hasRecovery, nameOf } from '../journey.js';
import { button, errorLine, heading, run } from '../parts.js';
import { go, signOut } from '../state.js';
import { momentOf } from '../time.js';

export function choose() {
  const error = errorLine();
  const usable = [...byMail(), ...byApp()];
  const apps = byApp().length > 0;
  const title = apps ? 'How do you want to sign in?' : 'Where should the code go?';
  // A password alone shows no whole address. Where two masks are the same, the times tell them apart.
  const dates = (one) => [addressOf(one), one.created_at && `Added ${momentOf(one.created_at)}`, one.last_auth && `last used ${momentOf(one.last_auth)}`].filter(Boolean).join(', ');
  return {
    step: 1, title,
    body: [
      heading(title, apps ? 'Choose an address that the code goes to, or an app that shows one.' : 'Choose one of your addresses.'),
      h('ul', { class: 'rows' }, usable.map((one) => {
        const row = h('button', { type: 'button', class: 'row' }, h('span', { class: 'row-icon' }, icon(one.authenticator_type === 'otp' ? 'app' : 'mail')),
          h('span', { class: 'row-text' }, h('span', { class: 'row-name', dir: 'auto' }, nameOf(one)), h('span', { class: 'row-meta' }, dates(one))));
        row.addEventListener('click', () => {
          error.show(null);
          run(row, one.authenticator_type === 'otp' ? 'One moment…' : 'Sending…', () => challenge(one), error.show);
        });
        return h('li', {}, row);
      })),
      error.node,
      h('div', { class: 'options' }, hasRecovery() && button('Use a recovery code', 'link', () => go('recovery')), button('Use another account', 'link', () => signOut())),
    ],
  };
}
