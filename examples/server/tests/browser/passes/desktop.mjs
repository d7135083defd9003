// The whole journey with a mouse, and what the developer's panel shows of it.

import { PASSWORD, USER, sleep, wrongOf } from '../visitor.mjs';
import { header } from './policy.mjs';

/** Everything, with a mouse, on a desk. */
export async function desktop(visitor) {
  const { page } = visitor;
  await header(visitor);
  await visitor.open();
  await visitor.see('the mailbox is empty', '#mailbox', /No mail yet/);
  await visitor.see('the log is empty', '#log-empty', /Nothing happened yet/);
  await visitor.sound('sign in');

  await page.fill('#password', 'wrong');
  await visitor.signIn();
  await visitor.errorAt('password', /do not match/);
  await page.fill('#password', '');
  await visitor.signIn();
  await visitor.errorAt('password', /Enter your password/);
  await page.fill('#email', 'nobody');
  await visitor.signIn();
  await visitor.errorAt('email', /Enter the email address/);
  await page.fill('#email', USER);
  await page.fill('#password', PASSWORD);
  await page.getByRole('button', { name: 'Show password' }).click();
  visitor.check('the password can be shown', await page.getAttribute('#password', 'type') === 'text');
  await page.getByRole('button', { name: 'Hide password' }).click();

  await visitor.signIn();
  await visitor.view('Protect your account');
  await visitor.focused('the address has the focus', '#address');
  await visitor.sound('enrol');
  await page.fill('#address', 'nothing');
  await visitor.press('Send the code');
  await visitor.errorAt('address', /Enter an email address/);
  await page.fill('#address', USER);
  await visitor.press('Send the code');
  await visitor.view('Check your email');
  await visitor.focused('the code has the focus', '#code');
  const traits = await page.evaluate(() => ['autocomplete', 'inputmode'].map((name) => document.getElementById('code').getAttribute(name)).join());
  visitor.check('the code field asks for a one-time code and digits', traits === 'one-time-code,numeric', traits);
  await visitor.machine('challenge', 'pending', '');
  await visitor.machine('enrollment', 'unconfirmed', '');
  await visitor.step('associate', ['Send']);
  const first = await visitor.code(1);
  await visitor.see('the mailbox shows the code', '#mailbox output', new RegExp(first));
  await visitor.see('the life of the code is counted down', 'form [role=timer]', /Expires in 4:\d\d/);
  await visitor.see('the wait for another is counted down', '#resend', /Send again in 0:\d\d/);
  const before = await visitor.text('#resend');
  await sleep(1_700);
  visitor.check('the countdown goes down', await visitor.text('#resend') < before, `${before} and ${await visitor.text('#resend')}`);
  await page.click('#resend', { force: true });
  await sleep(200);
  visitor.check('asking too early sends nothing', (await visitor.mail()).length === 1);

  await page.fill('#code', '12');
  await visitor.press('Confirm');
  await visitor.errorAt('code', /Enter all 6 digits/);
  await visitor.guess(wrongOf(first));
  await visitor.errorAt('code', /not right/);
  await visitor.machine('challenge', 'pending', 'pending-pending');
  await visitor.step('verify_oob', [], 'invalid_binding_code');
  await visitor.sound('wrong code');
  await page.fill('#code', '');
  await page.keyboard.type('1a2 3');
  visitor.check('only digits are kept', await page.inputValue('#code') === '123', await page.inputValue('#code'));
  visitor.check('a change takes the error away', await visitor.text('#code-error') === null);
  await visitor.paste('#code', `${first.slice(0, 3)}-${first.slice(3)}\n`); // whole, and submitted

  await visitor.view('Save your recovery codes');
  await visitor.machine('challenge', 'verified', 'pending-verified');
  await visitor.machine('enrollment', 'active', 'unconfirmed-active');
  await visitor.step('verify_oob', ['IssueToken', 'Notify']);
  const codes = await page.locator('.codes li').allTextContents();
  visitor.check('the recovery codes are shown', codes.length > 0 && codes.every((code) => /^[0-9A-Z]{24}$/.test(code)), codes.length);
  await visitor.press('Copy');
  await visitor.see('copying is confirmed', '.actions', /Copied/);
  visitor.check('the recovery codes are in the clipboard', await page.evaluate(() => navigator.clipboard.readText()) === codes.join('\n'));
  const [file] = await Promise.all([page.waitForEvent('download'), visitor.press('Download')]);
  visitor.check('the recovery codes can be saved', /^[a-z0-9-]+-recovery-codes-\d{4}-\d\d-\d\d\.txt$/.test(file.suggestedFilename()), file.suggestedFilename());
  await visitor.sound('recovery codes');
  await visitor.press('I have saved them');
  await visitor.view('You are signed in');
  await visitor.see('the authenticator is active', '.rows .row[data-id^=email]', /Active/);
  visitor.check('the recovery codes are shown once', !(await page.content()).includes(codes[0].slice(0, 6)));
  await visitor.sound('account');
  await visitor.signOut();
  await visitor.see('signing out is confirmed', '.notice', /signed out/);

  await visitor.signIn();
  await visitor.view('Check your email');
  const second = await visitor.code(2);
  visitor.check('the next sign-in has a code of its own', second !== first);
  await visitor.machine('challenge', 'pending', '');
  await visitor.step('challenge', ['Send']);
  await visitor.see('asking again becomes possible when the wait is over', '#resend', /^Send again$/, 40_000);
  await page.click('#resend');
  const third = await visitor.code(3);
  await visitor.see('the wait starts anew', '#resend', /Send again in 0:\d\d/);
  await visitor.machine('challenge', 'pending', 'pending-pending');
  await visitor.enter(third);
  await visitor.view('You are signed in');
  await visitor.machine('challenge', 'verified', 'pending-verified');
  await visitor.step('verify_oob', ['IssueToken']);
  await visitor.signOut();

  await visitor.signIn();
  await visitor.view('Check your email');
  await visitor.press('Use a recovery code');
  await visitor.view('Use a recovery code');
  await visitor.press('Use the recovery code');
  await visitor.errorAt('recovery', /Enter one of/);
  await page.fill('#recovery', '2'.repeat(24));
  await visitor.press('Use the recovery code');
  await visitor.errorAt('recovery', /not right/);
  await visitor.sound('recovery');
  await visitor.paste('#recovery', ` ${codes[0].toLowerCase().match(/.{6}/g).join('-')} `);
  await page.locator('#recovery').evaluate((input) => { if (!input.value.includes('-')) throw new Error('nothing was pasted'); });
  await visitor.press('Use the recovery code');
  await visitor.see('the recovery code signs in', '#view-title', /You are signed in/);
  await visitor.see('the spent code is told', '.notice', /spent/);
  await visitor.step('verify_recovery', ['IssueToken', 'Notify']);

  await visitor.press(/^Remove/);
  await visitor.focused('removing asks first', '.danger');
  await visitor.sound('remove');
  await visitor.press('Keep it');
  await visitor.focused('keeping gives the focus back', '[aria-label^="Remove"]');
  await visitor.press(/^Remove/);
  await visitor.press('Remove it');
  await visitor.see('the account has no factor left', '.empty', /No second factor/);
  await visitor.machine('enrollment', 'gone', 'active-gone');
  await visitor.step('remove', ['Notify']);
  await visitor.focused('the focus is not lost', '#view-title');
  await visitor.sound('no factor');
  await page.getByRole('button', { name: 'Developer view' }).click();
  visitor.check('the developer view can be hidden', !(await page.isVisible('#core')) && await page.getAttribute('#toggle-core', 'aria-expanded') === 'false');
}
