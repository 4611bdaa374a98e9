"""What the page says before a training starts: what it takes, and what to expect of such a size on such a text."""

from ...training.training_forecast import Forecast, flops_per_second
from ...training.training_history import History, recorded_history
from ...training.training_progress import time_left
from ..common.number_format import counted, size
from .words import tokens


def takes(found: Forecast, rate: float, whose: str) -> str:
    """Plain sentences: what there is to learn, the model, memory, and time at a rate (FLOP/s) reached by `whose`."""
    flop = found.steps * found.step_flops
    seconds, teraflop = flop / rate, flop / 1e12
    work = f"{teraflop:,.1f}" if teraflop >= 1 else f"{teraflop:.1g}"  # a small one is not 0.0
    time = time_left(seconds) if seconds >= 1 else "less than a second"
    steps = f"{counted(found.steps, 'step')} of {counted(found.tokens_in_step, 'token')}"
    return (
        f"{found.tokens:,} tokens to learn, {found.distinct_tokens:,} different ones, and {found.held_out_tokens:,} "
        f"others to measure by. {found.parameters:,} parameters, about {size(found.step_bytes)} of memory for a step. "
        f"In {steps} it reads the text {found.passes:.1f} times: {work} TFLOP, {time} at the rate of {whose}."
    )


def rate_of(history: History | None) -> tuple[float, str]:
    """A rate (FLOP/s) to expect, and whose it is: that of the last training here, or of the recorded one."""
    own = None if history is None else flops_per_second(history)
    if own is not None:
        return own, "the last training here"
    recorded = flops_per_second(recorded_history())
    assert recorded is not None
    return recorded, "the recorded training, on the machine it ran on"


def to_expect(found: Forecast) -> dict[str, str]:
    """Plain sentences, by what they are about: what has been measured with this size, or what its formulas say."""
    nobody = "" if found.least_loss is None else f"; nobody gets below {_loss(found.least_loss)}"
    return {
        "Where it begins": f"near a loss of {_loss(found.even_loss)}. Counting pairs of tokens comes to "
        f"{_loss(found.pair_loss)}{nobody}.",
        "Memorized": _memorized(found),
        "Measured": _measured(found),
    }


def _memorized(found: Forecast) -> str:
    """Whether the weights have room for the text, and whether it is read often enough for that to matter."""
    each = found.learning_parameters / found.tokens
    room = (
        f"{found.learning_parameters:,} of its parameters learn, {each:,.{0 if each >= 10 else 1}f} for each token of "
        f"the text, and are stored in {size(found.learning_bytes)}. Counting pairs leaves about "
        f"{size(found.unforeseen_bytes)} of the text open"
    )
    if found.passes <= 1:
        return f"{room}. It reads nothing twice, so it memorizes little."
    if found.learning_bytes < found.unforeseen_bytes:
        return f"{room}: too much to memorize all of it."
    return (
        f"{room}. So there is room for all of it: read often enough, it is memorized, and the loss on other "
        "text rises again. The best model is kept, not the last."
    )


def _measured(found: Forecast) -> str:
    if found.recorded is not None:
        return _recorded(found, found.recorded)
    if found.tried is not None:
        return (
            f"this size on {found.tried.measured_on:,} tokens of children's books; after {found.tried.passes:g} passes "
            f"the loss on other text rose. Yours are {found.passes:.1f}."
        )
    if found.bundled is not None:
        box = found.bundled
        return (
            f"the {box.name} that comes with the app has this size, and came to {_loss(box.heldout_loss)} on books "
            f"with {box.tokens_read:,} tokens read. Yours reads {found.tokens_read:,}."
        )
    return "nothing with this size. Only your training will show how low the loss comes."


def _recorded(found: Forecast, history: History) -> str:
    """What the recorded training reached, and where it was when it had read as much as this one will."""
    best, last = min(history.points, key=lambda point: float(point["heldout_loss"])), history.points[-1]
    so_far = [point for point in history.points if point["tokens_seen"] <= found.tokens_read][-1]
    reached = f"the recorded training of this size came to {_loss(best['heldout_loss'])}, at step {best['step']:,}."
    if so_far["tokens_seen"] < best["tokens_seen"]:
        return (
            f"{reached} When it had read as many tokens as yours will, it stood at {_loss(so_far['heldout_loss'])}, "
            f"with {so_far['accepted']} of {so_far['sentences']} of its sentences in the grammar."
        )
    return (
        f"{reached} At step {last['step']:,} it stood at {last['heldout_loss']:.2f}, and at {last['loss']:.2f} on what "
        f"it learns, with {last['accepted']} of {last['sentences']} of its sentences in the grammar."
    )


def _loss(nats: float) -> str:
    """0.45 (1.6 tokens): in nats, and as the number of tokens among which a reader is as unsure."""
    return f"{nats:.2f} ({tokens(nats)})"
