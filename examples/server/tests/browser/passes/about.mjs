// A server without demonstration data: nobody can sign in on its page, so the page says what the server is (H27).

import { header } from './policy.mjs';

export async function about(visitor) {
  await header(visitor);
  await visitor.open('Countersign server');
  const issuer = (await (await fetch(new URL('/.well-known/openid-configuration', visitor.url))).json()).issuer;
  await visitor.see('the issuer is said', '.details', new RegExp(issuer.replaceAll('.', '\\.')));
  await visitor.see('the server is named', '.details', /countersign-server/);
  await visitor.see('the health is said', '#health', /^Working$/);
  const dead = await visitor.page.evaluate(() => document.querySelectorAll('form, input, button').length);
  visitor.check('there is no dead form', dead === 0, dead);
  const broken = [];
  for (const href of await visitor.page.locator('main a').evaluateAll((links) => links.map((link) => link.href))) {
    if (!(await fetch(href)).ok) broken.push(href);
  }
  visitor.check('every link leads somewhere', broken.length === 0, broken.join());
  await visitor.sound('about');
  await visitor.page.route('**/healthz', (route) => route.fulfill({ status: 503, json: { status: 'database unreachable' } }));
  await visitor.page.reload();
  await visitor.see('a fault is said', '#health', /^Not working: database unreachable$/);
  await visitor.sound('about unwell');
}
