"""Runs the model's own forward pass and keeps what each line of gpt/model.py made: tensors, by line.

Python tells a tracing function before each line of a thread (sys.settrace), so the model needs no hooks.
Axes: t tokens, d emb_dim, h heads, v vocab_size.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from ..cache import KVCache
from ..generation import checked_ids
from ..model import GPTModel, watched
from ..tracing import Window, structural_copy
from .model_source import FILE, Function, Statement, function_at

RETURNED = "return"  # what the value of a return statement is called


@dataclass(frozen=True, eq=False)
class Made:
    """A tensor that a line made, under the name that the line gives it."""

    name: str
    value: Tensor


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a function of gpt/model.py, on the module with this path ("" is the model)."""

    function: Function
    module: str
    arguments: dict[str, Tensor] = field(default_factory=dict)
    made: dict[int, list[Made]] = field(default_factory=dict)  # by the first line of the statement, its latest values
    ran: dict[int, int] = field(default_factory=dict)  # how often each statement ran, by its first line

    def values(self, name: str) -> list[Tensor]:
        """All tensors called so, line by line."""
        return [made.value for line in sorted(self.made) for made in self.made[line] if made.name == name]

    @property
    def returned(self) -> Tensor:
        """What it gave back."""
        return self.values(RETURNED)[-1]


@dataclass(frozen=True, eq=False)
class Recording:
    """One forward pass over ids, line by line: everything outside of the blocks, and one block."""

    ids: tuple[int, ...]
    block: int
    calls: tuple[Call, ...]  # in the order in which they began

    def calls_of(self, function: str, module: str | None = None) -> list[Call]:
        """The calls of a function, as "LayerNorm.forward", on any module or on the one with this path."""
        return [call for call in self.calls if call.function.name == function and module in (None, call.module)]

    @property
    def logits(self) -> Tensor:
        """What the pass came to: (1, t, v)."""
        return self.calls_of("GPTModel.forward")[0].returned

    @property
    def n_bytes(self) -> int:
        """About what it holds in memory."""
        return sum(made.value.nbytes for call in self.calls for line in call.made.values() for made in line)


def record(model: GPTModel, ids: Sequence[int] | Tensor, block: int, cache: KVCache | None = None) -> Recording:
    """Run ids (a list, (t,) or (1, t)) through the model without dropout and keep what the lines of one block made.

    The tensors are those of a `watched` pass, to the bit. With a cache, ids continue the tokens it holds. The model is
    not touched: others may be using it. Raises ValueError for ids that are not the model's, and for a block that it
    does not have.
    """
    listed = checked_ids(model, ids)
    n_layers = model.config.n_layers
    if not 0 <= block < n_layers:
        raise ValueError(f"block is {block}: this model's blocks run from 0 to {n_layers - 1}.")
    twin = structural_copy(model).eval()
    recorder = _Recorder({id(module): name for name, module in twin.named_modules()}, f"trf_blocks.{block}")
    with torch.no_grad(), watched(), recorder.tracing():
        twin(torch.tensor([listed]), cache)
    return Recording(tuple(listed), block, tuple(call for call in recorder.calls if call.made))


@torch.no_grad()
def record_window(model: GPTModel, ids: Sequence[int], window: Window, block: int) -> Recording:
    """The recording of one window's tokens; those before it are only read, into a key-value cache."""
    if window.start == window.first_read:
        return record(model, ids[window.start : window.stop], block)
    cache = KVCache(model.config, window.stop - window.first_read)
    model.hidden(torch.tensor([list(ids[window.first_read : window.start])]), cache)
    return record(model, ids[window.start : window.stop], block, cache)


class _Recorder:
    """The tracing functions, and the calls they have seen."""

    def __init__(self, paths: dict[int, str], block: str) -> None:
        self.calls: list[Call] = []
        self._paths = paths
        self._block = block
        self._running: list[Call] = []
        self._inside_another_block = False

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """Inside, this thread's calls are seen. Whatever traced it before has to wait."""
        before = sys.gettrace()
        sys.settrace(self._on_call)
        try:
            yield
        finally:
            sys.settrace(before)

    def _on_call(self, frame: FrameType, event: str, argument: Any) -> Any:  # noqa: ARG002
        code = frame.f_code
        function = function_at(code.co_firstlineno) if code.co_filename == FILE else None
        if function is None or self._inside_another_block:
            return None
        module = self._module_of(frame)
        if function.name == "TransformerBlock.forward" and module != self._block:
            self._inside_another_block = True
            frame.f_trace_lines = False
            return self._until_the_block_ends
        call = Call(function, module)
        call.arguments.update(
            (name, frame.f_locals[name].clone())
            for name in function.arguments
            if isinstance(frame.f_locals[name], Tensor)
        )
        self.calls.append(call)
        self._running.append(call)
        return _Lines(call, self._running).on_event

    def _until_the_block_ends(self, frame: FrameType, event: str, argument: Any) -> Any:  # noqa: ARG002
        if event == "return":
            self._inside_another_block = False
        return self._until_the_block_ends

    def _module_of(self, frame: FrameType) -> str:
        """The path of the module whose method this is; a plain function belongs to the method that calls it."""
        module = frame.f_locals.get("self")
        if isinstance(module, nn.Module):
            return self._paths[id(module)]
        return self._running[-1].module if self._running else ""


class _Lines:
    """Follows one call from line to line: what a line made is known when the next one is about to run."""

    def __init__(self, call: Call, running: list[Call]) -> None:
        self._call = call
        self._running = running
        self._statement: Statement | None = None

    def on_event(self, frame: FrameType, event: str, argument: Any) -> Any:
        """What Python calls before each line of the function, and at its end."""
        if event == "line":
            statement = self._call.function.statements.get(frame.f_lineno)
            if statement is not self._statement:
                self._finish(frame)
                self._statement = statement
        elif event == "return":
            if isinstance(argument, Tensor) and self._statement is not None:
                self._keep([Made(RETURNED, argument.clone())])
            else:
                self._finish(frame)
            self._running.pop()
        return self.on_event

    def _finish(self, frame: FrameType) -> None:
        """Keep copies: later lines of torch's own may write into a tensor."""
        if self._statement is None:
            return
        values = ((name, frame.f_locals.get(name)) for name in self._statement.names)
        self._keep([Made(name, value.clone()) for name, value in values if isinstance(value, Tensor)])

    def _keep(self, made: list[Made]) -> None:
        assert self._statement is not None
        first = self._statement.first
        self._call.ran[first] = self._call.ran.get(first, 0) + 1
        if made:
            self._call.made[first] = made
