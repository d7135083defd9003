/* The mailbox: what a server without SMTP would have sent. It is there for development alone. */

import { $, copy, h, say } from './dom.js';
import { button } from './parts.js';
import { LONG_DIGITS, codeIn } from './code.js';
import { state } from './state.js';
import { plural, timeOf } from './time.js';

let mailShown = null;

/** Draws the messages when there are others than before. */
export function drawMailbox() {
  $('mailbox').hidden = !state.info.mailbox;
  if (!state.info.mailbox || !state.mail || state.mail === mailShown) return;
  const known = mailShown ? mailShown.length : state.mail.length;
  mailShown = state.mail;
  const fresh = state.mail.length - known;
  $('mailbox-empty').hidden = state.mail.length > 0;
  const [newest, ...earlier] = state.mail.slice(0, 10).map((message, index) => drawMessage(message, index < fresh, index > 0));
  const open = $('mailbox-list').querySelector('.earlier')?.open;
  const rest = earlier.length > 0 && h('li', {}, h('details', { class: 'earlier', open },
    h('summary', {}, plural(earlier.length, 'earlier message')), h('ol', {}, earlier)));
  $('mailbox-list').replaceChildren(...[newest, rest].filter(Boolean));
  if (fresh > 0) say(`New mail: ${state.mail[0].subject}.`);
}

function drawMessage({ to, subject, text, sent_at: at }, fresh, old) {
  const code = codeOf(text);
  const copyButton = button('Copy code', 'secondary small', () => copy(code, copyButton));
  return h('li', { class: `mail${fresh ? ' new' : ''}${old ? ' old' : ''}` },
    h('div', { class: 'mail-top' }, h('span', { class: 'mail-subject' }, subject), h('time', { class: 'mail-time', datetime: at }, timeOf(at))),
    h('span', { class: 'mail-meta' }, `To ${to}`),
    code && h('div', { class: 'mail-code' }, h('output', { 'aria-label': 'Code' }, code), copyButton),
    h('details', {}, h('summary', {}, 'Show the message'), h('pre', {}, text)));
}

/** The code of a message stands on a line of its own. */
function codeOf(text) {
  const holds = (line) => [state.info.code_digits, LONG_DIGITS].some((digits) => line.length < digits * 2 && codeIn(line, digits));
  return text.split('\n').map((line) => line.trim()).find(holds) || null;
}
