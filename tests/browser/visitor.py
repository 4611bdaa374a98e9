"""A visitor of the page, who finds what can be set on it, sets it, and reads what is shown; the finding is visitor.js.

Nothing here knows a control of ours by name.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

# To be run in a page before its own scripts.
SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")

_QUIET_LOOKS = 5  # so many looks of the page at itself without an answer under way: it has all it asked for
_MOST_SECONDS = 300
_MOST_TRIED = 24  # of a field of drawn buttons; of more, and of the tokens of a text, one stands for all
_TOKEN = "token"


@dataclass(frozen=True)
class Control:
    """One control as it stands on the page: `key` names it, whatever its value."""

    key: str
    kind: str
    id: str  # of its block
    value: Any  # of options the chosen one, None for none
    part: str = ""  # which of the block's: a class of drawn buttons, or a check box's label
    options: tuple[Any, ...] = ()
    most: float = 0
    step: float = 0

    @property
    def is_switch(self) -> bool:
        """Whether all its options are tried: one may bring other controls into view."""
        is_tried = self.part != _TOKEN and len(self.options) <= _MOST_TRIED
        return self.kind in ("tabs", "radio") or (self.kind == "picks" and is_tried)

    def others(self) -> list[Any]:
        """Values that it may have instead: the page may refuse one."""
        if self.options:
            return [option for option in self.options if option != self.value]
        if self.kind == "slider":
            up = self.value + self.step
            return [f"{up if up <= self.most else self.value - self.step:.12g}"]
        if self.kind == "number":
            return _numbers(self.value)
        if self.kind == "text":
            return _texts(self.value)
        if self.kind == "checkbox":
            return [not self.value]
        assert self.kind == "dropdown", f"{self.key}: a kind of control that nothing here can change yet"
        return [0, 1, 2]  # of the options that it does not stand on


class Visitor:
    """A page that runs SCRIPT, once its first run and the tab in front are drawn."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.wait_for_selector("#run-status .measured", state="attached", timeout=1000 * _MOST_SECONDS)
        self.settle()

    def settle(self) -> None:
        """Wait until the page has all the answers it asked for."""
        self._do(f"settled({_QUIET_LOOKS}, {_MOST_SECONDS})")

    def controls(self) -> list[Control]:
        """All that can be set in the tab in front. What is folded is on the page all the same."""
        while self._do("unfold()"):
            self.settle()
        return [_control(found) for found in self._do("controls()")]

    def controls_outside(self) -> list[Control]:
        """All that can be set outside of the tabs."""
        return [_control(found) for found in self._do("controlsOutside()")]

    def values(self) -> dict[str, Any]:
        """What the controls in view hold."""
        return {each.key: each.value for each in self.controls()}

    def shown(self) -> list[str]:
        """All words in view and a digest of each figure; measured times are left out."""
        return list(self._do("shown()"))

    def change(self, control: Control) -> None:
        """Give a control another value that the page does not refuse."""
        refused, address = self._do("refusals()"), self.page.url
        for value in reversed(control.others()):
            self.put(control, value)
            if self._do("refusals()") <= refused:
                break
        # A token of Generate is marked on the tabs that it opens.
        is_other = self.values().get(control.key) != control.value or self.page.url != address
        assert is_other, f"{control.key} could not be changed from {control.value!r}"

    def put(self, control: Control, value: Any) -> None:
        """Give a control this one of its `others`."""
        block = self.page.locator(f"#{control.id}")
        if control.kind == "tabs":
            block.get_by_role("tab", name=value, exact=True).first.click()
        elif control.kind == "radio":
            block.locator("input[type=radio]").nth(control.options.index(value)).check()
        elif control.kind == "picks":
            self._pick(control, value)
        elif control.kind == "checkbox":
            label = block.locator("label", has_text=control.part)
            label.locator("input[type=checkbox]").first.set_checked(value)
        elif control.kind == "dropdown":
            block.locator("input").first.click()
            options = self.page.locator("[role=option]:not([aria-selected=true])")
            options.nth(min(value, options.count() - 1)).click()
        else:
            field = block.locator("input[type=number]" if control.kind == "slider" else "textarea, input").first
            field.fill(value)
            field.press("Tab" if control.kind == "text" else "Enter")
            field.blur()
        self.settle()

    def _pick(self, control: Control, place: str) -> None:
        """A token of Generate opens another tab: come back from there."""
        tab = self.page.locator("#tabs [role=tab][aria-selected=true]").first.inner_text().strip()
        self._do(f"pick({control.id!r}, {control.part!r}, {place!r})")
        self.settle()
        self.page.locator("#tabs").get_by_role("tab", name=tab, exact=True).first.click()

    def _do(self, call: str) -> Any:
        return self.page.evaluate(f"() => visitor.{call}")


def _control(found: dict[str, Any]) -> Control:
    return Control(**found | {"options": tuple(found.get("options", ()))})


def _numbers(text: str) -> list[str]:
    """The last of them is the likeliest to be taken."""
    if not text:
        return ["64", "0.5", "1"]
    value = float(text)
    return [f"{number:.12g}" for number in (0, 0.5, 1, value + 1, value / 2, 2 * value) if number != value]


def _texts(text: str) -> list[str]:
    """The same for a text: another last word, a number where there is none."""
    if not text:
        return ["0.5", "1"]
    kept, word = text[: text.rfind(" ") + 1], text[text.rfind(" ") + 1 :]
    return [f"{kept}{other}" for other in ("and", "a", "the") if other != word]
