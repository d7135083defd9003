// The journey with the keyboard alone: no click and no `fill`.

import { sleep, wrongOf } from '../visitor.mjs';

/** With the keyboard alone: no click, no `fill`. */
export async function keyboard(visitor) {
  const { page } = visitor;
  const { keyboard: keys } = page;
  const to = async (name, selector) => {
    for (let presses = 0; presses < 60; presses += 1) {
      if (await page.evaluate((wanted) => document.activeElement.matches(wanted), selector)) {
        await sleep(200); // the ring fades in
        const ring = await page.evaluate(() => { const style = getComputedStyle(document.activeElement); return style.outlineStyle !== 'none' || style.boxShadow !== 'none'; });
        return visitor.check(`${name} is reached by Tab and shows it`, ring);
      }
      await keys.press('Tab');
    }
    return visitor.check(`${name} is reached by Tab and shows it`, false);
  };
  await visitor.open();
  await keys.press('Tab');
  await visitor.focused('the first stop skips to the form', '.skip');
  await keys.press('Enter');
  await to('the password', '#password');
  await keys.press('Enter');
  await visitor.view('Protect your account');
  await visitor.focused('the address has the focus', '#address');
  await keys.press('Enter');
  await visitor.view('Check your email');
  await visitor.focused('the code has the focus', '#code');
  const code = await visitor.code(1);
  await keys.type(wrongOf(code)); // the last digit submits
  await visitor.errorAt('code', /not right/);
  await keys.type(`${code.slice(0, 3)} ${code.slice(3)}`); // the wrong one is selected, so typing replaces it
  await visitor.view('Save your recovery codes');
  await visitor.focused('the heading has the focus', '#view-title');
  const codes = await page.locator('.codes li').allTextContents();
  await to('“I have saved them”', '.card .primary');
  await keys.press('Space');
  await visitor.view('You are signed in');
  await to('“Sign out”', '.actions .button:last-child');
  await keys.press('Enter');
  await visitor.view('Sign in');
  await visitor.focused('the email has the focus', '#email');
  await keys.press('Enter');
  await visitor.view('Check your email');
  await to('“Use a recovery code”', '.options .link');
  await keys.press('Enter');
  await visitor.focused('the recovery code has the focus', '#recovery');
  await keys.type(codes[0].toLowerCase());
  await keys.press('Enter');
  await visitor.view(codes.length > 1 ? 'You are signed in' : 'Save your new recovery code');
  await to('“Remove”', '.row[data-id^=email] .button');
  await keys.press('Enter');
  await visitor.focused('“Remove it” has the focus', '.danger');
  await keys.press('Enter');
  await visitor.see('the account has no factor left', '.empty', /No second factor/);
  await to('the log', '#log');
  await to('“Developer view”', '#toggle-core');
  await keys.press('Enter');
  visitor.check('the developer view can be hidden', !(await page.isVisible('#core')));
}
