"""The numbers behind a figure as a file. The server sends its text and the browser saves it; the server keeps none."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from ...engine.weights_digest import DIGEST_OF
from ...library import LoadedModel
from ...version import APP, full_version
from .captions import About

_BYTE_ORDER_MARK = "\ufeff"
_BEGIN_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
File = dict[str, str]  # name, type (MIME) and text

_SAVE = """(file) => {
  if (!file || !file.name) return;
  const url = URL.createObjectURL(new Blob([file.text], {type: file.type + ';charset=utf-8'}));
  const link = Object.assign(document.createElement('a'), {href: url, download: file.name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}"""


def save_button(label: str, elem_id: str, make: Callable[..., File | None], inputs: Sequence[Component]) -> gr.Button:
    """A small button that saves what `make(*inputs)` returns: a csv_file or json_file; None for nothing.

    Where make raises, the page says why, and nothing is saved.
    """
    button = gr.Button(label, size="sm", elem_id=elem_id, elem_classes=["save"])
    file = gr.JSON(visible=False)
    button.click(make, list(inputs), [file], api_visibility="private").success(
        None, [file], None, js=_SAVE, api_visibility="private"
    )
    return button


def csv_file(about: About, header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> File:
    """A table as a file: in front of each row stands what it is of. The mark at the start tells Excel that it is UTF-8.

    A text that a spreadsheet would take for a formula gets an apostrophe in front; numbers stay numbers.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")  # then it also quotes a text that holds a single \r
    same = about.columns
    writer.writerow([_cell(cell) for cell in (*same, *header)])
    writer.writerows([_cell(cell) for cell in (*same.values(), *row)] for row in rows)
    return {"name": f"{about.name}.csv", "type": "text/csv", "text": f"{_BYTE_ORDER_MARK}{text.getvalue()}"}


def json_file(about: About, data: Mapping[str, Any], loaded: LoadedModel | None = None) -> File:
    """JSON-ready data as a file that begins with the code and the weights it comes from; without `loaded` with none."""
    weights = None
    if loaded is not None:
        weights = {"precision": loaded.precision, "digest": loaded.weights_digest, "digest_of": DIGEST_OF}
    head = {"app": APP, "version": full_version(), "what": about.what, "model": about.model or None, "weights": weights}
    text = json.dumps({**head, **data}, ensure_ascii=False, indent=2) + "\n"
    return {"name": f"{about.name}.json", "type": "application/json", "text": text}


def _cell(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_BEGIN_A_FORMULA) else cell
