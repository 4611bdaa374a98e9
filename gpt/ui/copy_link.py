"""The button that copies the address of the view, or, where the browser lets no page copy, a field to copy it from."""

import gradio as gr

_HTML = (
    '<button type="button" class="copy-link"><span aria-live="polite">Copy link</span></button>'
    '<input class="address" readonly hidden aria-label="Address of this view">'
    '<p class="too-long" role="status" hidden>The prompt is too long for a link.</p>'
)
_EVENTS = """
// The hub signs the address of a private Space's frame: that part is for nobody else.
const address = () => {
  const url = new URL(window.location);
  url.searchParams.delete('__sign');
  return url.href;
};
const label = element.querySelector('.copy-link span'), field = element.querySelector('.address');
let back = null;
element.querySelector('.copy-link').addEventListener('click', async () => {
  await window.linkReady;  // a long prompt is being compressed
  try {
    await navigator.clipboard.writeText(address());
    field.hidden = true;
    label.textContent = 'Copied';
    clearTimeout(back);
    back = setTimeout(() => { label.textContent = 'Copy link'; }, 1500);
  } catch {
    field.hidden = false;
    field.value = address();
    field.focus();
    field.select();
  }
});
field.addEventListener('blur', () => { field.hidden = true; });
"""


def copy_link() -> gr.HTML:
    """The button, and beside it the line that says that the prompt does not fit into a link."""
    return gr.HTML(_HTML, js_on_load=_EVENTS, elem_id="copy-link", scale=0, min_width=110)
