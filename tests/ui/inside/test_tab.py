"""What the Inside tab says and draws, against the model and the trace."""

import html
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gpt.generation import Settings
from gpt.runs import Run
from gpt.tracing import trace
from gpt.ui.common import traced_run as traces
from gpt.ui.common.colours import probability_colour
from gpt.ui.common.number_format import percent, real
from gpt.ui.common.recent_results import RecentResults
from gpt.ui.common.traced_strip import traced_strip
from gpt.ui.inside.views import LENS_TOKENS, VIEWS, Look, attention, lens, residual

IDS = (6109, 3626, 6100, 345, 318, 262, 11, 314, 716, 257, 922, 1048)


@pytest.fixture
def look(small_model, monkeypatch):
    monkeypatch.setattr(traces, "_recent", RecentResults(traces._MOST_BYTES, traces._bytes))
    library = SimpleNamespace(get=lambda _: SimpleNamespace(model=small_model))

    def looked_at(token: int = 3, block: int = 1, head: int = 2, halves: bool = False, ids: tuple = IDS) -> Look:
        run = Run("small", "", ids, Settings())
        return Look(traces.traced_run(library, run, token), block, head, halves)

    return looked_at


def numbers(look: Look, view: str) -> tuple[list[str], list[list]]:
    header, rows = VIEWS[view].numbers(look)
    return list(header), [list(row) for row in rows]


def test_the_enlarged_map_holds_the_exact_weights_and_nothing_of_the_future(look, small_model):
    weights = trace(small_model, IDS).blocks[1].attention[2].numpy()
    heat = attention(look()).figure.data[0]
    future = np.triu(np.ones((12, 12), bool), 1)
    assert np.isnan(heat.z[future]).all()
    np.testing.assert_allclose(heat.z[~future], weights[~future], atol=1e-6)
    assert len(set(heat.x)) == len(set(heat.y)) == 12


def test_the_sentence_names_where_the_opened_token_looks_most(look, small_model):
    row = trace(small_model, IDS).blocks[1].attention[2, 3]
    best = int(row.argmax())
    said = attention(look(token=3)).said
    assert f"({best + 1}) {percent(float(row[best]))}" in said.split(",")[1]


def test_the_strip_is_coloured_up_to_the_opened_token(look):
    opened = look(token=3)
    assert float(opened.selected_row.sum()) == pytest.approx(1)
    strip = traced_strip(opened.traced, opened.selected_row.tolist())
    assert ["scaled" in kind for kind in re.findall('class="token ([^"]*)"', strip)] == [True] * 4 + [False] * 8


def test_the_strip_has_the_colours_of_its_legend_as_every_strip_has(look):
    opened = look(token=3)
    strip = traced_strip(opened.traced, opened.selected_row.tolist())
    for share, (label, style) in zip(
        opened.selected_row.tolist(), re.findall(r'aria-label="([^"]*)" style="([^"]*)"', strip), strict=True
    ):
        assert style.startswith(f"--light:{probability_colour(share)};")
        assert f"gets {html.escape(percent(share))}" in label


def test_a_later_window_of_a_long_text_looks_back_at_all_tokens_read(look, small_model, monkeypatch):
    monkeypatch.setattr("gpt.tracing.WINDOW", 5)
    opened = look(token=7)
    assert (opened.traced.window.start, opened.traced.window.stop) == (5, 10)
    whole = trace(small_model, IDS[:10]).blocks[1].attention[2]
    torch.testing.assert_close(opened.weights, whole[5:], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(opened.selected_row, whole[7, :8], atol=1e-5, rtol=1e-5)
    heat = attention(opened).figure.data[0]
    assert heat.z.shape == (5, 10) and heat.y[0] == heat.x[5]
    header, rows = numbers(opened, "Attention")
    assert len(header) == 3 + 10 and [row[0] for row in rows] == [6, 7, 8, 9, 10]


def test_residual_stream_figures_are_lengths_of_the_stream(look, small_model):
    stream = trace(small_model, IDS).stream
    view = residual(look(token=5))
    line, attention_adds, forward_adds = view.figure.data
    assert (attention_adds.name, forward_adds.name) == ("what attention adds", "what feed-forward adds")
    assert list(attention_adds.text) == [f"block {i} attention" for i in range(3)]
    assert list(forward_adds.text) == [f"block {i} feed-forward" for i in range(3)]
    assert list(attention_adds.x) == [1, 3, 5] and list(forward_adds.x) == [2, 4, 6]  # of depths counted from 0
    np.testing.assert_allclose(line.y, stream[:, 5].norm(dim=-1), rtol=1e-5)
    np.testing.assert_allclose(attention_adds.y, (stream[1::2] - stream[:-1:2])[:, 5].norm(dim=-1), rtol=1e-4)
    np.testing.assert_allclose(forward_adds.y, (stream[2::2] - stream[1::2])[:, 5].norm(dim=-1), rtol=1e-4)
    np.testing.assert_allclose(10 ** view.second.data[0].z, stream.norm(dim=-1), rtol=1e-4)
    assert real(float(stream[-1, 5].norm())) in view.said


def test_lens_rows_end_in_the_models_own_answers(look, small_model):
    own = small_model(torch.tensor([IDS]))[0].softmax(-1).max(-1)
    header, rows = numbers(look(token=3), "Logit lens")
    last = [dict(zip(header, row, strict=True)) for row in rows if row[3] == "block 2" and row[4] == 1]
    assert [row["token number"] for row in last] == list(range(1, LENS_TOKENS + 1))
    assert [row["candidate id"] for row in last] == own.indices[:LENS_TOKENS].tolist()
    assert [row["probability"] for row in last] == pytest.approx(own.values[:LENS_TOKENS].tolist(), rel=1e-4)
    assert {row["rank of the final answer"] for row in last} == {1}


@pytest.mark.parametrize(("halves", "depths"), [(False, 4), (True, 7)])
def test_the_lens_opens_blocks_or_their_halves(look, halves, depths):
    view = lens(look(halves=halves))
    assert view.table.count("<tr>") == 1 + depths
    assert all(len(line.y) == depths for line in view.figure.data)
    assert len(view.figure.data) == LENS_TOKENS


def test_the_lens_follows_the_opened_token_to_the_end_of_the_text(look):
    _, rows = numbers(look(token=11), "Logit lens")
    assert sorted({row[0] for row in rows}) == list(range(5, 13))
    _, rows = numbers(look(token=1, ids=IDS[:3]), "Logit lens")
    assert sorted({row[0] for row in rows}) == [1, 2, 3]


def test_the_lens_says_from_where_on_the_final_answer_leads(look):
    opened = look(token=3, halves=True)
    ranks = [row[8] for row in numbers(opened, "Logit lens")[1] if row[0] == 4 and row[4] == 1]
    leads = max((depth for depth, rank in enumerate(ranks) if rank != 1), default=-1) + 1
    assert f"leads from “{opened.places[leads]}” on" in lens(opened).said


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_can_be_drawn_and_saved_for_a_single_token(look, name):
    opened = look(token=0, ids=IDS[:1])
    view = VIEWS[name].show(opened)
    assert view.figure.to_json() and view.said
    header, rows = numbers(opened, name)
    assert rows and all(len(row) == len(header) for row in rows)
