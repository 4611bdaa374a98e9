"""The few lines of Python that compute what a view shows, put together from pieces."""

from dataclasses import dataclass

# Of torch and the standard library; every other name in `uses` is one that `gpt` exports, or has a module before it.
_MODULES = ("copy", "math", "torch")


@dataclass(frozen=True)
class Code:
    """Lines of Python, and the names that they use: modules, and what `gpt` exports. `str` gives the whole program."""

    lines: str = ""
    uses: frozenset[str] = frozenset()

    def __add__(self, other: "Code") -> "Code":
        return Code(f"{self.lines}\n{other.lines}".strip("\n"), self.uses | other.uses)

    def __str__(self) -> str:
        modules = [f"import {name}" for name in _MODULES if name in self.uses]
        ours = [f"from {module} import {', '.join(names)}" for module, names in self._imported().items()]
        return "\n\n".join(part for part in ("\n".join([*modules, *ours]), self.lines) if part) + "\n"

    def _imported(self) -> dict[str, list[str]]:
        """The names to import by their modules: `gpt` first."""
        found: dict[str, list[str]] = {}
        ours = self.uses.difference(_MODULES)
        for module, _, name in sorted((each if "." in each else f"gpt.{each}").rpartition(".") for each in ours):
            found.setdefault(module, []).append(name)
        return found


def code(lines: str, *uses: str) -> Code:
    """A piece of a program."""
    return Code(lines.strip("\n"), frozenset(uses))
