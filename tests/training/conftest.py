"""A small training as the command line takes it, and samples too short to wait for."""

import pytest

from gpt.training import model_card, training_run

from .test_training_state import SENTENCE

SIZES = "--emb-dim 32 --layers 2 --heads 2 --context 16 --batch-size 4 --seed 5 --dropout 0"


@pytest.fixture
def short_samples(monkeypatch):
    """How long a sample is has nothing to do with these claims."""
    monkeypatch.setattr(model_card, "SAMPLE_TOKENS", 4)
    monkeypatch.setattr(training_run, "SAMPLE_TOKENS", 4)


@pytest.fixture
def command(tmp_path, short_samples):  # noqa: ARG001 - a run of the command writes samples
    """The arguments of a small training, and the folder it writes."""
    text, out = tmp_path / "fable.txt", tmp_path / "fox"
    text.write_text(SENTENCE * 20)
    return [str(text), "--out", str(out), *SIZES.split()], out
