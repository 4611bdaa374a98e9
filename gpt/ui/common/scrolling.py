"""What scrolls inside the page can be reached by the Tab key, and then be scrolled by the arrow keys.

Gradio's own components, such as the one for formulas, give no way to say so where they are made.
"""

import gradio as gr

_SCRIPT = r"""
const places = '.scroll, .unread p, .code-behind pre, #formula, #over-the-run';
const holds = (place) => place.querySelector('a[href], button, input, [tabindex]');
const mark = () => document.querySelectorAll(places).forEach((place) => {
  const scrolls = place.scrollWidth > place.clientWidth || place.scrollHeight > place.clientHeight;
  if (scrolls && !holds(place)) place.tabIndex = 0;
  else place.removeAttribute('tabindex');
});
let waiting = null;  // one look for all changes of a moment; while they go on, one every moment
const soon = () => { waiting ??= setTimeout(() => { waiting = null; mark(); }, 200); };
// What comes into view may have been there before, hidden by its class or style.
const changes = {childList: true, subtree: true, attributes: true, attributeFilter: ['class', 'style', 'hidden']};
new MutationObserver(soon).observe(document.body, changes);
window.addEventListener('resize', soon);
document.fonts.addEventListener('loadingdone', soon); // a formula grows with its font
soon();
"""


def reachable_scrolling() -> gr.HTML:
    """The script, in a component that shows nothing."""
    return gr.HTML("", js_on_load=_SCRIPT, visible="hidden")
