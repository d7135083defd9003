// While an account is guessed at its app is asked for four codes: the page collects them, counts down to each, and sends one
// answer.

import { Clock } from '../clock.mjs';
import { STEP, codeOf, wrongOtp } from '../otp.mjs';
import { keyOf } from './app.mjs';

/** Somebody who knows the password, on another machine: as many wrong codes as an account takes, of two sign-ins. */
async function strangerGuesses(visitor, wrong) {
  const seen = [];
  for (let round = 0; round < 2; round += 1) {
    const mfa_token = await visitor.signInElsewhere();
    for (let guess = 0; guess < 5; guess += 1) {
      const reply = await visitor.elsewhere('/oauth/token', { grant_type: 'http://auth0.com/oauth/grant-type/mfa-otp', mfa_token, otp: wrong });
      seen.push(reply.attempts_left);
    }
  }
  visitor.check('a stranger uses up the guesses of the account', seen.join() === '4,3,2,1,0,4,3,2,1,0', seen.join());
}

/** The codes that the page sent while something was done. */
async function answers(page, act) {
  const sent = [];
  const note = (request) => { if (request.url().endsWith('/oauth/token')) sent.push(JSON.parse(request.postData() || '{}').otp); };
  page.on('request', note);
  await act();
  page.off('request', note);
  return sent;
}

export async function four(visitor) {
  const { page } = visitor;
  const clock = await Clock.of(page, process.env.FAKETIME_TIMESTAMP_FILE);
  await visitor.open();
  await visitor.signIn();
  await visitor.view('Protect your account');
  await visitor.press('Use an authenticator app instead');
  await visitor.view('Set up an authenticator app');
  const key = await keyOf(page);
  visitor.check('one code confirms it', !(await page.isVisible('#row')));
  await page.fill('#otp', codeOf(key, 0, clock.now()));
  await visitor.view('Save your recovery codes');
  await visitor.press(/I have saved/);
  await visitor.view('You are signed in');

  // The first that this page hears of the guesses is the refusal of its code.
  await visitor.signOut();
  await visitor.signIn();
  await visitor.view('Enter the code of your app');
  visitor.check('one code is asked for', !(await page.isVisible('#row')));
  await strangerGuesses(visitor, wrongOtp(key, clock.now()));
  await clock.next(STEP);
  await page.fill('#otp', codeOf(key, 0, clock.now()));
  await visitor.errorAt('otp', /one code is not enough now\. Enter four/);
  await visitor.see('it asks for the first', '#row', /^Enter code 1 of 4\.$/);
  visitor.check('the code that was not enough is gone', (await page.inputValue('#otp')) === '');
  visitor.check('no attempt is counted', !(await page.isVisible('#attempts')));
  await visitor.sound('four codes are wanted');
  await page.reload();
  await visitor.see('a reload keeps it', '#row', /^Enter code 1 of 4\.$/);

  /** Enters four codes, each in a step of its own. */
  const enterRow = async (code) => {
    for (let place = 1; place <= 4; place += 1) {
      await visitor.see(`code ${place} is asked for`, '#row', new RegExp(`^Enter code ${place} of 4\\.$`));
      await page.fill('#otp', code(place));
      if (place === 4) break;
      await visitor.see(`code ${place} is in`, '#row', new RegExp(`^Code ${place} of 4 is in\\. Wait until the app shows the next one\\.$`));
      await visitor.see('it counts down to the next one', 'main form .button.primary', /^Next code in 0:[0-3]\d$/);
      visitor.check('the field is empty again', (await page.inputValue('#otp')) === '');
      if (place === 1) {
        await page.fill('#otp', code(place));
        visitor.check('the same code again is not the next one', (await page.locator('main form .button.primary').getAttribute('aria-disabled')) === 'true');
        await visitor.sound('waiting for the next code');
        await page.fill('#otp', '');
      }
      await clock.next(STEP);
    }
  };

  const right = [];
  const sent = await answers(page, async () => {
    await enterRow((place) => (right[place - 1] = codeOf(key, 0, clock.now())));
    await visitor.view('You are signed in');
  });
  visitor.check('the four go in one answer', sent.length === 1 && sent[0] === right.join(' ') && new Set(right).size === 4, JSON.stringify(sent));
  await visitor.step('verify_otp', ['IssueToken']);

  // The next sign-in is told of it before a code is typed. A wrong row is refused as a whole, and counted nowhere.
  await visitor.signOut();
  await visitor.signIn();
  await visitor.view('Enter the code of your app');
  await visitor.see('it says why', 'main .notice.info', /Many wrong codes were entered/);
  await clock.next(STEP);
  await enterRow((place) => (place === 2 ? wrongOtp(key, clock.now()) : codeOf(key, 0, clock.now())));
  await visitor.errorAt('otp', /That code is not right/);
  await visitor.see('it begins anew', '#row', /^Enter code 1 of 4\.$/);
  visitor.check('no attempt is counted for a wrong row', !(await page.isVisible('#attempts')));
  await clock.next(STEP);
  await enterRow(() => codeOf(key, 0, clock.now()));
  await visitor.view('You are signed in');
}
