/*
 * The views, and drawing the one that the state names. A view makes its nodes once and returns them with the element that
 * has the focus first. `tick` runs twice a second and `update` after each change of the state: neither touches what the
 * person is typing. `leave` runs when another view takes its place.
 */

import { $, h, say } from './dom.js';
import { notice, progress } from './parts.js';
import { state } from './state.js';
import { account } from './views/account.js';
import { app } from './views/app.js';
import { choose } from './views/choose.js';
import { code } from './views/code.js';
import { codes } from './views/codes.js';
import { ended } from './views/ended.js';
import { enroll } from './views/enroll.js';
import { recovery } from './views/recovery.js';
import { signIn } from './views/sign_in.js';

const views = { signIn, enroll, choose, code, app, recovery, codes, account, ended };

let mounted = null;

/** Draws the view when it is another one, or one that was made for something else than what the state holds now. */
export function drawView() {
  if (mounted?.name !== state.view || mounted.isStale?.()) mount();
  mounted.update?.();
  $('who').textContent = state.session?.username || '';
}

export function tickView(now) { mounted?.tick?.(now); }

function mount() {
  const first = mounted === null;
  mounted?.leave?.();
  const view = views[state.view]();
  mounted = { name: state.view, ...view };
  // The account places its notices itself; elsewhere one stands on top.
  const top = state.notice && state.view !== 'account' ? [notice(state.notice.kind, state.notice.text)] : [];
  const [head, ...rest] = view.body.filter(Boolean);
  const trouble = h('div', { id: 'trouble', role: 'alert' });
  $('card').replaceChildren(progress(view.step), h('div', { class: 'card-body' }, top, head, trouble, rest));
  document.title = `${view.title} · ${state.info.service}`;
  view.tick?.(Date.now());
  if (first && !state.session) return;
  (view.focus || $('view-title')).focus();
  view.focus?.select?.();
  say([state.notice?.text, view.title].filter(Boolean).join(' '));
}
