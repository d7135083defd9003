// A policy whose codes are longer, and under which an email code confirms and never signs in.

/** A policy under which email confirms an address and completes no sign-in. Its codes are longer. */
export async function strict(visitor) {
  const { page } = visitor;
  await visitor.open();
  const code = await visitor.enrol();
  visitor.check('the code has 8 digits', code.length === 8, code);
  await visitor.see('the field asks for 8 digits', 'label[for=code]', /8-digit/);
  await visitor.see('the wait is that of the policy', '#resend', /Send again in (1:00|0:5\d)/);
  await page.fill('#code', code.slice(0, 6));
  await visitor.press('Confirm');
  await visitor.errorAt('code', /Enter all 8 digits/);
  await visitor.paste('#code', `${code.slice(0, 4)} ${code.slice(4)}`);
  await visitor.view('Sign in');
  await visitor.see('what was done and what was not is told', '.notice', /The address is confirmed.*does not complete a sign-in/);
  await visitor.machine('challenge', 'verified', 'pending-verified');
  await visitor.machine('enrollment', 'active', 'unconfirmed-active');
  await visitor.sound('confirmed only');
}
