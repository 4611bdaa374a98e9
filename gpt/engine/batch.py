"""All texts that are being written with a model, read together: weights are fetched once for all of their tokens.

A batch is made of the requests that wait when a pass begins. The thread of one of them runs the pass for all.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from threading import Condition, Lock
from time import monotonic
from typing import Protocol
from weakref import WeakKeyDictionary

from torch import Tensor, cat

from .compiled_pass import Piece, Room, Text, read_pieces
from .fair_lock import MACHINE
from .fair_share import FairShare
from .packed_model import PackedModel

Client = Hashable  # who asks: requests of one client share that client's part of the machine

_MOST_TEXTS = 32  # read together in one pass
_MOST_ROWS = 512  # of a prompt in one pass, when nobody else is generating
_SECONDS_BESIDE_OTHERS = 0.06  # about how long a piece of a prompt may hold up everybody's next token
_LEAST_ROWS = 12
_PATIENCE = 0.35  # share of a pass for which the next one waits for those who took part in it


@dataclass(eq=False)
class Request:
    """Tokens of one text that are waiting to be read."""

    text: Text
    ids: Sequence[int]
    client: Client
    since: float = field(default_factory=monotonic)
    n_read: int = 0
    hidden: list[Tensor] = field(default_factory=list)
    logits: Tensor | None = None
    error: BaseException | None = None
    is_done: bool = False

    @property
    def n_left(self) -> int:
        return len(self.ids) - self.n_read


class Rule(Protocol):
    """Who is next: an order of those waiting, told what each has had."""

    def order(self, waiting: Sequence[Request]) -> list[Request]:
        """Those waiting, the next one first."""
        ...

    def spent(self, client: Client, seconds: float) -> None:
        """Note that a client has had the machine for so long."""


class Batch:
    """The requests of everybody who reads with one model. A thread whose request waits may run a pass for all."""

    def __init__(self) -> None:
        self._changed = Condition(Lock())
        self._waiting: list[Request] = []
        self._is_led = False
        self._lately: set[Text] = set()  # those who took part in the last pass and have not left
        self._pass_seconds = 0.0
        self._row_seconds = 0.0
        self._room = Room()

    def read(self, text: Text, ids: Sequence[int], client: Client) -> tuple[Tensor, Tensor]:
        """Hidden vectors (n, d) of ids and the logits (v,) after the last. Raises ValueError for wrong ids."""
        text.check(ids)
        request = Request(text, ids, client)
        try:
            self._await(request)
        except BaseException:
            with self._changed:  # nobody is there to take the result
                self._waiting = [each for each in self._waiting if each is not request]
            raise
        if request.error is not None:
            raise request.error
        assert request.logits is not None
        return (request.hidden[0] if len(request.hidden) == 1 else cat(request.hidden)), request.logits

    def _await(self, request: Request) -> None:
        with self._changed:
            self._waiting.append(request)
            self._changed.notify_all()
            while self._is_led and not request.is_done:
                self._changed.wait()
            if not request.is_done:
                self._is_led = True
        if not request.is_done:
            self._lead(request)

    def leave(self, text: Text) -> None:
        """Nobody needs to wait for this text any more."""
        with self._changed:
            self._lately.discard(text)
            self._changed.notify_all()

    def _lead(self, own: Request) -> None:
        try:
            while not own.is_done:
                self._wait_for_the_others()
                with MACHINE:
                    self._run_pass()
        finally:
            with self._changed:
                self._is_led = False
                self._changed.notify_all()

    def _wait_for_the_others(self) -> None:
        """A moment for those of the last pass who are drawing their token: together they are read sooner."""
        with self._changed:
            deadline = monotonic() + _PATIENCE * self._pass_seconds
            while len(self._waiting) < _MOST_TEXTS and self._lately - {request.text for request in self._waiting}:
                left = deadline - monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)

    def _run_pass(self) -> None:
        with self._changed:
            chosen = self._choose()
        pieces = [
            Piece(request.text, request.ids[request.n_read : request.n_read + n], n == request.n_left)
            for request, n in chosen
        ]
        start = monotonic()
        try:
            results = read_pieces(chosen[0][0].text.packed, pieces, self._room)
        except BaseException as error:
            self._fail([request for request, _ in chosen], error)
            return
        seconds, n_rows = monotonic() - start, sum(n for _, n in chosen)
        with self._changed:
            self._pass_seconds = seconds
            if n_rows >= _LEAST_ROWS:
                self._row_seconds = seconds / n_rows
            for (request, n), (hidden, logits) in zip(chosen, results, strict=True):
                request.hidden.append(hidden)
                request.n_read += n
                request.logits = logits
                request.is_done = request.n_left == 0
            self._waiting = [request for request in self._waiting if not request.is_done]
            self._lately = {request.text for request, _ in chosen}
            self._changed.notify_all()
        for request, n in chosen:
            RULE.spent(request.client, seconds * n / n_rows)

    def _choose(self) -> list[tuple[Request, int]]:
        """Who is read in this pass, and how many tokens of each."""
        ordered = RULE.order(self._waiting)[:_MOST_TEXTS]
        is_alone = len(ordered) == 1 and not self._lately - {ordered[0].text}
        budget = _MOST_ROWS if is_alone else self._rows_beside_others()
        chosen: list[tuple[Request, int]] = []
        for request in ordered:
            if request.n_left == 1:
                chosen.append((request, 1))  # a single token is always read
            elif budget > 0 and not _others_write_first(request, chosen):
                n = min(request.n_left, budget)  # as much as the others can wait for
                chosen.append((request, n))
                budget -= n
        return chosen

    def _rows_beside_others(self) -> int:
        if self._row_seconds == 0:
            return _LEAST_ROWS
        return max(_LEAST_ROWS, min(_MOST_ROWS, int(_SECONDS_BESIDE_OTHERS / self._row_seconds)))

    def _fail(self, requests: list[Request], error: BaseException) -> None:
        with self._changed:
            for request in requests:
                request.error, request.is_done = error, True
            self._waiting = [request for request in self._waiting if not request.is_done]
            self._changed.notify_all()


def _others_write_first(request: Request, chosen: Sequence[tuple[Request, int]]) -> bool:
    """Whether somebody else, who writes, comes before it.

    A piece of a prompt costs as much as many of their tokens: one in each pass would take nearly all of the machine.
    """
    return any(before.n_left == 1 and before.client != request.client for before, _ in chosen)


RULE: Rule = FairShare()

_batches: WeakKeyDictionary[PackedModel, Batch] = WeakKeyDictionary()
_lock = Lock()


def batch_of(packed: PackedModel) -> Batch:
    """The batch of everybody who reads with this snapshot."""
    with _lock:
        batch = _batches.get(packed)
        if batch is None:
            batch = _batches[packed] = Batch()
        return batch
