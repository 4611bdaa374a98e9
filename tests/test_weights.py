"""Files in three layouts open as the same model; files that cannot be used say why."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel

from gpt.config import GPTConfig
from gpt.layouts import WeightsError
from gpt.model import GPTModel
from gpt.weights import load_model, save_model

LAYOUTS = ("huggingface", "huggingface without prefix", "book", "nanogpt", "nanogpt compiled")
# emb_dim 1 x 64 makes n_heads guessable; 3 heads of 16 and 2 of 32 have to be told.
SHAPES = {
    "small": {"vocab_size": 101, "n_positions": 24, "n_embd": 64, "n_layer": 2, "n_head": 1},
    "odd": {"vocab_size": 77, "n_positions": 19, "n_embd": 48, "n_layer": 3, "n_head": 3},
    "vocabulary as wide as the embedding": {
        "vocab_size": 64,
        "n_positions": 64,
        "n_embd": 64,
        "n_layer": 1,
        "n_head": 2,
    },
}
SMALL = SHAPES["small"]


def random_reference(tied: bool = True, **shape: int) -> GPT2LMHeadModel:
    """transformers' GPT-2 with every parameter random, biases and norms too, so that each one is seen to matter."""
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(**shape, tie_word_embeddings=tied, bos_token_id=None, eos_token_id=None)).eval()
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, mean=float("ln" in name and "weight" in name), std=0.1)
    return model


def reference_tensors(reference: GPT2LMHeadModel) -> dict[str, torch.Tensor]:
    """transformers' own tensors as save_pretrained writes them."""
    tensors = {name: tensor.clone() for name, tensor in reference.state_dict().items()}
    if reference.config.tie_word_embeddings:
        del tensors["lm_head.weight"]
    return tensors


def in_layout(reference: GPT2LMHeadModel, layout: str) -> dict[str, torch.Tensor]:
    """The reference's tensors as another program would write them, masks included."""
    tensors = reference_tensors(reference)
    bare = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    mask = torch.ones(SMALL["n_positions"], SMALL["n_positions"]).tril()[None, None]
    if layout == "huggingface":
        return tensors
    if layout == "huggingface without prefix":
        return bare | {"h.0.attn.bias": mask, "h.0.attn.masked_bias": torch.tensor(-1e4)}
    if layout == "book":
        return book_tensors(bare) | {"trf_blocks.0.att.mask": mask}
    turned = {
        name: tensor.t().contiguous() if re.search(r"c_(attn|proj|fc)\.weight$", name) else tensor
        for name, tensor in tensors.items()
    }
    prefix = "_orig_mod." if layout == "nanogpt compiled" else ""
    return {prefix + name: tensor for name, tensor in turned.items()} | {prefix + "transformer.h.0.attn.bias": mask}


