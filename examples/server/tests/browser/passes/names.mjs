// What a person calls their second factors, and which a sign-in asks for first.

export async function names(visitor) {
  const { page } = visitor;
  const rows = () => page.locator('.row[data-id^=email] .row-name').allTextContents();
  await visitor.account();
  visitor.check('one factor alone need not be preferred', await page.getByRole('button', { name: /^Ask for it first/ }).count() === 0);
  await visitor.press('Add an address');
  await page.fill('#address', 'second@example.com');
  await visitor.press('Send the code');
  await visitor.view('Check your email');
  await visitor.enter(await visitor.code(2));
  await visitor.view('You are signed in');

  await visitor.press('Rename second@example.com');
  await visitor.focused('the name has the focus', 'input[id^=name-]');
  await visitor.sound('a name is asked for');
  await visitor.press('Cancel');
  await visitor.press('Rename second@example.com');
  await page.fill('input[id^=name-]', '<b>Work</b> & play');
  await page.keyboard.press('Enter');
  await visitor.see('it is said', '#card .notice', /It is called \u2068<b>Work<\/b> & play\u2069 from now on/);
  await visitor.eventually('the name takes the place of the address', async () => {
    const seen = await rows();
    return seen.join() === 'user@example.com,<b>Work</b> & play' || seen;
  });
  await visitor.see('the address stands beside it', '.row:has(.row-form), .row[data-id^=email]:nth-child(2) .row-meta', /second@example\.com/);
  await visitor.press('Ask for it first: user@example.com');
  await visitor.focused('the focus is not lost', '#view-title');
  await visitor.see('it is marked', '.row[data-id^=email] .row-meta', /Asked for first/);
  await visitor.sound('names and a preference');
  await visitor.step('prefer', []);

  await visitor.signOut();
  await visitor.signIn();
  await visitor.view('Check your email');
  await visitor.see('nothing is asked before the code is sent', '#card', /\*\*\*\*@exam/);
  await visitor.press('Use another address');
  await visitor.view('Where should the code go\\?');
  const choices = await page.locator('button.row').allTextContents();
  visitor.check('a choice has the name, and the masked address beside it', choices.length === 2 && /^<b>Work<\/b> & play\s*seco\*\*@exam/.test(choices[1]), choices.join());
  await visitor.sound('a choice of names');
  await page.locator('button.row').nth(1).click();
  await visitor.view('Check your email');
  await visitor.see('the address stands beside the name', '#card', /code to <b>Work<\/b> & play, seco\*\*@exam\*+\./);
  await visitor.enter(await visitor.code(4));
  await visitor.view('You are signed in');

  await visitor.press('Ask each time, not for user@example.com');
  await visitor.see('a sign-in asks again', '#card .notice', /From now on a sign-in asks/);
  await visitor.press('Rename <b>Work</b> & play');
  await page.fill('input[id^=name-]', '');
  await visitor.press('Save');
  await visitor.see('the name is taken away', '#card .notice', /It has no name any more/);
  await visitor.eventually('the address is back', async () => {
    const seen = await rows();
    return seen.join() === 'user@example.com,second@example.com' || seen;
  });
}
