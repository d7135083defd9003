// What is typed, pasted or filled in as a code, and when it is submitted (H19).

import { sleep, wrongOf } from '../visitor.mjs';

const shifted = (code, zero, between = '') => [...code].map((digit) => String.fromCodePoint(zero + Number(digit))).join(between);

export async function pasting(visitor) {
  const { page } = visitor;
  await visitor.open();
  const code = await visitor.enrol();
  // Answers are held back, so that what was taken can be looked at.
  let answer;
  await page.route('**/oauth/token', (route) => { answer = () => route.fulfill({ status: 403, json: { error: 'invalid_grant', error_description: 'Invalid binding_code.', attempts_left: 9 } }); });
  const takes = async (name, give, wanted) => {
    answer = null;
    const sent = page.waitForRequest('**/oauth/token');
    await give();
    const body = (await sent).postDataJSON();
    visitor.check(`${name} is taken and submitted`, body.binding_code === wanted, body.binding_code);
    while (!answer) await sleep(20);
    await answer();
    await visitor.see(`${name}: the answer is shown`, '#code-error', /not right/);
    await page.fill('#code', '');
  };
  const paste = (text) => () => visitor.paste('#code', text);
  const groups = (text) => `${text.slice(0, 3)} ${text.slice(3)}`;
  // Each has a code of its own, since one that was wrong is not sent again.
  let next = code;
  for (const [name, write] of [
    ['a sentence with a date', (text) => `25.11.2026 Your code is ${text}`],
    ['a date with hyphens and a code in groups', (text) => `2026-11-25 ${groups(text)}`],
    ['123 456', groups],
    ['123-456', (text) => `${groups(text).replace(' ', '-')}\n`],
    ['a code in Arabic-Indic digits', (text) => shifted(text, 0x660)],
    ['a code in full-width digits with no-break spaces', (text) => `\u200b${shifted(text, 0xff10, '\u00a0')}`],
  ]) {
    next = wrongOf(next);
    await takes(name, paste(write(next)), next);
  }
  const persian = wrongOf(next);
  await takes('a code in Persian digits, typed,', () => page.locator('#code').pressSequentially(shifted(persian, 0x6f0)), persian);
  const filled = wrongOf(persian);
  await takes('a code that the browser fills in', () => page.fill('#code', filled), filled);
  const inserted = wrongOf(filled);
  await takes('a code that a keyboard inserts with a sentence', async () => {
    await page.locator('#code').focus();
    await page.keyboard.insertText(`${inserted} is your code, 25.11.2026`);
  }, inserted);

  for (const [name, text] of [
    ['two codes', '123456 or 654321'], ['no code', 'Your code is on its way'], ['a longer number', '1234567'], ['a part of a code', '1234'], ['a date alone', '25.11.2026'],
  ]) {
    const sent = await visitor.submissions(async () => {
      await visitor.paste('#code', text);
      await visitor.see(`${name}: the page says that no code was found`, '#code-error', /No single 6-digit code/);
    });
    visitor.check(`${name}: nothing is taken`, sent === 0 && await page.inputValue('#code') === '', await page.inputValue('#code'));
  }
  await visitor.sound('no code in the text');
  await page.unroute('**/oauth/token');
  await submission(visitor, code);
}

/** The last digit submits, once. */
async function submission(visitor, code) {
  const { page } = visitor;
  await page.reload();
  await visitor.view('Check your email');
  const wrong = wrongOf(code);
  const sent = await visitor.submissions(async () => {
    await page.locator('#code').pressSequentially(wrong.slice(0, 5));
    await sleep(200);
    visitor.check('five digits are not submitted', await visitor.text('#code-error') === null);
    await page.keyboard.type(wrong[5]);
    await visitor.see('the last digit submits', '#code-error', /not right/);
    await page.keyboard.press('End');
    await page.keyboard.press('Backspace');
    await page.keyboard.type(wrong[5] === '0' ? '1' : '0');
    await sleep(400);
  });
  visitor.check('an edit of a wrong code does not submit it again', sent === 1, sent);
  const right = await visitor.submissions(async () => {
    await page.locator('#code').fill('');
    await page.locator('#code').pressSequentially(code);
    await page.keyboard.press('Enter');
    await page.keyboard.press('Enter');
    await visitor.view('Save your recovery codes');
  });
  visitor.check('a right code is submitted once', right === 1, right);
}
