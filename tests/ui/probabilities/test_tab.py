"""What the Probabilities tab writes is what the library computed."""

import json
import re
from dataclasses import replace
from html import escape
from math import exp, log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpt.generation import Settings, generate
from gpt.library import Library
from gpt.model import GPTModel
from gpt.runs import Run, branch
from gpt.sampling import Sampling, token_table
from gpt.tokenizer import Tokenizer
from gpt.ui.common.captions import About
from gpt.ui.common.colours import COLOURS
from gpt.ui.common.number_format import fine_percent
from gpt.ui.probabilities import words
from gpt.ui.probabilities.candidate_table import candidates, step_rows
from gpt.ui.probabilities.figures import over_the_run
from gpt.ui.probabilities.selected_token import select_token, token_scores
from gpt.ui.probabilities.softmax_formula import formula

TOKENIZER = Tokenizer()
LOGITS = torch.tensor([2.0, 5.0, 3.5, -1.0, 4.25, 0.5])


@pytest.fixture(scope="module")
def library(small_folder) -> Library:
    return Library(str(small_folder))


@pytest.fixture(scope="module")
def run(small_model: GPTModel, library: Library) -> Run:
    prompt_ids = (6109, 3626, 6100, 345)
    steps = tuple(generate(small_model, prompt_ids, 6, 0.9, 20, 1.0, seed=5))
    return Run(library.default, TOKENIZER.decode(prompt_ids), prompt_ids, Settings(6, Sampling(0.9, 20), 5), steps)


