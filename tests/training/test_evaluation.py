"""The held-out loss scores each token once, over the whole vocabulary, with enough context before it."""

import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt.config import GPTConfig
from gpt.files.weights import save_model
from gpt.model import GPTModel
from gpt.tokenizer import VOCAB_SIZE, Tokenizer
from gpt.training.evaluation import heldout_loss, main
from gpt.training.held_out_windows import windows


def random_model(context_length: int = 8, vocab_size: int = 50) -> GPTModel:
    torch.manual_seed(0)
    return GPTModel(GPTConfig(vocab_size, context_length, 16, 2, 1, tied_head=True)).eval()


@torch.inference_mode()
def token_by_token(model: GPTModel, ids: torch.Tensor) -> float:
    """The definition, one token and one forward pass at a time."""
    context = model.config.context_length
    half = context // 2
    losses = []
    for place in range(half + 1, len(ids)):
        windows_before = (place - half - 1) // (context - half)
        start = windows_before * (context - half)
        logits = model(ids[None, start:place])[0, -1]
        assert half < place - start <= context
        losses.append(-logits.log_softmax(-1)[ids[place]].item())
    return sum(losses) / len(losses)


@settings(max_examples=25, deadline=None)
@given(context=st.integers(1, 9), extra=st.integers(0, 30))
def test_windows_give_what_scoring_token_by_token_gives(context: int, extra: int):
    model = random_model(context)
    ids = torch.randint(50, (context // 2 + 2 + extra,))
    assert heldout_loss(model, ids) == pytest.approx(token_by_token(model, ids), rel=1e-4)


def test_a_text_without_a_token_to_score_is_refused():
    with pytest.raises(ValueError, match="has 5 tokens: with a context of 8, a held-out loss needs at least 6"):
        heldout_loss(random_model(8), torch.zeros(5, dtype=torch.int64))


def test_the_command_prints_the_loss_of_a_folder(tmp_path, capsys, monkeypatch):
    model = random_model(8, VOCAB_SIZE)
    save_model(model, tmp_path)
    text = "The fox met the hen at the gate.<|endoftext|>The hen shut the gate."
    (tmp_path / "text.txt").write_text(text)
    monkeypatch.setattr(sys, "argv", ["evaluation", str(tmp_path), str(tmp_path / "text.txt")])
    main()
    ids = torch.tensor(Tokenizer().encode(text, special=True))
    scored = sum(len(targets) for _, targets in windows(ids, 8))
    assert scored == len(ids) - 5
    assert capsys.readouterr().out == f"{heldout_loss(model, ids):.4f} nats per token, over {scored} tokens\n"


@pytest.mark.parametrize(
    ("model", "text", "message"),
    [
        ("nowhere", "text.txt", "There is no file or folder nowhere"),
        (".", "none.txt", "There is no file none.txt"),
        (".", "short.txt", "has 2 tokens"),
    ],
)
def test_what_cannot_be_measured_ends_with_one_sentence(tmp_path, capsys, monkeypatch, model, text, message):
    save_model(random_model(8, VOCAB_SIZE), tmp_path)
    (tmp_path / "text.txt").write_text("The fox met the hen at the gate.")
    (tmp_path / "short.txt").write_text("The fox")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["evaluation", model, text])
    with pytest.raises(SystemExit):
        main()
    assert message in capsys.readouterr().err
