"""The code behind the Train tab: the recording read, or the visitor's training made again, and its numbers."""

from hashlib import sha256
from pathlib import Path
from textwrap import fill

from ...model_reference import file_name
from ...training.inner_look import N_CANDIDATES
from ...training.stories import PATH as STORIES
from ...training.training_history import History
from ...training.training_request import Asked
from ..common.code_pieces import Code, code

_OUT = "trained"  # below it, the pasted code has a folder for each training
_WIDTH = 100


def curves_code(asked: Asked | None, history: History, axis: str) -> Code:
    """The numbers of the curves over `axis`, a field of a record; asked is None for the recorded training."""
    shares = ""
    if any("accepted" in point for point in history.points):
        shares = 'accepted = [point["accepted"] / max(1, point["sentences"]) for point in points]\n'
    return _history(asked) + code(
        f"""
trained = [record for record in history.records if record.get("loss") is not None]
read = [record["{axis}"] for record in trained]
losses = [record["loss"] for record in trained]  # nats per token
rates = [record["rate"] for record in trained]
norms = [record["gradient_norm"] for record in trained]

points = history.points  # where the text kept back was measured
held_out = [(point["{axis}"], point["heldout_loss"]) for point in points]
{shares}print(held_out, losses[-1:])
print(math.log(history.about["config"]["vocab_size"]), history.about["bigram_loss"], history.about["floor"])
""",
        "math",
    )


def step_code(asked: Asked | None, history: History, step: int, head: tuple[int, int], score: str) -> Code:
    """The look inside at a saved step: head is (block, number), score a field of HeadScores."""
    block, number = head
    if asked is None:
        return _history(None) + code(
            f"""
look = history.look({step})
candidates = [(each.token, each.probability) for each in look.candidates]
deviation = look.deviation  # (2 L + 1,) of the last token: embeddings, then every attention and feed-forward
attention = look.maps[{block}][{number}]  # a row for each token of the prompt, up to itself
scores = look.scores{f'["{score}"]' if history.look(step).scores else ""}  # (L, h)
{_PRINTED}
"""
        )
    # The step at which it was left is no step that a training on its own would keep.
    only = step if step == history.passing_step else None
    measured = (
        f"scores = head_scores(model).{score}  # (L, h)"
        if history.look(step).scores
        else "scores = None  # the context is too short for them"
    )
    return _history(asked, only) + code(
        f"""
model = load_model("{_folder(asked, only)}/steps/{step:06d}")
ids = model.tokenizer.encode({history.about["prompt"]!r}, special=True)
ids = ids[-model.config.context_length :]
table = next_token_table(model, ids, n={N_CANDIDATES})
candidates = [(model.tokenizer.decode([row.token_id]), row.probability) for row in table.tokens]
traced = trace(model, ids)
deviation = traced.stream[:, -1].std(-1, correction=0)  # (2 L + 1,) of the last token
attention = traced.blocks[{block}].attention[{number}]  # (t, t)
{measured}
{_PRINTED}
""",
        "load_model",
        "next_token_table",
        "trace",
        *(["head_scores"] if history.look(step).scores else []),
    )


_PRINTED = "print(candidates, deviation, attention[-1], scores)"


def _history(asked: Asked | None, only: int | None = None) -> Code:
    """`history`: the recorded one, or that of the same training made here, of its first steps only where it says so."""
    if asked is None:
        return code(
            "# Made by: python -m gpt.training.record_run FOLDER\nhistory = recorded_history()",
            "gpt.training.training_history.recorded_history",
        )
    words = fill(" ".join(asked.options), _WIDTH, break_long_words=False, break_on_hyphens=False)
    folder = _folder(asked, only)
    named, given = _named("text", asked.text), f'text, "--out", "{folder}"'
    if asked.held_out:
        named, given = f"{named}\n{_named('measured_by', asked.held_out)}", f'{given}, "--held-out", measured_by'
    train = f"command_line.main([{given}, *options])"
    if only is not None:
        train = f'if not Path("{folder}").exists():\n    command_line.main([{given}, "--at-most", "{only}", *options])'
    return code(
        f"{named}\n"
        f'options = """\n{words}\n""".split()\n'
        "# As `python -m gpt.training` with these words does. When it is done, running this again trains nothing.\n"
        f'{train}\nhistory = history_in(Path("{folder}"))',
        "gpt.training.command_line",
        "gpt.training.training_history.history_in",
        "pathlib.Path",
    )


def _folder(asked: Asked, only: int | None) -> str:
    """Named after the text, and another one for other settings: no training goes on with another's checkpoint."""
    text = asked.text.name if isinstance(asked.text, Path) else asked.text
    settings = repr((text, asked.held_out, list(asked.options), only))
    return f"{_OUT}/{asked.name}-{sha256(settings.encode()).hexdigest()[:8]}"


def _named(name: str, text: Path | str) -> str:
    """`name` is the path of the bundled text, or of a file that the visitor has to say."""
    if text == STORIES:
        return f'{name} = "{STORIES.parent.name}/{STORIES.name}"'
    if isinstance(text, str):
        what = "pasted text" if name == "text" else "pasted text to measure by"
        said, path = f"the {what} lies as a file, without blanks at its ends", f"PATH OF THE {what.upper()}"
    else:
        # The path of a file on this machine is not shown to anybody else.
        said, path = "the text lies on your machine", f"PATH OF {file_name(str(text))}"
    return f"# Write here where {said}.\n{name} = {path!r}"
