"""The account of a logit as the page shows it, against the account itself."""

import re

import pytest

from gpt.attribution.logit_attribution import account, direct_logit_attribution, feed_forward_account
from gpt.attribution.neurons import neuron
from gpt.tokenizer import Tokenizer
from gpt.tracing import trace
from gpt.ui.attribution import account_words as words
from gpt.ui.attribution.figures import Rise, waterfall

IDS = (6109, 3626, 6100, 345, 318)
VISIBLE = Tokenizer().visible


@pytest.fixture
def found(model):
    return direct_logit_attribution(model, IDS, 257, 262)


def adds(html: str) -> list[float]:
    """The numbers of the second column."""
    return [float(text) for text in re.findall(r"<td>([+-][\d.]+)</td>", html)]


def test_the_sentence_names_both_tokens_the_difference_and_what_is_held_fixed(found):
    said = words.said(found, VISIBLE, "Read by small.")
    assert f"logit(“·a”) minus that of “·the” is {found.logit_difference:+.3f}" in said
    assert f"σ = {found.sigma:.3f} is held fixed" in said and said.endswith("Read by small.")


def test_without_a_rival_the_sentence_names_the_mean(model):
    assert "that of the mean of all tokens" in words.said(direct_logit_attribution(model, IDS, 257), VISIBLE, "")


def test_the_steps_of_the_waterfall_go_through_the_depth_and_sum_to_the_difference(found):
    rises = words.rises(found)
    blocks = [name for block in range(3) for name in (f"att. {block}", f"ff {block}")]
    assert [rise.name for rise in rises] == ["token", "position", *blocks, "shift"]
    assert sum(rise.value for rise in rises) == pytest.approx(found.logit_difference, abs=1e-4)
    heads = sum(part.value for part in found.parts if part.block == 1 and part.component != "feed-forward")
    assert rises[4].value == pytest.approx(heads) and rises[4].idea == "attention"


def test_every_bar_of_a_waterfall_begins_where_the_one_before_it_ended():
    fig = waterfall([Rise("a", 2, "attention"), Rise("b", -3, "feed-forward"), Rise("c", 0.5, "attention")])
    bars = {
        place: (base, base + y) for bar in fig.data[:-1] for place, base, y in zip(bar.x, bar.base, bar.y, strict=True)
    }
    assert [bars[place] for place in range(3)] == [(0, 2), (2, -1), (-1, -0.5)]


def test_the_table_lists_the_largest_parts_and_sums_the_others(found):
    html = words.parts_html(found, chosen=3)
    *shown, others, together = adds(html)
    values = sorted((part.value for part in found.parts), key=abs, reverse=True)
    assert shown == [pytest.approx(value, abs=6e-4) for value in values[: len(shown)]]
    assert others == pytest.approx(sum(values[len(shown) :]), abs=6e-4)
    assert together == pytest.approx(found.logit_difference, abs=6e-4)
    assert html.count('aria-pressed="true"') == (found.parts[3].value in values[: len(shown)])


def test_a_row_chooses_the_part_it_names(found):
    for index, name in re.findall(r'data-index="(\d+)"[^>]*>([^<]*)</button>', words.parts_html(found, 0)):
        assert words.name(found.parts[int(index)]) == name


def test_the_neurons_shown_and_the_others_sum_to_the_feed_forward(model):
    traced = trace(model, IDS)
    found = account(model, traced, 257, 262)
    neurons = feed_forward_account(model, traced, found, 1)
    html = words.neurons_html(neurons, 0)
    (part,) = (part for part in found.parts if part.component == "feed-forward" and part.block == 1)
    assert sum(adds(html)) == pytest.approx(part.value, abs=6e-3)
    first = int(neurons.values.abs().argmax())
    assert f"neuron {first}, fires with {float(neurons.activations[first]):.2f}" in html


def test_a_neurons_text_names_its_words_and_shows_their_markup_as_text(model):
    card = neuron(model, trace(model, IDS), 0, 3)
    said = words.neuron_text(3, card, lambda token_id: f"<{token_id}>")
    assert all(f"&lt;{token_id}&gt;" in said for token_id, _ in (*card.promoted, *card.suppressed))
    assert said.index(f"&lt;{card.promoted[0][0]}&gt;") < said.index(f"&lt;{card.suppressed[0][0]}&gt;")


def test_every_part_that_is_no_head_and_no_feed_forward_is_explained(found):
    assert {part.component for part in found.parts} - {"head", "feed-forward"} <= words.MEANINGS.keys()
