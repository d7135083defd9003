/* Which of several addresses the code should go to. */

import { h, icon } from '../dom.js';
import { byMail, challenge, hasRecovery } from '../journey.js';
import { button, errorLine, heading, run } from '../parts.js';
import { go, signOut } from '../state.js';
import { momentOf } from '../time.js';

export function choose() {
  const error = errorLine();
  const usable = byMail();
  // A password alone shows no whole address. Where two masks are the same, the times tell them apart.
  const dates = (one) => [one.created_at && `Added ${momentOf(one.created_at)}`, one.last_auth && `last used ${momentOf(one.last_auth)}`].filter(Boolean).join(', ');
  return {
    step: 1, title: 'Where should the code go?',
    body: [
      heading('Where should the code go?', 'Choose one of your addresses.'),
      h('ul', { class: 'rows' }, usable.map((one) => {
        const row = h('button', { type: 'button', class: 'row' }, h('span', { class: 'row-icon' }, icon('mail')),
          h('span', { class: 'row-text' }, h('span', { class: 'row-name' }, one.name), h('span', { class: 'row-meta' }, dates(one))));
        row.addEventListener('click', () => {
          error.show(null);
          run(row, 'Sending…', () => challenge(one), error.show);
        });
        return h('li', {}, row);
      })),
      error.node,
      h('div', { class: 'options' }, hasRecovery() && button('Use a recovery code', 'link', () => go('recovery')), button('Use another account', 'link', () => signOut())),
    ],
  };
}
