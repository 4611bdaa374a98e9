"""The run whose files are saved, and one plain pass over its tokens."""

import pytest

from gpt import trace

from .tables import TOKEN


@pytest.fixture
def ids(visitor):
    """The tokens of the run, with token TOKEN selected."""
    visitor.fire("probabilities-strip", "select", index=TOKEN)
    return visitor.run.ids


@pytest.fixture
def traced(uneven_model, ids):
    """The run's tokens read in one plain pass, every activation kept."""
    return trace(uneven_model, ids)
