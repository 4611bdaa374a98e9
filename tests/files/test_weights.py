"""How a model opens: its settings and notes, what the caller may say, memory, and errors that name the tensor."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gpt.config import GPTConfig
from gpt.engine.packed_model import held_bytes, packed_model
from gpt.engine.precision import weight_bytes
from gpt.files.layouts import Source, WeightsError
from gpt.files.stored_tensors import read_header
from gpt.files.weights import load_model
from gpt.generation import generate, next_token_table
from gpt.tokenizer import TokenIds, gpt2_vocabulary, tokenizer_of

from ..engine.tiny import needs_library
from .making import LAYOUTS, ODD, SMALL, SQUARE, in_layout, random_reference, reference_tensors, write
from .refused_files import pickled, pickled_shards

SHAPES = {"odd": ODD, "square": SQUARE}


def some_ids(reference: torch.nn.Module) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randint(reference.config.vocab_size, (2, 16))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tied", [True, False])
def test_same_logits_as_transformers_for_every_layout(tmp_path, layout, shape, tied):
    activation = "gelu" if "nanogpt" in layout and tied else "gelu_new"
    reference = random_reference(tied, **SHAPES[shape], activation_function=activation)
    write(tmp_path, in_layout(reference, layout), n_head=SHAPES[shape]["n_head"])
    model = load_model(tmp_path)
    ids = some_ids(reference)
    torch.testing.assert_close(model(ids), reference(ids).logits, atol=1e-4, rtol=0)
    assert model.config.tied_head == (tied and layout != "book")


@pytest.mark.parametrize("name", ["wte.weight", "h.0.attn.c_attn.weight", "h.1.mlp.c_proj.weight"])
def test_a_single_number_that_is_no_bfloat16_one_is_read_as_it_is(tmp_path, name):
    tensors = {key: tensor.bfloat16().float() for key, tensor in reference_tensors(random_reference(**SMALL)).items()}
    tensors[f"transformer.{name}"][-1, -1] = 3.0078  # half way between two bfloat16 numbers, in the last place
    model = load_model(write(tmp_path, tensors))
    for ids in ([100], [7, 100, 90, 14, 5]):
        found = {row.token_id: row.logit for row in next_token_table(model, ids, n=SMALL["vocab_size"]).tokens}
        expected = dict(enumerate(model(torch.tensor([ids]))[0, -1].tolist()))
        assert found == pytest.approx(expected, abs=1e-4)


@needs_library
def test_a_model_loaded_before_the_engine_was_ready_is_packed_from_its_file_too(tmp_path, monkeypatch):
    write(tmp_path, reference_tensors(random_reference(**SMALL)))
    read, read_again = [], Source.read_again
    monkeypatch.setattr(Source, "read_again", lambda source: read.append(source) or read_again(source))
    with monkeypatch.context() as still_building:
        for module in ("packed_model", "precision"):
            still_building.setattr(f"gpt.engine.{module}.compiled_library", lambda: None)
        model = load_model(tmp_path)
        assert held_bytes(model) == weight_bytes(model)
    assert not read
    packed = packed_model(model)
    assert len(read) == 4 * model.config.n_layers + 2  # matrices; the tied head is the embedding
    assert held_bytes(model) == weight_bytes(model) + packed.n_bytes


def test_a_loaded_model_is_ready_to_read_from(tmp_path):
    write(tmp_path, reference_tensors(random_reference()))
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    model = load_model(tmp_path)
    assert torch.equal(torch.rand(1), expected)  # loading drew no random number
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert model.out_head.weight is model.tok_emb.weight
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_a_folder_written_by_transformers_opens_with_its_settings(tmp_path):
    random_reference(**ODD).save_pretrained(tmp_path)
    model = load_model(tmp_path)
    assert model.config == GPTConfig(77, 19, 48, 3, 3, 0.1, qkv_bias=True, tied_head=True)
    (note,) = model.notes
    assert "came without a vocabulary" in note
    assert model.tokenizer is None
    assert tokenizer_of(model) == TokenIds(77)


def test_gpt2s_rows_have_gpt2s_vocabulary_and_nothing_to_note(small_folder):
    model = load_model(small_folder)
    assert model.notes == ()
    assert model.tokenizer is not None
    assert model.tokenizer.vocabulary.encode is gpt2_vocabulary().encode
    assert model.tokenizer.end_of_text == 50256


def test_rows_without_a_token_have_ids_all_the_same(tmp_path):
    reference = random_reference(vocab_size=50304, n_embd=8)
    model = load_model(write(tmp_path, reference_tensors(reference), vocab_size=50304, n_head=1))
    assert model.tokenizer.vocab_size == 50304
    assert model.tokenizer.visible(50303) == "⟨50303⟩"
    assert model.tokenizer.decode([6109, 50303]) == "Every"


def test_the_number_of_heads_comes_from_the_settings_else_from_the_width_with_a_note(tmp_path):
    tensors = reference_tensors(random_reference())
    write(tmp_path, tensors, metadata={"n_heads": "4"})
    assert load_model(tmp_path).config.n_heads == 4
    write(tmp_path, tensors, metadata={"model_args": '{"n_head": 8, "block_size": 24}'})
    assert load_model(tmp_path).config.n_heads == 8
    write(tmp_path, tensors, metadata={"n_heads": "4"}, n_head=2)
    assert load_model(tmp_path).config.n_heads == 2
    assert load_model(tmp_path, n_heads=16).config.n_heads == 16
    (tmp_path / "config.json").unlink()
    write(tmp_path, tensors)
    model = load_model(tmp_path)
    assert model.config.n_heads == 1
    assert 'assumed 1, one for every 64 dimensions. If that is wrong, write "n_head": N' in model.notes[0]


def test_config_json_stands_over_what_the_file_itself_says(tmp_path):
    tensors = reference_tensors(random_reference())
    said = {"config": json.dumps({"n_head": 2, "resid_pdrop": 0.5}), "format": "pt"}
    assert load_model(write(tmp_path, tensors, said)).config.n_heads == 2
    config = load_model(write(tmp_path, tensors, said, n_head=4)).config
    assert (config.n_heads, config.drop_rate) == (4, 0.5)


@pytest.mark.parametrize("name", ["resid_pdrop", "drop_rate", "dropout"])
def test_the_dropout_rate_is_found_under_each_of_its_names(tmp_path, name):
    tensors = reference_tensors(random_reference())
    assert load_model(write(tmp_path, tensors, n_head=1, **{name: 0.25})).config.drop_rate == 0.25


@pytest.mark.parametrize("kept", ["wte.weight", "attn.c_attn.weight", "mlp.c_proj.weight", "h.1.mlp.c_fc.weight"])
@pytest.mark.parametrize("tied", [True, False])
def test_a_file_only_partly_bfloat16_gives_the_logits_of_its_exact_numbers(tmp_path, kept, tied):
    # One token at a time is read by code of its own, which may read bfloat16 numbers where all of them are such.
    tensors = reference_tensors(random_reference(tied))
    matrices = ("wte.weight", "attn.c_attn.weight", "mlp.c_proj.weight", "lm_head.weight")
    mixed = {
        name: tensor
        if name.endswith(kept) or (kept not in matrices and not name.endswith(matrices))
        else tensor.bfloat16()
        for name, tensor in tensors.items()
    }
    assert {tensor.dtype for tensor in mixed.values()} == {torch.float32, torch.bfloat16}
    for name, written in (("mixed", mixed), ("exact", {name: tensor.float() for name, tensor in mixed.items()})):
        write(tmp_path / name, written)
    opened, exact = load_model(tmp_path / "mixed"), load_model(tmp_path / "exact")
    for ids in ([7], [7, 3, 90, 14, 5]):
        found = {row.token_id: row.logit for row in next_token_table(opened, ids, n=SMALL["vocab_size"]).tokens}
        expected = dict(enumerate(exact(torch.tensor([ids]))[0, -1].tolist()))
        assert found == pytest.approx(expected, abs=1e-4)
    ids = [7, 3]
    for step in generate(opened, ids, 12, 0):
        logprobs = exact(torch.tensor([ids]))[0, -1].log_softmax(-1)
        assert step.logprob == pytest.approx(float(logprobs[step.token_id]), abs=1e-4)
        ids = [*ids, step.token_id]


@pytest.mark.parametrize("said", ["gelu_tanh", "gelu", "relu"])
@pytest.mark.parametrize("layout", ["huggingface", "nanogpt"])
def test_the_caller_has_the_last_word_on_the_activation(tmp_path, said, layout):
    write(tmp_path, in_layout(random_reference(), layout), n_head=1, activation_function="gelu_new")
    model = load_model(tmp_path, activation=said)
    assert model.config.activation == said
    assert not any("GELU" in note for note in model.notes)


@pytest.mark.parametrize(("options", "said"), [
    ({"precision": "int3"}, "choose one of float32, bfloat16, int8"),
    ({"activation": "swish"}, "choose one of gelu_tanh, gelu, relu"),
    ({"n_heads": 0}, "n_heads is 0"),
    ({"n_heads": True}, "n_heads is True"),
], ids=str)  # fmt: skip
def test_arguments_that_make_no_sense_are_refused_before_the_file_is_read(tmp_path, options, said):
    with pytest.raises(ValueError, match=said):
        load_model(tmp_path / "nowhere", **options)


@pytest.mark.parametrize("place", [0, 2**15 - 1, 2**15, -1])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_number_that_is_none_is_found_wherever_it_stands(tmp_path, place, value):
    tensors = in_layout(random_reference(), "huggingface")
    name = "transformer.h.1.mlp.c_fc.weight"
    tensors[name] = torch.zeros(64, 2**10 + 8)  # two whole pieces and a rest
    tensors[name].view(-1)[place] = value
    write(tmp_path, tensors)
    stored = read_header(tmp_path / "model.safetensors")[0]
    with pytest.raises(WeightsError, match=rf"^{name} holds (NaN|infinite values): "):
        stored[name].read_float32()
    others = (each.read_float32() for other, each in stored.items() if other != name)
    assert all(each.isfinite().all() for each in others)


def test_heads_that_do_not_divide_the_width_are_the_callers_mistake(tmp_path):
    write(tmp_path, reference_tensors(random_reference()))
    with pytest.raises(ValueError, match="n_heads is 5: it has to divide the model's 64 dimensions"):
        load_model(tmp_path, n_heads=5)


@pytest.mark.parametrize("layout", ["huggingface", "book"])
def test_loading_and_one_forward_stay_below_1_3_times_the_file(tmp_path, layout):
    reference = random_reference(vocab_size=20_000, n_positions=32, n_embd=768, n_layer=6, n_head=12)
    file = write(tmp_path, in_layout(reference, layout)) / "model.safetensors"
    program = f"""
