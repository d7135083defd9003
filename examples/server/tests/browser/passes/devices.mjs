// Remembered devices, where one takes the place of a code: asked for on the page, kept where no script reads it, listed,
// forgotten.

export async function devices(visitor) {
  const { page } = visitor;
  await visitor.open();
  await visitor.enter(await visitor.enrol());
  await visitor.view('Save your recovery code');
  await visitor.press(/I have saved/);
  await visitor.view('You are signed in');
  visitor.check('nothing is remembered unasked', await page.locator('#devices-title').isHidden());
  await visitor.signOut();
  await visitor.signIn();
  await visitor.view('Check your email');
  visitor.check('the page asks, and nothing is ticked', !(await page.isChecked('#remember')));
  await visitor.sound('remember this device');
  await page.check('#remember');
  const answer = page.waitForResponse((response) => response.url().endsWith('/oauth/token'));
  await visitor.enter(await visitor.code(2));
  const body = await (await answer).text();
  visitor.check('no token of a device is in the answer', !body.includes('device_token'), body.slice(0, 80));
  await visitor.view('You are signed in');
  await visitor.see('the device is listed', '.row[data-id^=device] .row-name', /^This device$/);
  const cookies = await page.context().cookies();
  const kept = cookies.filter(({ name }) => name.includes('countersign-device-'));
  visitor.check('one cookie is kept', kept.length === 1 && kept[0].httpOnly && kept[0].sameSite === 'Strict' && kept[0].path === '/', JSON.stringify(kept));
  visitor.check('no script reads it', !(await page.evaluate(() => document.cookie)).includes('countersign-device-'));
  visitor.check('and the page keeps nothing of it', !(await page.evaluate((value) => JSON.stringify(sessionStorage).includes(value), kept[0].value)));
  await visitor.sound('a remembered device');
  await visitor.signOut();
  await visitor.signIn();
  await visitor.view('You are signed in');
  await visitor.see('it is said that no code was asked for', '#card .notice', /no code was asked for/);
  await visitor.step('verify_device', ['IssueToken']);
  await visitor.press('Forget This device');
  await visitor.press('Forget it');
  await visitor.see('what would change anything asks for a code', '.row-ask .error', /sign in again with a code/);
  await visitor.signOut();

  await page.context().clearCookies();
  await visitor.signIn();
  await visitor.view('Check your email');
  await visitor.enter(await visitor.code(3));
  await visitor.view('You are signed in');
  await visitor.see('another browser sees it, too', '.row[data-id^=device] .row-name', /^Device from /);
  await visitor.press(/^Forget Device/);
  await visitor.press('Forget it');
  await visitor.see('it is forgotten', '#card .notice', /The device is forgotten/);
  visitor.check('and out of the list', await page.locator('.row[data-id^=device]').count() === 0);
  await visitor.step('forget', ['Notify']);
  await page.context().addCookies(kept);
  await visitor.signOut();
  await visitor.signIn();
  await visitor.view('Check your email');
}
