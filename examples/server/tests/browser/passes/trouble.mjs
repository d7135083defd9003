// No network, no answer in time, and a server that is busy or failing: said as that, apart from a refusal.

import { sleep } from '../visitor.mjs';

export async function trouble(visitor) {
  const { page } = visitor;
  const on = '**/oauth/token';
  const shows = async (title, text) => {
    await visitor.see(`“${title}” is said`, '.trouble strong', new RegExp(title));
    await visitor.see(`“${title}” is explained`, '.trouble span', text);
    visitor.check(`“${title}” is no error of a field`, await visitor.page.locator('[aria-invalid]').count() === 0);
    await visitor.focused('the way to try again has the focus', '.trouble .button');
    await visitor.sound(title);
  };
  const retry = () => page.click('.trouble .button');

  await visitor.open();
  await page.route(on, (route) => route.abort('internetdisconnected'));
  await visitor.signIn();
  await shows('No connection', /cannot be reached/);
  await page.unroute(on);
  await retry();
  await visitor.view('Protect your account');
  await page.route('**/mfa/associate', (route) => route.fulfill({ status: 503, headers: { 'retry-after': '2' }, json: { error: 'server_error', error_description: 'The server is busy. Try again.' } }));
  await visitor.press('Send the code');
  await shows('The server is busy', /wait 2 seconds/);
  await page.unroute('**/mfa/associate');
  await visitor.see('the wait is over', '.trouble .button', /^Try again$/);
  await retry();
  await visitor.view('Check your email');
  const code = await visitor.code(1);

  await page.route(on, (route) => route.fulfill({ status: 500, json: { error: 'server_error', error_description: 'Internal error.' } }));
  await visitor.enter(code);
  await shows('The server has a problem', /not on your side/);
  await page.unroute(on);

  // The server takes the code, and its answer never arrives.
  let held;
  await page.route(on, async (route) => { held = await route.fetch().then((answer) => answer.status()); });
  const sent = await visitor.submissions(async () => {
    await retry();
    await visitor.see('no answer in time is said', '.trouble strong', /No answer/, 20_000);
    await sleep(500);
  });
  visitor.check('nothing is sent again by itself', sent === 1 && held === 200, `${sent}, ${held}`);
  await visitor.see('the time limit explains itself', '.trouble span', /cannot be used twice/);
  await page.unroute(on);
  await retry();
  await visitor.view('Sign in');
  await visitor.see('a code that was taken is not spent twice', '.notice', /took your code at the first try/);
  await visitor.sound('the answer was lost');

  // Trying again after a lost step goes on from there.
  let passwords = 0;
  await page.route(on, (route) => { passwords += 1; return route.continue(); });
  await page.route('**/mfa/challenge', (route) => route.abort('connectionreset'));
  await visitor.signIn();
  await visitor.see('a later step that fails is said', '.trouble strong', /No connection/);
  await page.unroute('**/mfa/challenge');
  await retry();
  await visitor.view('Check your email');
  visitor.check('the password was sent once', passwords === 1, passwords);

  await page.unroute(on);
  await page.fill('#code', '');
  const loaded = page.waitForEvent('load');
  await page.evaluate(() => {
    const journey = JSON.parse(sessionStorage.getItem('countersign.journey'));
    journey.challenge.expires = Date.now() + 1_500;
    journey.challenge.resend = Date.now() + 3_000;
    sessionStorage.setItem('countersign.journey', JSON.stringify(journey));
    location.reload(); // at once: the page keeps its state after every change
  });
  await loaded;
  await visitor.see('an expired code is said to be one', 'form [role=timer]', /This code has expired/);
  visitor.check('an expired code takes no input', await page.isDisabled('#code') && !(await page.getByRole('button', { name: 'Verify' }).isVisible()));
  await visitor.sound('expired');
  await visitor.see('a new one can be asked for', '#fresh', /^Send a new code$/);
  await page.click('#fresh');
  await visitor.see('the new one counts down', 'form [role=timer]', /Expires in [45]:\d\d/);
  visitor.check('the field takes input again', await page.isEnabled('#code'));
}
