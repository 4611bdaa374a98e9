"""What the keyboard needs and Gradio leaves out: the focus stays with the person, and arrow keys move between tabs.

Names that a screen reader says are those that stand on the page; a figure is said in words.
"""

import gradio as gr

_SCRIPT = r"""
const isLost = () => document.activeElement === document.body || !document.activeElement.offsetParent;
let last = null;
document.addEventListener('focusin', (event) => { last = event.target; });

// The button that starts a piece of work and the one that stops it take each other's place, and the focus with it.
new MutationObserver((changes) => changes.forEach(({target}) => {
  if (!target.matches('.stop-work')) return;
  const start = target.parentElement.querySelector('.start-work');
  const [hidden, shown] = target.matches('.idle') ? [target, start] : [start, target];
  if (hidden && shown && last === hidden) shown.focus({preventScroll: true});
})).observe(document.body, {subtree: true, attributes: true, attributeFilter: ['class']});

// A chosen token opens another tab: the focus goes to that token there, if it went nowhere else meanwhile.
const follow = (index, until) => {
  const token = document.querySelector(`#probabilities-strip [data-index="${index}"]`);
  if (token && token.offsetParent && isLost()) token.focus({preventScroll: true});
  else if (Date.now() < until) setTimeout(() => follow(index, until), 50);
};
document.addEventListener('click', (event) => {
  const token = event.target.closest('#run-strip [data-index]');
  if (token) follow(token.dataset.index, Date.now() + 20000);
});

// As in every list of tabs: arrows go to the next one and open it, Home and End to the ends.
document.addEventListener('keydown', (event) => {
  const tab = event.target.closest('[role=tab]');
  if (!tab || event.ctrlKey || event.altKey || event.metaKey) return;
  const all = [...tab.closest('[role=tablist]').querySelectorAll('[role=tab]')].filter((each) => each.offsetParent);
  const at = all.indexOf(tab), n = all.length;
  const to = {ArrowRight: (at + 1) % n, ArrowLeft: (at + n - 1) % n, Home: 0, End: n - 1}[event.key];
  if (to === undefined) return;
  event.preventDefault();
  all[to].focus();
  all[to].click();
});

// A list that Escape has closed opens again at a click: Gradio opens it only for a field that had no focus.
document.addEventListener('pointerdown', ({target}) => {
  if (target.matches('[role=combobox][aria-expanded=false]:focus')) target.blur();
}, {capture: true});

// Gradio calls the two fields of a slider by what they are, not by what they set.
const rename = () => document.querySelectorAll('input[aria-label]').forEach((input) => {
  const said = input.getAttribute('aria-label');
  const [, kind, name] = said.match(/^(range slider|number input) for (.+)$/s) || [];
  if (name) input.setAttribute('aria-label', kind === 'range slider' ? name : `${name}, as a number`);
});

// A figure is a picture with one name: its title, whose figures these are, and what it shows in words.
const describe = () => document.querySelectorAll('.figure .js-plotly-plot').forEach((plot) => {
  const words = plot.layout && plot.layout.meta;
  if (!words) return;
  plot.setAttribute('role', 'img');
  plot.setAttribute('aria-label', [words.title, ...words.caption, words.inWords].join('. '));
});
let waiting = 0;
const soon = () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => { rename(); describe(); }, 200);
};
new MutationObserver(soon).observe(document.body, {childList: true, subtree: true});
soon();
"""


def keyboard() -> gr.HTML:
    """The script, in a component that shows nothing."""
    return gr.HTML("", js_on_load=_SCRIPT, visible="hidden")
