"""A branch in the address: its text grows the same branch again, and another text is refused in one sentence."""

import pytest

from gpt.generation import Settings
from gpt.runs import branch, grow, new_run
from gpt.sampling import Sampling
from gpt.ui.common.linked_branch import branch_text, branches_from, grown_branches


@pytest.fixture
def run(small_model):
    settings = Settings(6, Sampling(0.9, 20), 5)
    *_, written = grow(small_model, new_run(small_model, "small", "Every effort moves you", settings))
    return written


def test_a_branch_of_a_branch_grows_again_from_its_text(small_model, run):
    *_, first = branch(small_model, run, 6, 262)
    *_, second = branch(small_model, first, 8, 11)
    assert branch_text(run) == branch_text(None) == ""
    assert branch_text(first) == "7.262"
    assert branch_text(second) == "7.262,9.11"
    *_, again = grown_branches(small_model, run, branch_text(second))
    assert again.ids == second.ids
    assert (again.parent.ids, again.parted_at, again.parent.parted_at) == (first.ids, 8, 6)


def test_a_branch_of_the_prompt_has_its_place_in_the_prompt(small_model, run):
    *_, other = branch(small_model, run, 2, 262)
    *_, again = grown_branches(small_model, run, branch_text(other))
    assert again.prompt_ids == run.prompt_ids[:2] and again.ids == other.ids


@pytest.mark.parametrize("nonsense", ["x", "7", "7.", "0.262", "-1.5", "7.262,", "7.1.2", "9" * 500, ""])
def test_what_is_no_branch_is_refused_in_one_sentence(nonsense):
    with pytest.raises(ValueError, match=r"The link's branch is .*: write the number of a token, a dot"):
        branches_from(nonsense)
