"""The same numbers, to the bit, whatever the passes, the threads, the company, the process and the vectors."""

import copy
import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt.engine import build
from gpt.engine.compiled import open_library
from gpt.engine.compiled_pass import Piece, Room, Text, head_logits, read_pieces
from gpt.engine.logits import softmax, softmax_sums
from gpt.engine.packed_model import packed_model
from gpt.engine.precision import PRECISIONS, set_precision
from gpt.generation import generate, logits_of
from gpt.sampling import Sampling, stretch, token_table

from .tiny import CONFIG, IDS, a_model, by_modules, needs_library, read, same, threads

pytestmark = needs_library

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=PRECISIONS)
def model(request):
    return a_model(request.param)


def digest() -> str:
    """Of all numbers of a text in every precision, past the context length too, and of the draws."""
    sums = hashlib.sha256()
    for precision in PRECISIONS:
        made = a_model(precision)
        for step in generate(made, IDS, 40, temperature=0.9, top_k=30, top_p=0.9, seed=3):
            sums.update(repr((step, step.hidden.tolist())).encode())
        sums.update(repr(read(made, IDS)[1].tolist()).encode())
    return sums.hexdigest()


@pytest.mark.parametrize("n", [2, 3, 7])
def test_whatever_the_number_of_threads(model, n):
    with threads(1):
        alone = read(model, IDS, cuts=[5])
    with threads(n):
        for _ in range(5):
            assert same(read(model, IDS, cuts=[5]), alone)


@pytest.mark.parametrize("cuts", [[1], [12], [5, 6, 7], [4, 8], list(range(1, 13))], ids=str)
def test_however_a_prompt_is_cut_into_passes(model, cuts):
    assert same(read(model, IDS, cuts), read(model, IDS))


def test_a_text_continued_from_its_own_middle_goes_on_as_it_did(model):
    steps = list(generate(model, IDS, 20, temperature=0))
    ids = [*IDS, *(step.token_id for step in steps)]
    for middle in (1, 7, 19):
        again = list(generate(model, ids[: len(IDS) + middle], 20 - middle, temperature=0))
        assert again == steps[middle:]
        assert torch.equal(again[0].hidden[-1], steps[middle].hidden[-1])
        assert all(torch.equal(a.hidden, b.hidden) for a, b in zip(again[1:], steps[middle + 1 :], strict=True))


def test_kept_vectors_give_the_very_logits_of_the_draw(model):
    hidden, logits = read(model, IDS)
    assert torch.equal(logits_of(model, hidden)[-1], logits)
    assert torch.equal(logits_of(model, hidden[-1]), logits)
    for n in range(1, len(IDS)):
        assert torch.equal(logits_of(model, hidden)[n - 1], read(model, IDS[:n])[1])


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_row_of_a_product_whatever_the_number_of_rows_beside_it(model, n_threads):
    packed = packed_model(model)
    x = torch.randn(40, CONFIG.emb_dim, generator=torch.Generator().manual_seed(1))
    with threads(1):
        alone = torch.cat([head_logits(packed, row[None]) for row in x])
    with threads(n_threads):
        for n in range(1, 41):
            assert torch.equal(head_logits(packed, x[:n]), alone[:n])
            assert torch.equal(head_logits(packed, x[-n:]), alone[-n:])


def test_alone_and_in_a_pass_with_others(model):
    packed = packed_model(model)
    texts = [IDS[:n] for n in (1, 13, 2, 7, 1, 12)]
    together = read_pieces(packed, [Piece(Text(packed, 20), ids, True) for ids in texts], Room())
    for ids, found in zip(texts, together, strict=True):
        assert same(found, read(model, ids))


def test_others_at_other_positions_change_nothing(model):
    packed, room = packed_model(model), Room()
    first, second = Text(packed, 40), Text(packed, 40)
    read_pieces(packed, [Piece(first, IDS[:5], False)], room)
    read_pieces(packed, [Piece(second, IDS, False), Piece(first, IDS[5:6], False)], room)
    (_, scores), (hidden, logits) = read_pieces(packed, [Piece(second, [3], True), Piece(first, IDS[6:], True)], room)
    assert torch.equal(hidden, read(model, IDS)[0][6:])
    assert torch.equal(logits, read(model, IDS)[1])
    assert torch.equal(scores, read(model, [*IDS, 3])[1])


@pytest.mark.parametrize("n_threads", [1, 3])
def test_in_a_fresh_process(n_threads):
    script = "from tests.engine.test_same_bits import digest; print(digest())"
    environment = os.environ | {"OMP_NUM_THREADS": str(n_threads)}
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert ended.stdout.split()[-1] == digest()


def test_whatever_a_thread_was_told_about_the_smallest_numbers(model):
    """Weights whose products are denormal: torch has this thread, and no other, take them for 0."""
    twin = copy.deepcopy(model)
    twin.final_norm.scale.mul_(1e-37)
    twin.final_norm.shift.mul_(1e-37)
    expected = read(twin, IDS)
    assert expected[1].abs().max() < torch.finfo(torch.float32).tiny
    assert expected[1].any()
    torch.set_flush_denormal(True)
    try:
        for n in (1, 3):
            with threads(n):
                found = read(twin, IDS)
            assert found[1].view(torch.int32).equal(expected[1].view(torch.int32))
        assert not torch.tensor([1e-40]).mul(1).any()  # torch is told still
    finally:
        torch.set_flush_denormal(False)


