"""Finds the controls of a rendered page in its DOM, changes each of them, and says what a tab shows.

Nothing here knows a control of ours by name: what a reader can set is found by what it is.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

from playwright.sync_api import Page, Request

# Elements that choose something when they are clicked, where they are drawn by us and not by Gradio.
_PICKS = "[data-index], .cells [data-row]"
_TOKEN = "token"  # class of a text's
_MOST_PICKS_TRIED = 24  # of one field; of more, and of a text's tokens, one stands for all
_QUIET_LOOKS, _LOOK_MS = 4, 80  # so many looks without a request under way: the page has its answers
_QUIET_SECONDS = 10.0
_MOST_LOOKS = 1_000

_DOM = """
const shown = (element) => element.checkVisibility() && element.getClientRects().length > 0;
const panels = [...document.querySelectorAll('[role=tabpanel]')].filter(shown);
const root = panels.find((panel) => !panel.parentElement.closest('[role=tabpanel]'));
const idOf = (element) => (element.closest('.block[id], .tabs[id]') ?? element.closest('[id]')).id;
const all = (selector, within = root) => [...within.querySelectorAll(selector)].filter(shown);
const kindOf = (element) => (element.getAttribute('class') || element.tagName).split(' ')[0];
const alikeIn = (block, part) => all('PICKS', block).filter((each) => kindOf(each) === part);
const isPicked = (element) => element.getAttribute('aria-pressed') === 'true' ||
  element.matches('.selected, .chosen, .shown, .candidate-row.chosen *');
