/*
 * The recovery codes, shown once. They are in this page's memory alone: neither a reload nor the server shows them again,
 * so leaving before they are said to be saved asks first.
 */

import { copy, h } from '../dom.js';
import { codesSaved } from '../journey.js';
import { button, heading, notice } from '../parts.js';
import { state } from '../state.js';
import { dateOf } from '../time.js';

const WORDS = {
  confirm: ['Save your recovery codes', 'Each gets you in once if you lose access to your email.'],
  regenerate: ['Save your new recovery codes', 'They take the place of the old ones, which no longer work.'],
  replace: ['Save your new recovery code', 'It takes the place of the one you used.'],
};

export function codes() {
  const { recoveryCodes, info, session } = state;
  const one = recoveryCodes.length === 1;
  const [title, text] = WORDS[state.challenge?.purpose] || WORDS.confirm;
  const lines = [
    `${info.service}: recovery code${one ? '' : 's'}`, `Account: ${session.username}`, `Made on: ${dateOf(Date.now())}`, '',
    ...recoveryCodes, '', 'Each code works once. Keep this where only you can read it.', '',
  ];
  const copyButton = button('Copy', 'secondary', () => copy(recoveryCodes.join('\n'), copyButton));
  const save = button('Download', 'secondary', () => {
    const url = URL.createObjectURL(new Blob([lines.join('\n')], { type: 'text/plain' }));
    const day = new Date().toISOString().slice(0, 10);
    h('a', { href: url, download: `${info.service.toLowerCase().replace(/[^a-z0-9]+/g, '-')}-recovery-codes-${day}.txt` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  });
  const print = button('Print', 'secondary', () => window.print());
  const ask = (event) => { event.preventDefault(); };
  window.addEventListener('beforeunload', ask);
  return {
    step: 2, title,
    body: [
      heading(one ? title.replace('codes', 'code') : title, text),
      notice('warn', one ? 'You see it only now. ' : 'You see them only now. ', 'Copy, download or print before you go on.'),
      h('p', { class: 'on-paper' }, `${info.service}, ${session.username}, ${dateOf(Date.now())}. Each code works once.`),
      h('ol', { class: 'codes', 'aria-label': 'Recovery codes' }, recoveryCodes.map((code) => h('li', {}, code.match(/.{1,6}/g).map((part) => h('span', {}, part))))),
      h('div', { class: 'actions three' }, copyButton, save, print),
      button(one ? 'I have saved it' : 'I have saved them', 'primary full', codesSaved, { id: 'codes-done' }),
    ],
    leave: () => window.removeEventListener('beforeunload', ask),
  };
}
