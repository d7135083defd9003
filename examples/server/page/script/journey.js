/* What the person does: each function is one step of the journey, and leads to the next view. */

import { Refusal, ServerError, call } from './server.js';
import { explain } from './refusals.js';
import { go, set, signOut, state } from './state.js';
import { plural } from './time.js';

const GRANT = 'http://auth0.com/oauth/grant-type/';
const DEVICE_GRANT = 'urn:countersign:grant-type:mfa-device';
const client = () => ({ client_id: state.info.client_id, client_secret: state.info.client_secret });
// The cookie of a remembered device goes with these requests. No script reads it.
const token = (body) => call('POST', '/oauth/token', { body: { ...client(), ...body }, cookies: true });

// A token for the MFA audience: with it the account view lists, adds and removes authenticators and makes recovery codes.
const elevated = () => ({ audience: state.info.mfa_audience, scope: 'enroll read:authenticators remove:authenticators' });
const bearer = () => state.session.accessToken || state.session.mfaToken;

export const isElevated = () => Boolean(state.session?.accessToken);
export const byMail = () => state.authenticators.filter((one) => one.active && one.authenticator_type === 'oob');
export const byApp = () => state.authenticators.filter((one) => one.active && one.authenticator_type === 'otp');
export const recoveryCodes = () => state.authenticators.find((one) => one.active && one.authenticator_type === 'recovery-code');
export const hasRecovery = () => Boolean(recoveryCodes());

/** Few recovery codes are left: three or less, of a set that had more. */
export const isFew = (left) => left <= 3 && left < state.info.recovery_codes;

export async function signIn(username, password) {
  let answer;
  try {
    answer = await token({ grant_type: 'password', username, password, scope: 'openid profile email' });
  } catch (refusal) {
    if (refusal.error !== 'mfa_required') throw refusal;
    answer = refusal.body;
  }
  set({ session: { username, mfaToken: answer.mfa_token }, codesFrom: 0, messagesFrom: 0 });
  const { challenge: has, enroll = [] } = answer.mfa_requirements || {};
  if (!has) {
    const types = enroll.map((one) => one.type);
    set({ session: { ...state.session, types } });
    // Where the policy lets no email code sign in, an app is the way.
    return types.includes('email') ? go('enroll') : resumable(associateApp);
  }
  await resumable(answer.remembered_device ? onDevice : secondFactor);
}

/** The device is remembered, and takes the place of a code. */
async function onDevice() {
  let answer;
  try {
    answer = await token({ grant_type: DEVICE_GRANT, mfa_token: state.session.mfaToken, ...elevated() });
  } catch (refusal) {
    // It was forgotten meanwhile.
    if (!(refusal instanceof Refusal) || explain(refusal).restart) throw refusal;
    return secondFactor();
  }
  await signedIn(answer, 'This device is remembered, so no code was asked for. To change your factors, sign in with a code.');
}

/** Trying again after trouble goes on from here: the steps before are not taken twice. */
async function resumable(step) {
  try {
    await step();
  } catch (error) {
    if (error instanceof ServerError) error.resume = () => resumable(step);
    throw error;
  }
}

/** The password was right: asks for a code, or where it should go. */
async function secondFactor() {
  await refresh();
  const usable = [...byMail(), ...byApp()];
  if (!usable.length && !hasRecovery()) {
    return end({ title: 'No way to sign in', lines: ['This account has no second factor that can be used now. Ask the people who run this service for help.'] });
  }
  const chosen = usable.find((one) => one.preferred) ?? (usable.length === 1 ? usable[0] : null);
  if (!chosen) return go(usable.length ? 'choose' : 'recovery', { challenge: null });
  try {
    await challenge(chosen);
  } catch (refusal) {
    // No code can be sent now. A recovery code is not bound by those limits.
    if (!(refusal instanceof Refusal) || explain(refusal).restart) throw refusal;
    if (usable.length > 1) return go('choose', { challenge: null, notice: { kind: 'warn', text: explain(refusal).text } });
    if (!hasRecovery()) throw refusal;
    go('recovery', { challenge: null, notice: { kind: 'warn', text: explain(refusal).text } });
  }
}