# Other vectors


def flags_of_this_processor() -> set[str]:
    cpuinfo = Path("/proc/cpuinfo")
    return set(cpuinfo.read_text().split()) if cpuinfo.exists() else set()


NEEDS = {
    "x86-64-v3": {"avx2", "fma", "bmi2"},
    "x86-64-v4": {"avx512f", "avx512bw", "avx512vl"},
    "plain C": {"avx2", "fma"},
    "-ffast-math in CC": {"avx2", "fma"},
}


@pytest.fixture(scope="module", params=NEEDS)
def other_library(request):
    """The library for another processor, or of other code: vectors.h without a processor's vectors, fast-math."""
    if not flags_of_this_processor() >= NEEDS[request.param]:
        pytest.skip(f"this processor is no {request.param}")
    if request.param.startswith("x86-64"):
        return open_library(request.param)
    if request.param == "-ffast-math in CC":
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CC", f"{os.environ.get('CC', 'cc')} -ffast-math")
            return open_library()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "_FLAGS", (*build._FLAGS, "-DPLAIN_LANES"))
        return open_library("x86-64-v3")


def read_by(library, model, ids, cuts, monkeypatch):
    """What a library makes of a copy of the model: the original keeps its own snapshot."""
    monkeypatch.setattr("gpt.engine.packed_model.compiled_library", lambda: library)
    twin = copy.deepcopy(model)
    assert packed_model(twin).library is library
    return read(twin, ids, cuts)


@pytest.mark.parametrize("cuts", [[], [3, 5], list(range(1, 13))], ids=str)
def test_whatever_the_width_of_the_processors_vectors(model, other_library, cuts, monkeypatch):
    expected = read(model, IDS)
    assert same(read_by(other_library, model, IDS, cuts, monkeypatch), expected)


@pytest.mark.parametrize("activation", ["gelu_tanh", "gelu", "relu"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_activation_whatever_the_width(activation, precision, other_library, monkeypatch):
    made = a_model(precision, activation=activation, emb_dim=64, n_heads=2)
    assert same(read_by(other_library, made, IDS, [], monkeypatch), read(made, IDS))


@pytest.mark.parametrize("spread", [0.1, 5, 300])
def test_sums_of_logits_whatever_the_width(other_library, spread, monkeypatch):
    logits = torch.randn(1009, generator=torch.Generator().manual_seed(1)) * spread
    expected = softmax_sums(logits), softmax(logits.double(), 0.7)
    monkeypatch.setattr("gpt.engine.logits.compiled_library", lambda: other_library)
    assert softmax_sums(logits) == expected[0]
    assert torch.equal(softmax(logits.double(), 0.7), expected[1])


# Every shape


@st.composite
def shapes(draw):
    n_heads = draw(st.integers(1, 4))
    return {
        "vocab_size": draw(st.integers(1, 70)),
        "context_length": draw(st.integers(1, 70)),
        "emb_dim": n_heads * draw(st.integers(1, 40)),
        "n_heads": n_heads,
        "n_layers": draw(st.integers(1, 2)),
        "inner_dim": draw(st.none() | st.integers(1, 70)),
        "qkv_bias": draw(st.booleans()),
        "tied_head": draw(st.booleans()),
        "activation": draw(st.sampled_from(["gelu_tanh", "gelu", "relu"])),
        "norm_eps": draw(st.sampled_from([1e-5, 1e-12, 0.1])),
        "scale_by_head_dim": draw(st.booleans()),
        "scale_by_layer": draw(st.booleans()),
    }


@settings(max_examples=60)
@given(shapes(), st.sampled_from(PRECISIONS), st.integers(0, 2**32 - 1))
def test_in_every_shape(shape, precision, seed):
    model = a_model("float32", seed, **shape)
    pick = random.Random(seed)
    ids = [pick.randrange(shape["vocab_size"]) for _ in range(pick.randint(1, shape["context_length"]))]
    if precision == "float32":
        for found, expected in zip(read(model, ids), by_modules(model, ids), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    set_precision(model, precision)
    cuts = sorted(pick.sample(range(1, len(ids)), pick.randint(0, min(5, len(ids) - 1))))
    assert same(read(model, ids, cuts), read(model, ids))
    with threads(3):
        assert same(read(model, ids, cuts[::2]), read(model, ids))


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(0.7, 0, 1.0), Sampling(1.3, 0, 0.9), Sampling(0)], ids=str)
def test_a_table_of_a_large_vocabulary_whatever_the_number_of_threads(sampling):
    logits = torch.randn(50257, generator=torch.Generator().manual_seed(1)) * 3
    with threads(1):
        alone = token_table(logits, sampling, 10), stretch(logits, sampling, 7)
    with threads(3):
        assert repr((token_table(logits, sampling, 10), stretch(logits, sampling, 7))) == repr(alone)
