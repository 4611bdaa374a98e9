"""The numbers behind a figure as a file: the browser saves what the server sends as text, nothing is left on disk."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gradio as gr

_SAVE = """(file) => {
  if (!file || !file.name) return;
  const url = URL.createObjectURL(new Blob([file.text], {type: file.type + ';charset=utf-8'}));
  const link = Object.assign(document.createElement('a'), {href: url, download: file.name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}"""


def save_button(
    label: str, elem_id: str, make: Callable[..., dict[str, str] | None], inputs: Sequence[Any]
) -> gr.Button:
    """A small button that saves what `make(*inputs)` returns: `csv_file(…)` or `json_file(…)`, None for nothing."""
    button = gr.Button(label, size="sm", elem_id=elem_id, elem_classes=["save"])
    file = gr.JSON(visible=False)
    button.click(make, inputs, [file], api_visibility="private").then(
        None, [file], None, js=_SAVE, api_visibility="private"
    )
    return button


def csv_file(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, str]:
    """A table as a file called `name`.csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return {"name": f"{name}.csv", "type": "text/csv", "text": text.getvalue()}


def json_file(name: str, data: Any) -> dict[str, str]:
    """JSON-ready data as a file called `name`.json."""
    text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    return {"name": f"{name}.json", "type": "application/json", "text": text}
