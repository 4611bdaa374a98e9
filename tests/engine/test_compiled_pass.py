"""A pass reads pieces of several texts, and nothing that it is given lets it reach beyond a tensor."""

import pytest
import torch

from gpt.engine.compiled_pass import Piece, Room, Text, head_logits, read_pieces
from gpt.engine.packed_model import packed_model
from gpt.engine.panel_layout import PANEL
from gpt.generation import logits_of

from .tiny import CONFIG, IDS, a_model, by_modules, needs_library, read

pytestmark = needs_library


@pytest.fixture
def packed():
    model = a_model()
    kept = packed_model(model)
    yield kept


def test_only_the_logits_that_are_wanted(packed):
    texts = [Text(packed, 13) for _ in range(3)]
    pieces = [Piece(text, IDS, wants) for text, wants in zip(texts, [False, True, False], strict=True)]
    results = read_pieces(packed, pieces, Room())
    assert [logits is not None for _, logits in results] == [False, True, False]
    assert all(torch.equal(hidden, results[0][0]) for hidden, _ in results)
    assert [text.length for text in texts] == [13, 13, 13]
    ((hidden, logits),) = read_pieces(packed, [Piece(Text(packed, 13), IDS, False)], Room())
    assert logits is None
    assert torch.equal(hidden, results[0][0])


@pytest.mark.parametrize("wrong", [[], [101], [-1], list(range(14))], ids=str)
def test_one_piece_that_cannot_be_read_stops_the_pass_before_it_begins(packed, wrong):
    right, text = Text(packed, 13), Text(packed, 13)
    with pytest.raises(ValueError, match=r"token"):
        read_pieces(packed, [Piece(right, IDS, True), Piece(text, wrong, True)], Room())
    assert (right.length, text.length) == (0, 0)


def test_a_kept_vector_of_one_text_keeps_no_others(packed):
    results = read_pieces(packed, [Piece(Text(packed, 13), IDS, True) for _ in range(4)], Room())
    for hidden, _ in results:
        assert hidden.untyped_storage().nbytes() == 4 * len(IDS) * CONFIG.emb_dim


def test_a_room_is_aligned_grows_and_is_kept():
    room = Room()
    small = room.at_least(10)
    assert small.data_ptr() % 64 == 0
    assert len(small) >= 10
    large = room.at_least(10_000)
    assert large.data_ptr() % 64 == 0
    assert len(large) >= 10_000
    assert room.at_least(10).data_ptr() == large.data_ptr()


def test_texts_have_room_for_whole_panels(packed):
    text = Text(packed, 33)
    assert text.keys.shape == (2, 3, 2, 14, PANEL)
    assert text.values.shape == (2, 3, 1, 64, PANEL)
    assert Text(packed, 1000).capacity == CONFIG.context_length


def test_what_a_room_held_before_changes_nothing(packed):
    room = Room()
    room.at_least(10**6).fill_(255)
    (found,) = read_pieces(packed, [Piece(Text(packed, 13), IDS, True)], room)
    (expected,) = read_pieces(packed, [Piece(Text(packed, 13), IDS, True)], Room())
    assert all(map(torch.equal, found, expected))


def test_what_keys_and_values_held_before_changes_nothing(packed):
    text = Text(packed, 13)
    text.keys.fill_(torch.nan)
    text.values.fill_(torch.nan)
    read_pieces(packed, [Piece(text, IDS[:4], False)], Room())
    ((hidden, logits),) = read_pieces(packed, [Piece(text, IDS[4:], True)], Room())
    assert not hidden.isnan().any()
    (expected,) = read_pieces(packed, [Piece(Text(packed, 13), IDS, True)], Room())
    assert torch.equal(logits, expected[1])


@pytest.mark.parametrize("shape", [(5,), (3, 5), (3, 43), (2, 2, 5)], ids=str)
def test_vectors_of_another_length_have_no_logits(shape):
    with pytest.raises(ValueError, match="vectors of 42 numbers"):
        logits_of(a_model(), torch.zeros(shape))


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_vectors_in_other_formats_and_layouts(precision, kind):
    model = a_model(precision)
    hidden, logits = read(model, IDS)
    assert torch.equal(logits_of(model, hidden.double())[-1], logits)
    assert torch.equal(logits_of(model, hidden.t().contiguous().t())[-1], logits)
    assert torch.equal(logits_of(model, hidden.to(kind)), logits_of(model, hidden.to(kind).float()))


def test_logits_of_any_number_of_vectors():
    model = a_model()
    hidden, _ = read(model, IDS)
    expected = model.out_head(by_modules(model, IDS)[0])
    torch.testing.assert_close(logits_of(model, hidden), expected, rtol=1e-4, atol=1e-4)
    assert logits_of(model, hidden[:0]).shape == (0, 101)
    assert logits_of(model, hidden[:12].view(2, 6, -1)).shape == (2, 6, 101)
    assert torch.equal(logits_of(model, hidden[:12].view(2, 6, -1))[1, 5], logits_of(model, hidden[11]))
    assert head_logits(packed_model(model), hidden[:0]).shape == (0, 101)
