"""The stretch of a run that is opened: what a token was predicted from."""

import pytest
import torch

from gpt.attribution.forward_pass import last_logits
from gpt.generation import Settings
from gpt.runs import Run, grow, logits_before
from gpt.sampling import Sampling
from gpt.tracing import WINDOW
from gpt.ui.common import traced_run
from gpt.ui.common.traced_run import traced_prediction


@pytest.fixture(scope="module", params=[5, 60], ids=["short prompt", "prompt longer than the context"])
def run(request, uneven_library) -> Run:
    """A text that outgrows the model's context of 40 tokens."""
    ids = tuple(range(100, 100 + request.param))
    *_, grown = grow(uneven_library.get("").model, Run("", "", ids, Settings(50, Sampling(), 3)))
    return grown


@pytest.mark.parametrize("window", [WINDOW, 16])
def test_a_prediction_is_read_from_what_the_run_was_read_from(uneven_library, run, window, monkeypatch):
    monkeypatch.setattr(traced_run, "WINDOW", window)
    model, told = uneven_library.get("").model, 0
    for position in range(len(run.ids)):
        expected = logits_before(model, run, position)
        if expected is None:
            with pytest.raises(ValueError, match="the model predicted nothing here"):
                traced_prediction(uneven_library, run, position)
            continue
        traced = traced_prediction(uneven_library, run, position)
        assert traced.trace.ids[traced.token] == run.ids[position - 1]
        torch.testing.assert_close(last_logits(model, traced.trace, traced.token), expected, atol=1e-4, rtol=0)
        told += 1
    assert told >= 50
