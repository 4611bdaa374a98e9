"""One view alone, for a slide, a notebook or a documentation page: `embed=1` in the address hides the rest.

`hide=code,saving` hides single parts; assets/style.css says which there are and what belongs to them.
"""

import gradio as gr

from ..version import APP

# A name that the stylesheet does not know hides nothing.
_EVENTS = """
const query = new URLSearchParams(window.location.search), isAlone = query.get('embed') === '1';
const hidden = (query.get('hide') ?? '').split(',');
if (isAlone) hidden.push('model', 'tabs', 'prompt', 'settings', 'intro', 'footer');
document.documentElement.dataset.hidden = hidden.join(' ');
const link = element.querySelector('a');
link.hidden = !isAlone;
const whole = () => {
  const url = new URL(window.location);
  ['embed', 'hide'].forEach((name) => url.searchParams.delete(name));
  link.href = url.href;
};
['pointerdown', 'focus', 'click'].forEach((event) => link.addEventListener(event, whole));
whole();
"""


def embedded() -> gr.HTML:
    """Hides what the address says. A view that stands alone has a link to the whole page."""
    link = f'<a class="whole-page" target="_blank" rel="noopener" hidden>Open in {APP}</a>'
    return gr.HTML(link, js_on_load=_EVENTS, elem_id="whole-page", elem_classes=["flush"])
