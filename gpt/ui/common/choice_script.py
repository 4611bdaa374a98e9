"""JavaScript for a gr.HTML full of buttons: a click chooses, arrow keys move, a redraw keeps the focus.

The buttons carry a data-index; a component puts this script before its own events.
"""

CHOOSING = r"""
const buttons = () => [...element.querySelectorAll('[data-index]')];
// A click on what the selector finds chooses its button. Arrow keys move by the steps they are given; Enter is a click.
const chooseFrom = (selector, steps) => {
  element.addEventListener('click', (event) => {
    const clicked = event.target.closest(selector);
    if (!clicked) return;
    const button = clicked.matches('[data-index]') ? clicked : clicked.querySelector('[data-index]');
    trigger('select', {index: Number(button.dataset.index), value: button.textContent});
  });
  element.addEventListener('keydown', (event) => {
    const all = buttons();
    const at = all.indexOf(event.target.closest('[data-index]'));
    const step = steps()[event.key];
    if (at < 0 || !step) return;
    event.preventDefault();
    const next = Number.isFinite(step) ? all[at + step] : step > 0 ? all[all.length - 1] : all[0];
    if (next) next.focus();
  });
};
let focused = null;
element.addEventListener('focusin', (event) => {
  const button = event.target.closest('[data-index]');
  if (!button) return;
  focused = button.dataset.index;
  buttons().forEach((other) => { other.tabIndex = other === button ? 0 : -1; });
});
element.addEventListener('focusout', (event) => {
  // A redraw removes the focused button, and the next one gets the focus. Not so where the visitor left the field.
  setTimeout(() => {
    if (event.target.isConnected && !element.contains(document.activeElement)) focused = null;
  });
});
// An observer runs before the next key press is handled; anything later would lose the key.
const onRedraw = (act) => new MutationObserver(act).observe(
  element, {childList: true, subtree: true, attributes: true, attributeFilter: ['class']});
onRedraw(() => {
  const button = buttons().find((other) => other.dataset.index === focused);
  if (button && document.activeElement === document.body) button.focus({preventScroll: true});
});
"""
