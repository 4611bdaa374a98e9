"""The gallery names every view of the page by a link that opens it, and its lines of Python run as they stand."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from gpt.ui import page
from gpt.ui.attribution import view_panels
from gpt.ui.building_blocks import tab as building_blocks
from gpt.ui.generate import tab as generate
from gpt.ui.inside.views import VIEWS as INSIDE
from gpt.ui.layernorm.views import VIEWS as LAYERNORM
from tests.serving import ROOT

GALLERY = (ROOT / "assets" / "GALLERY.md").read_text(encoding="utf-8")
LINKS = re.findall(r"`/(\?[^`]+)`", GALLERY)


def test_every_view_has_its_link_and_every_link_its_view():
    named = {(place.get("tab", generate.KEY), place.get("view", "")) for place in map(places, LINKS)}
    views = {("inside", view) for view in (*INSIDE, *view_panels.NAMES)} | {("layernorm", view) for view in LAYERNORM}
    views |= {("building-blocks", panel.KEY) for panel in building_blocks.PANELS}
    alone = {generate.KEY, *(tab.KEY for tab in page.TABS)} - {tab for tab, _ in views}
    assert named == views | {(tab, "") for tab in alone}


def test_its_python_runs_from_top_to_bottom(monkeypatch):
    monkeypatch.chdir(ROOT)
    known: dict[str, object] = {}
    for lines in re.findall(r"```python\n(.*?)```", GALLERY, re.DOTALL):
        exec(compile(lines, "GALLERY.md", "exec"), known)
    assert sum(part.value for part in known["account"].parts) == pytest.approx(known["account"].logit_difference)


def test_the_readme_leads_to_it():
    assert "](assets/GALLERY.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def places(link: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
