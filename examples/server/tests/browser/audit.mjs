// What must hold for the document in every state of the page, by its own rules and in addition to axe-core's.

/** Runs in the page. */
export function audit() {
  const shown = (node) => node.checkVisibility({ visibilityProperty: true }) && !node.closest('.visually-hidden, .skip');
  const label = (node) => `${node.tagName.toLowerCase()}${node.id ? `#${node.id}` : ''} “${node.textContent.trim().slice(0, 24)}”`;
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const luminance = ([r, g, b]) => [r, g, b].map((value) => value / 255).map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return rgba('Canvas');
  };
  const pale = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || ['SCRIPT', 'STYLE', 'NOSCRIPT', 'title'].includes(node.tagName) || !shown(node)) continue;
    if (node.closest('[aria-disabled="true"], :disabled')) continue; // exempt, WCAG 1.4.3
    const svg = node.closest('svg');
    const box = svg && node.closest('.node')?.querySelector('rect');
    const ink = luminance(rgba(getComputedStyle(node)[svg ? 'fill' : 'color']));
    const back = luminance(box ? rgba(getComputedStyle(box).fill) : ground(svg || node));
    const ratio = (Math.max(ink, back) + 0.05) / (Math.min(ink, back) + 0.05);
    if (ratio < 4.5) pale.push(`${label(node)} ${ratio.toFixed(2)}`);
  }
  const controls = [...document.querySelectorAll('button, input, summary')].filter(shown);
  const ids = [...document.querySelectorAll('[id]')].map((node) => node.id);
  const references = [...document.querySelectorAll('[aria-labelledby], [aria-describedby], [aria-controls], label[for]')]
    .flatMap((node) => ['aria-labelledby', 'aria-describedby', 'aria-controls', 'for'].flatMap((name) => (node.getAttribute(name) || '').split(' ').filter(Boolean)));
  return {
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    pale,
    small: controls.filter((node) => { const box = node.getBoundingClientRect(); return node.tagName !== 'SUMMARY' && (box.height < 24 || box.width < 24); }).map(label),
    nameless: controls.filter((node) => !(node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length)).map((node) => node.outerHTML.slice(0, 60)),
    broken: [...ids.filter((id, index) => ids.indexOf(id) !== index), ...references.filter((id) => !document.getElementById(id))],
    inline: [...document.querySelectorAll('*')].filter((node) => [...node.attributes].some(({ name }) => name.startsWith('on') || (name === 'style' && node.outerHTML.includes('style="')))).map(label),
  };
}
