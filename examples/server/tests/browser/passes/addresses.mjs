// Two addresses with one mask: told apart in full after both factors, by their dates before (H22).

export async function addresses(visitor) {
  const { page } = visitor;
  await visitor.account();
  await visitor.press('Add an address');
  await page.fill('#address', 'uses@example.com');
  await visitor.press('Send the code');
  await visitor.view('Check your email');
  await visitor.enter(await visitor.code(2));
  await visitor.view('You are signed in');
  await visitor.eventually('both whole addresses are shown', async () => {
    const names = await page.locator('.row[data-id^=email] .row-name').allTextContents();
    return names.join() === 'user@example.com,uses@example.com' || names;
  });
  const rows = await page.locator('.row[data-id^=email]').allTextContents();
  visitor.check('each says when it was added and used', rows.every((row) => /Added \d{1,2} \w+ \d{4}, \d\d:\d\d.*Last used/.test(row)), rows.join());
  await visitor.sound('whole addresses');
  await visitor.press('Remove uses@example.com');
  await visitor.see('the question names the address', '.row-ask', /Remove uses@example\.com\?/);
  await visitor.sound('remove one of two');
  await visitor.press('Keep it');
  await visitor.signOut();
  await visitor.signIn();
  await visitor.view('Where should the code go\\?');
  const masked = await page.locator('button.row .row-name').allTextContents();
  visitor.check('a password alone shows masks', masked.length === 2 && masked.every((name) => /\*/.test(name) && !/user/.test(name)), masked.join());
  const dates = await page.locator('button.row .row-meta').allTextContents();
  visitor.check('masks have dates beside them', dates.every((text) => /Added \d{1,2} \w+ \d{4}/.test(text)), dates.join());
  await visitor.sound('masked addresses');
}
