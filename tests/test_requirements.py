"""requirements.txt names what the code imports, no more and no less."""

import ast
import sys
from importlib.metadata import packages_distributions

from tests.oldest_and_newest import oldest, requirements
from tests.serving import ROOT


def imported() -> set[str]:
    """Top-level names of the packages that app.py and gpt import, wherever in a file they do."""
    found = set()
    for path in (ROOT / "app.py", *(ROOT / "gpt").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"gpt"}


def test_every_package_that_is_imported_is_required_and_the_other_way_round():
    distributions = packages_distributions()
    needed = {distributions[name][0].lower().replace("-", "_") for name in imported()}
    assert needed == {line.partition(">=")[0] for line in requirements()}


def test_the_oldest_versions_are_the_lower_bounds():
    assert oldest("huggingface_hub>=1.16,<3") == "huggingface_hub==1.16"
    assert all("==" in oldest(line) for line in requirements())
