"""What a screen reader says by itself: how something ended, and not every step of it.

Gradio replaces a line that it shows anew, and a live region that is replaced may never be read out. So no line is live:
one with `data-aloud` is copied, with what the attribute adds to it, into a region that stays.
"""

import gradio as gr

_SCRIPT = """
const region = element.querySelector('[role=status]');
const marked = '[data-aloud]';
const parent = (node) => node instanceof Element ? node : node.parentElement;
const lineOf = (node) => parent(node)?.closest(marked) ?? parent(node)?.querySelector(`:scope > ${marked}`);
let lines = new Set(), waiting = null;
const tell = () => {
  const said = [...lines].filter((line) => line.isConnected && line.checkVisibility())
    .map((line) => [line.textContent.trim(), line.dataset.aloud].filter(Boolean).join(' ')).filter(Boolean);
  lines = new Set();
  waiting = null;
  if (!said.length) return;
  const words = document.createElement('p'); // a new element is read out even where it says the same again
  words.textContent = said.join(' ');
  region.replaceChildren(words);
};
new MutationObserver((changes) => {
  changes.flatMap(({target, addedNodes}) => [target, ...addedNodes]).filter((node) => !element.contains(node))
    .map(lineOf).filter(Boolean).forEach((line) => lines.add(line));
  if (lines.size) waiting ??= setTimeout(tell, 200);
}).observe(document.body, {childList: true, subtree: true, characterData: true});
"""


def read_aloud() -> gr.HTML:
    """The region, which nobody sees, and the script that fills it."""
    return gr.HTML('<div role="status"></div>', js_on_load=_SCRIPT, elem_id="read-aloud")