def book_tensors(bare: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Chapter 5's load_weights_into_gpt, backwards: separate query, key and value, matrices (out, in)."""
    names = {"wte.weight": "tok_emb.weight", "wpe.weight": "pos_emb.weight", "lm_head.weight": "out_head.weight"}
    names |= {"ln_f.weight": "final_norm.scale", "ln_f.bias": "final_norm.shift"}
    parts = {"attn.c_proj": "att.out_proj", "mlp.c_fc": "ff.layers.0", "mlp.c_proj": "ff.layers.2"}
    tensors = {}
    for name, tensor in bare.items():
        if name in names:
            tensors[names[name]] = tensor
            continue
        _, layer, part, leaf = re.fullmatch(r"(h)\.(\d+)\.(.*)\.(weight|bias)", name).groups()
        block = f"trf_blocks.{layer}"
        if part.startswith("ln_"):
            tensors[f"{block}.norm{part[-1]}.{'scale' if leaf == 'weight' else 'shift'}"] = tensor
        elif part == "attn.c_attn":
            for which, piece in zip(("query", "key", "value"), tensor.chunk(3, dim=-1), strict=True):
                tensors[f"{block}.att.W_{which}.{leaf}"] = piece.t().contiguous() if leaf == "weight" else piece.clone()
        else:
            tensors[f"{block}.{parts[part]}.{leaf}"] = tensor.t().contiguous() if leaf == "weight" else tensor
    if "out_head.weight" not in tensors:  # the book keeps two copies
        tensors["out_head.weight"] = tensors["tok_emb.weight"].clone()
    return tensors


def write(
    folder: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None, **settings: object
) -> Path:
    """A folder with model.safetensors and, given settings, config.json."""
    save_file(tensors, folder / "model.safetensors", metadata)
    if settings:
        (folder / "config.json").write_text(json.dumps(settings))
    return folder


def some_ids(reference: GPT2LMHeadModel) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randint(reference.config.vocab_size, (2, 17))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tied", [True, False])
def test_same_logits_as_transformers_for_every_layout(tmp_path, layout, shape, tied):
    reference = random_reference(tied, **SHAPES[shape])
    write(tmp_path, in_layout(reference, layout), n_head=SHAPES[shape]["n_head"])
    model = load_model(tmp_path)
    ids = some_ids(reference)
    torch.testing.assert_close(model(ids), reference(ids).logits, atol=2e-4, rtol=0)
    assert model.config.tied_head == (tied and layout != "book")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_files_open_as_float32(tmp_path, dtype):
    reference = random_reference(**SMALL).to(dtype)
    write(tmp_path, reference_tensors(reference))
    model = load_model(tmp_path / "model.safetensors")
    ids = some_ids(reference)
    torch.testing.assert_close(model(ids), reference.float()(ids).logits, atol=2e-4, rtol=0)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_a_loaded_model_is_ready_to_read_from(tmp_path):
    write(tmp_path, reference_tensors(random_reference(**SMALL)))
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    model = load_model(tmp_path)
    assert torch.equal(torch.rand(1), expected)  # loading drew no random number
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert model.out_head.weight is model.tok_emb.weight


def test_a_folder_written_by_transformers_opens_with_its_settings(tmp_path):
    reference = random_reference(**SHAPES["odd"])
    reference.save_pretrained(tmp_path)
    model = load_model(tmp_path)
    assert model.config == GPTConfig(77, 19, 48, 3, 3, 0.1, qkv_bias=True, tied_head=True)
    assert model.notes == ()
    torch.testing.assert_close(model(some_ids(reference)), reference(some_ids(reference)).logits, atol=2e-4, rtol=0)


def test_shards_written_by_transformers_open(tmp_path):
    reference = random_reference(**SMALL)
    reference.save_pretrained(tmp_path, max_shard_size="100KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    torch.testing.assert_close(
        load_model(tmp_path)(some_ids(reference)), reference(some_ids(reference)).logits, atol=2e-4, rtol=0
    )


def test_a_head_stored_twice_is_tied_and_a_different_one_is_not(tmp_path):
    tensors = reference_tensors(random_reference(**SMALL))
    write(tmp_path, tensors | {"lm_head.weight": tensors["transformer.wte.weight"].clone()})
    assert load_model(tmp_path).config.tied_head
    write(tmp_path, tensors | {"lm_head.weight": tensors["transformer.wte.weight"] + 1})
    assert not load_model(tmp_path).config.tied_head


def test_the_number_of_heads_comes_from_the_settings_else_from_the_width_with_a_note(tmp_path):
    tensors = reference_tensors(random_reference(**SMALL))
    write(tmp_path, tensors, metadata={"n_heads": "4"})
    assert load_model(tmp_path).config.n_heads == 4
    write(tmp_path, tensors, metadata={"model_args": '{"n_head": 8, "block_size": 24}'})
    assert load_model(tmp_path).config.n_heads == 8
    write(tmp_path, tensors, metadata={"n_heads": "4"}, n_head=2)
    assert load_model(tmp_path).config.n_heads == 2
    (tmp_path / "config.json").unlink()
    write(tmp_path, tensors)
    model = load_model(tmp_path)
    assert model.config.n_heads == 1
    assert "assumed 1" in model.notes[0]


def test_the_rows_nanogpt_pads_the_vocabulary_with_are_left_out(tmp_path):
    reference = random_reference(**SMALL | {"vocab_size": 50304, "n_embd": 8})
    write(tmp_path, in_layout(reference, "nanogpt"), vocab_size=50304, n_head=1)
    model = load_model(tmp_path)
    ids = some_ids(reference) % 50257
    assert model.config.vocab_size == 50257
    torch.testing.assert_close(model(ids), reference(ids).logits[..., :50257], atol=2e-4, rtol=0)
    assert "padding" in model.notes[0]


def test_nanogpt_without_biases_has_zero_biases(tmp_path):
    reference = random_reference(**SMALL)
    for name, parameter in reference.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.zeros_(parameter)
    tensors = {name: t for name, t in in_layout(reference, "nanogpt").items() if not name.endswith(".bias")}
    model = load_model(write(tmp_path, tensors, n_head=1))
    assert not model.config.qkv_bias
    torch.testing.assert_close(model(some_ids(reference)), reference(some_ids(reference)).logits, atol=2e-4, rtol=0)


@pytest.mark.parametrize("qkv_bias", [True, False])
@pytest.mark.parametrize("tied_head", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_transformers_opens_what_save_model_writes(tmp_path, qkv_bias, tied_head, dtype):
    torch.manual_seed(0)
    model = GPTModel(GPTConfig(71, 16, 48, 3, 2, 0.2, qkv_bias, tied_head)).eval().to(dtype)
    save_model(model, tmp_path / "new" / "folder")
    assert sorted(path.name for path in (tmp_path / "new/folder").iterdir()) == ["config.json", "model.safetensors"]
    reference = GPT2LMHeadModel.from_pretrained(tmp_path / "new/folder", dtype=torch.float32)
    ids = some_ids(reference)[:, :16]
    torch.testing.assert_close(model.float()(ids), reference(ids).logits, atol=2e-4, rtol=0)
    again = load_model(tmp_path / "new/folder")
    assert again.config == model.config
    assert torch.equal(again(ids), model(ids))


def test_a_model_can_be_saved_over_the_file_it_is_mapped_from(tmp_path):
    write(tmp_path, reference_tensors(random_reference(**SMALL)))
    model = load_model(tmp_path)
    before = model(torch.tensor([[1, 2, 3]]))
    save_model(model, tmp_path)
    assert torch.equal(model(torch.tensor([[1, 2, 3]])), before)
    assert torch.equal(load_model(tmp_path)(torch.tensor([[1, 2, 3]])), before)


def test_a_save_that_fails_leaves_the_old_file_alone(tmp_path, monkeypatch):
    save_model(GPTModel(GPTConfig(71, 16, 48, 3, 2)), tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_model(GPTModel(GPTConfig(71, 16, 48, 3, 2)), tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("layout", ["huggingface", "book"])
def test_loading_and_one_forward_stay_below_1_3_times_the_file(tmp_path, layout):
    reference = random_reference(vocab_size=20_000, n_positions=32, n_embd=768, n_layer=6, n_head=12)
    file = write(tmp_path, in_layout(reference, layout)) / "model.safetensors"
    program = f"""
import resource, torch
from gpt.weights import load_model
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
model = load_model({str(file)!r})
model(torch.tensor([[1, 2, 3]]))
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1.3 * file.stat().st_size


# Files that cannot be used


def refusal(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        load_model(path)
    return str(caught.value)


def test_what_is_not_a_safetensors_file_is_refused(tmp_path):
    assert "There is no file or folder" in refusal(tmp_path / "nowhere")
    assert "no .safetensors file" in refusal(tmp_path)
    (tmp_path / "pytorch_model.bin").touch()
    assert "convert it to .safetensors" in refusal(tmp_path / "pytorch_model.bin")
    text = tmp_path / "text.safetensors"
    text.write_text("Every effort moves you")
    assert "text.safetensors cannot be read" in refusal(text)
    text.write_text("")
    assert "text.safetensors cannot be read" in refusal(text)
    whole = write(tmp_path, reference_tensors(random_reference(**SMALL))) / "model.safetensors"
    text.write_bytes(whole.read_bytes()[:-1000])
    assert "broke off" in refusal(text)


def test_a_folder_of_several_models_is_refused_with_their_names(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "one.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "two.safetensors")
    assert "one.safetensors, two.safetensors" in refusal(tmp_path)


def test_a_missing_shard_or_one_outside_the_folder_is_refused(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"a": torch.zeros(1)}, tmp_path / "elsewhere.safetensors")
    index = folder / "model.safetensors.index.json"
    for name in ("missing.safetensors", "../elsewhere.safetensors"):
        index.write_text(json.dumps({"weight_map": {"wte.weight": name}}))
        assert "which is not in the folder" in refusal(folder)
    index.write_text("{}")
    assert "no weight_map" in refusal(folder)
    index.write_text("{")
    assert "cannot be read as JSON" in refusal(folder)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_missing_tensor_is_named(tmp_path, layout):
    tensors = in_layout(random_reference(tied=False, **SMALL), layout)
    needed = [name for name in tensors if not re.search(r"\.attn\.(masked_)?bias$|mask$|lm_head|out_head", name)]
    for name in needed:
        write(tmp_path, {other: tensor for other, tensor in tensors.items() if other != name})
        assert name.removeprefix("_orig_mod.").removeprefix("transformer.") in refusal(tmp_path)


@pytest.mark.parametrize("layout", ["huggingface", "book", "nanogpt"])
def test_each_misshapen_tensor_is_named_with_both_shapes(tmp_path, layout):
    tensors = in_layout(random_reference(tied=False, **SMALL), layout)
    for name in tensors:
        if re.search(r"\.attn\.(masked_)?bias$|mask$|w[tp]e\.|(tok|pos)_emb", name):
            continue
        write(tmp_path, tensors | {name: torch.zeros(5, 5)})
        message = refusal(tmp_path)
        assert name.removeprefix("transformer.") in message
        assert "(5, 5)" in message


def test_a_tensor_that_has_no_place_is_refused(tmp_path):
    tensors = reference_tensors(random_reference(**SMALL))
    write(tmp_path, tensors | {"score.weight": torch.zeros(2, 64)})
    assert "score.weight has no place" in refusal(tmp_path)
    write(tmp_path, {"model.embed_tokens.weight": torch.zeros(2, 64)})
    assert "not a GPT-2" in refusal(tmp_path)
    write(tmp_path, tensors | {"wte.weight": torch.zeros(2, 64)})
    assert "Two tensors are called wte.weight" in refusal(tmp_path)


def test_values_that_are_no_weights_are_refused(tmp_path):
    tensors = reference_tensors(random_reference(**SMALL))
    name = "transformer.h.1.mlp.c_fc.weight"
    write(tmp_path, tensors | {name: tensors[name].to(torch.int8)})
    assert "h.1.mlp.c_fc.weight holds I8 values" in refusal(tmp_path)
    write(tmp_path, tensors | {"transformer.ln_f.bias": torch.full((64,), torch.nan)})
    assert "ln_f.bias holds values that are not finite" in refusal(tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"activation_function": "gelu"},
        {"layer_norm_epsilon": 1e-6},
        {"scale_attn_by_inverse_layer_idx": True},
        {"scale_attn_weights": False},
        {"model_type": "gpt_neo"},
        {"n_head": 3},
        {"n_head": "many"},
        {"n_layer": 3},
        {"vocab_size": 50257},
        {"tie_word_embeddings": False},
    ],
)
def test_settings_that_ask_for_another_model_are_refused(tmp_path, settings):
    write(tmp_path, reference_tensors(random_reference(**SMALL)), **settings)
    message = refusal(tmp_path)
    (value,) = settings.values()
    assert str(value) in message or "lm_head.weight is missing" in message


def test_an_unknown_precision_is_refused_before_the_file_is_read(tmp_path):
    with pytest.raises(ValueError, match="choose one of float32, bfloat16, int8"):
        load_model(tmp_path / "nowhere", precision="int3")


def test_a_packed_model_is_not_saved(tmp_path):
    write(tmp_path, reference_tensors(random_reference(**SMALL)))
    with pytest.raises(ValueError, match="load it in float32"):
        save_model(load_model(tmp_path, "int8"), tmp_path)


def test_the_file_says_it_is_for_torch(tmp_path):
    save_model(GPTModel(GPTConfig(71, 16, 48, 3, 2)), tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as opened:
        assert opened.metadata() == {"format": "pt"}
    assert set(load_file(tmp_path / "model.safetensors")) >= {"transformer.wte.weight", "lm_head.weight"}
