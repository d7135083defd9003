// The content security policy, and that the page keeps to it by what it is made of.

export async function header(visitor) {
  const response = await fetch(visitor.url);
  const policy = response.headers.get('content-security-policy') || '';
  visitor.check('the policy forbids everything but what is named', /default-src 'none'/.test(policy), policy);
  visitor.check('scripts and styles come from this origin alone', /script-src 'self';/.test(policy) && /style-src 'self';/.test(policy), policy);
  visitor.check('no text becomes markup or script', /require-trusted-types-for 'script'; trusted-types 'none'/.test(policy), policy);
  visitor.check('the policy has no unsafe source', !/unsafe-/.test(policy), policy);
  const html = await response.text();
  visitor.check('the page loads nothing from elsewhere', !/(?:src|href)\s*=\s*["']?(?:https?:)?\/\//i.test(html));
  visitor.check('no script and no style is inline', !/<script(?![^>]*\bsrc=)/.test(html) && !/<style/.test(html));
  const files = [...html.matchAll(/(?:src|href)="(\/page\/[^"]+\.(js|css))"/g)];
  const wrong = [];
  for (const [, path, kind] of files) {
    const file = await fetch(new URL(path, visitor.url));
    const type = file.headers.get('content-type');
    if (!file.ok || type !== { js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8' }[kind] || file.headers.get('x-content-type-options') !== 'nosniff') wrong.push(`${path} ${type}`);
    if (/@import|url\(\s*["']?(?:https?:|\/\/)/i.test(await file.text())) wrong.push(`${path} loads from elsewhere`);
  }
  visitor.check('every file has its type', files.length > 2 && wrong.length === 0, wrong.join('; '));
}
