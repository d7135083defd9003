// A policy under which an app signs in and email only confirms an address. Its mailed codes are longer.

import { codeOf } from '../otp.mjs';
import { keyOf } from './app.mjs';

export async function strict(visitor) {
  const { page } = visitor;
  await visitor.open();
  await visitor.signIn();
  await visitor.view('Set up an authenticator app');
  visitor.check('no address is offered in its place', await visitor.text('#use-app') === null && !/email address instead/.test(await visitor.text('.options')));
  await page.fill('#otp', codeOf(await keyOf(page)));
  await visitor.view('Save your recovery codes');
  await visitor.press(/I have saved/);
  await visitor.view('You are signed in');
  await visitor.press('Add an address');
  await page.fill('#address', 'user@example.com');
  await visitor.press('Send the code');
  await visitor.view('Check your email');
  const code = await visitor.code(1);
  visitor.check('the code has 8 digits', code.length === 8, code);
  await visitor.see('the field asks for 8 digits', 'label[for=code]', /8-digit/);
  await visitor.see('the wait is that of the policy', '#resend', /Send again in (1:00|0:5\d)/);
  await page.fill('#code', code.slice(0, 6));
  await visitor.press('Confirm');
  await visitor.errorAt('code', /Enter all 8 digits/);
  await visitor.paste('#code', `${code.slice(0, 4)} ${code.slice(4)}`);
  await visitor.view('You are signed in');
  await visitor.see('what was done is told', '.notice', /Your email address is confirmed/);
  await visitor.machine('challenge', 'verified', 'pending-verified');
  await visitor.sound('an app, and an address that was confirmed');
}
