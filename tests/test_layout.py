"""The code depends on itself one way, from the configuration up to the app, and only gpt/ui knows the page's tools."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

from tests.serving import ROOT

# A module may import what stands in its own line or above it.
LAYERS = (
    ("config", "version"),
    ("cache", "model", "tokenizer", "seeding"),
    ("engine",),
    ("files", "estimates"),
    ("sampling", "generation", "runs", "saved_run", "tracing", "recording"),
    ("model_reference", "model_loads", "model_catalogue", "library"),
    ("chapter", "attribution", "run_comparison", "training"),
    ("ui",),
    ("app",),
)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


PATHS = {module_name(path): path for path in (ROOT / "app.py", *sorted((ROOT / "gpt").rglob("*.py")))}


def running_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker reads."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from running_nodes(child)


@cache
def imports(name: str) -> set[str]:
    """Full names of what a module imports, at its top or inside a function."""
    path = PATHS[name]
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    found = set()
    for node in running_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            names = {f"{base}.{alias.name}" for alias in node.names}
            found |= {each if each in PATHS else base for each in names}
    return found


def layer(name: str) -> int:
    """The line of LAYERS that a module stands in."""
    place = name.removeprefix("gpt.").partition(".")[0]
    lines = [number for number, line in enumerate(LAYERS) if place in line]
    assert lines, f"{name} has no place yet: give it one in LAYERS and in the README"
    return lines[0]


@pytest.mark.parametrize("name", [name for name in PATHS if name != "gpt"])
def test_a_module_imports_nothing_from_above_itself(name):
    own, ours = layer(name), imports(name) & PATHS.keys()
    assert name == "app" or "gpt" not in ours, "import the module itself: gpt/__init__.py stands above all of them"
    assert not {each for each in ours - {"gpt"} if layer(each) > own}


def test_no_module_needs_itself():
    tuple(TopologicalSorter({name: imports(name) & PATHS.keys() for name in PATHS}).static_order())


def ui_package(name: str) -> str | None:
    """Which package of gpt/ui a module is in: a tab, `common` or `tour`; None elsewhere and in `host`, which serves."""
    parts = name.split(".")
    is_in_one = parts[:2] == ["gpt", "ui"] and len(parts) > 3 and parts[2] != "host"
    return parts[2] if is_in_one else None


def test_no_tab_needs_itself_through_another_and_what_they_share_needs_none():
    needs: dict[str, set[str]] = {}
    for name in PATHS:
        package = ui_package(name)
        if package is not None:
            needs.setdefault(package, set()).update({ui_package(each) for each in imports(name)} - {None, package})
    assert len(needs) > 8
    assert not needs["common"]
    tuple(TopologicalSorter(needs).static_order())


def test_only_the_page_imports_what_draws_it():
    tools = {"gradio", "gradio_client", "plotly"}
    for name in PATHS:
        if not name.startswith("gpt.ui"):
            assert not tools & {each.partition(".")[0] for each in imports(name)}, name


def test_the_readme_says_what_is_in_every_line_of_the_layout():
    rows = (
        (ROOT / "README.md").read_text(encoding="utf-8").partition("| where |")[2].partition("\n\n")[0].splitlines()[2:]
    )
    places = {name.split(".")[1] for name in PATHS if name.startswith("gpt.")}
    lines = [[place for place in line if place in places] for line in LAYERS[:-1]]
    assert [re.findall(r"`(\w+)`", row.split("|")[1]) for row in rows] == lines
