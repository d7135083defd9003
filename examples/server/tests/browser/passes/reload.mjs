// A reload keeps the place in the journey, and nothing secret beside the token.

import { PASSWORD } from '../visitor.mjs';

export async function reload(visitor) {
  const { page } = visitor;
  const again = async () => { await page.reload(); };
  const kept = () => page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage }));
  await visitor.open();
  await visitor.signIn();
  await visitor.view('Protect your account');
  await again();
  await visitor.view('Protect your account');
  await visitor.press('Send the code');
  await visitor.view('Check your email');
  const code = await visitor.code(1);
  await again();
  await visitor.view('Check your email');
  await visitor.see('the code is still counted down', 'form [role=timer]', /Expires in 4:\d\d/);
  visitor.check('a reload sends nothing', (await visitor.mail()).length === 1);
  await visitor.focused('the code has the focus', '#code');
  await visitor.enter(code);
  await visitor.view('Save your recovery codes');
  await visitor.see('codes that a reload lost unseen are made anew', '.codes', /^[0-9A-Z]{240}$/);
  const [first] = await page.locator('.codes li').allTextContents();
  await visitor.press(/I have saved/);
  await visitor.view('You are signed in');
  const held = await kept();
  visitor.check('no password, code or recovery code is kept', ![PASSWORD, code, first, 'demo-secret'].some((secret) => held.includes(secret)));
  await again();
  await visitor.view('You are signed in');
  await visitor.see('the list is there', '.rows', /user@example\.com/);
  await visitor.press('Add an address');
  await visitor.view('Add another address');
  await again();
  await visitor.view('Add another address');
  await visitor.press('Back to your account');
  await visitor.signOut();
  visitor.check('signing out forgets all', await kept() === '{}', await kept());
  await again();
  await visitor.view('Sign in');

  await visitor.signIn();
  await visitor.view('Check your email');
  const loaded = page.waitForEvent('load');
  await page.evaluate(() => {
    // At the last moment: the page keeps its state after every change.
    addEventListener('pagehide', () => {
      const journey = JSON.parse(sessionStorage.getItem('countersign.journey'));
      journey.session.mfaToken = 'AAAA';
      sessionStorage.setItem('countersign.journey', JSON.stringify(journey));
    });
    location.reload();
  });
  await loaded;
  await visitor.view('Sign in');
  await visitor.see('a token that the server refuses leads to the start', '.notice', /session has ended/);
  await page.evaluate(() => sessionStorage.setItem('countersign.journey', '{"issuer":1'));
  await again();
  await visitor.view('Sign in');
}
