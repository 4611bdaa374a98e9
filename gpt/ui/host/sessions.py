"""What is kept of each visitor between two events, and when it is deleted.

Gradio would keep half a megabyte for each of the last 10,000 sessions, connected or invented; each call is one, too.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from datetime import datetime
from time import monotonic
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder

_MOST_LEFT = 128  # sessions that no page is connected to
_LEFT_SECONDS = 120.0  # how long a session is kept to which no page was ever connected
_MOST_REMEMBERED = 5_000  # sessions that ended
_LONGEST_REMEMBERED = 500  # characters


class Session(SessionState):
    """The states of one visitor, and the components that were changed for them; nothing for deep links."""

    def __init__(self, page: gr.Blocks) -> None:
        self.blocks_config = copy(page.default_config)
        self.config_values = {}
        self.state_data = {}
        self._state_ttl = {}
        self.is_closed = False
        self.STATE_TTL_WHEN_CLOSED = 3_600

    def __setitem__(self, key: int, value: Any) -> None:
        block = self.blocks_config.blocks.get(key)
        if isinstance(block, gr.State):
            self._state_ttl[key] = (block.time_to_live, datetime.now())
            self.state_data[key] = value
        else:
            self.blocks_config.blocks[key] = value

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass

    def small_values(self) -> dict[int, str]:
        """The states that are a short text, as the name of the chosen model is."""
        values = self.state_data.items()
        return {key: each for key, each in values if isinstance(each, str) and 0 < len(each) <= _LONGEST_REMEMBERED}


class Sessions(StateHolder):
    """The sessions of one server. An idle one ends after that many seconds, and its visitor is told on coming back.

    The session of a connected page ends for no other reason.
    """

    def __init__(self, idle_seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._idle_seconds = idle_seconds
        self._connected: Counter[str] = Counter()
        self._used: OrderedDict[str, float] = OrderedDict()  # when, the one used longest ago first
        self._had_page: set[str] = set()
        self._ended: OrderedDict[str, dict[int, str]] = OrderedDict()  # with what they are given back
        self._to_tell: set[str] = set()
        self._calls: set[str] = set()

    def __getitem__(self, session: str) -> SessionState:
        state = self.session_data.get(session)
        if state is None:
            state = self.session_data[session] = Session(self.blocks)
            if session in self._ended:
                state.state_data.update(self._ended.pop(session))
                self._to_tell.add(session)
        self._used[session] = monotonic()
        self._used.move_to_end(session)
        return state

    @property
    def n_connected(self) -> int:
        """Pages that are open now."""
        return len(self._connected)

    @contextmanager
    def connected(self, session: str) -> Iterator[None]:
        """While a page of this session is open."""
        self._connected[session] += 1
        self._had_page.add(session)
        try:
            yield
        finally:
            self._connected[session] -= 1
            if not self._connected[session]:
                del self._connected[session]
                if session not in self.session_data:
                    self._had_page.discard(session)

    def was_ended(self, session: str) -> bool:
        """Whether this visitor, now back, has to be told that their session had ended; true once."""
        if session in self._to_tell:
            self._to_tell.discard(session)
            return True
        return False

    def is_a_call(self, session: str) -> None:
        """Note that this is a call without a session: nobody can come back to it when it is over."""
        self._calls.add(session)

    def end_idle(self, busy: set[str]) -> None:
        """Delete what is not needed, but nothing that an event of a busy session may still use."""
        for session in self._calls - busy:
            self._calls.discard(session)
            self.session_data.pop(session, None)
            self._used.pop(session, None)
        now = monotonic()
        left = [each for each in self._used if each not in self._connected and each not in busy]
        surplus = set(left[: max(0, len(left) - _MOST_LEFT)])
        for session, used in list(self._used.items()):
            idle = now - used
            was_invented = session not in self._had_page and idle > _LEFT_SECONDS
            if session not in busy and (idle > self._idle_seconds or session in surplus or was_invented):
                self._end(session)

    def _end(self, session: str) -> None:
        state = self.session_data.pop(session, None)
        del self._used[session]
        self._to_tell.discard(session)
        if session in self._had_page and isinstance(state, Session):
            self._ended[session] = state.small_values()
            while len(self._ended) > _MOST_REMEMBERED:
                self._ended.popitem(last=False)
        if session not in self._connected:
            self._had_page.discard(session)
