// Wrong codes: how many are left, the end of a sign-in, and what an account that is guessed at asks for (H20).

import { wrongOf } from '../visitor.mjs';

/** The dead ends that H20 names: a code that counts down, and advice to do what cannot help. */
async function nothingDead(visitor) {
  const text = await visitor.text('#card');
  visitor.check('no dead code is counted down', !/Expires in/.test(text) && !(await visitor.page.isVisible('#code')), text);
  visitor.check('nothing says to try a code again', !/try again|not right/i.test(text), text);
  const ways = await visitor.page.locator('#card .button.primary:visible').allTextContents();
  visitor.check('there is one obvious way out', ways.length === 1 && /Sign in again/.test(ways[0]), ways.join());
}

export async function limits(visitor) {
  const { page } = visitor;
  await visitor.open();
  const code = await visitor.enrol();
  await visitor.guess(wrongOf(code));
  await visitor.errorAt('code', /not right\. You have 4 more tries/);
  const again = await visitor.submissions(async () => {
    await visitor.press('Confirm');
    await visitor.errorAt('code', /tried that code already/);
  });
  visitor.check('a code that is known to be wrong costs no second attempt', again === 0, again);
  let wrong = wrongOf(code);
  for (const left of ['3 more tries', '2 more tries', 'one more try']) {
    wrong = wrongOf(wrong);
    await visitor.guess(wrong);
    await visitor.see(`it says: ${left}`, '#code-error', new RegExp(left));
  }
  await visitor.sound('one more try');
  await page.fill('#code', '1');
  await visitor.see('the attempts left stay in view while a code is typed', '#attempts', /one more try/);
  await visitor.guess(wrongOf(wrong));
  await visitor.view('Too many wrong codes');
  await visitor.machine('challenge', 'exhausted', 'pending-exhausted');
  await nothingDead(visitor);
  await visitor.see('it says when it can go on', '.when', /sign in again now/);
  await visitor.focused('the end has the focus', '#view-title');
  await visitor.sound('exhausted');
  await page.reload();
  await visitor.view('Too many wrong codes');
  await visitor.press('Sign in again');
  await visitor.view('Sign in');

  const second = await visitor.enrol(1);
  for (let round = 1; round < 5; round += 1) {
    await visitor.guess(String((Number(second) + round) % 1e6).padStart(6, '0'));
    await visitor.errorAt('code', /not right/);
  }
  await visitor.guess(String((Number(second) + 5) % 1e6).padStart(6, '0')); // the tenth of this account hardens it
  await visitor.view('Too many wrong codes');
  await visitor.see('nobody is locked out', '.when', /sign in again now/);
  await visitor.press('Sign in again');
  await visitor.view('Sign in');
  await visitor.signIn();
  await visitor.view('Protect your account');
  await visitor.press('Send the code');
  await visitor.see('it says why the code is longer', 'main .notice.info', /this code has 20 digits/);
  const long = await visitor.longCode();
  await visitor.guess(`${long.slice(0, -1)}${(Number(long.at(-1)) + 1) % 10}`);
  await visitor.errorAt('code', /That code is not right/);
  visitor.check('a wrong one is counted nowhere', !(await page.isVisible('#attempts')));
  await visitor.sound('a code of 20 digits');
  await page.fill('#code', '');
  await visitor.enter(long);
  await visitor.view('Save your recovery codes');
}

/** A policy that locks an account after ten wrong codes. */
export async function locked(visitor) {
  const { page } = visitor;
  await visitor.open();
  const code = await visitor.enrol();
  for (let round = 1; round < 10; round += 1) {
    await visitor.guess(String((Number(code) + round) % 1e6).padStart(6, '0'));
    await visitor.errorAt('code', /not right/);
  }
  await visitor.guess(String((Number(code) + 10) % 1e6).padStart(6, '0'));
  await visitor.view('Too many wrong codes');
  await visitor.see('it says when it can go on, in human time', '.when', /You can go on at \d\d:\d\d, in about \d minutes/);
  await visitor.see('the way out counts down', '#restart', /Sign in again in \d:\d\d/);
  await nothingDead(visitor);
  await visitor.sound('locked');
  await visitor.press('Use another account');
  await visitor.view('Sign in');
  await visitor.signIn();
  await visitor.view('Protect your account');
  await visitor.press('Send the code');
  await visitor.view('Too many wrong codes');
  await visitor.step('associate', [], 'locked');
  await visitor.see('the next sign-in says the same', '.when', /You can go on at \d\d:\d\d/);
  await visitor.sound('locked at the start');
}

/** An account that was sent as many messages as it may have, and has no recovery code to use instead. */
export async function messages(visitor) {
  const { page } = visitor;
  await visitor.open();
  for (let round = 0; round < 5; round += 1) {
    await visitor.enrol(round);
    await visitor.press('Start again');
    await visitor.view('Sign in');
  }
  await visitor.signIn();
  await visitor.view('Protect your account');
  await visitor.press('Send the code');
  await visitor.view('No more messages for now');
  await visitor.see('it says when it can go on', '.when', /You can go on at \d\d:\d\d, in (\d+ seconds|about \d+ minutes)/);
  await visitor.sound('no more messages');
  visitor.check('no form is left', !(await page.isVisible('form')));
}
