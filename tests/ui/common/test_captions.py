"""What a picture or a file says of itself: its name, its caption, its columns."""

from dataclasses import replace

from gpt import Tokenizer
from gpt.generation import Settings
from gpt.runs import Run
from gpt.ui.common.captions import About, about_run

TEXT = "Every effort moves you"
RUN = Run("storyteller", TEXT, tuple(Tokenizer().encode(TEXT)), Settings())


def test_a_name_says_what_and_of_what():
    about = about_run("LayerNorm: distribution", RUN, 3).at(block=0, norm="norm1")
    assert about.name == "layernorm-distribution_storyteller_block0-norm1_token4"


def test_a_branch_says_at_which_token_it_left_the_text_counted_from_1():
    about = about_run("Candidates", replace(RUN, parent=RUN, parted_at=2), 3)
    assert about.name == "candidates_storyteller_branch-at-token3_token4"
    assert about.caption[0] == "storyteller · branch at token 3 · token 4 “·you” (id 345)"
    assert about.columns["selected branch at token"] == 3


def test_a_name_holds_nothing_that_a_file_may_not():
    about = About("Why “this” <token>?", "/home/me/My models/", places={"rows": "2 × 5 / all"})
    assert about.name == "why-this-token_my-models_2-5-all"


def test_a_caption_names_model_place_token_prompt_and_colours():
    about = about_run("Attention", RUN, 3, "Blue: much.").at(block=0, head=7)
    assert about.caption == [
        "storyteller · block 0, head 7 · token 4 “·you” (id 345)",
        f"Prompt: “{TEXT}”",
        "Blue: much.",
    ]


def test_a_long_prompt_is_shortened_where_every_row_repeats_it():
    about = About("Numbers", prompt="word\n" * 4_000)
    assert len(about.columns["prompt"]) < 400 and about.columns["prompt"].startswith("word⏎word")
    assert all(len(line) < 400 for line in about.caption)


def test_what_has_no_model_has_no_column_for_one():
    assert About("The chapter's network").columns == {}
