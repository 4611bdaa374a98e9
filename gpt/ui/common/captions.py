"""What a saved picture or file is of: its name, its title, its caption and the columns beside its numbers.

A tab says what is its own (what is shown, of which block or head); model, prompt and token come from the run.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ...runs import Run
from .traced_run import Traced

_LONGEST_PROMPT = 300  # characters in a caption and in each row of a table; the run's own file has all of them
_LONGEST_PART = 48  # characters of one part of a name


class SelectedToken(NamedTuple):
    """A token of the text: its number, counted from 1, how the page writes it, and its id."""

    number: int
    text: str
    token_id: int


@dataclass(frozen=True)
class About:
    """What is shown, of which model, prompt and selection; colours says what the colours of a picture mean.

    A number in places has its name in front: {"block": 0, "norm": "norm1"} reads "block 0, norm1".
    """

    what: str
    model: str = ""
    prompt: str = ""
    places: Mapping[str, str | int] = field(default_factory=dict)
    token: SelectedToken | None = None
    colours: str = ""

    @property
    def name(self) -> str:
        """A file's name without its ending: layernorm-distribution_storyteller_block0-norm1_token5."""
        places = "-".join(_part(f"{name}{value}" if isinstance(value, int) else value) for name, value in self._places)
        token = "" if self.token is None else f"token{self.token.number}"
        return "_".join(
            part for part in (_part(self.what), _part(self.model.rstrip("/").rsplit("/", 1)[-1]), places, token) if part
        )

    @property
    def caption(self) -> list[str]:
        """Lines below a picture: whose figures these are, the prompt, the colours."""
        places = ", ".join(f"{name} {value}" if isinstance(value, int) else value for name, value in self._places)
        token = (
            "" if self.token is None else f"token {self.token.number} “{self.token.text}” (id {self.token.token_id})"
        )
        whose = [part for part in (self.model, places, token) if part]
        prompt = f"Prompt: “{_shortened(self.prompt)}”" if self.prompt else ""
        return [line for line in (" · ".join(whose), prompt, self.colours) if line]

    @property
    def columns(self) -> dict[str, Any]:
        """The same for every row of a table, by the names of the columns."""
        columns: dict[str, Any] = {"model": self.model} if self.model else {}
        if self.prompt:
            columns["prompt"] = _shortened(self.prompt)
        columns |= {f"selected {name}": value for name, value in self._places}
        if self.token is not None:
            number, text, token_id = self.token
            columns |= {"selected token number": number, "selected token": text, "selected token id": token_id}
        return columns

    @property
    def words(self) -> dict[str, Any]:
        """What a figure carries for the script that saves it."""
        return {"name": self.name, "title": self.what, "caption": self.caption}

    def at(self, **places: str | int) -> "About":
        """The same with these places too."""
        return replace(self, places={**self.places, **places})

    @property
    def _places(self) -> list[tuple[str, str | int]]:
        return [(name.replace("_", " "), value) for name, value in self.places.items() if value != ""]


def about_run(what: str, run: Run, index: int | None = None, colours: str = "") -> About:
    """What is shown of a run, and of its token `index` where there is one."""
    places = {} if run.parted_at is None else {"branch at token": run.parted_at + 1}
    token = None
    if index is not None:
        token_id = run.ids[index]
        token = SelectedToken(index + 1, run.reader.visible(token_id), token_id)
    return About(what, run.model_name, run.prompt, places, token, colours)


def about_traced(what: str, traced: Traced, colours: str = "") -> About:
    """What is shown of the selected token of a traced run."""
    return about_run(what, traced.run, traced.window.start + traced.token, colours)


def _part(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower())[:_LONGEST_PART].strip("-.")


def _shortened(prompt: str) -> str:
    shown = prompt.replace("\n", "⏎").replace("\t", "⇥")
    return shown if len(shown) <= _LONGEST_PROMPT else f"{shown[:_LONGEST_PROMPT]}…"
