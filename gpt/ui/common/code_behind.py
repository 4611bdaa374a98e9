"""The fold at the foot of a view with the lines of Python that compute its numbers, and a button that copies them."""

from html import escape

import gradio as gr

from .code_pieces import Code

LABEL = "The code behind it"
_TEMPLATE = (
    "${value ? '<details><summary>" + LABEL + "</summary>"
    '<div class="code-head"><p>Run it with Python in the folder of this project.</p>'
    '<button type="button" class="copy-code"><span aria-live="polite">Copy</span></button></div>'
    "<pre><code>' + value + '</code></pre></details>' : ''}"
)
# When a view is drawn again, the fold is made again, and would be closed. Only the visitor opens and closes it.
_EVENTS = r"""
let open = false;
element.addEventListener('click', (event) => {
  if (event.target.closest('summary')) open = !element.querySelector('details').open;  // Enter is a click too
});
new MutationObserver(() => {
  const fold = element.querySelector('details');
  if (fold && fold.open !== open) fold.open = open;
}).observe(element, {childList: true, subtree: true, attributes: true, attributeFilter: ['open']});
element.addEventListener('click', async (event) => {
  const button = event.target.closest('.copy-code');
  if (!button) return;
  const label = button.querySelector('span'), lines = element.querySelector('code');
  try {
    await navigator.clipboard.writeText(lines.textContent);
    label.textContent = 'Copied';
    setTimeout(() => { label.textContent = 'Copy'; }, 1500);
  } catch {
    // The browser does not let this page copy: the lines are selected, and the visitor copies them.
    getSelection().selectAllChildren(lines);
  }
});
"""


def code_area(elem_id: str, value: str = "") -> gr.HTML:
    """The fold, with a `code_value`; not there while it is empty."""
    return gr.HTML(
        value, html_template=_TEMPLATE, js_on_load=_EVENTS, elem_id=elem_id, elem_classes=["code-behind", "flush"]
    )


def code_value(code: Code | None) -> str:
    """What a code_area shows; None is nothing."""
    return "" if code is None else escape(str(code))
