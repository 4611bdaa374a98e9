"""A saved run opens as the run it was; any other file gets one sentence."""

import json
from dataclasses import asdict, replace
from itertools import islice
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt.config import GPTConfig
from gpt.engine.weights_digest import weights_digest
from gpt.generation import Settings
from gpt.model import GPTModel
from gpt.runs import Run, branch, grow, new_run
from gpt.sampling import Sampling
from gpt.saved_run import MOST_BYTES, SavedBranch, is_by, is_whole, opened, read_run, run_text, saved_run
from gpt.seeding import LARGEST_DRAW_SEED, seeded
from gpt.version import full_version

V = 97


def made(seed: int = 0) -> GPTModel:
    with seeded(seed):
        model = GPTModel(GPTConfig(vocab_size=V, context_length=12, emb_dim=32, n_heads=2, n_layers=2))
        for name, parameter in model.named_parameters():
            torch.nn.init.normal_(parameter, mean=float("scale" in name), std=0.2)
    return model.eval().requires_grad_(False)


MODEL = made()
DIGEST = weights_digest(MODEL)


def last(runs: Any) -> Run:
    *_, run = runs
    return run


def grown(ids: str = "5 80 12", asked: Settings | None = None, count: int | None = None) -> Run:
    """A run of the model, stopped after `count` tokens."""
    begun = new_run(MODEL, "a model", ids, asked or Settings(7, Sampling(0.9, 20, 0.95), 7))
    return last(islice(grow(MODEL, begun), count))


def saved(run: Run) -> Any:
    return saved_run(run, "a model", DIGEST, MODEL.config)


def the_same(found: Run, run: Run) -> bool:
    """Whether two runs are equal, also in the bits of the vectors that equality leaves out."""
    mine, its = ([step.hidden for step in each.steps] for each in (found, run))
    parents = (found.parent, run.parent)
    return (
        found == run
        and all(torch.equal(a, b) for a, b in zip(mine, its, strict=True))
        and (parents == (None, None) or the_same(*parents))
    )


SETTINGS = st.builds(
    Settings,
    st.integers(1, 20),
    st.builds(
        Sampling, st.sampled_from([0.0, 0.05, 0.7, 1.3]), st.integers(0, 100), st.floats(0.05, 1, exclude_min=True)
    ),
    st.integers(0, LARGEST_DRAW_SEED),
)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    ids = draw(st.lists(st.integers(0, V - 1), min_size=1, max_size=16))
    asked = draw(SETTINGS)
    run = grown(" ".join(map(str, ids)), asked, draw(st.integers(1, asked.max_new_tokens)))
    for _ in range(draw(st.integers(0, 3))):
        first = max(1, len(run.prompt_ids) - len(run.steps[0].hidden) + 1)
        if first >= len(run.ids):
            break
        branches = branch(MODEL, run, draw(st.integers(first, len(run.ids) - 1)), draw(st.integers(0, V - 1)))
        run = last(islice(branches, draw(st.integers(1, 20))))
    return run


@settings(max_examples=60)
@given(run=runs())
def test_a_run_that_was_saved_opens_as_the_same_run(run):
    read = read_run(run_text(saved(run)))
    assert read == saved(run)
    again = list(opened(MODEL, "a model", read))
    assert the_same(again[-1], run)
    assert len(again) == read.n_written
    assert [is_whole(read, each) for each in again] == [False] * (len(again) - 1) + [True]


def test_a_file_says_which_weights_and_code_wrote_the_run_and_its_draws_come_from_the_seed():
    run = grown()
    data = json.loads(run_text(saved(run)))
    assert data["format"] == "GPT-2 explorer: a run"
    assert (data["model"], data["weights"], data["code"]) == ("a model", DIGEST, full_version())
    assert data["config"] == asdict(MODEL.config)
    assert data["settings"] == {"max_new_tokens": 7, "temperature": 0.9, "top_k": 20, "top_p": 0.95, "seed": 7}
    assert data["prompt_ids"] + data["token_ids"] == list(run.ids)
    again = last(opened(MODEL, "a model", read_run(json.dumps(data))))
    assert [step.uniform for step in again.steps] == [step.uniform for step in run.steps]


def test_a_run_is_by_a_model_with_the_same_weights_and_settings_only():
    read = read_run(run_text(saved(grown())))
    assert is_by(read, MODEL.config, DIGEST)
    assert not is_by(read, MODEL.config, weights_digest(made(seed=1)))
    assert not is_by(read, replace(MODEL.config, n_heads=4), DIGEST)


def is_a_sentence(error: ValueError) -> bool:
    said = str(error)
    return said.endswith(".") and "\n" not in said and 10 < len(said) < 400


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(
        [0, -1, 1, 96, 97, 10**9, 2**53, 10**400, 1.5, 1e308, float("nan"), float("inf"), "", "x", "0" * 64]
    ),
    st.sampled_from(["a" * 30_000, "a\ud800", [], {}, [1], ["a"], {"a": 1}, [[0]] * 3, [0] * 5_000]),
    st.text(max_size=20),
)