import resource, torch
from gpt.files.weights import load_model
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
model = load_model({str(file)!r})
model(torch.tensor([[1, 2, 3]]))
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1.3 * file.stat().st_size


# Files that cannot be used: which of them, and which of their tensors


def refusal(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        load_model(path)
    return str(caught.value)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_missing_tensor_is_named(tmp_path, layout):
    tensors = in_layout(random_reference(tied=False), layout)
    needed = [
        name for name in tensors if not re.search(r"\.attn\.(masked_)?bias$|mask$|lm_head|out_head|w?te|tok_emb", name)
    ]
    assert len(needed) > 20
    for name in needed:
        write(tmp_path, {other: tensor for other, tensor in tensors.items() if other != name})
        assert name.removeprefix("_orig_mod.").removeprefix("transformer.") in refusal(tmp_path)


@pytest.mark.parametrize("layout", ["huggingface", "book", "nanogpt"])
def test_each_misshapen_tensor_is_named_with_its_shape(tmp_path, layout):
    tensors = in_layout(random_reference(tied=False), layout)
    for name in tensors:
        if re.search(
            r"\.attn\.(masked_)?bias$|mask$|w[tp]e\.|(tok|pos)_emb|0\.(mlp\.c_fc|ff\.layers\.0)\.weight", name
        ):
            continue
        write(tmp_path, tensors | {name: torch.zeros(5, 5)})
        message = refusal(tmp_path)
        assert name.removeprefix("transformer.") in message
        assert "(5, 5)" in message


PICKLES = {
    "pytorch_model.bin": lambda tensors: tensors,
    "ckpt.pt": lambda tensors: {
        "model": tensors,
        "model_args": {"n_head": 4, "bias": True},
        "iter_num": 5,
        "config": {},
    },
    "model_and_optimizer.pth": lambda tensors: {"model_state_dict": tensors, "optimizer_state_dict": {}},
    "model.safetensors": lambda tensors: tensors,
}


@pytest.mark.parametrize("name", PICKLES)
def test_the_three_lines_that_convert_a_pickle_work_as_they_stand(tmp_path, name):
    pickled(name, PICKLES[name])(tmp_path)
    explanation, *lines = refusal(tmp_path).split("\n")
    assert (
        explanation
        == f"{name} is a PyTorch pickle, which is not opened here: run these three lines, then open the folder."
    )
    assert len(lines) == 3
    exec("\n".join(lines), {})
    model = load_model(tmp_path, activation="gelu_tanh")
    assert model.config.n_heads == (4 if name == "ckpt.pt" else 1)
    reference = random_reference(n_head=model.config.n_heads)
    torch.testing.assert_close(model(some_ids(reference)), reference(some_ids(reference)).logits, atol=1e-4, rtol=0)


def test_the_three_lines_read_all_shards_of_a_pickle(tmp_path):
    folder = pickled_shards(tmp_path / "a [folder]")
    explanation, *lines = refusal(folder).split("\n")
    assert explanation.startswith("pytorch_model-00001-of-00002.bin is one of 2 PyTorch pickles, which are not opened")
    assert len(lines) == 3
    exec("\n".join(lines), {})
    reference = random_reference()
    torch.testing.assert_close(
        load_model(folder, activation="gelu_tanh")(some_ids(reference)),
        reference(some_ids(reference)).logits,
        atol=1e-4,
        rtol=0,
    )


def test_a_pickle_of_characters_is_never_opened_and_the_line_that_reads_it_works(tmp_path, monkeypatch):
    import pickle  # noqa: PLC0415  # only to make what others have

    folder = write(tmp_path, reference_tensors(random_reference(vocab_size=3)), n_head=1)
    (folder / "meta.pkl").write_bytes(b"cos\nabort\n(tR.")  # would end the process
    assert load_model(folder).tokenizer is None
    with (folder / "meta.pkl").open("wb") as file:
        pickle.dump({"stoi": {"a": 0, "b": 1, " ": 2}}, file)
    (note,) = (note for note in load_model(folder).notes if "meta.pkl" in note)
    monkeypatch.chdir(folder)
    exec(note.partition("write them out yourself: ")[2], {})
    assert load_model(folder).tokenizer.encode("ab b") == [0, 1, 2, 1]
