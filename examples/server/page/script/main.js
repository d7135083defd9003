/*
 * The start of the page, and what keeps it up to date: mail and record are polled, quickly for some seconds after an
 * action, slowly while somebody reads, and not at all while the page is hidden.
 */

import { $ } from './dom.js';
import { countDown, drawCore, showCore } from './developer.js';
import { resume } from './journey.js';
import { drawMailbox } from './mailbox.js';
import { onSettled } from './parts.js';
import { call } from './server.js';
import { kept, onChange, set, state } from './state.js';
import { drawView, tickView } from './views.js';

let eagerUntil = Date.now() + 3000;
let timer = 0;

function poke() {
  eagerUntil = Date.now() + 5000;
  clearTimeout(timer);
  timer = setTimeout(poll, 120);
}

async function poll() {
  clearTimeout(timer);
  const { info } = state;
  if (!document.hidden) {
    const username = state.session?.username || info.username;
    const [mail, core] = await Promise.all([
      info.mailbox ? call('GET', '/mailbox').catch(() => null) : null,
      call('GET', `/demo/state?username=${encodeURIComponent(username)}`).catch(() => null),
    ]);
    const patch = {};
    // The newest message tells whether there is any other: the list only grows at its head.
    if (mail && (mail.length !== state.mail?.length || mail[0]?.sent_at !== state.mail?.[0]?.sent_at)) patch.mail = mail;
    if (core && JSON.stringify({ ...core, now: 0 }) !== JSON.stringify({ ...state.core, now: 0 })) patch.core = core;
    if (Object.keys(patch).length) set(patch);
  }
  clearTimeout(timer);
  timer = setTimeout(poll, Date.now() < eagerUntil ? 700 : state.view === 'code' ? 2500 : 8000);
}

function tick() {
  const now = Date.now();
  tickView(now);
  countDown(now);
}

function draw() {
  drawView();
  drawMailbox();
  drawCore();
}

async function start() {
  let info;
  try {
    info = await call('GET', '/demo/info');
  } catch {
    $('loading').textContent = 'The server does not answer yet. Trying again…';
    setTimeout(start, 2000);
    return;
  }
  const found = kept(info.issuer);
  set({ info });
  if (found) await resume(found);
  onChange(draw);
  draw();
  poll();
  setInterval(tick, 500);
}

onSettled(() => { tick(); poke(); });
$('toggle-core').addEventListener('click', () => showCore($('core').hidden));
document.addEventListener('visibilitychange', () => { if (!document.hidden && state.info) poke(); });
start();
