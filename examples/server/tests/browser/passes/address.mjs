// Signing up with a confirmed address, and resetting a forgotten password, as people do it.

import { PASSWORD, USER } from '../visitor.mjs';

/** The link of the newest message to an address that has one. */
async function link(visitor, to, page) {
  let found = null;
  await visitor.eventually(`a link for ${page} arrives`, async () => {
    const mail = await visitor.mail();
    const message = mail.find((each) => each.to === to && each.text.includes(`/${page}#token=`));
    found = message?.text.match(/https?:\/\/\S+#token=\S+/)[0] ?? null;
    return found !== null;
  });
  return { url: found, code: (await visitor.mail()).find((each) => each.to === to).text.match(/(?:\d{4} ){4}\d{4}/)[0] };
}

async function fill(visitor, values) {
  for (const [id, value] of Object.entries(values)) await visitor.page.fill(`#${id}`, value);
  await visitor.page.click('button[type=submit]');
}

export async function address(visitor) {
  const { page, url } = visitor;
  const at = (path) => page.goto(new URL(path, url).href);

  await at('/');
  await page.click('a[href="/signup"]');
  await visitor.view('Sign up');
  await visitor.sound('sign up');
  await fill(visitor, { email: 'no address' });
  await visitor.see('what is no address is refused', '.error', /./);
  await fill(visitor, { email: 'new@example.com' });
  await visitor.view('Look into your mailbox');
  await visitor.see('the answer says nothing of the address', '#sent', /^If a message can be sent to new@example\.com/);
  await visitor.sound('sign up, sent');
  const signUp = await link(visitor, 'new@example.com', 'signup');
  await at('about:blank');
  await page.goto(signUp.url);
  await visitor.view('Choose a password');
  visitor.check('the token is out of the address bar', !page.url().includes('token'), page.url());
  visitor.check('the handle is no script\'s', !(await page.evaluate(() => document.cookie)).includes('countersign'));
  await visitor.sound('choose a password');
  await fill(visitor, { password: 'short' });
  await visitor.see('a password that is too short is refused', '.error', /./);
  await fill(visitor, { password: 'a password of my own' });
  await visitor.view('Your account is ready');

  await at('/reset');
  await visitor.view('Reset your password');
  await visitor.sound('reset');
  await fill(visitor, { email: USER });
  await visitor.view('Look into your mailbox');
  const reset = await link(visitor, USER, 'reset');
  await fill(visitor, { code: reset.code, password: 'another password' });
  await visitor.view('Your password is set');
  await at('about:blank');
  await page.goto(reset.url);
  await fill(visitor, { password: PASSWORD });
  await visitor.see('a link works once', '.error', /used or expired/);
}
