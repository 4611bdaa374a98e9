"""What is said before a training starts depends on the chosen size and the text, and is computed or measured."""

from collections.abc import Mapping
from dataclasses import replace
from math import exp, log
from pathlib import Path

import pytest

from gpt.config import GPTConfig
from gpt.estimates.budget import count_parameters
from gpt.training.stories import PATH as STORIES
from gpt.training.suited_sizes import SMALLEST
from gpt.training.training_forecast import Forecast, forecast
from gpt.training.training_history import recorded_history
from gpt.training.training_request import Asked
from gpt.ui.train import forecast_words
from gpt.ui.train.training_settings import PRESETS, parsed

TEXT = "A fox ran over the hill and looked for the red ball. " * 60


def of(text: Path | str, values: Mapping[str, float], held_out: str = "") -> Forecast:
    """The forecast for a text and options by their names."""
    options = [word for name, value in values.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    with parsed(Asked(text, options, held_out)) as found:
        return forecast(found)


@pytest.fixture(scope="module")
def smallest() -> Forecast:
    return of(STORIES, SMALLEST)


def test_a_training_of_a_moment_takes_more_than_nothing(smallest):
    found = replace(smallest, tokens=700, steps=200, tokens_in_step=64, step_flops=6_000_000)
    assert "0.001 TFLOP, less than a second at the rate of ours" in forecast_words.takes(found, 1e10, "ours")
    assert "1.2 TFLOP, 2 minutes at" in forecast_words.takes(replace(found, steps=200_000), 1e10, "ours")
    assert "In 1 step of 64 tokens it reads the text 0.1 times" in forecast_words.takes(
        replace(found, steps=1), 1, "ours"
    )


def test_losses_to_compare_are_those_of_the_recorded_training(smallest):
    about, said = recorded_history().about, forecast_words.to_expect(smallest)["Where it begins"]
    assert smallest.pair_loss == pytest.approx(about["bigram_loss"])
    assert smallest.least_loss == pytest.approx(about["floor"])
    assert said == (
        f"near a loss of {log(50257):.2f} (50,257 tokens). Counting pairs of tokens comes to "
        f"{about['bigram_loss']:.2f} ({exp(about['bigram_loss']):.1f} tokens); nobody gets below "
        f"{about['floor']:.2f} ({exp(about['floor']):.1f} tokens)."
    )
    assert "nobody gets below" not in forecast_words.to_expect(of(TEXT, SMALLEST))["Where it begins"]


def test_parameters_that_learn_are_those_of_the_texts_own_tokens(smallest):
    learning = count_parameters(GPTConfig(109, 64, 64, 4, 3, 0.0, True, True)).total
    assert smallest.learning_parameters == learning
    said = forecast_words.to_expect(smallest)["Memorized"]
    assert said.startswith(f"{learning:,} of its parameters learn, {learning / 21174:.1f} for each token of the text")
    assert smallest.unforeseen_bytes == pytest.approx(21174 * recorded_history().about["bigram_loss"] / log(2) / 8)


def test_whether_a_text_can_be_learned_by_heart_is_a_matter_of_room_and_of_passes(smallest):
    def said(**changed: float) -> str:
        return forecast_words.to_expect(replace(smallest, **changed))["Memorized"]

    assert "there is room for all of it: read often enough, it is memorized" in said()
    assert "too much to memorize all of it" in said(learning_parameters=2000)
    assert "It reads nothing twice" in said(steps=20)


def test_the_recorded_training_is_told_for_its_own_text_and_size_alone(smallest):
    points = recorded_history().points
    best, last = min(points, key=lambda point: point["heldout_loss"]), points[-1]
    told = forecast_words.to_expect(smallest)["Measured"]
    assert (
        f"came to {best['heldout_loss']:.2f} ({exp(best['heldout_loss']):.1f} tokens), at step {best['step']}" in told
    )
    assert f"At step 1,000 it stood at {last['heldout_loss']:.2f}, and at {last['loss']:.2f} on what it learns" in told
    shorter = forecast_words.to_expect(of(STORIES, {**SMALLEST, "steps": 200}))["Measured"]
    point = next(point for point in points if point["step"] == 198)
    assert f"as many tokens as yours will, it stood at {point['heldout_loss']:.2f}" in shorter
    assert f"{point['accepted']} of {point['sentences']} of its sentences" in shorter
    for other in (
        of(TEXT, SMALLEST),
        of(STORIES, {**SMALLEST, "n_layers": 2}),
        of(STORIES, SMALLEST, held_out=TEXT),
    ):
        assert forecast_words.to_expect(other)["Measured"].startswith("nothing with this size")


def test_sizes_that_were_measured_on_books_say_so():
    suited = forecast_words.to_expect(of(TEXT, {"steps": 100}))["Measured"]
    assert suited.startswith(
        "this size on 5,000 tokens of children's books; after 6 passes the loss on other text rose"
    )
    evening = of(STORIES, PRESETS["An evening"])
    card = (STORIES.parent / "storyteller" / "README.md").read_text()
    assert f"| tokens seen | {evening.bundled.tokens_read:,}, that is" in card
    assert f"| held-out loss | {evening.bundled.heldout_loss} nats per token" in card
    assert f"came to {evening.bundled.heldout_loss:.2f}" in forecast_words.to_expect(evening)["Measured"]
