// A recovery code whose use gives another one.

/** A recovery code whose use gives another. */
export async function replaced(visitor) {
  const { page } = visitor;
  await visitor.open();
  await visitor.enter(await visitor.enrol());
  await visitor.view('Save your recovery code');
  const [code] = await page.locator('.codes li').allTextContents();
  await visitor.press('I have saved it');
  await visitor.view('You are signed in');
  await visitor.signOut();
  await visitor.signIn();
  await visitor.view('Check your email');
  await visitor.press('Use a recovery code');
  await page.fill('#recovery', code);
  await visitor.press('Use the recovery code');
  await visitor.view('Save your new recovery code');
  const [next] = await page.locator('.codes li').allTextContents();
  visitor.check('the code that takes its place is another', /^[0-9A-Z]{24}$/.test(next) && next !== code, next);
  await visitor.sound('replacement');
  await visitor.press('I have saved it');
  await visitor.view('You are signed in');
}
