// Making and patching elements. Nothing here parses HTML: what comes from the
// pool can only ever become text or an attribute.

const svgNamespace = 'http://www.w3.org/2000/svg';

const $ = (id) => document.getElementById(id);

// add puts children in: elements, texts, lists of them, and nothing for null and false.
function add(parent, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child);
  }
  return parent;
}

function attributes(element, values) {
  for (const [name, value] of Object.entries(values ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? '' : String(value));
  }
  return element;
}

// el makes an HTML element.
const el = (name, values, ...children) => add(attributes(document.createElement(name), values), children);

// svg makes an SVG element.
const svg = (name, values, ...children) =>
  add(attributes(document.createElementNS(svgNamespace, name), values), children);

// Shapes of 16 by 16, so that no state is told by colour alone.
const shapes = {
  healthy: 'M3 8.5l3.2 3.2L13 5',
  exhausted: 'M4 3h8M4 13h8M5 3c0 4 6 6 6 10M11 3c0 4-6 6-6 10',
  invalid: 'M4 4l8 8M12 4l-8 8',
  disabled: 'M3 8h10',
  unknown: 'M5.5 6a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1.8-1.1 1.6M8 12.4v.2',
  block: 'M8 3v6M8 12.4v.2',
};

const icon = (name) =>
  svg(
    'svg',
    { class: `icon ${name}`, viewBox: '0 0 16 16', 'aria-hidden': 'true' },
    svg('path', { d: shapes[name] ?? shapes.unknown }),
  );

// bar draws how much of something is taken. The figures beside it say the same
// in words.
function bar(part, kind = '') {
  const full = part >= 1 ? ' full' : '';
  return svg(
    'svg',
    { class: `bar ${kind}${full}`, 'aria-hidden': 'true', width: '100%', height: 6 },
    svg('rect', { class: 'bar-all', width: '100%', height: 6, rx: 3 }),
    part > 0 && svg('rect', { class: 'bar-part', width: `${Math.max(1.5, part * 100)}%`, height: 6, rx: 3 }),
  );
}

// time is an instant that shows its full self, in UTC, on demand.
const time = (text, shown) =>
  el('time', { datetime: text, title: text.replace('T', ' ').replace(/(\.\d+)?Z$/, ' UTC') }, shown);

// fill makes an element's children those given, and leaves alone what is equal:
// focus, what is open, and what a screen reader is at stay where they are.
function fill(id, ...children) {
  const old = $(id);
  patchChildren(old, add(old.cloneNode(false), children));
}

function patch(old, now) {
  if (old.nodeType !== now.nodeType || old.nodeName !== now.nodeName || identity(old) !== identity(now)) {
    old.replaceWith(now);
  } else if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== now.data) old.data = now.data;
  } else {
    patchAttributes(old, now);
    patchChildren(old, now);
  }
}

// identity tells the rows of a list from each other.
const identity = (node) => node.dataset?.id;

function patchAttributes(old, now) {
  for (const { name } of [...old.attributes]) {
    // What is open is the reader's choice.
    if (!now.hasAttribute(name) && name !== 'open') old.removeAttribute(name);
  }
  for (const { name, value } of now.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function patchChildren(old, now) {
  const have = [...old.childNodes];
  const want = [...now.childNodes];
  want.forEach((child, i) => {
    if (i < have.length) patch(have[i], child);
    else old.append(child);
  });
  have.slice(want.length).forEach((child) => child.remove());
}
