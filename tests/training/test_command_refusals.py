"""What the command refuses is one sentence, before anything is written."""

import pytest
import torch

from gpt.config import GPTConfig
from gpt.files.weights import save_model
from gpt.model import GPTModel
from gpt.training.command_line import main


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--steps 0", "steps is 0: choose a whole number from 1"),
        ("--batch-size 0", "batch_size is 0: choose a whole number from 1"),
        ("--rate nan", "The rate is nan: choose a number above 0"),
        ("--rate -1", "The rate is -1.0"),
        ("--warmup 1.5", "--warmup is 1.5: it is a share of the steps"),
        ("--warmup nan", "--warmup is nan"),
        ("--cooldown-steps -1", "cooldown_steps is -1"),
        ("--weight-decay inf", "The weight decay is inf"),
        ("--evaluate-every 0", "evaluate_every is 0"),
        ("--patience 0", "patience is 0"),
        ("--keep-steps -1", "--keep-steps is -1"),
        ("--dropout 1", "drop_rate is 1: it is a probability"),
        ("--dropout nan", "drop_rate is nan"),
        ("--seed -1", "The seed is -1"),
        ("--heads 3", "emb_dim is 32 and n_heads is 3"),
        (
            "--context 1000",
            "The text has 440 tokens: with a context of 1000, training and measuring need at least 1503",
        ),
        ("--device nonsense", "torch has no device 'nonsense' here: choose cpu"),
        ("--device cuda:x", "torch has no device 'cuda:x' here"),
        ("--device cuda:77", "torch has no device 'cuda:77' here"),
        ("--device cpu:x", "torch has no device 'cpu:x' here"),
        ("--device meta", "torch has no device 'meta' here"),
        ("--emb-dim 200000 --layers 100 --heads 1", "GiB are free: choose a smaller model, batch or context"),
        ("--held-out {tmp}/short.txt", "The held-out text has 2 tokens: with a context of 16"),
        ("--held-out {tmp}/none.txt", "There is no file"),
        ("--from {tmp}/nowhere", "There is no file or folder"),
        ("--from {tmp}/other", "'A' is not a token of this model, which came without a vocabulary"),
        ("--from {tmp}/model", "--from takes the model as it is, with context_length 8, emb_dim 16"),
        ("--out {tmp}/fable.txt", "fable.txt is a file: give the folder"),
        ("--out {tmp}/model", "holds a model without a checkpoint"),
    ],
)
def test_bad_options_end_with_one_sentence_before_anything_is_written(command, tmp_path, capsys, options, message):
    arguments, _ = command
    (tmp_path / "short.txt").write_text("A fox")
    save_model(GPTModel(GPTConfig(50, 8, 16, 2, 1)), tmp_path / "other")
    save_model(GPTModel(GPTConfig(50257, 8, 16, 2, 1)), tmp_path / "model")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit):
        main([*arguments, *options.format(tmp=tmp_path).split()])
    usage, error, *more = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: ")
    assert message in error
    assert more == []
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["cuda", "cuda:7", "mps"])
def test_a_device_that_this_machine_lacks_is_one_sentence_before_anything_is_written(
    command, monkeypatch, capsys, name
):
    arguments, out = command
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        main([*arguments, "--device", name])
    _, error = capsys.readouterr().err.splitlines()
    assert error.endswith(f"error: torch has no device '{name}' here: choose cpu.")
    assert not out.exists()


def test_the_eighth_gpu_of_one_is_one_sentence_too(command, monkeypatch, capsys):
    arguments, out = command

    def one(*_: object, device: torch.device) -> None:
        if device.index:
            raise RuntimeError("CUDA error: invalid device ordinal\nCUDA kernel errors might be …")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "empty", one)
    with pytest.raises(SystemExit):
        main([*arguments, "--device", "cuda:7"])
    _, error = capsys.readouterr().err.splitlines()
    assert error.endswith("error: torch has no device 'cuda:7' here: leave out the number, or choose a smaller one.")
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"A fox came by at noon.", "The text has 7 tokens: with a context of 16"),
        (b"\xff\xfe", "is not UTF-8 text"),
    ],
)
def test_bad_texts_end_with_one_sentence_before_anything_is_written(command, tmp_path, capsys, content, message):
    arguments, out = command
    (tmp_path / "fable.txt").write_bytes(content)
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not out.exists()


def test_a_checkpoint_of_another_training_is_refused_and_kept(command, capsys):
    arguments, out = command
    main([*arguments, "--steps", "2"])
    checkpoint = (out / ".checkpoints" / "last.pt").read_bytes()
    with pytest.raises(SystemExit):
        main([*arguments, "--steps", "2", "--optimizer", "adamw"])
    assert "has optimizer muon, this training has adamw: choose another folder" in capsys.readouterr().err
    assert (out / ".checkpoints" / "last.pt").read_bytes() == checkpoint


def test_losses_on_two_held_out_texts_are_not_compared(command, tmp_path, capsys):
    arguments, _ = command
    for name, text in (("one", "A fox came by. " * 9), ("two", "Nobody sleeps at sea. " * 9)):
        (tmp_path / name).write_text(text)
    main([*arguments, "--steps", "2", "--held-out", str(tmp_path / "one")])
    main([*arguments, "--steps", "3", "--held-out", str(tmp_path / "one")])
    with pytest.raises(SystemExit):
        main([*arguments, "--steps", "4", "--held-out", str(tmp_path / "two")])
    assert "losses were measured on another held-out text: give that one" in capsys.readouterr().err
