/* What a refusal or trouble means to a person, and what can be done about it. */

import { plural, whenOf, waitOf } from './time.js';

const TEXTS = {
  'A more recent authentication is required.': 'For this, sign in again with a code.',
  'Wrong email or password.': 'That email and password do not match.',
  'oob_code is expired': 'That code is no longer valid. Ask for a new one.',
  'MFA Authorization rejected.': 'That recovery code is not right, or it was used before.',
  'User does not have a recovery-code.': 'This account has no recovery codes.',
  'User is already enrolled.': 'This account already has a second factor. Sign in with it first.',
  'The email address is already enrolled.': 'This address is one of your factors already.',
  'The email address is invalid.': 'That does not look like an email address.',
  'Too many authenticators are enrolled.': 'This account has as many addresses as it may have. Remove one first.',
  "The authenticator stands for a verified address and can't be removed.": 'This is your verified address. It cannot be removed here.',
};

/** The attempts that are left, in words. */
export const attemptsText = (left) => (left === 1 ? 'You have one more try.' : `You have ${plural(left, 'more try', 'more tries')}.`);

/**
 * A refusal as `text`, and what follows from it besides: `restart` if only a new sign-in helps, `locked` if no code is
 * taken until `until` (0: in this sign-in), `messages` if no mail is sent until `until`, `longer` if the next code
 * by mail is a long one, and `fourCodes` if an app's codes are taken four at once.
 */
export function explain(refusal) {
  const { error, message, status, retryAfter, body } = refusal;
  const until = retryAfter ? Date.now() + retryAfter * 1000 : 0;
  const when = until ? `You can go on ${whenOf(until)}.` : 'Try again in a few minutes.';
  if (error === 'expired_token' ? message === 'mfa_token is expired' : status === 401 && error === 'invalid_grant') {
    return { text: 'This sign-in took too long. Please start again.', restart: true };
  }
  if (message.startsWith('oob_code is expired. Ask for a new one')) {
    return { text: 'Many wrong codes were entered for this account, so that code no longer counts. Ask for a new one: it is longer.', longer: true };
  }
  // The server wants four codes that follow each other: the page collects them.
  if (message.startsWith('Invalid otp_code. Enter four')) {
    return { text: 'Many wrong codes were entered for this account, so one code is not enough now. Enter four that follow each other.', fourCodes: true };
  }
  const otp = message === 'Invalid otp_code.';
  if (otp || message === 'Invalid binding_code.') {
    const left = body.attempts_left;
    if (left === 0) return { text: 'Too many wrong codes.', locked: true, until };
    const hint = otp ? 'Wait for the next one, which works once.' : 'Check the newest message.';
    return { text: `That code is not right. ${left === undefined ? hint : attemptsText(left)}`, attemptsLeft: left ?? null };
  }
  if (TEXTS[message]) return { text: TEXTS[message] };
  if (message.startsWith('Too many failed codes')) return { text: `Too many wrong codes. ${when}`, locked: true, until };
  if (message.startsWith('Too many emails')) return { text: `Too many messages were sent. ${when}`, messages: true, until };
  if (message.startsWith('An email was sent a moment ago')) return { text: `A message was sent a moment ago. ${when}`, messages: true, until };
  if (status === 429) return { text: `Too many requests. ${when}` };
  return { text: message.endsWith('.') ? message : `The server refused: ${message}.` };
}

/** ServerError as a title and a sentence. */
export function describe({ kind, retryAfter }) {
  const table = {
    unreachable: ['No connection', 'The server cannot be reached. Check your connection, then try again.'],
    timeout: ['No answer', 'The server did not answer in time, but it may have received the request. You can try again: a right code cannot be used twice.'],
    busy: ['The server is busy', `It asks to wait ${waitOf(Math.max(1, retryAfter) * 1000)} before the next try.`],
    server: ['The server has a problem', 'Something failed on the server, not on your side. Try again in a moment.'],
  };
  const [title, text] = table[kind];
  return { title, text };
}
