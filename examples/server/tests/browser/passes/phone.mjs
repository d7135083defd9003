// The journey on a phone, in the dark, without motion, and with a second address.

import { wrongOf } from '../visitor.mjs';

/** The same on a phone, in the dark, without motion. */
export async function phone(visitor) {
  const { page } = visitor;
  await visitor.open();
  await visitor.sound('sign in');
  const code = await visitor.enrol();
  await visitor.sound('code');
  await visitor.guess(wrongOf(code));
  await visitor.errorAt('code', /not right/);
  await visitor.sound('wrong code');
  await visitor.see('the wait for another is counted down', '#resend', /Send again in 0:\d\d/);
  await visitor.paste('#code', `${code.slice(0, 3)} ${code.slice(3)}`);
  await visitor.view('Save your recovery codes');
  await visitor.sound('recovery codes');
  const codes = await page.locator('.codes li').allTextContents();
  await visitor.press(/I have saved/);
  await visitor.view('You are signed in');
  await visitor.sound('account');

  await visitor.press('Add an address');
  await visitor.view('Add another address');
  await page.fill('#address', 'second.address.with.a.long.name@subdomain.example.com');
  await visitor.press('Send the code');
  await visitor.view('Check your email');
  await visitor.sound('second address');
  await visitor.machine('enrollment', 'unconfirmed', '');
  await visitor.enter(await visitor.code(2));
  await visitor.view('You are signed in');
  await visitor.eventually('both addresses are listed', async () => await page.locator('.rows .row[data-id^=email] .button').count() === 2);
  await visitor.machine('enrollment', 'active', 'unconfirmed-active');
  await visitor.sound('two addresses');
  await visitor.signOut();

  await visitor.signIn();
  await visitor.view('Where should the code go\\?');
  await visitor.sound('choose');
  await page.locator('button.row').nth(1).click();
  await visitor.view('Check your email');
  await visitor.press('Use a recovery code');
  await visitor.sound('recovery');
  await page.fill('#recovery', codes[1] || codes[0]);
  await visitor.press('Use the recovery code');
  await visitor.view('You are signed in');
  const moving = await page.evaluate(() => Math.max(...[...document.querySelectorAll('*')].flatMap((node) => getComputedStyle(node).transitionDuration.split(',').map(parseFloat))));
  visitor.check('reduced motion is respected', moving <= 0.001, `${moving} s`);
  await visitor.sound('signed in');
}
