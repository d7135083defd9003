/* Elements, icons, announcements and the clipboard. Data becomes text nodes here, never markup. */

export const $ = (id) => document.getElementById(id);

/** Makes an element. Strings among the children become text nodes. */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'on') for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Says something to a screen reader without moving the focus. */
export function say(text) {
  $('say').textContent = '';
  setTimeout(() => { $('say').textContent = text; }, 60);
}

export async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
    say('Copied.');
  } catch {
    button.textContent = 'Copy by hand';
    say('The browser did not allow it. Select the text and copy it by hand.');
  }
  setTimeout(() => { button.textContent = before; }, 1800);
}
