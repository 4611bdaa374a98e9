"""One query and one key followed from their product to a weight: a field of cells, and the steps of the one in view.

All numbers come with the field, so that pointing at a cell asks nothing of the server; the page only multiplies the
two vectors place by place.
"""

import json
from html import escape
from math import inf, isclose, isfinite, sqrt
from typing import Any

import gradio as gr
from torch import Tensor

from ...recording.attention_scores import HeadScores
from ..common.address_values import place_in
from ..common.colours import ABOVE, BELOW
from ..common.number_format import percent
from ..common.token_strip import scaled_style

# Tokens to each side that can be followed: around the selected one.
_BEFORE, _AFTER = 7, 2

_EVENTS = r"""
const root = () => element.querySelector('.following');
const said = (value, digits) => value === null ? '−∞' : typeof value === 'string' ? value :
  (Math.abs(value) < 1e5 ? value.toFixed(digits ?? 4) : value.toExponential(3)).replace('-', '−');
const node = (kind, name, text) => {
  const made = document.createElement(kind);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
};
const colour = (value, most) => 'rgba(' + (value < 0 ? 'BELOW' : 'ABOVE') + ',' +
  Math.min(1, Math.abs(value) / most).toFixed(3) + ')';
const vector = (name, values, most) => {
  const row = node('div', 'vector');
  row.append(node('span', 'name', name));
  const cells = node('span', 'numbers');
  values.forEach((value, at) => {
    const cell = node('i');
    cell.style.background = colour(value, most);
    cell.title = at + ': ' + said(value);
    cells.append(cell);
  });
  row.append(cells);
  return row;
};
const step = (left, right) => {
  const row = node('div', 'step');
  row.append(node('span', 'name', left), node('span', 'result', right));
  return row;
};
const show = (cell) => {
  const place = root();
  if (!place || !cell) return;
  const data = JSON.parse(place.dataset.follow);
  const i = Number(cell.dataset.row), j = Number(cell.dataset.column);
  const query = data.queries[i], key = data.keys[j];
  const products = query.map((value, at) => value * key[at]);
  const most = Math.max(...query.map(Math.abs), ...key.map(Math.abs), 1e-30);
  const peak = Math.max(...products.map(Math.abs), 1e-30);
  const into = place.querySelector('.steps');
  const from = data.rows[i], to = data.columns[j];
  const masked = data.masked[i][j];
  into.replaceChildren(
    node('p', 'pair', from + ' looks at ' + to),
    vector('query', query, most), vector('key', key, most), vector('query × key', products, peak),
    step('sum of the products', said(data.products[i][j])),
    step('÷ ' + data.divisor, said(data.scaled[i][j])),
    step(masked === null ? 'mask: it is still to come' : 'mask: it may be seen', said(masked)),
    step('softmax: e^' + said(masked, 2) + ' ÷ e^' + said(data.totals[i], 2) + ', the sum of the row',
      data.weights[i][j]));
  place.querySelectorAll('.cell').forEach((each) => each.classList.toggle('shown', each === cell));
};
const cellOf = (event) => event.target.closest('.following .cell');
let pinned = null;
// The address holds a cell by the numbers of its two tokens, and none where it is the one that shows by itself.
const tell = (cell) => {
  const first = Number(root().dataset.first);
  window.followedCell = !cell || cell.matches('.start') ? '' :
    [cell.dataset.row, cell.dataset.column].map((place) => Number(place) + first).join('.');
  trigger('select', {index: 0, value: ''});
};
const press = (cell) => {
  root().querySelectorAll('.cell').forEach((each) => {
    each.tabIndex = each === cell ? 0 : -1;
    each.setAttribute('aria-pressed', each === cell);
  });
  show(cell);
};
const pin = (cell) => {
  pinned = [cell.dataset.row, cell.dataset.column];
  tell(cell);
  press(cell);
};
const pinnedCell = () => (pinned && root() &&
  root().querySelector(`.cell[data-row="${pinned[0]}"][data-column="${pinned[1]}"]`)) ||
  element.querySelector('.following .cell.start');
// Not mouseover: a cell that the page moves under a resting pointer is not pointed at.
element.addEventListener('mousemove', (event) => {
  const cell = cellOf(event);
  if (cell && !cell.matches('.shown')) show(cell);
});
element.addEventListener('mouseout', (event) => { if (cellOf(event)) show(pinnedCell()); });
element.addEventListener('click', (event) => { if (cellOf(event)) pin(cellOf(event)); });
let isFocused = false;
element.addEventListener('focusin', (event) => {
  isFocused = Boolean(cellOf(event));
  if (isFocused) pin(cellOf(event));
});
element.addEventListener('focusout', (event) => {
  // A redraw removes the focused cell, and the one in its place gets the focus. Not so where the visitor left.
  setTimeout(() => { if (event.target.isConnected && !element.contains(document.activeElement)) isFocused = false; });
});
element.addEventListener('keydown', (event) => {
  const cell = cellOf(event);
  const move = {ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0]}[event.key];
  if (!cell || !move) return;
  event.preventDefault();
  const row = Number(cell.dataset.row) + move[0], column = Number(cell.dataset.column) + move[1];
  const next = root().querySelector(`.cell[data-row="${row}"][data-column="${column}"]`);
  if (next) next.focus();
});
// A redraw of the same numbers keeps what the visitor has chosen meanwhile.
const redrawn = () => {
  if (pinned) press(pinnedCell());
  else show(pinnedCell());
  if (isFocused && document.activeElement === document.body) pinnedCell().focus({preventScroll: true});
};
// A redraw may change no more than attributes, or bring another field of the same numbers.
let drawn = null, field = null;
const begin = () => {
  const data = root() && root().dataset.follow + root().dataset.pinned;
  if (!data || (data === drawn && root() === field)) return;
  field = root();
  if (data === drawn) return redrawn();
  drawn = data;
  const [row, column] = root().dataset.pinned.split('.');
  pinned = null;
  if (column !== undefined) pin(root().querySelector(`.cell[data-row="${row}"][data-column="${column}"]`));
  else if (window.followedCell) tell(null);
  show(pinnedCell());
};
new MutationObserver(begin).observe(
  element, {childList: true, subtree: true, attributes: true, attributeFilter: ['data-follow', 'data-pinned']});
begin();
""".replace("BELOW", BELOW).replace("ABOVE", ABOVE)


