"""One view alone, for a slide, a notebook or a documentation page: `embed=1` in the address takes the rest away.

`hide=code,saving` takes away single parts; assets/style.css says which there are and what belongs to them.
"""

import gradio as gr

from ..version import APP

# A name that the stylesheet does not know takes nothing away.
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
    """Takes away what the address says; of a view alone, a link opens the whole page."""
    link = f'<a class="whole-page" target="_blank" rel="noopener" hidden>Open in {APP}</a>'
    return gr.HTML(link, js_on_load=_EVENTS, elem_id="whole-page", elem_classes=["flush"])
