// Recovery codes: how many are left, new ones, and that they are not lost by accident (H21).

import { readFile } from 'node:fs/promises';
import { USER } from '../visitor.mjs';

export async function recoveryCodes(visitor) {
  const { page } = visitor;
  const dialogs = [];
  let leave = false;
  page.on('dialog', (dialog) => { dialogs.push(dialog.type()); return leave ? dialog.accept() : dialog.dismiss(); });
  await visitor.open();
  await visitor.enter(await visitor.enrol());
  await visitor.view('Save your recovery codes');
  await visitor.see('it says that they are shown once', '.notice.warn', /only now/);
  await page.reload({ timeout: 1_500 }).catch(() => {});
  visitor.check('a reload asks first', dialogs.join() === 'beforeunload', dialogs.join());
  await visitor.view('Save your recovery codes');
  leave = true;
  await page.reload();
  await visitor.view('You are signed in');
  await visitor.see('whoever left anyway is told what to do', '#card .notice', /make new ones/);
  visitor.check('no recovery code is kept', !/[0-9A-Z]{24}/.test(await page.evaluate(() => JSON.stringify(sessionStorage))));
  await visitor.see('the number left is shown', '#codes-left', /^10 codes left$/);
  await visitor.sound('codes were not saved');

  await visitor.press('Make new recovery codes');
  await visitor.focused('making new ones asks first', '.danger');
  await visitor.sound('new codes question');
  await visitor.press('Not now');
  await visitor.press('Make new recovery codes');
  await visitor.press('Make new codes');
  await visitor.view('Save your new recovery codes');
  await visitor.step('regenerate_recovery_codes', ['Notify']);
  const codes = await page.locator('.codes li').allTextContents();
  visitor.check('there are ten new codes', new Set(codes).size === 10, codes.length);
  await visitor.press('Copy');
  visitor.check('they can be copied', await page.evaluate(() => navigator.clipboard.readText()) === codes.join('\n'));
  const [file] = await Promise.all([page.waitForEvent('download'), visitor.press('Download')]);
  const text = await readFile(await file.path(), 'utf8');
  visitor.check('the file has every code', codes.every((code) => text.includes(code)));
  visitor.check('the file names service, account and date', text.includes('Example Shop: recovery codes') && text.includes(USER) && /Made on: \d{1,2} \w+ \d{4}/.test(text), text.slice(0, 120));
  await page.evaluate(() => { window.print = () => { window.printed = true; }; });
  await visitor.press('Print');
  visitor.check('they can be printed', await page.evaluate(() => window.printed === true));
  await page.emulateMedia({ media: 'print' });
  visitor.check('paper has the codes and no buttons', await page.isVisible('.codes') && await page.isVisible('.on-paper') && !(await page.isVisible('#codes-done')) && !(await page.isVisible('.actions')));
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${visitor.pass}-on-paper.png`, fullPage: true });
  await page.emulateMedia({ media: 'screen' });
  await visitor.sound('new codes');
  await visitor.press(/I have saved/);
  await visitor.view('You are signed in');
  const before = dialogs.length;
  await page.reload();
  await visitor.view('You are signed in');
  visitor.check('nothing asks once they are saved', dialogs.length === before);

  for (let used = 1; used <= 7; used += 1) {
    await visitor.signOut();
    await visitor.signIn();
    await page.waitForSelector('#code, #recovery');
    if (await page.isVisible('#code')) await visitor.press('Use a recovery code');
    await page.fill('#recovery', codes[used]);
    await visitor.press('Use the recovery code');
    await visitor.see(`after ${used} there are ${10 - used}`, '#codes-left', new RegExp(`^${10 - used} codes? left$`));
    if (used === 6) visitor.check('four are no reason to warn', !(await page.isVisible('.row .notice')));
  }
  await visitor.see('three are a reason to warn', '.row .notice', /Few recovery codes are left/);
  await visitor.sound('few codes');
}