def following(elem_id: str) -> gr.HTML:
    """An empty field; `following_html` is its value."""
    return gr.HTML(value="", html_template="${value}", js_on_load=_EVENTS, elem_id=elem_id, elem_classes=["flush"])


def cell_chosen(field: gr.HTML, told: gr.Textbox) -> None:
    """Tell a text field which cell of a field is followed, as `following_html` takes it; the server is not asked."""
    field.select(None, None, [told], js="() => [window.followedCell]", api_visibility="private")


def following_html(
    scores: HeadScores, labels: list[str], first: int, token: int, head: int, followed: str | None = ""
) -> str:
    """A cell for every pair of tokens around the selected one.

    labels are those of the s tokens read, the first of them number `first` of the text; the last t of them look.
    followed is the cell in view: the number of the token that looks, a dot, and that of the one that is looked at.
    Where there is no such cell, the selected token looks at itself.
    """
    t, s = scores.weights.shape
    low, high = max(0, token - _BEFORE), min(t, token + _AFTER + 1)
    rows, columns = slice(low, high), slice(low + s - t, high + s - t)
    names = [f"{label} ({first + columns.start + i})" for i, label in enumerate(labels[columns])]
    data = {
        "rows": names,
        "columns": names,
        "queries": _rounded(scores.queries[rows]),
        "keys": _rounded(scores.keys[columns]),
        "divisor": _divisor(scores),
        "products": _rounded(scores.products[rows, columns]),
        "scaled": _rounded(scores.scaled[rows, columns]),
        "masked": _rounded(scores.masked[rows, columns]),
        "totals": _rounded(scores.masked[rows].double().logsumexp(-1)),  # as powers of e: none is too small or large
        "weights": [list(map(percent, row)) for row in scores.weights[rows, columns].tolist()],
    }
    selected = token - low
    weights = scores.weights[rows, columns].tolist()
    numbers = "".join(f"<span>{first + columns.start + i}</span>" for i in range(len(names)))
    body = f"<span></span>{numbers}" + "".join(
        f'<span class="name" aria-hidden="true" title="{escape(names[i])}">{escape(names[i])}</span>'
        + "".join(_cell(names, weights[i][j], i, j, selected) for j in range(len(names)))
        for i in range(len(names))
    )
    return (
        f'<section class="following" data-follow="{escape(json.dumps(data))}" data-first="{first + columns.start}" '
        f'data-pinned="{_pinned(followed or "", first + columns.start, len(names))}"><h3>Follow one cell of '
        f'queries · keys, head {head}</h3><p class="status">A row looks, a column is looked at. Point at a cell, or '
        'choose one and move with the arrow keys.</p><div class="follow-both">'
        f'<div class="cells" role="group" aria-label="query of a row times key of a column" '
        f'style="--columns:{len(names)}">{body}</div><div class="steps" aria-live="polite"></div></div></section>'
    )


def _cell(names: list[str], weight: float, row: int, column: int, selected: int) -> str:
    start = row == selected and column == selected
    label = f"{names[row]} looks at {names[column]}"
    return (
        f'<button type="button" class="cell scaled{" start" if start else ""}" data-row="{row}" data-column="{column}" '
        f'tabindex="{0 if start else -1}" aria-label="{escape(label)}" title="{escape(label)}" '
        f'style="{scaled_style(min(weight, 1.0))}"></button>'
    )


def _pinned(followed: str, first: int, n: int) -> str:
    """Row and column of a cell, counted from 0; "" where the n tokens from number `first` on have no such cell."""
    looks, _, looked_at = followed.partition(".")
    try:
        places = [place_in(number) - first for number in (looks, looked_at)]
    except ValueError:
        return ""
    return ".".join(map(str, places)) if all(0 <= place < n for place in places) else ""


def _divisor(scores: HeadScores) -> str:
    head_dim = scores.queries.shape[1]
    plain = isclose(scores.divisor, sqrt(head_dim))
    return f"√{head_dim} = {scores.divisor:.4g}" if plain else f"{scores.divisor:.4g}"


def _rounded(tensor: Tensor) -> Any:
    """A tensor as nested lists of numbers with six significant digits, None for minus infinity."""
    return _shorter(tensor.tolist())


def _shorter(value: Any) -> Any:
    if isinstance(value, list):
        return [_shorter(each) for each in value]
    if value == -inf:
        return None
    return float(f"{value:.6g}") if isfinite(value) else str(value)  # JSON has no other numbers