/** The two timers of a challenge: when its code dies, and when asking again will send. */
function timers({ expires_in: life = 300, resend_in: wait = 0 }) {
  const now = Date.now();
  return { expires: now + life * 1000, resend: now + wait * 1000 };
}

export async function challenge(authenticator) {
  const { id, authenticator_type: type } = authenticator;
  const body = { ...client(), mfa_token: state.session.mfaToken, challenge_type: type ?? 'oob', authenticator_id: id };
  const answer = await call('POST', '/mfa/challenge', { body, cookies: true });
  // An app shows its code by itself: nothing is sent, and the answer says how many codes are wanted.
  if (type === 'otp') return expectOtp(answer, { purpose: 'authenticate', authenticator: { id } });
  const { name, destination } = authenticator;
  expectCode(answer, { purpose: 'authenticate', name, destination, authenticator: { id, name, destination } });
}

// A client that names itself is shown the recovery codes again when it asks again.
export async function associate(email) {
  const body = { ...client(), authenticator_types: ['oob'], oob_channels: ['email'], email };
  const answer = await call('POST', '/mfa/associate', { bearer: bearer(), body });
  const recoveryCodes = answer.recovery_codes || null;
  expectCode(answer, { purpose: 'confirm', name: email, email }, { recoveryCodes, unsaved: Boolean(recoveryCodes) });
}

/** Shows the secret for an app. The server shows the same one again while this sign-in lasts. */
export async function associateApp() {
  const answer = await call('POST', '/mfa/associate', { bearer: bearer(), body: { ...client(), authenticator_types: ['otp'] } });
  const barcode = await call('POST', '/demo/barcode', { body: { text: answer.barcode_uri }, raw: true });
  const recoveryCodes = answer.recovery_codes || null;
  const patch = { recoveryCodes, unsaved: Boolean(recoveryCodes), setup: { secret: answer.secret, barcode } };
  expectOtp(answer, { purpose: 'confirm', expires: Date.now() + answer.expires_in * 1000 }, patch);
}

function expectOtp(answer, challenge, patch = {}) {
  go('app', { challenge: { name: 'Authenticator app', codes: answer.otp_codes ?? 1, ...challenge }, attemptsLeft: null, ...patch });
}

/** Confirms the app whose secret was shown, or signs in by one. Which app it is need not be said where there is one. */
export async function verifyOtp(otp, remember = false) {
  const { purpose, authenticator } = state.challenge;
  const answer = await token({ grant_type: `${GRANT}mfa-otp`, mfa_token: bearer(), otp, ...(authenticator && { authenticator_id: authenticator.id }), remember_device: remember, ...elevated() });
  set({ setup: null });
  await signedIn(answer, purpose === 'confirm' ? 'Your authenticator app is confirmed and can be used from now on.' : null);
}

function expectCode(answer, challenge, patch = {}) {
  const digits = answer.binding_code_length ?? state.info.code_digits;
  // A resend for the same address keeps its count of attempts; another address has its own, and a longer code has none.
  const whose = (asked) => asked?.authenticator?.id ?? asked?.email;
  const same = whose(state.challenge) === whose(challenge) && state.challenge.digits === digits;
  go('code', { challenge: { ...challenge, oobCode: answer.oob_code, digits, ...timers(answer) }, attemptsLeft: same ? state.attemptsLeft : null, ...patch });
}

/** Asking again is the resend; inside the cool-down the server sends nothing and says how long to wait. */
export const resend = () => (state.challenge.purpose === 'confirm' ? associate(state.challenge.email) : challenge(state.challenge.authenticator));

