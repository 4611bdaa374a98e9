"""The header says of the model that is loaded what the model itself says."""

import re
from dataclasses import replace
from html import unescape

import pytest

from gpt import GPTConfig
from gpt.engine import compiled
from gpt.engine.packed_model import packed_model
from gpt.library import Library
from gpt.model_reference import UNTRAINED
from gpt.ui.common.number_format import size
from gpt.ui.loaded_model_line import differences, loaded_text
from tests.own_vocabulary import with_characters, with_ids


def parts(html: str) -> list[str]:
    """What stands between the dots."""
    return re.sub(r"</?(p|b)\b[^>]*>", "", html).split(" · ")


@pytest.mark.parametrize(("precision", "own"), [("float32", 4), ("bfloat16", 2)])
def test_name_parameters_training_precision_and_bytes_are_those_of_the_model(
    uneven_library, uneven_model, precision, own
):
    reference = uneven_library.default + ("" if precision == "float32" else f":{precision}")
    name, parameters, trained, said, weights, *notes = parts(loaded_text(uneven_library.get(reference)))
    tensors = list(uneven_model.parameters())
    count, head = sum(tensor.numel() for tensor in tensors), 24 * 50257
    assert name == uneven_library.default
    assert parameters == f"{count:,} parameters ({count - head:,} if the head were tied)"
    assert (trained, said) == ("trained", precision)
    matrices = [each for each in uneven_model.trf_blocks.parameters() if each.ndim == 2] + [
        uneven_model.out_head.weight
    ]
    plain = count - sum(each.numel() for each in matrices)
    # A packed matrix is kept in panels of 32 outputs, the last of which may not be full.
    outputs = [len(each) if precision == "float32" else -(-len(each) // 32) * 32 for each in matrices]
    n_bytes = 4 * plain + own * sum(n * each.shape[1] for n, each in zip(outputs, matrices, strict=True))
    assert weights == f"weights {n_bytes / 2**20:.2f} MiB = {n_bytes:,} bytes"
    packed = uneven_library.get(reference).held_bytes - n_bytes
    assert notes == [f"+ {size(packed)} packed for speed"]


def test_an_untrained_model_says_so_with_its_seed(uneven_library):
    untrained = replace(uneven_library.get(), reference=f"{UNTRAINED}#7", trained=False)
    name, _, trained, *_ = parts(loaded_text(untrained))
    assert (name, trained) == (UNTRAINED, "<mark>untrained</mark>, seed 7")


@pytest.mark.skipif(compiled.compiled_library() is None, reason="needs a C compiler")
def test_while_the_engine_is_compiled_it_says_so_and_afterwards_counts_what_is_packed(uneven_library, monkeypatch):
    library, builder = compiled.compiled_library(), compiled._Builder()
    builder._in_background = True
    monkeypatch.setattr(compiled, "_builder", builder)
    loaded = Library(uneven_library.default).get()
    *_, last = parts(loaded_text(loaded))
    assert last.startswith("its engine is being compiled: until it is ready torch computes")
    assert loaded.held_bytes == loaded.weight_bytes
    builder._library = library
    builder._done.set()
    packed = packed_model(loaded.model)
    assert loaded.held_bytes == loaded.weight_bytes + packed.n_bytes > loaded.weight_bytes
    assert parts(loaded_text(loaded))[-1] == f"+ {size(packed.n_bytes)} packed for speed"


def test_what_a_model_computes_otherwise_than_the_chapters_is_said_and_nothing_else():
    assert differences(GPTConfig()) == differences(GPTConfig(qkv_bias=True, tied_head=True, inner_dim=4 * 768)) == []
    unlike = GPTConfig(inner_dim=1000, activation="relu", norm_eps=1e-6, scale_by_head_dim=False, scale_by_layer=True)
    assert differences(unlike) == [
        "ReLU, not GELU",
        "1,000 inner neurons, not 4 × 768",
        "eps 0.000001 in its norms, not 0.00001",
        "attention scores not divided by the root of the head's width",
        "attention scores divided by the block's number",
    ]
    assert differences(GPTConfig(activation="gelu")) == ["the exact GELU, not its tanh form"]


def test_a_vocabulary_that_is_not_gpt2s_is_named_and_that_there_is_none(tmp_path):
    library = Library(UNTRAINED, local_files=True)
    characters, ids = (str(make(tmp_path / make.__name__)) for make in (with_characters, with_ids))
    assert parts(loaded_text(library.get(characters)))[-1] == "vocabulary: a table of 60 characters"
    told = parts(unescape(loaded_text(library.get(f"{ids}:relu:6heads"))))
    assert "unlike the chapter's model: ReLU, not GELU; 50 inner neurons, not 4 × 24; eps 0.000001" in told[6]
    assert told[7] == "you chose its activation and its 6 heads"
    assert sum("ids separated by spaces" in part for part in told) == 1
    (tmp_path / "with_ids" / "meta.pkl").write_bytes(b"")
    told = parts(loaded_text(library.get(f"{ids}:int8")))  # read again
    assert "no vocabulary: a prompt is ids separated by spaces, from 0 to 100" in told
    assert any("meta.pkl is not opened" in part for part in told)
