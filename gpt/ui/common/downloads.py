"""The numbers behind a figure as a file. The server sends its text and the browser saves it; the server keeps none."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

File = dict[str, str]  # name, type (MIME) and text

_SAVE = """(file) => {
  if (!file || !file.name) return;
  const url = URL.createObjectURL(new Blob([file.text], {type: file.type + ';charset=utf-8'}));
  const link = Object.assign(document.createElement('a'), {href: url, download: file.name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}"""


def save_button(label: str, elem_id: str, make: Callable[..., File | None], inputs: Sequence[Component]) -> gr.Button:
    """A small button that saves what `make(*inputs)` returns: `csv_file(…)` or `json_file(…)`, None for nothing."""
    button = gr.Button(label, size="sm", elem_id=elem_id, elem_classes=["save"])
    file = gr.JSON(visible=False)
    button.click(make, list(inputs), [file], api_visibility="private").then(
        None, [file], None, js=_SAVE, api_visibility="private"
    )
    return button


def csv_file(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> File:
    """A table as a file called `name`.csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return {"name": f"{name}.csv", "type": "text/csv", "text": text.getvalue()}


def svg_file(name: str, svg: str) -> File:
    """A drawing as a file called `name`.svg."""
    return {"name": f"{name}.svg", "type": "image/svg+xml", "text": svg}


def json_file(name: str, data: Any) -> File:
    """JSON-ready data as a file called `name`.json."""
    text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    return {"name": f"{name}.json", "type": "application/json", "text": text}