const controls = (within = root) => {
  const found = {};
  const add = (element, kind, value, more = {}) => {
    const id = more.id ?? idOf(element), key = `${id} ${kind}${more.part ? ' ' + more.part : ''}`;
    if (!(key in found)) found[key] = {key, kind, id, value, ...more};
  };
  const typed = 'input, textarea, select, [contenteditable=true], [role=tablist], PICKS';
  for (const each of all(typed, within)) {
    const block = each.closest('.block[id]') ?? each.parentElement, type = each.type;
    if (each.disabled || each.readOnly || each.closest('fieldset[disabled], .js-plotly-plot')) continue;
    if (each.matches('[role=tablist]')) {
      const tabs = all('[role=tab]', each);
      const name = (tab) => tab.textContent.trim();
      add(each, 'tabs', name(tabs.find((tab) => tab.ariaSelected === 'true')), {options: tabs.map(name)});
    } else if (each.matches('[data-index], [data-row]')) {
      const part = kindOf(each), alike = alikeIn(block, part);
      const picked = alike.flatMap((other, index) => isPicked(other) ? [index] : []);
      add(each, 'picks', picked, {part, count: alike.length});
    } else if (type === 'radio') {
      const group = all('input[type=radio]', block);
      const name = (radio) => radio.closest('label').textContent.trim();
      add(each, 'radio', group.filter((radio) => radio.checked).map(name).join(), {options: group.map(name)});
    } else if (type === 'range' || (type === 'number' && block.querySelector('input[type=range]'))) {
      const range = block.querySelector('input[type=range]');
      const [min, max, step] = [range.min, range.max, range.step].map(Number);
      add(each, 'slider', Number(range.value), {min, max, step});
    } else if (type === 'number') add(each, 'number', each.value);
    else if (type === 'checkbox') add(each, 'checkbox', each.checked, {part: each.closest('label').textContent.trim()});
    else if (each.matches('[role=listbox], [role=combobox], [aria-haspopup=listbox]'))
      add(each, 'dropdown', each.value);
    else if (each.matches('textarea, input[type=text], input:not([type])')) add(each, 'text', each.value);
    else add(each, `unknown ${each.tagName} ${type}`, '');
  }
  return Object.values(found);
};
""".replace("PICKS", _PICKS)

_SHOWN = """
const text = root.innerText.split('\\n').map((line) => line.trim()).filter(Boolean);
const hash = (words) => [...words].reduce((sum, letter) => (31 * sum + letter.charCodeAt(0)) | 0, 7);
const figures = all('.js-plotly-plot').map((each) => `${idOf(each)} drawn of ${hash(JSON.stringify(each.data))}`);
return [...text, ...figures];
"""


@dataclass(frozen=True)
class Control:
    """One control as it stands on the page: `key` names it, whatever its value."""

    key: str
    kind: str
    id: str  # of its block
    value: Any
    part: str = ""  # which of the block's: a class of drawn elements, or a check box's label
    options: tuple[str, ...] = ()
    count: int = 0
    min: float = 0
    max: float = 0
    step: float = 0

    @property
    def is_switch(self) -> bool:
        """Whether all its options are tried: one may bring other controls into view."""
        is_tried = self.kind == "picks" and self.part != _TOKEN and 1 < self.count <= _MOST_PICKS_TRIED
        return self.kind in ("tabs", "radio") or is_tried

    @property
    def first_option(self) -> Any:
        """The option of a switch that it stands on, None for none."""
        return self.value if self.kind != "picks" else next(iter(self.value), None)


# The options that lead to a view.
View = tuple[tuple[Control, Any], ...]


class Looked:
    """A page that knows when it has all its answers."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._under_way: set[Request] = set()
        self._asked_at = monotonic()
        page.on("request", self._asked)
        page.on("requestfinished", self._answered)
        page.on("requestfailed", self._answered)

    def _asked(self, request: Request) -> None:
        if "/queue/" in request.url:
            self._under_way.add(request)
            self._asked_at = monotonic()

    def _answered(self, request: Request) -> None:
        self._under_way.discard(request)

    def settle(self) -> None:
        """Wait until the page has all answers for a moment, or has asked nothing for long: it may keep a line open."""
        quiet = 0
        for _ in range(_MOST_LOOKS):
            self.page.wait_for_timeout(_LOOK_MS)
            quiet = 0 if self._under_way else quiet + 1
            if quiet == _QUIET_LOOKS or monotonic() - self._asked_at > _QUIET_SECONDS:
                return
        raise AssertionError(f"the page never came to rest: {[each.url for each in self._under_way]}")

    def open_folds(self) -> None:
        """What is folded is on the page all the same: open all of it in the tab in front."""
        for _ in range(10):
            opened = self._in_tab(
                "const folds = all('button.label-wrap:not(.open)'); folds.forEach((fold) => fold.click());"
                "root.querySelectorAll('details').forEach((fold) => { fold.open = true; }); return folds.length;"
            )
            if not opened:
                return
            self.settle()

    def controls(self, outside: bool = False) -> list[Control]:
        """All that a reader can set in the tab in front; or outside of all tabs."""
        if outside:
            inside = {each.key for each in self.controls()}
            found = self._in_tab("return controls(document.body);")
            found = [each for each in found if each["key"] not in inside]
        else:
            found = self._in_tab("return controls();")
        return [Control(**each | {"options": tuple(each.get("options", ()))}) for each in found]

    def values(self) -> dict[str, Any]:
        """What the controls in view hold."""
        return {each.key: each.value for each in self.controls()}

    def shown(self) -> list[str]:
        """All words in view and what the figures are drawn of; measured times are left out."""
        self.page.add_style_tag(content=".measured { display: none !important; }")
        self.open_folds()
        before: list[str] = []
        while before != (now := list(self._in_tab(_SHOWN))):
            before = now
            self.page.wait_for_timeout(_LOOK_MS)
        return now

    def problems(self) -> int:
        """How many sentences say that something cannot be."""
        return int(self._in_tab("return all('.problem').length;"))

    def front(self) -> str:
        """The tab in front."""
        return self.page.locator("#tabs [role=tab][aria-selected=true]").first.inner_text().strip()

    def bring(self, label: str) -> None:
        """Bring a tab to the front."""
        if self.front() != label:
            self.page.get_by_role("tab", name=label, exact=True).first.click()
            self.settle()

    def see(self, view: View) -> None:
        """Take the options that lead to a view."""
        for switch, option in view:
            self.choose(switch, option)

    def choose(self, control: Control, option: Any) -> None:
        """Take one option of a switch."""
        block = self.page.locator(f"#{control.id}")
        if control.kind == "tabs":
            block.get_by_role("tab", name=str(option), exact=True).first.click()
        elif control.kind == "radio":
            block.locator("input[type=radio]").nth(control.options.index(option)).check()
        else:
            self._click_drawn(control, int(option))
        self.settle()

    def change(self, control: Control) -> None:
        """Give a control another value that the page does not refuse."""
        before, address = self.problems(), self.page.url
        for attempt in self._attempts(control):
            attempt()
            self.settle()
            if self.problems() <= before:
                break
        after = self.values().get(control.key)
        # A token of Generate is marked on the tabs that it opens.
        changed = after != control.value or self.page.url != address
        assert changed, f"{control.key} could not be changed from {control.value!r}"

    def _attempts(self, control: Control) -> list[Callable[[], None]]:
        """Ways to give it another value, the likeliest to be taken first."""
        kind, value = control.kind, control.value
        if control.options:
            others = [option for option in reversed(control.options) if option != value]
            attempts = [partial(self.choose, control, option) for option in others]
        elif kind == "slider":
            up = value + control.step
            text = f"{up if up <= control.max else value - control.step:g}"
            attempts = [partial(self._type, control, text, "input[type=number]")]
        elif kind == "number":
            attempts = [partial(self._type, control, text, "input") for text in _numbers(value)]
        elif kind == "text":
            attempts = [partial(self._type, control, text, "textarea, input") for text in _texts(value)]
        elif kind == "checkbox":
            label = self.page.locator(f"#{control.id} label", has_text=control.part)
            attempts = [label.locator("input[type=checkbox]").first.click]
        elif kind == "dropdown":
            attempts = [partial(self._take, control, at) for at in range(3)]
        elif kind == "picks":
            last = max(index for index in range(control.count) if index not in value)
            attempts = [partial(self._click_drawn, control, last)]
        else:
            raise AssertionError(f"{control.key}: a kind of control that this test cannot change yet")
        return attempts

    def _type(self, control: Control, text: str, selector: str) -> None:
        field = self.page.locator(f"#{control.id}").locator(selector).first
        field.fill(text)
        field.press("Tab" if control.kind == "text" else "Enter")
        field.blur()

    def _take(self, control: Control, at: int) -> None:
        """The option number `at` of those that a dropdown does not hold."""
        self.page.locator(f"#{control.id} input").first.click()
        options = self.page.locator("[role=option]:not([aria-selected=true])")
        options.nth(min(at, options.count() - 1)).click()

    def _click_drawn(self, control: Control, index: int) -> None:
        tab = self.front()
        self._in_tab(
            f"const drawn = alikeIn(document.getElementById('{control.id}'), '{control.part}')[{index}];"
            "drawn?.dispatchEvent(new MouseEvent('click', {bubbles: true}));"
        )
        self.settle()
        self.bring(tab)  # a token of Generate opens another one

    def _in_tab(self, steps: str) -> Any:
        return self.page.evaluate(f"() => {{ {_DOM} {steps} }}")


