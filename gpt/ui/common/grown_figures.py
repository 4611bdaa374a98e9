"""On a wide window the page grows, figures too: the stylesheet enlarges each one, and has to know its height for that.

The stylesheet says by how much. An enlarged element takes only its first room in the page; the rest is added there.
"""

import gradio as gr

_SCRIPT = """
const heights = new ResizeObserver((changes) => changes.forEach(({target}) => {
  target.style.setProperty('--height', `${target.offsetHeight}px`);
}));
const known = new WeakSet();
const observe = () => document.querySelectorAll('.figure .js-plotly-plot').forEach((plot) => {
  if (known.has(plot)) return;
  known.add(plot);
  heights.observe(plot);
});
new MutationObserver(observe).observe(document.body, {childList: true, subtree: true});
observe();
"""


def grown_figures() -> gr.HTML:
    """The script that tells the stylesheet the heights, in a component that shows nothing."""
    return gr.HTML("", js_on_load=_SCRIPT, visible="hidden")
