"""Hints at the words of the page: the glossary as a list at its foot, and a bubble with a word's sentence beside it."""

import json
from html import escape

import gradio as gr

from .glossary import GLOSSARY, forms

# Where a word stands alone: labels of controls, heads of tables.
_ALONE = '[data-testid="block-info"], th[scope="col"]'

_SCRIPT = r"""
const list = element.querySelector('#words');
const forms = JSON.parse(list.dataset.forms);
const bubble = document.createElement('div');
bubble.className = 'hint-bubble';
bubble.setAttribute('role', 'tooltip');
bubble.id = 'hint-bubble';
bubble.hidden = true;
(document.querySelector('.gradio-container') || document.body).append(bubble);
let shown = null;
const hide = () => {
  if (shown) shown.removeAttribute('aria-describedby');
  shown = null;
  bubble.hidden = true;
};
const show = (term) => {
  const word = list.querySelector(`[data-word="${CSS.escape(term.dataset.term)}"]`);
  if (!word) return;
  hide();
  shown = term;
  bubble.textContent = word.textContent;
  bubble.hidden = false;
  term.setAttribute('aria-describedby', bubble.id);
  const at = term.getBoundingClientRect(), size = bubble.getBoundingClientRect();
  const left = Math.max(8, Math.min(at.left, document.documentElement.clientWidth - size.width - 8));
  const below = at.bottom + 6, fits = below + size.height < window.innerHeight;
  bubble.style.left = `${left}px`;
  bubble.style.top = `${fits ? below : at.top - size.height - 6}px`;
};
const termOf = (event) => event.target.closest && event.target.closest('[data-term]');
document.addEventListener('mouseover', (event) => {
  const term = termOf(event);
  if (term) show(term);
  else if (shown && shown !== document.activeElement) hide();
});
document.addEventListener('focusin', (event) => { if (termOf(event)) show(termOf(event)); });
document.addEventListener('focusout', (event) => { if (termOf(event)) hide(); });
document.addEventListener('click', (event) => { if (termOf(event)) show(termOf(event)); else hide(); });
document.addEventListener('keydown', (event) => { if (event.key === 'Escape') hide(); });
document.addEventListener('scroll', hide, {capture: true, passive: true});
// Words that stand alone get their hint here, and only attributes change: their text belongs to the page.
const mark = () => document.querySelectorAll('%s').forEach((place) => {
  const name = forms[place.textContent.trim().toLowerCase()];
  if (!name) { if (place.dataset.alone) { delete place.dataset.term; place.removeAttribute('tabindex'); } return; }
  if (place.dataset.term === name) return;
  place.dataset.alone = place.dataset.term = name;
  place.tabIndex = 0;
  place.classList.add('term');
});
let waiting = 0;
new MutationObserver(() => { clearTimeout(waiting); waiting = setTimeout(mark, 200); }).observe(
  document.body, {childList: true, subtree: true});
mark();
"""


def words_list() -> gr.HTML:
    """The glossary, folded, and the script that shows its sentences beside the words of the page."""
    rows = "".join(
        f'<dt>{escape(name)}</dt><dd data-word="{escape(name)}">{escape(word.said)} '
        f'<span class="section">Section {word.section}</span></dd>'
        for name, word in sorted(GLOSSARY.items(), key=lambda pair: pair[0].lower())
    )
    value = (
        f'<details id="words" data-forms="{escape(json.dumps(forms()))}"><summary>Words: what they mean here</summary>'
        f"<dl>{rows}</dl></details>"
    )
    return gr.HTML(value, js_on_load=_SCRIPT % _ALONE, elem_classes=["flush"])
