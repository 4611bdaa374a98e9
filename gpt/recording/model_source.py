"""gpt/model.py as text: its classes and functions, and the names that each of its lines gives a value."""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from .. import model

FILE = model.GPTModel.forward.__code__.co_filename


@dataclass(frozen=True)
class Statement:
    """A statement: the lines it takes, from 1, and the names it gives a value. Of one with a body, its first lines."""

    first: int
    last: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Function:
    """A function of the file: `LayerNorm.forward`, its lines, and its statements by each of their lines."""

    name: str
    first: int
    last: int
    arguments: tuple[str, ...]
    statements: dict[int, Statement]


@dataclass(frozen=True)
class Definition:
    """A class or a function at the top of the file, and the functions in it in their order."""

    name: str
    first: int
    last: int
    functions: tuple[Function, ...]


@cache
def lines() -> tuple[str, ...]:
    """The file's lines; number n is at n - 1."""
    return tuple(inspect.getsource(model).splitlines())


@cache
def definitions() -> dict[str, Definition]:
    """What the file defines, by name."""
    found = {}
    for node in ast.parse("\n".join(lines())).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = _definition(node, (_function(node, ""),))
        elif isinstance(node, ast.ClassDef):
            inner = tuple(_function(each, f"{node.name}.") for each in node.body if isinstance(each, ast.FunctionDef))
            found[node.name] = _definition(node, inner)
    return found


@cache
def function_at(line: int) -> Function | None:
    """The function whose `def`, or first decorator, stands in this line."""
    functions = (function for definition in definitions().values() for function in definition.functions)
    return next((function for function in functions if function.first == line), None)


def _definition(node: ast.ClassDef | ast.FunctionDef, functions: tuple[Function, ...]) -> Definition:
    return Definition(node.name, _first_line(node), node.end_lineno or node.lineno, functions)


def _function(node: ast.FunctionDef, prefix: str) -> Function:
    statements = {line: each for each in _statements(node.body) for line in range(each.first, each.last + 1)}
    arguments = tuple(argument.arg for argument in node.args.args)
    return Function(prefix + node.name, _first_line(node), node.end_lineno or node.lineno, arguments, statements)


def _first_line(node: ast.ClassDef | ast.FunctionDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _statements(body: list[ast.stmt]) -> Iterator[Statement]:
    for node in body:
        inner = [*getattr(node, "body", []), *getattr(node, "orelse", []), *getattr(node, "finalbody", [])]
        last = inner[0].lineno - 1 if inner else node.end_lineno or node.lineno
        yield Statement(node.lineno, max(node.lineno, last), tuple(_names(node)))
        yield from _statements(inner)


def _names(node: ast.stmt) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    for target in targets:
        if target is not None:
            yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))
