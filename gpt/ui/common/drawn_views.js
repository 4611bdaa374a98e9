// A view written in HTML as an SVG of boxes, texts and pictures, each where the browser puts it.
// Plain elements, no foreignObject: office programs and drawing programs read them too.
const leastWidth = 520; // of a picture: room for its words
const roomBelow = 8; // between a view and its caption
const rounded = (number) => Number(number.toFixed(2));
// #rrggbb and the opacity of a computed colour; what is mixed in the stylesheet comes as color(srgb …) from 0 to 1.
const colourOf = (text) => {
  const [red, green, blue, alpha = 1] = text.replace(/^color\(srgb/, '').match(/[\d.]+(e-?\d+)?/g).map(Number);
  const most = text.startsWith('color(') ? 255 : 1;
  const hex = [red, green, blue].map((part) => Math.round(part * most).toString(16).padStart(2, '0')).join('');
  return {hex: `#${hex}`, alpha};
};
const paint = (name, colour, faint) => {
  const {hex, alpha} = colourOf(colour), opacity = rounded(alpha * faint);
  return opacity === 0 ? '' : ` ${name}="${hex}"` + (opacity < 1 ? ` ${name}-opacity="${opacity}"` : '');
};
const rectangle = ({left, top, width, height}, radius, look) =>
  `<rect x="${rounded(left)}" y="${rounded(top)}" width="${rounded(width)}" height="${rounded(height)}"` +
  `${radius ? ` rx="${radius}"` : ''}${look}/>`;
const grown = ({left, top, width, height}, by) =>
  ({left: left - by, top: top - by, width: width + 2 * by, height: height + 2 * by});

// What is laid out is a copy in a frame of fixed width: a phone and a projector give the same picture.
const _laidOut = `
  html, body { margin: 0; padding: 0; }
  * { animation: none !important; transition: none !important; }
  .scroll, .strip, .shell { contain: none !important; overflow: visible !important; max-height: none !important; }
  .strip { min-height: 0 !important; }
  .shell { display: block !important; position: static !important; width: auto !important;
    max-width: none !important; min-width: 0 !important; height: auto !important; min-height: 0 !important;
    margin: 0 !important; padding: 0 !important; border: 0 !important; background: none !important;
    opacity: 1 !important; transform: none !important; }
  .save-picture { display: none !important; }`;
const stylesheet = () => [...document.styleSheets, ...document.adoptedStyleSheets]
  .flatMap((sheet) => [...sheet.cssRules])
  .filter((rule) => !(rule instanceof CSSFontFaceRule)).map((rule) => rule.cssText).join('\n');
const laidOut = async (root, width, use) => {
  const frame = document.createElement('iframe');
  frame.setAttribute('aria-hidden', 'true');
  frame.tabIndex = -1;
  frame.style.cssText = `position:fixed;left:-9999px;top:0;width:${width}px;height:800px;border:0;visibility:hidden`;
  document.body.append(frame);
  try {
    const inside = frame.contentDocument;
    inside.open();
    inside.write('<!doctype html><html><head></head><body></body></html>');
    inside.close();
    for (const [from, to] of [[document.documentElement, inside.documentElement], [document.body, inside.body]]) {
      to.className = from.className;
      to.style.cssText = from.style.cssText;
    }
    const style = inside.createElement('style');
    style.textContent = `${await fonts}\n${stylesheet()}\n${_laidOut}`;
    inside.head.append(style);
    let parent = inside.body;
    parent.classList.add('shell');
    const around = [];
    for (let each = root.parentElement; each !== document.body; each = each.parentElement) around.unshift(each);
    for (const each of around) {
      const shell = inside.importNode(each, false);
      shell.removeAttribute('style');
      shell.classList.add('shell');
      parent.append(shell);
      parent = shell;
    }
    const copy = inside.importNode(root, true);
    copy.classList.add('shell');
    parent.append(copy);
    await Promise.all([...inside.fonts].map((face) => face.load()));
    await Promise.all([...inside.images].map((image) => image.decode()));
    writtenOut(copy);
    return use(copy);
  } finally {
    frame.remove();
  }
};
// What the stylesheet adds before and after an element becomes an element, whose place can be asked for.
const writtenOut = (root) => {
  const view = root.ownerDocument.defaultView, found = [];
  for (const element of root.querySelectorAll('*'))
    for (const side of ['::before', '::after']) {
      const style = view.getComputedStyle(element, side);
      if (['none', 'normal'].includes(style.content)) continue;
      const added = root.ownerDocument.createElement('span');
      for (const name of style) added.style.setProperty(name, style.getPropertyValue(name));
      added.textContent = /^"/.test(style.content) ? JSON.parse(style.content) : '';
      found.push([element, side, added]);
    }
  for (const [element, side, added] of found) element[side === '::before' ? 'prepend' : 'append'](added);
  const style = root.ownerDocument.createElement('style');
  style.textContent = '*::before, *::after { content: none !important; }';
  root.ownerDocument.head.append(style);
};

const drawnView = (root) => {
  const view = root.ownerDocument.defaultView, origin = root.getBoundingClientRect();
  const parts = [], ramps = [];
  let right = leastWidth;
  const placed = ({left, top, width, height}) => ({left: left - origin.left, top: top - origin.top, width, height});
  const draw = (markup, box) => {
    right = Math.max(right, box.left + box.width);
    parts.push(markup);
  };
  const ramp = (image, faint) => {
    const found = /^linear-gradient\(90deg, (.*)\)$/.exec(image);
    if (!found) return '';
    const stops = [...found[1].matchAll(/((?:rgba?|color)\([^)]*\))(?: ([\d.]+)%)?/g)];
    const id = `ramp${ramps.length}`;
    const written = stops.map(([, colour, share], i) =>
      `<stop offset="${rounded(share === undefined ? i / (stops.length - 1) : share / 100)}"` +
      `${paint('stop-color', colour, 1).replace('stop-color-opacity', 'stop-opacity') || ' stop-opacity="0"'}/>`);
    ramps.push(`<linearGradient id="${id}">${written.join('')}</linearGradient>`);
    return ` fill="url(#${id})" opacity="${faint}"`;
  };
  const borders = (box, style, radius, faint) => {
    const sides = ['Top', 'Right', 'Bottom', 'Left'].map((side) => ({
      wide: style[`border${side}Style`] === 'none' ? 0 : parseFloat(style[`border${side}Width`]),
      look: paint('stroke', style[`border${side}Color`], faint),
    }));
    const [first] = sides;
    if (sides.every((side) => side.wide === first.wide && side.look === first.look)) {
      const look = ` fill="none"${first.look} stroke-width="${first.wide}"`;
      if (first.wide && first.look) draw(rectangle(grown(box, -first.wide / 2), radius, look), box);
      return;
    }
    const {left, top, width, height} = box;
    const edges = [
      ({wide}) => ({left, top, width, height: wide}),
      ({wide}) => ({left: left + width - wide, top, width: wide, height}),
      ({wide}) => ({left, top: top + height - wide, width, height: wide}),
      ({wide}) => ({left, top, width: wide, height}),
    ];
    sides.forEach((side, i) => {
      if (side.wide && side.look) draw(rectangle(edges[i](side), 0, side.look.replaceAll('stroke', 'fill')), box);
    });
  };
  const boxes = (element, style, faint) => {
    const radius = Math.min(parseFloat(style.borderTopLeftRadius) || 0, 99);
    const isRound = style.borderTopLeftRadius === '50%';
    for (const each of element.getClientRects()) {
      const box = placed(each), corner = isRound ? rounded(box.width / 2) : radius;
      const fill = paint('fill', style.backgroundColor, faint) || ramp(style.backgroundImage, faint);
      if (fill && box.width && box.height) draw(rectangle(box, corner, fill), box);
      borders(box, style, corner, faint);
      const under = /^(.*\)) 0px -1px 0px 0px inset$/.exec(style.boxShadow);
      const line = under && paint('fill', under[1], faint);
      if (line) draw(rectangle({...box, top: box.top + box.height - 1, height: 1}, 0, line), box);
      const wide = style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth);
      const around = wide && paint('stroke', style.outlineColor, faint);
      if (around) {
        const by = parseFloat(style.outlineOffset) + wide / 2;
        draw(rectangle(grown(box, by), corner, ` fill="none"${around} stroke-width="${wide}"`), box);
      }
    }
  };
  // The pieces of a text that stand on a line each.
  const lineBoxes = (node, keeps) => {
    const range = root.ownerDocument.createRange(), found = [], all = node.data;
    // Spaces at the ends take room or not: what is written begins with its first sign.
    const [first, end] = keeps ? [0, all.length] : [all.search(/\S/), all.trimEnd().length];
    range.setStart(node, first);
    range.setEnd(node, end);
    if (range.getClientRects().length === 1) return [{text: all.slice(first, end), box: range.getBoundingClientRect()}];
    [...all.slice(first, end)].reduce((start, sign) => {
      range.setStart(node, start);
      range.setEnd(node, start + sign.length);
      const box = range.getBoundingClientRect(), last = found[found.length - 1];
      if (last && Math.abs(last.box.top - box.top) < box.height / 2) last.text += sign;
      else if (box.width) found.push({text: sign, box});
      return start + sign.length;
    }, first);
    return found;
  };
  const cut = (text, left, parent) => {
    const style = view.getComputedStyle(parent);
    if (style.overflowX === 'visible') return text;
    const room = parent.getBoundingClientRect().right - parseFloat(style.paddingRight);
    if (left + pen.measureText(text).width <= room + 0.5) return text;
    let short = [...text];
    while (short.length && left + pen.measureText(`${short.join('')}…`).width > room) short.pop();
    return `${short.join('')}…`;
  };
  const write = (node, style, faint) => {
    if (!node.data.trim()) return;
    const look = paint('fill', style.color, faint), keeps = style.whiteSpace.startsWith('pre');
    pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    const {fontBoundingBoxAscent: up, fontBoundingBoxDescent: down} = pen.measureText('x');
    for (const {text, box} of lineBoxes(node, keeps)) {
      const shown = cut(keeps ? text : text.replace(/\s+/g, ' '), box.left, node.parentElement);
      const {left, top, width, height} = placed(box);
      if (!look || !shown || !height) continue;
      const base = top + (height - up - down) / 2 + up;
      draw(`<text x="${rounded(left)}" y="${rounded(base)}" xml:space="preserve" ` +
        `font-family="${escaped(style.fontFamily)}" font-size="${style.fontSize}"` +
        `${style.fontWeight === '400' ? '' : ` font-weight="${style.fontWeight}"`}${look}>${escaped(shown)}</text>`,
      {left, width});
    }
  };
  const walk = (element, fainter) => {
    const style = view.getComputedStyle(element), faint = fainter * Number(style.opacity);
    if (style.display === 'none' || style.visibility === 'hidden') return;
    if (element.localName === 'svg') {
      const {left, top, width, height} = placed(element.getBoundingClientRect());
      element.setAttribute('color', colourOf(style.color).hex);
      const place = Object.entries({x: left, y: top, width, height});
      place.forEach(([name, value]) => element.setAttribute(name, rounded(value)));
      draw(new XMLSerializer().serializeToString(element), {left, width});
      return;
    }
    boxes(element, style, faint);
    if (element.localName === 'img') {
      const {left, top, width, height} = placed(element.getBoundingClientRect());
      const place = rectangle({left, top, width, height}, 0, ` preserveAspectRatio="none" xlink:href="${element.src}"`);
      draw(place.replace('<rect', '<image'), {left, width});
      return;
    }
    const isFolded = element.localName === 'details' && !element.open;
    for (const child of element.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) write(child, style, faint);
      else if (child.nodeType === Node.ELEMENT_NODE && (!isFolded || child.localName === 'summary')) walk(child, faint);
    }
  };
  walk(root, 1);
  const width = Math.ceil(right), height = Math.ceil(root.scrollHeight) + roomBelow;
  const svg = `<svg width="${width}" height="${height}" overflow="visible" style="font-variant-numeric:tabular-nums">` +
    `${ramps.length ? `<defs>${ramps.join('')}</defs>` : ''}${parts.join('')}</svg>`;
  return {svg, width, height};
};
