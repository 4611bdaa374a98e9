"""The model that an address names, and what a page opened with it does: a link loads nothing that is not here already.

Only the default model, the bundled one, an untrained one and those in memory are loaded without a click. For any other
the page says what the link wants, and a button loads it, where this server can.
"""

from dataclasses import dataclass, replace
from html import escape

import gradio as gr

from ..library import Library
from ..model_reference import LOCAL_FILE, NAMES, Reference, file_name, in_an_address, is_repository

_LONGEST_NAME = 80  # characters of a name in a sentence

_EVENTS = """
element.addEventListener('click', (event) => {
  if (event.target.closest('button')) trigger('select', {index: 0, value: ''});
});
"""


@dataclass(frozen=True)
class Linked:
    """What the page does about the model of an address; "" for what does not apply."""

    comes: str = ""  # reference of the model that the page opens with, "" for the default
    wanted: str = ""  # reference of what a button loads
    said: str = ""  # why the page shows another model than the link names, one or two sentences
    label: str = ""  # of that button


def linked_model(library: Library, named: str) -> Linked:
    """What the page does about a model that an address names, "" for none.

    Nothing is loaded, and no path is looked at.
    """
    if not named:
        return Linked()
    try:
        asked = Reference.parse(named)
        found = _at_hand(library, asked)
        if found is None:
            return _local_file(library, asked)
        if library.comes_at_once(str(found)):
            return Linked(comes=str(found))
        return _offered(found, library.must_be_downloaded(str(found)))
    except ValueError as error:
        return Linked(said=f"The link wants the model {_short(named)}, which cannot be had here. {error}")


def wanted_model() -> gr.HTML:
    """Where the page says which model the link wants; its `select` event is a press of the button."""
    return gr.HTML(
        value="", html_template="${value}", js_on_load=_EVENTS, elem_id="wanted-model", elem_classes=["note"]
    )


def wanted_html(linked: Linked, shown: str) -> str:
    """What stands there while the page shows another model, `shown` (a reference); "" when nothing else is wanted."""
    if not linked.said:
        return ""
    button = f' <button type="button" class="do-it">{escape(linked.label)}</button>' if linked.wanted else ""
    name = escape(_short(in_an_address(shown).removeprefix(LOCAL_FILE)))
    model = escape(in_an_address(shown))
    return (
        f'<p class="problem" data-aloud data-model="{model}">{escape(linked.said)} '
        f"This page shows {name} instead.{button}</p>"
    )


def _at_hand(library: Library, asked: Reference) -> Reference | None:
    """The model by the name under which this server has it; None for a local file that it has not opened."""
    at_hand = [Reference.parse(each) for each in library.at_hand()]
    if not _is_local_file(asked.name):
        return asked
    name = file_name(asked.name.removeprefix(LOCAL_FILE))
    here = [each for each in at_hand if in_an_address(str(each)).startswith(LOCAL_FILE)]
    return next((replace(asked, name=each.name) for each in here if file_name(each.name) == name), None)


def _is_local_file(name: str) -> bool:
    """Whether a name of a link can only be that of a file, told by its signs alone."""
    is_other = name in NAMES or is_repository(name)
    return name.startswith(LOCAL_FILE) or (not is_other and any(sign in name for sign in "/\\~"))


def _local_file(library: Library, asked: Reference) -> Linked:
    """A file that this server has not opened; a link that has its whole path can be asked to open it."""
    path = asked.name.removeprefix(LOCAL_FILE)
    name = _short(file_name(path))
    said = f"The link wants {name}, a file of the computer it was made on."
    if not library.local_files:
        return Linked(said=f"{said} This server opens no files.")
    if asked.name.startswith(LOCAL_FILE):
        return Linked(said=f"{said} It is not open here: if you have it, type its path under Change model.")
    return Linked(wanted=str(asked), said=f"{said} A link opens no file by itself.", label=f"Open {_short(path)}")


def _offered(found: Reference, is_download: bool) -> Linked:
    name, whole = _short(file_name(found.name)), f"{_short(found.name)} in {found.precision}"
    if is_download:
        said = f"The link wants {whole}, which is not on this machine yet. A link downloads nothing by itself."
        return Linked(wanted=str(found), said=said, label=f"Download {name} from the Hub and load it")
    said = f"The link wants {whole}, which is not loaded. A link loads no file by itself."
    return Linked(wanted=str(found), said=said, label=f"Load {name}")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
