// While an account is guessed at its mail carries 20 digits: the page says so, takes them in groups, and signs in by them.

import { wrongOf } from '../visitor.mjs';

/** Somebody who knows the password, on another machine: so many wrong codes in a sign-in of their own, which sends a message. */
async function strangerGuesses(visitor, guesses, message) {
  const mfa_token = await visitor.signInElsewhere();
  const { oob_code } = await visitor.elsewhere('/mfa/challenge', { mfa_token, challenge_type: 'oob' });
  const binding_code = wrongOf(await visitor.code(message));
  const seen = [];
  for (let guess = 0; guess < guesses; guess += 1) {
    const reply = await visitor.elsewhere('/oauth/token', { grant_type: 'http://auth0.com/oauth/grant-type/mfa-oob', mfa_token, oob_code, binding_code });
    seen.push(reply.attempts_left);
  }
  visitor.check(`a stranger guesses ${guesses} times`, seen.join() === [4, 3, 2, 1, 0].slice(0, guesses).join(), seen.join());
}

export async function long(visitor) {
  const { page } = visitor;
  await visitor.account();
  await visitor.signOut();
  await visitor.signIn();
  await visitor.view('Check your email');
  const short = await visitor.code(2);
  visitor.check('a code of six digits is asked for', await visitor.text('label[for=code]') === '6-digit code');
  await visitor.guess(wrongOf(short));
  await visitor.errorAt('code', /not right\. You have 4 more tries/);
  await strangerGuesses(visitor, 5, 3);
  await strangerGuesses(visitor, 4, 4);

  // The first that this page hears of the guesses is the refusal of its code.
  await visitor.guess(short);
  await visitor.see('it says that the next one is longer', '#code-error', /that code no longer counts\. Ask for a new one: it is longer/);
  await visitor.see('a new one is sent at once', '#fresh', /^Send a new code$/);
  await visitor.focused('the way to it has the focus', '#fresh');
  visitor.check('the dead code takes no input', await page.isDisabled('#code') && !(await page.isVisible('main form [type=submit]')));
  visitor.check('it still says why', /it is longer/.test(await visitor.text('#code-error')));
  await visitor.sound('a longer code is wanted');
  await visitor.press('Send a new code');
  await visitor.see('20 digits are asked for', 'label[for=code]', /^20-digit code$/);
  await visitor.see('it says why', 'main .notice.info', /^Many wrong codes were entered for this account, so this code has 20 digits, in groups of four\.$/);
  await visitor.focused('the code has the focus', '#code');
  visitor.check('no tries are counted', !(await page.isVisible('#attempts')));

  const digits = await visitor.longCode();
  const groups = digits.match(/.{4}/g).join(' ');
  await visitor.paste('#code', wrongOfLong(groups));
  await visitor.errorAt('code', /That code is not right\. Check the newest message\./);
  visitor.check('a wrong one stays in view, in groups', (await page.inputValue('#code')) === wrongOfLong(groups), await page.inputValue('#code'));
  const hidden = await page.locator('#code').evaluate((input) => input.scrollWidth - input.clientWidth);
  visitor.check('all of its digits are in view', hidden <= 0, `${hidden} px are not`);
  visitor.check('no tries are counted for it', !(await page.isVisible('#attempts')));
  await visitor.sound('a wrong code of 20 digits');

  // Typed as far as its last group, then copied from the message.
  await page.fill('#code', '');
  await page.locator('#code').pressSequentially(digits.slice(0, 18));
  visitor.check('what is typed is put in groups', (await page.inputValue('#code')) === groups.slice(0, -2), await page.inputValue('#code'));
  await visitor.see('the mailbox shows the code as it was mailed', '#mailbox-list .mail-code output', new RegExp(`^${groups}$`));
  await visitor.press('Copy code', '#mailbox-list');
  await visitor.eventually('it is on the clipboard', async () => {
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    return copied === groups || copied;
  });
  const sent = await visitor.submissions(async () => {
    await page.locator('#code').selectText();
    await page.keyboard.press('Control+V');
    await visitor.view('You are signed in');
  });
  visitor.check('the right one is sent once', sent === 1, sent);
}

/** Another code in the same groups. */
function wrongOfLong(groups) { return `${groups.slice(0, -1)}${wrongOf(groups.at(-1))}`; }