def _numbers(text: str) -> list[str]:
    """What a number may become: the page refuses what does not fit."""
    if not text:
        return ["0.5", "1", "64"]
    value = float(text)
    return [f"{number:.12g}" for number in (2 * value, value / 2, value + 1, 1, 0) if number != value]


def _texts(text: str) -> list[str]:
    """The same for a text: another last word, a number where there is none."""
    if not text:
        return ["1"]
    kept, word = text[: text.rfind(" ") + 1], text[text.rfind(" ") + 1 :]
    return [f"{kept}{other}" for other in ("the", "a", "and") if other != word]


@dataclass
class Walk:
    """All controls of a tab, each changed once, and the views that it was changed in."""

    looked: Looked
    changed: dict[str, tuple[View, Control]]
    views: list[View]

    def go(self, skip: Iterable[str], path: View = ()) -> None:
        """Change all controls in view that were not changed before, then look for more behind each option."""
        while new := self._new(skip):
            plain = next((each for each in new if not each.is_switch), None)
            control = plain or new[0]
            self.changed[control.key] = (path, control)
            if plain is not None:
                self.looked.change(control)
            else:
                self._try_all(control, skip, path)

    def _new(self, skip: Iterable[str]) -> list[Control]:
        self.looked.open_folds()
        return [each for each in self.looked.controls() if each.key not in self.changed and each.id not in skip]

    def _try_all(self, switch: Control, skip: Iterable[str], path: View) -> None:
        """Take each option in turn; the last that the page does not refuse stays."""
        options = switch.options or tuple(range(switch.count))
        before, kept, in_view = self.looked.problems(), None, set(self.looked.values())
        for option in options:
            if option == switch.first_option:
                continue
            self.looked.choose(switch, option)
            if self.looked.problems() > before:
                continue
            if kept is None and switch.first_option is not None and in_view - set(self.looked.values()):
                self.views.append((*path, (switch, switch.first_option)))
            kept, count = option, len(self.changed)
            self.go(skip, (*path, (switch, option)))
            if len(self.changed) > count:
                self.views.append((*path, (switch, option)))
        if kept is not None and option != kept:
            self.looked.choose(switch, kept)


def walked(looked: Looked, skip: Iterable[str]) -> Walk:
    """The tab in front with every control of it changed, except those with these ids."""
    walk = Walk(looked, {}, [])
    walk.go(skip)
    return walk


def difference(one: list[str], other: list[str]) -> str:
    """The first lines in which two views differ."""
    pairs = [(a, b) for a, b in zip(one, other, strict=False) if a != b][:5]
    return json.dumps({"differ": pairs, "lines": [len(one), len(other)]}, ensure_ascii=False, indent=1)