def numbers_in(latex: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", latex)]


@given(st.integers(0, 5), st.floats(0.1, 3), st.integers(0, 6), st.floats(0.1, 1))
def test_the_formula_carries_the_rows_own_numbers(token_id, temperature, top_k, top_p):
    sampling = Sampling(round(temperature, 2), top_k, round(top_p, 2))
    table = token_table(LOGITS, sampling, 6)
    row = next(row for row in table.tokens if row.token_id == token_id)
    logit, whole, scaled, _, last = formula(row, table, sampling).split("\n")
    assert numbers_in(logit) == [pytest.approx(row.logit, abs=1e-4)]
    above, below = map(float, re.findall(r"e\^\{(-?\d+\.\d+)\}", whole))
    assert exp(above - below) == pytest.approx(row.probability, rel=1e-3)
    assert numbers_in(scaled)[-1] == pytest.approx(row.logit / sampling.temperature, abs=1e-4)
    if row.kept:
        above, below = map(float, re.findall(r"e\^\{(-?\d+\.\d+)\}", last))
        assert exp(above - below) == pytest.approx(row.sampling_probability, rel=1e-3)
    else:
        assert last.endswith("$p = 0$")


def test_the_formula_names_the_filter_and_the_kept():
    table = token_table(LOGITS, Sampling(1, 3, 0.8), 2)
    assert "within top-k 3 and top-p 0.8: kept" in formula(table.tokens[0], table, Sampling(1, 3, 0.8))
    assert "Softmax over the 2 kept" in formula(table.tokens[0], table, Sampling(1, 3, 0.8))
    greedy = token_table(LOGITS, Sampling(0), 2)
    assert "$p = 1$" in formula(greedy.tokens[0], greedy, Sampling(0))
    assert "$p = 0$" in formula(greedy.tokens[1], greedy, Sampling(0))


def test_a_very_small_probability_is_written_as_a_power_of_ten():
    table = token_table(torch.tensor([0.0, -30.0]), Sampling(1, 0), 2)
    assert r"9.358 \times 10^{-14}" in formula(table.tokens[1], table, Sampling(1, 0))


def test_the_table_shows_every_figure_and_the_others_as_one_row():
    table = token_table(LOGITS, Sampling(0.5, 3), 2, (3,))
    shown = candidates(table, TOKENIZER, Sampling(0.5, 3), {3: "drawn"}, chosen=4, about=About("Candidates"))
    assert json.loads(shown["picture"])["title"] == "Candidates"
    assert [row["token_id"] for row in shown["rows"]] == [1, 4, 3]
    assert [row["fate"] for row in shown["rows"]] == ["kept", "kept", "cut by top-k"]
    assert [row["chosen"] for row in shown["rows"]] == [False, True, False]
    assert shown["rows"][2]["mark"] == "drawn"
    assert shown["rows"][2]["sampling"] == "0"
    assert shown["others"]["text"] == "all 3 other tokens"
    assert shown["others"]["fate"] == "1 kept"
    assert shown["after"] == "after T 0.5, top-k 3"
    assert max(max(row["probability_part"], row["sampling_part"]) for row in shown["rows"]) == 1


def test_the_rows_of_the_file_add_up_to_one():
    rows = step_rows(token_table(LOGITS, Sampling(0.5, 3), 2), TOKENIZER, {1: "drawn"})
    assert sum(row[4] for row in rows) == pytest.approx(1)
    assert sum(row[5] for row in rows) == pytest.approx(1)
    assert rows[0][-1] == "drawn"


def test_a_selected_token_says_how_it_came_there(library, run):
    said = [words.selected_token(select_token(library, run, position)) for position in range(10)]
    assert "Nothing comes before it" in said[0]
    assert "given in the prompt" in said[2]
    step = run.steps[1]
    assert f"uniform number {step.uniform:.5f}" in said[5]
    start, end = map(float, re.search(r"interval (\d\.\d+) to (\d\.\d+)", said[5]).groups())
    assert start - 1e-5 <= step.uniform <= end + 1e-5
    greedy = replace(step, uniform=None)
    taken = replace(run, steps=(run.steps[0], greedy), settings=Settings(2, Sampling(0), 5))
    assert "greedily" in words.selected_token(select_token(library, taken, 5))


def test_a_position_the_run_does_not_have_selects_the_first_new_token(library, run):
    assert select_token(library, run, None).position == 4
    assert select_token(library, run, 99).position == 4


def test_where_a_branch_parts_both_tokens_are_in_the_table(library, small_model, run):
    other = (run.ids[6] + 1) % 50257
    *_, regrown = branch(small_model, run, 6, other)
    selected = select_token(library, regrown, 6)
    assert selected.marks() == {run.ids[6]: "original", other: "your choice"}
    listed = [row.token_id for row in selected.table(Sampling(1, 0), 1, None).tokens]
    assert listed[1:] == [other, run.ids[6]]


def test_the_summary_names_the_model_only_when_another_is_loaded_now(library, run):
    scores = token_scores(library, run)
    assert "made by" not in words.summary(run, scores, library, "")
    assert f"made by {run.model_name}" in words.summary(run, scores, library, "gpt2-124M-untrained")


def test_text_of_tokens_is_escaped(library, run):
    token_id = TOKENIZER.encode("<b")[0]
    assert "<code>&lt;</code>" in words.selected_token(select_token(library, replace(run, prompt_ids=(1, token_id)), 1))


def test_equal_tokens_keep_places_of_their_own_in_the_figure(library, run):
    twice = replace(run, steps=(run.steps[0], run.steps[0]))
    scores = token_scores(library, twice)
    tokens = ["a", "b", "c", "d", "same", "same"]
    fig = over_the_run([words.line(twice, scores, "", "kept")], tokens, 4)
    assert list(fig.layout.xaxis.tickvals) == [0, 1, 2, 3, 4, 5]
    assert list(fig.data[0].y)[4:] == [run.steps[0].probability] * 2
    assert [trace.yaxis for trace in fig.data] == ["y", "y2", "y3"]


def test_a_long_run_labels_some_of_its_tokens(library, run):
    scores = token_scores(library, run)
    fig = over_the_run([words.line(run, scores, "", "kept")], ["token"] * 300, 4)
    assert 30 < len(fig.layout.xaxis.tickvals) <= 64


def test_a_branch_and_its_original_are_judged_from_where_they_part(library, small_model, run):
    other = (run.ids[6] + 1) % 50257
    *_, regrown = branch(small_model, run, 6, other)
    for each, name in ((run, "original"), (regrown, "branch")):
        scores = token_scores(library, each)
        said = re.sub("<[^>]*>", "", words.branch_heading(each, scores, 6, name))
        bits = -sum(step.logprob for step in each.steps[2:]) / len(each.steps[2:]) / log(2)
        taken = each.steps[2]
        assert said == (
            f"{name.capitalize()} {escape(TOKENIZER.visible(taken.token_id))} had {fine_percent(taken.probability)}, "
            f"rank {taken.rank:,}; from there {bits:.1f} bits a token"
        )


def test_the_figure_has_probability_rank_and_entropy_of_each_branch_at_its_own_places(library, small_model, run):
    *_, regrown = branch(small_model, run, 6, (run.ids[6] + 1) % 50257)
    lines = [
        words.line(run, token_scores(library, run), "original", "original"),
        words.line(regrown, token_scores(library, regrown), "branch", "branch", 6),
    ]
    fig = over_the_run(lines, [TOKENIZER.visible(token_id) for token_id in regrown.ids], 4)
    assert [(line.name, line.line.color) for line in fig.data] == [
        (name, COLOURS[name]) for name in ("original", "branch")
    ] * 3
    for index, figure_of in enumerate(("probability", "rank", "entropy_bits")):
        for line, each, start in zip(fig.data[2 * index :], (run, regrown), (0, 6), strict=False):
            assert list(line.x) == list(range(start, 10))
            scores = token_scores(library, each)[start:]
            assert list(line.y) == [getattr(scored, figure_of, None) for scored in scores]
            assert list(line.customdata) == [TOKENIZER.visible(token_id) for token_id in each.ids[start:]]


def test_the_summary_tells_settings_seed_and_what_the_prompt_was_worth(library, run):
    scores = token_scores(library, run)
    said = re.sub("<[^>]*>", "", words.summary(run, scores, library, ""))
    loss = -sum(scored.logprob for scored in scores[1:4]) / 3
    assert f"4 prompt tokens predicted with perplexity {exp(loss):,.1f} ({loss / log(2):.1f} bits a token)" in said
    assert "6 new tokens, T 0.9, top-k 20, seed 5" in said


def test_a_selected_token_tells_rank_probability_surprisal_and_entropy(library, run):
    step = run.steps[2]
    said = words.selected_token(select_token(library, run, 6))
    assert said.startswith('<p class="selected-step">Token 7 of 10: ')
    bits = -step.logprob / log(2)
    judged = f"Rank {step.rank:,}, probability {fine_percent(step.probability)}, surprisal {bits:.1f} bits; "
    assert f"{judged}entropy here {step.entropy_bits:.2f} bits." in said