export async function verify(code, remember = false) {
  const { oobCode, purpose } = state.challenge;
  let answer;
  try {
    answer = await token({ grant_type: `${GRANT}mfa-oob`, mfa_token: bearer(), oob_code: oobCode, binding_code: code, remember_device: remember, ...elevated() });
  } catch (error) {
    if (error instanceof ServerError) set({ challenge: { ...state.challenge, unsure: true } });
    // The code was used up by a request whose answer was lost, so nobody else has it, and nobody can use it again.
    if (error.error === 'expired_token' && state.challenge.unsure) {
      return signOut('The server took your code at the first try, but its answer was lost. Please sign in again.', 'warn');
    }
    throw error;
  }
  await signedIn(answer, purpose === 'confirm' ? 'Your email address is confirmed and can be used from now on.' : null);
}

export async function recover(code) {
  let answer;
  try {
    // Asking twice with one code gives one answer, so trying again after trouble is safe.
    answer = await token({ grant_type: `${GRANT}mfa-recovery-code`, mfa_token: state.session.mfaToken, recovery_code: code, ...elevated() });
  } catch (error) {
    throw Object.assign(error, { recovery: true });
  }
  if (answer.recovery_code) set({ recoveryCodes: [answer.recovery_code], unsaved: true, challenge: { purpose: 'replace' } });
  await signedIn(answer, 'That recovery code is spent and cannot be used again.');
}

async function signedIn(answer, text) {
  const session = { username: state.session.username, accessToken: answer.access_token, expires: Date.now() + answer.expires_in * 1000 };
  set({ session });
  await refresh().catch(() => {}); // what is known of the list will do
  if (state.recoveryCodes) return go('codes', { notice: text && { kind: 'ok', text } });
  // A reload lost codes that nobody has seen, so the account gets others.
  if (state.unsaved) return regenerate('confirm').catch(() => go('account', { notice: LOST }));
  go('account', { challenge: null, notice: text && { kind: 'ok', text } });
}

const LOST = { kind: 'warn', text: 'The page was left before you said that your recovery codes are saved. They are not shown again: if you do not have them, make new ones.' };

/** New recovery codes take the place of the old ones. */
export async function regenerate(purpose = 'regenerate') {
  const answer = await call('POST', '/mfa/recovery-codes', { bearer: bearer() });
  set({ recoveryCodes: answer.recovery_codes, unsaved: true, challenge: { purpose } });
  await refresh().catch(() => {});
  go('codes');
}

/** The codes were saved: they are forgotten here. */
export function codesSaved() {
  go('account', { recoveryCodes: null, unsaved: false, challenge: null });
}

export async function refresh() {
  set({ authenticators: await call('GET', '/mfa/authenticators', { bearer: bearer() }) });
  if (isElevated()) set({ devices: await call('GET', '/mfa/devices', { bearer: bearer(), cookies: true }) });
}

export async function forget(device) {
  await call('DELETE', `/mfa/devices/${encodeURIComponent(device.id)}`, { bearer: bearer(), cookies: true })
    // A first try whose answer was lost has forgotten it.
    .catch((error) => { if (error.status !== 404) throw error; });
  await refresh().catch(() => set({ devices: state.devices.filter(({ id }) => id !== device.id) }));
  set({ notice: { kind: 'ok', text: 'The device is forgotten.' } });
}

/** What a person calls an authenticator. */
export const nameOf = (one) => givenName(one) || one.email || one.name || 'Authenticator app';

/** The name that its user gave it. Of an address without one, `name` is the masked address. */
export const givenName = (one) => (one.authenticator_type === 'otp' || one.destination ? one.name : undefined);

/** The same in a sentence: a name is of any direction, and keeps it to itself (U+2068 and U+2069 isolate it). */
export const said = (one) => (givenName(one) ? `\u2068${one.name}\u2069` : nameOf(one));

/** Where its codes go, if its name does not say so. */
export const addressOf = (one) => (givenName(one) ? one.email || one.destination : undefined);

async function update(authenticator, change, text) {
  await call('PATCH', `/mfa/authenticators/${encodeURIComponent(authenticator.id)}`, { bearer: bearer(), body: change });
  // What was changed is known without the list.
  const changed = (one) => ({ ...one, ...(change.preferred && { preferred: undefined }), ...(one.id === authenticator.id && change) });
  await refresh().catch(() => set({ authenticators: state.authenticators.map(changed) }));
  set({ notice: { kind: 'ok', text } });
}

