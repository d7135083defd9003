// An authenticator app: set up by its QR code or key, and the codes that it shows.

import { codeOf, wrongOtp } from '../otp.mjs';

/** The key that the page shows for typing. */
export const keyOf = async (page) => (await page.locator('#otp-secret span').allTextContents()).join('');

export async function app(visitor) {
  const { page } = visitor;
  await visitor.open();
  await visitor.signIn();
  await visitor.view('Protect your account');
  await visitor.press('Use an authenticator app instead');
  await visitor.view('Set up an authenticator app');
  const key = await keyOf(page);
  visitor.check('the key has 32 symbols of base32', /^[A-Z2-7]{32}$/.test(key), key);
  await visitor.eventually('the QR code is drawn', () => page.evaluate(() => document.querySelector('.barcode').naturalWidth > 100));
  visitor.check('nothing was sent', (await visitor.mail()).length === 0);
  await visitor.sound('set up an app');
  await page.fill('#otp', wrongOtp(key));
  await visitor.errorAt('otp', /That code is not right. You have 9 more tries/);
  await page.fill('#otp', '123');
  await visitor.press('Confirm the app');
  await visitor.errorAt('otp', /Enter all 6 digits/);

  // The secret is in the page's memory alone, and the server shows the same one again.
  await page.reload();
  await visitor.view('Protect your account');
  visitor.check('no secret is kept', !(await page.evaluate(() => JSON.stringify({ ...sessionStorage }))).includes(key));
  await visitor.press('Use an authenticator app instead');
  await visitor.view('Set up an authenticator app');
  visitor.check('the same key is shown again', (await keyOf(page)) === key);
  const confirming = codeOf(key);
  await visitor.paste('#otp', `Code: ${confirming.slice(0, 3)} ${confirming.slice(3)}`);
  await visitor.view('Save your recovery code');
  await visitor.press('I have saved it');
  await visitor.view('You are signed in');
  await visitor.see('the app is listed', '.row[data-id^=totp] .row-name', /^Authenticator app$/);
  await visitor.machine('enrollment', 'active', 'unconfirmed-active');
  await visitor.step('verify_otp', ['IssueToken', 'Notify']);
  await visitor.sound('account with an app');

  await visitor.signOut();
  await visitor.signIn();
  await visitor.view('Enter the code of your app');
  await visitor.sound('code of an app');
  await page.fill('#otp', confirming);
  await visitor.errorAt('otp', /That code is not right/);
  await page.check('#remember');
  await page.fill('#otp', codeOf(key, 1));
  await visitor.view('You are signed in');
  await visitor.see('a code of the app has the device remembered', '.row[data-id^=device] .row-name', /^This device$/);
  await visitor.press('Forget This device');
  await visitor.press('Forget it');
  await visitor.see('it is forgotten', '#card .notice', /The device is forgotten/);

  await visitor.press('Add an address');
  await page.fill('#address', 'user@example.com');
  await visitor.press('Send the code');
  await visitor.view('Check your email');
  await visitor.enter(await visitor.code(1));
  await visitor.see('the address is listed beside it', '.row[data-id^=email] .row-name', /^user@example\.com$/);
  await visitor.signOut();
  await visitor.signIn();
  await visitor.view('How do you want to sign in\\?');
  await visitor.sound('an address or an app');
  await page.locator('button.row', { hasText: 'Authenticator app' }).click();
  await visitor.view('Enter the code of your app');
  await visitor.press('Use another factor');
  await visitor.view('How do you want to sign in\\?');
  await page.locator('button.row', { hasText: '@' }).click();
  await visitor.view('Check your email');
  await visitor.enter(await visitor.code(2));
  await visitor.view('You are signed in');
  await visitor.press('Remove Authenticator app');
  await visitor.see('the question says what it means', '.row-ask', /Its codes stop working at once/);
  await visitor.press('Remove it');
  await visitor.see('what was removed is told', '.notice', /Authenticator app was removed/);
}
