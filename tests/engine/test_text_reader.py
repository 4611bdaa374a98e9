"""A reader reads a text piece after piece, by the library or by the modules, and refuses what it cannot read."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gpt.engine import text_reader as module
from gpt.engine.compiled import compiled_library
from gpt.engine.precision import PRECISIONS
from gpt.engine.text_reader import ModuleReader, text_reader
from gpt.generation import generate

from .tiny import HAS_COMPILER, IDS, a_model, by_modules, needs_library, read, same

ROOT = Path(__file__).parents[2]
WAYS = [pytest.param("engine", marks=needs_library), "modules"]


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    """Each test runs both ways."""
    if request.param == "modules":
        monkeypatch.setattr(module, "packed_model", lambda _: None)
    return request.param


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("cuts", [[], [1], [4, 5, 11]], ids=str)
def test_pieces_read_one_after_the_other_are_the_whole(precision, cuts):
    model = a_model(precision)
    tolerance = 1e-5 if precision == "float32" else 0.01
    for found, expected in zip(read(model, IDS, cuts), by_modules(model, IDS), strict=True):
        assert found.shape == expected.shape
        assert found.dtype is torch.float32
        assert (found - expected).norm() <= tolerance * expected.norm()


@needs_library
def test_the_library_reads_where_it_can():
    reader = text_reader(a_model(), 5)
    assert not isinstance(reader, ModuleReader)
    altered = a_model()
    altered.register_forward_hook(lambda *_: None)
    assert isinstance(text_reader(altered, 5), ModuleReader)


@pytest.mark.usefixtures("way")
def test_a_text_may_begin_again():
    model = a_model()
    reader = text_reader(model, 6)
    first = reader.read(IDS[:6])
    reader.restart()
    assert same(reader.read(IDS[:6]), first)
    reader.restart()
    for found, expected in zip(reader.read(IDS[5:9]), by_modules(model, IDS[5:9]), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("before", "ids", "message"),
    [
        ([], [], "no tokens"),
        ([1], [], "no tokens"),
        ([], [1, 2, 3], "3 tokens do not fit: there is room for 2"),
        ([1, 2], [3], "3 tokens do not fit: there is room for 2"),
        ([], [101], "101 is not a token of this model: its ids run from 0 to 100"),
        ([1], [-1], "-1 is not a token"),
        ([], [2**40], f"{2**40} is not a token"),
        ([], [-(2**70)], "is not a token"),
    ],
)
def test_what_cannot_be_read_is_refused_and_leaves_the_text_as_it_was(before, ids, message):
    model = a_model()
    reader = text_reader(model, 2)
    if before:
        reader.read(before)
    with pytest.raises(ValueError, match=message):
        reader.read(ids)
    if len(before) < 2:
        logits = reader.read([7])[1]
        torch.testing.assert_close(logits, by_modules(model, [*before, 7])[1], rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("n", [40, 1])
def test_no_position_is_read_past_the_context(n):
    reader = text_reader(a_model(context_length=n), 1000)
    reader.read([i % 101 for i in range(n)])
    with pytest.raises(ValueError, match=f"{n + 1} tokens do not fit: there is room for {n}"):
        reader.read([1])


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("capacity", [0, -3])
def test_no_room_is_no_crash(capacity):
    with pytest.raises((ValueError, RuntimeError)):
        text_reader(a_model(), capacity).read([1])


@pytest.mark.usefixtures("way")
def test_numbers_that_are_not_finite_do_not_pass_for_finite_ones():
    model = a_model()
    model.tok_emb.weight[7, 3] = torch.nan
    reader = text_reader(model, 4)
    assert reader.read([7])[1].isnan().all()
    assert reader.read([8])[1].isnan().all()  # it looks back at the token before


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_model_that_trains_is_read_without_dropout_and_stays_in_training(precision):
    model = a_model(precision)
    expected = read(model, IDS)
    model.train()
    assert same(read(model, IDS), expected)
    assert all(each.training for each in model.modules())


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("whole", [True, False])
def test_a_part_that_trains_alone_is_read_without_dropout_and_goes_on_training(whole):
    model = a_model(drop_rate=0.5)
    expected = read(model, IDS)
    model.train(whole)
    model.drop_emb.train(not whole)
    assert same(read(model, IDS), expected)
    assert model.drop_emb.training is not whole
    assert model.trf_blocks[0].att.training is model.training is whole


@pytest.mark.usefixtures("way")
def test_what_is_read_wants_no_gradient():
    hidden, logits = read(a_model().requires_grad_(), IDS)
    assert not hidden.requires_grad
    assert not logits.requires_grad


@pytest.mark.usefixtures("way")
def test_a_copy_of_a_model_is_a_model_of_its_own():
    model = a_model()
    expected = read(model, IDS)
    twin = copy.deepcopy(model)
    twin.final_norm.scale.mul_(2)
    assert not same(read(twin, IDS), expected)
    assert same(read(model, IDS), expected)


def test_without_a_compiler_everything_works_by_torch():
    """One pass of these tests and those of generation in a process that finds no compiler."""
    if compiled_library() is None and not HAS_COMPILER:
        pytest.skip("this is that process")
    here = str(Path(__file__).relative_to(ROOT))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", here, "tests/test_generation.py"]
    ended = subprocess.run(
        [*command, "-k", "not chapters and not transformers"],
        cwd=ROOT,
        env=os.environ | {"CC": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-3000:]


@pytest.mark.skipif(HAS_COMPILER, reason="there is a compiler")
def test_in_a_process_without_a_compiler_there_is_no_library():
    assert compiled_library() is None
    assert isinstance(text_reader(a_model(), 5), ModuleReader)
    assert len(list(generate(a_model(), IDS, 5))) == 5
