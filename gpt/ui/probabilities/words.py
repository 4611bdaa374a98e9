"""What the Probabilities tab says in words and strips: pure functions from a run to values of components."""

from collections.abc import Sequence
from html import escape
from math import log2

from ...generation import Step
from ...library import Library
from ...model_reference import Reference
from ...runs import Run, n_unread, perplexity, surprisal_bits
from ...sampling import Sampling, Scored
from ..common.captions import About, about_run
from ..common.number_format import counted, fine_chance
from ..common.saved_pictures import pictured
from ..common.token_strip import probability_legend, strip_html, strip_token
from .candidate_table import after_settings
from .figures import Line
from .selected_token import SelectedToken

BACK = "Back to the original"
BACK_ONE = "Back to the branch before"
NO_RUN = '<p class="status" data-aloud>No run yet: its tokens appear here as soon as the model writes them.</p>'

Scores = Sequence[Scored | None]  # of every token of a run


def strip(run: Run, scores: Scores, selected: int | None) -> str:
    """Every token coloured by its probability, prompt tokens with their surprisal."""
    tokens = [
        strip_token(
            run.reader,
            token_id,
            _said(scored),
            None if scored is None else scored.probability,
            "prompt" if position < len(run.prompt_ids) else "new",
        )
        for position, (token_id, scored) in enumerate(zip(run.ids, scores, strict=True))
    ]
    about = about_run("Probabilities: tokens", run, selected, "The stronger the blue, the more probable the token was.")
    return pictured(about, strip_html(tokens, selected, n_unread(run)))


def about_candidates(selected: SelectedToken, sampling: Sampling) -> About:
    """What the table of candidates is of."""
    return about_run("Probabilities: candidates", selected.run, selected.position).at(settings=after_settings(sampling))


def summary(run: Run, scores: Scores, library: Library, reference: str) -> str:
    """HTML: what was run, how well its prompt was predicted, and by which model when it is not the chosen one."""
    settings = run.settings
    parts = [f"{counted(len(run.prompt_ids), 'prompt token')}{_predicted(scores[: len(run.prompt_ids)])}"]
    parts.append(f"{counted(len(run.steps), 'new token')}, {_settings(settings.sampling)}, seed {settings.seed}")
    if run.model_name != str(Reference.parse(reference or library.default)):
        parts.append(f"made by {run.model_name}, not by the model that is loaded now")
    said = f'<p class="status" data-aloud>{escape(" · ".join(parts))}</p>'
    return f'<div class="under-strip">{probability_legend()}{said}</div>'


def selected_token(selected: SelectedToken) -> str:
    """HTML: which token is selected, how it was chosen, and how the model judged it."""
    run, position, scored = selected.run, selected.position, selected.scored
    text = escape(run.reader.visible(run.ids[position]))
    place = f"Token {position + 1} of {len(run.ids)}: <code>{text}</code>"
    if scored is None:
        why = "It lies before the context window" if position else "Nothing comes before it"
        return (
            f'<p class="selected-step">{place}. {why}, so the model predicted nothing here: select a later token.</p>'
        )
    judged = (
        f"Rank {scored.rank:,}, probability {fine_chance(scored.probability)}, surprisal "
        f"{surprisal_bits(scored.logprob):.1f} bits; entropy here {scored.entropy_bits:.2f} bits."
    )
    return f'<p class="selected-step">{place}, {_origin(scored, selected.between)}. {judged}</p>'


def branch_label(selected: SelectedToken, chosen: int) -> str:
    """The label of the button that branches."""
    if chosen == selected.token_id:
        return "Choose another row to branch"
    return f"Branch with {selected.run.reader.visible(chosen)}"


def branch_heading(run: Run, scores: Scores, fork: int, name: str) -> str:
    """HTML: the heading of the original or of the branch, with the probability of its token where they part."""
    scored = scores[fork] if fork < len(scores) else None
    if scored is None:
        return f'<p class="branch-heading {name}"><b>{name.capitalize()}</b></p>'
    token = escape(run.reader.visible(run.ids[fork]))
    chance = f"<code>{token}</code> had {fine_chance(scored.probability)}, rank {scored.rank:,}"
    bits = log2(perplexity(scores[fork:]) or 1)
    return (
        f'<p class="branch-heading {name}"><b>{name.capitalize()}</b> {chance}; from there {bits:.1f} bits a token</p>'
    )


def line(run: Run, scores: Scores, name: str, colour: str, start: int = 0) -> Line:
    """A run from `start` on as a line of the figure."""
    shown = scores[start:]
    return Line(
        name,
        colour,
        [run.reader.visible(token_id) for token_id in run.ids[start:]],
        [getattr(scored, "probability", None) for scored in shown],
        [getattr(scored, "rank", None) for scored in shown],
        [getattr(scored, "entropy_bits", None) for scored in shown],
        start,
    )


def _said(scored: Scored | None) -> str:
    if scored is None:
        return "not predicted"
    return f"{fine_chance(scored.probability)}, {surprisal_bits(scored.logprob):.1f} bits, rank {scored.rank:,}"


def _predicted(scores: Scores) -> str:
    value = perplexity(scores)
    return "" if value is None else f" predicted with perplexity {value:,.1f} ({log2(value):.1f} bits a token)"


def _settings(sampling: Sampling) -> str:
    return after_settings(sampling).removeprefix("after ")


def _origin(scored: Scored, between: tuple[float, float] | None) -> str:
    if not isinstance(scored, Step):
        return "given in the prompt"
    if scored.forced:
        return "chosen by you"
    if scored.uniform is None or between is None:
        return "taken greedily, without a draw"
    interval = f"{between[0]:.5f} to {between[1]:.5f}"
    return f"drawn by the uniform number {scored.uniform:.5f}, which lies in its interval {interval}"