/** Gives it a name; an empty one takes its name from it. */
export const rename = (authenticator, name) => update(authenticator, { name }, name ? `It is called \u2068${name}\u2069 from now on.` : 'It has no name any more.');

/** Whether a sign-in asks for it first. */
export const prefer = (authenticator, preferred) => update(authenticator, { preferred },
  preferred ? `${said(authenticator)} is asked for first from now on.` : 'From now on a sign-in asks what to use.');

export async function remove(authenticator) {
  await call('DELETE', `/mfa/authenticators/${encodeURIComponent(authenticator.id)}`, { bearer: bearer() })
    // A first try whose answer was lost has removed it.
    .catch((error) => { if (error.status !== 404) throw error; });
  await refresh().catch(() => set({ authenticators: state.authenticators.filter(({ id }) => id !== authenticator.id) }));
  set({ notice: { kind: 'ok', text: `${said(authenticator)} was removed.` } });
}

/** Goes to the view that says what is over, and how to go on. */
export function end(ended) {
  go('ended', { challenge: null, recoveryCodes: null, attemptsLeft: null, ended: { until: 0, ...ended } });
}

/** Where no more code is taken, the way out is the only thing to show. Says whether the refusal is of that kind. */
export function endedBy(refusal, meaning) {
  if (!state.session) return false;
  if (meaning.messages) {
    // With a challenge at hand its code still works; without one there is nothing to type.
    if (state.view === 'code' || state.view === 'recovery' || isElevated()) return false;
    end({ title: 'No more messages for now', lines: ['This account was sent as many messages as it may have.'], until: meaning.until, recovery: hasRecovery() });
    return true;
  }
  const over = meaning.locked || refusal.message === 'Too many failed codes. Sign in again.';
  if (!over) return false;
  if (refusal.recovery) {
    const mail = byMail().length > 0;
    const other = mail ? ' A code by email still works: sign in again to get one.' : byApp().length > 0 ? ' A code of your app still works: sign in again to use one.' : '';
    end({
      title: 'Too many wrong recovery codes', lines: [`No recovery code is taken${meaning.until ? '' : ' in this sign-in'}.${other}`],
      until: other ? 0 : meaning.until,
    });
  } else if (isElevated()) {
    const name = state.challenge?.name;
    end({ title: 'Too many wrong codes', lines: [name ? `${name} was not added, and its code is no longer valid.` : 'No code is taken now.'], until: meaning.until, account: true });
  } else {
    end({ title: 'Too many wrong codes', lines: [state.view === 'app' ? 'No more codes are taken in this sign-in.' : 'The code that we sent is no longer valid.'], until: meaning.until, recovery: hasRecovery() });
  }
  return true;
}

/** Takes up the journey that this tab kept, as far as the server still knows it. */
export async function resume(found) {
  const codes = found.view === 'codes';
  // A secret is not kept: the app is set up anew, from the same secret.
  const secret = found.view === 'app' && found.challenge?.purpose === 'confirm';
  set({ session: found.session });
  try {
    await refresh();
  } catch (error) {
    if (error instanceof Refusal) {
      // The lock goes on, whatever became of the session.
      if (found.view === 'ended' && found.ended.until > Date.now()) return set({ view: 'ended', ended: { ...found.ended, recovery: false, account: false } });
      return signOut('Your session has ended. Please sign in again.', 'warn');
    }
    // No connection: the list follows with the next request.
  }
  const notice = codes && found.unsaved ? LOST : null;
  set({ ...found, view: codes ? 'account' : secret ? (isElevated() ? 'account' : 'enroll') : found.view, challenge: codes || secret ? null : found.challenge, unsaved: codes ? false : found.unsaved, notice });
}

/** How many recovery codes are left, in words. */
export const leftText = (left) => (left === 0 ? 'None left' : `${plural(left, 'code')} left`);
