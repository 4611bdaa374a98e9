"""Below every figure: its picture as PNG or SVG, with title and caption, in the page's font and on its background.

All of it happens in the browser. What a picture says is in the figure's `layout.meta`, or in the data-picture of a view
that is written in HTML, which `drawn_views.js` draws: see `captions.About.words`.
"""

import json
from html import escape
from pathlib import Path

import gradio as gr

from .captions import About
from .figure_template import FONT, MONO

_VIEWS = Path(__file__).with_name("drawn_views.js")

_WIDTH = 900  # of a picture, pixels, whatever the window's: the same view gives the same picture
_SCALE = 2  # of a PNG

_FRAME = r"""
const family = '%(font)s', edge = 16;
const escaped = (text) => text.replace(/[&<>"]/g, (sign) => '&#' + sign.charCodeAt(0) + ';');
const pen = document.createElement('canvas').getContext('2d');
const lines = (text, font, width) => {
  pen.font = font;
  const found = [''];
  for (const word of text.split(' ')) {
    const longer = found[found.length - 1] + (found[found.length - 1] ? ' ' : '') + word;
    if (pen.measureText(longer).width <= width || !found[found.length - 1]) found[found.length - 1] = longer;
    else found.push(word);
  }
  return found;
};
// An image may use no font of the page, so a picture brings those that it is written in.
let fonts = null;
const base64 = async (url) => {
  const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
  return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ''));
};
const fontFaces = async () => {
  const rules = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]);
  const faces = new Map();
  for (const rule of rules) {
    if (!(rule instanceof CSSFontFaceRule)) continue;
    const name = rule.style.fontFamily.replace(/["']/g, ''), weight = rule.style.fontWeight || '400';
    const url = /url\(["']?([^"')]+)/.exec(rule.style.src);
    if (!url || !%(families)s.includes(name) || faces.has(name + weight)) continue;
    const from = new URL(url[1], rule.parentStyleSheet.href || document.baseURI);
    faces.set(name + weight, `@font-face{font-family:"${name}";font-weight:${weight};` +
      `src:url(data:font/woff2;base64,${await base64(from)})}`);
  }
  return [...faces.values()].join('');
};
const ground = () => {
  const dark = Boolean(document.querySelector('.dark'));
  const style = getComputedStyle(document.body);
  const colour = (name) => style.getPropertyValue(name).trim();
  return {
    fill: dark ? colour('--body-background-fill') : '#ffffff',
    text: colour('--body-text-color'),
    subdued: colour('--body-text-color-subdued'),
  };
};
const framed = async (words, drawing, width, height) => {
  fonts = fonts || fontFaces();
  await document.fonts.ready;
  const {fill, text, subdued} = ground(), line = 18;
  const title = lines(words.title, `700 17px ${family}`, width);
  const caption = words.caption.flatMap((each) => lines(each, `13px ${family}`, width));
  const top = edge + 24 * title.length, whole = top + height + line * caption.length + edge, across = width + 2 * edge;
  const written = (rows, y, step, style) => rows.map((row, i) =>
    `<text x="${edge}" y="${y + step * i}" xml:space="preserve" style="${style}">${escaped(row)}</text>`).join('');
  return `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${across}" ` +
    `height="${whole}" viewBox="0 0 ${across} ${whole}" font-family="${escaped(family)}" role="img">` +
    `<title>${escaped(words.title)}</title><desc>${escaped(words.caption.join('\n'))}</desc>` +
    `<style>${await fonts}</style><rect width="${across}" height="${whole}" fill="${fill}"/>` +
    written(title, edge + 16, 24, `font-size:17px;font-weight:700;fill:${text}`) +
    drawing.replace('<svg ', `<svg x="${edge}" y="${top}" `) +
    written(caption, top + height + 14, line, `font-size:13px;fill:${subdued}`) + '</svg>';
};
const png = async (svg) => {
  const image = new Image();
  const url = URL.createObjectURL(new Blob([svg], {type: 'image/svg+xml'}));
  image.src = url;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = %(scale)d * image.naturalWidth;
  canvas.height = %(scale)d * image.naturalHeight;
  canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(url);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
};
const save = async (words, svg, kind) => {
  const blob = kind === 'png' ? await png(svg) : new Blob([svg], {type: 'image/svg+xml'});
  const url = URL.createObjectURL(blob);
  Object.assign(document.createElement('a'), {href: url, download: `${words.name}.${kind}`}).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
};
"""

