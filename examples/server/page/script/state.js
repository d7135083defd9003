/*
 * Everything that the page knows, and the part of it that a reload keeps.
 *
 * `sessionStorage` belongs to one tab and one origin, and ends with the tab. It holds the place in the journey, the
 * masked or typed address, the times that are counted down, and the token of the session with the handle of its
 * challenge. The handle is worth nothing without that token. Nothing else that is secret is kept: no password, no code
 * that was typed, no recovery code, no secret of an app. The lists of authenticators are asked for again.
 */

const KEY = 'countersign.journey';
const KEPT = ['view', 'session', 'challenge', 'codesFrom', 'messagesFrom', 'ended', 'unsaved', 'attemptsLeft'];

const FRESH = {
  view: 'signIn',
  session: null,         // { username, mfaToken, types, accessToken, expires }
  authenticators: [],    // the list as the server gives it
  devices: [],           // the remembered devices, with both factors
  challenge: null,       // { purpose, name, authenticator, email, oobCode, digits, codes, expires, resend, unsure }
  setup: null,           // { secret, barcode } of an app that is being set up
  attemptsLeft: null,    // for this challenge, once a code was wrong
  codesFrom: 0,          // after too many wrong codes: when the next one will be taken
  messagesFrom: 0,       // after too many messages: when the next one will be sent
  ended: null,           // { title, lines, until, recovery, account } for the view of that name
  recoveryCodes: null,   // shown once, after the enrollment is confirmed
  unsaved: false,        // recovery codes are due to be shown, or were not said to be saved
};

export let state = {
  ...FRESH,
  info: null,            // what GET /demo/info said
  notice: null,          // { kind, text } above the form of the next view
  mail: null,
  core: null,
};

let changed = () => {};

/** Names the function that draws the state. */
export function onChange(draw) { changed = draw; }

export function set(patch) {
  state = { ...state, ...patch };
  keep();
  changed();
}

/** Goes to another view. A notice lives for exactly one view. */
export function go(view, patch = {}) {
  set({ notice: null, ...patch, view });
}

/** Forgets everything of the session; with a text it says why. */
export function signOut(text, kind = 'info') {
  set({ ...FRESH, notice: text ? { kind, text } : null });
}

function keep() {
  if (!state.info) return;
  try {
    if (!state.session) return sessionStorage.removeItem(KEY);
    const kept = Object.fromEntries(KEPT.map((name) => [name, state[name]]));
    sessionStorage.setItem(KEY, JSON.stringify({ issuer: state.info.issuer, ...kept }));
  } catch { /* The browser forbids it: a reload starts anew. */ }
}

/** What this tab kept of a journey with this server, if anything. */
export function kept(issuer) {
  try {
    const { issuer: of, ...found } = JSON.parse(sessionStorage.getItem(KEY));
    return of === issuer && found.session ? found : null;
  } catch {
    return null;
  }
}
