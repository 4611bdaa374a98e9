"""The button that changes between light and dark; the address holds what was chosen, so that a link opens the same."""

import gradio as gr

_HTML = '<button type="button" class="theme"></button>'
_EVENTS = """
const button = element.querySelector('button');
const isDark = () => document.body.classList.contains('dark');
const name = () => { button.textContent = isDark() ? 'Light' : 'Dark'; };
button.addEventListener('click', () => {
  document.body.classList.toggle('dark');
  const url = new URL(window.location);
  url.searchParams.set('__theme', isDark() ? 'dark' : 'light');
  window.history.replaceState(null, '', url);
});
// The page gets its theme when it is ready, and again when the system's changes.
new MutationObserver(name).observe(document.body, {attributes: true, attributeFilter: ['class']});
name();
"""


def theme_switch() -> gr.HTML:
    """The button, named after the theme that a press brings."""
    return gr.HTML(_HTML, js_on_load=_EVENTS, elem_id="theme-switch", scale=0, min_width=60)