_OFFERED = r"""
// Plotly names parts of a drawing at random; the same view has to give the same bytes.
const settled = (svg) => {
  const found = /topdefs-([0-9a-f]{6})/.exec(svg);
  return found ? svg.replaceAll(found[1], 'figure') : svg;
};
const figure = async (plot) => {
  const height = plot.layout.height || plot.offsetHeight, width = %(width)d - 2 * edge;
  const data = plot.data.map((trace, i) => ({...trace, uid: `trace${i}`}));
  const layout = {...plot.layout, width, height, autosize: false};
  layout.font = {...layout.font, color: ground().text};
  const svg = await window.Plotly.toImage({data, layout}, {format: 'svg', width, height, imageDataOnly: true});
  return framed(plot.layout.meta, settled(svg), width, height);
};
const view = async (words, root) => {
  fonts = fonts || fontFaces();
  const {svg, width, height} = await laidOut(root, %(width)d - 2 * edge, drawnView);
  return framed(words, svg, width, height);
};
// What a place shows that can be saved: its words, and how its picture is made; null for nothing.
const shownIn = (place) => {
  const plot = place.querySelector('.js-plotly-plot');
  if (plot && plot.layout && plot.layout.meta) return {words: plot.layout.meta, picture: () => figure(plot)};
  const written = place.querySelector('[data-picture]');
  if (!written) return null;
  const words = JSON.parse(written.dataset.picture);
  return {words, picture: () => view(words, written.parentElement)};
};
const offer = (place) => {
  const bar = place.querySelector(':scope > .save-picture'), shown = shownIn(place);
  if (!shown && bar) bar.remove();
  if (!shown || bar) return;
  const added = Object.assign(document.createElement('div'), {className: 'save-picture'});
  added.append('Save picture');
  for (const kind of ['png', 'svg']) {
    const button = Object.assign(document.createElement('button'), {type: 'button', textContent: kind.toUpperCase()});
    button.setAttribute('aria-label', `Save picture as ${kind.toUpperCase()}`);
    button.addEventListener('click', async () => {
      const now = shownIn(place);
      if (now) await save(now.words, await now.picture(), kind);
    });
    added.append(button);
  }
  place.append(added);
};
const places = () => {
  const written = [...document.querySelectorAll('[data-picture]')].map((each) => each.closest('.block'));
  return new Set([...document.querySelectorAll('.figure, :has(> .save-picture)'), ...written]);
};
let waiting = 0;
const soon = () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => places().forEach(offer), 200);
};
new MutationObserver(soon).observe(document.body, {childList: true, subtree: true});
soon();
"""


def pictured(about: About, html: str) -> str:
    """HTML of a view that is saved as a picture; its parent element is what is drawn."""
    return f'<span hidden data-picture="{escape(words_of(about))}"></span>{html}'


def words_of(about: About) -> str:
    """What a view carries for its picture, as JSON: the value of its data-picture."""
    return json.dumps(about.words, ensure_ascii=False)


def saved_pictures() -> gr.HTML:
    """The script, in a component that shows nothing."""
    families = [font.split(",")[0] for font in (FONT, MONO)]
    values = {"font": FONT, "families": families, "scale": _SCALE, "width": _WIDTH}
    script = "".join([_FRAME % values, _VIEWS.read_text(encoding="utf-8"), _OFFERED % values])
    return gr.HTML("", js_on_load=script, visible="hidden")