@settings(max_examples=200)
@given(garbage=st.text(max_size=200) | st.recursive(JUNK, st.lists, max_leaves=5).map(json.dumps))
def test_garbage_is_refused_with_a_sentence(garbage):
    with pytest.raises(ValueError) as error:
        read_run(garbage)
    assert is_a_sentence(error.value)


BRANCHED = last(branch(MODEL, grown(), 5, 3))


def damaged(draw: st.DataObject) -> str:
    """The file of a branch with one field of one object exchanged, lost or added."""
    data = json.loads(run_text(saved(BRANCHED)))
    place = draw.draw(st.sampled_from([data, data["config"], data["settings"], data["branches"][0]]))
    name = draw.draw(st.sampled_from(sorted(place)))
    if draw.draw(st.integers(0, 5)) == 0:
        del place[name]
    elif isinstance(place[name], list) and draw.draw(st.booleans()):
        place[name][draw.draw(st.integers(0, len(place[name]) - 1))] = draw.draw(JUNK)
    else:
        place[name] = draw.draw(JUNK)
    return json.dumps(data)


@settings(max_examples=400)
@given(draw=st.data())
def test_a_damaged_file_is_refused_with_a_sentence_or_is_what_the_model_writes(draw):
    text = damaged(draw)
    try:
        read = read_run(text)
        if not is_by(read, MODEL.config, DIGEST) or read.settings.max_new_tokens > 1_000:
            return
        again = last(opened(MODEL, "a model", read))
    except ValueError as error:
        assert is_a_sentence(error), error
        return
    assert is_whole(read, again)
    assert (again.parent or again).settings == read.settings


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("format_version", 2, "has the format 2, and this version of the explorer reads 1"),
        ("format", "a training", "no saved run"),
        ("prompt", "x" * 20_001, "up to 20,000 characters"),
        ("prompt", "a\ud800", "up to 20,000 characters"),
        ("prompt_ids", [], "from 1 to 4,096"),
        ("token_ids", [97] * 7, "ids run from 0 to 96"),
        ("token_ids", [True] * 7, "a whole number"),
        ("token_ids", [1] * 8, "from 1 to 7"),
        ("weights", "A" * 64, "a digest"),
        ("settings", {"seed": 1}, "lacks the field max_new_tokens"),
        ("branches", [{"position": 10, "token_ids": [1]}], "begins at 10, in a text of 10 tokens"),
        ("branches", [{"position": 0, "token_ids": [1]}], "begins at 0"),
        ("branches", [{"position": 9, "token_ids": [1, 1]}], "more than the 7 tokens asked for"),
        ("branches", [{"position": 2.0, "token_ids": [1]}], "a whole number"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(place, value, said):
    data = json.loads(run_text(saved(grown())))
    with pytest.raises(ValueError, match=said) as error:
        read_run(json.dumps(data | {place: value}))
    assert is_a_sentence(error.value)


def test_a_field_that_no_run_has_and_a_file_too_large_are_refused():
    data = json.loads(run_text(saved(grown())))
    with pytest.raises(ValueError, match='has a field "more"'):
        read_run(json.dumps(data | {"more": 1}))
    with pytest.raises(ValueError, match="larger than any saved run, which has at most 131,072 bytes"):
        read_run(run_text(saved(grown())) + " " * MOST_BYTES)


def test_a_token_that_the_model_did_not_write_is_named():
    read = saved(grown())
    ids = list(read.token_ids)
    ids[4] = (ids[4] + 1) % V
    with pytest.raises(ValueError, match=f"Token 8 is '{ids[4]}' in the file, and its model writes"):
        list(opened(MODEL, "a model", replace(read, token_ids=tuple(ids))))
    with pytest.raises(ValueError, match="other tokens than its model gives it"):
        list(opened(MODEL, "a model", replace(read, prompt_ids=(5, 80))))


def test_a_text_that_goes_on_after_its_end_is_refused(monkeypatch):
    read = saved(grown())
    monkeypatch.setattr("gpt.saved_run.grow", lambda *run: islice(grow(*run), 3))
    with pytest.raises(ValueError, match="goes on in the file after its model has ended it"):
        list(opened(MODEL, "a model", read))


def test_a_branch_of_a_branch_in_the_prompt_keeps_its_places():
    first = last(branch(MODEL, grown(), 6, 3))
    second = last(branch(MODEL, first, 2, 4))
    read = saved(second)
    assert [each.position for each in read.branches] == [6, 2]
    assert read.branches[1] == SavedBranch(2, second.ids[2:])
    assert (read.prompt, read.token_ids) == ("5 80 12", grown().ids[3:])
    assert the_same(last(opened(MODEL, "a model", read)), second)
