"""What the map shows of a run: the values that its boxes and lines carry."""

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from ...recording.model_parts import Part, parts
from ...recording.recorder import Recording
from ...recording.tensor_summary import summarize
from ...sampling import Scored, likeliest, score
from ...tokenizer import tokenizer_of
from ..common.number_format import chance, percent, real
from ..common.traced_run import Traced
from .code_lines import shape_text
from .model_picture import Drawn
from .recorded_run import recorded_run
from .words import BOXES, FLOPS, LENGTH, PARAMETERS, SHAPE, Box

_LONGEST_PROMPT = 40  # characters that fit into its box
_LINES = ("embedded", "entering", "between", "leaving", "stacked")


@dataclass(frozen=True, eq=False)
class Look:
    """A stretch of a run with a box, a block and a head of the map chosen, and what its boxes are to carry."""

    traced: Traced
    box: Box
    block: int
    head: int
    carry: str

    @cached_property
    def recording(self) -> Recording:
        """The pass over the stretch, line by line."""
        return recorded_run(self.traced, self.block)

    @property
    def logits(self) -> Tensor:
        """The scores (v,) of the token that follows the selected one."""
        return self.recording.logits[0, self.traced.token]

    @property
    def next_id(self) -> int:
        """The token that follows in the text; behind its end the likeliest."""
        following = self.traced.window.start + self.traced.token + 1
        ids = self.traced.run.ids
        return ids[following] if following < len(ids) else likeliest(self.logits, 1)[0]

    @property
    def is_end(self) -> bool:
        """Whether the text ends with the selected token."""
        return self.traced.window.start + self.traced.token + 1 == len(self.traced.run.ids)

    @property
    def next_score(self) -> Scored:
        """How probable that token is."""
        return score(self.logits, self.next_id)


def map_of(look: Look) -> Drawn:
    """The map as plain data."""
    traced = look.traced
    config = traced.model.config
    scored = look.next_score
    following = "likeliest" if look.is_end else "follows"
    return Drawn(
        title=f"{traced.run.model_name}, token {traced.numbers[traced.token]} of “{_end_of(traced)}”",
        prompt=_end_of(traced),
        next_token=tokenizer_of(traced.model).visible(look.next_id),
        next_said=f"{following}: {chance(scored.probability)}, rank {scored.rank:,}",
        n_layers=config.n_layers,
        n_heads=config.n_heads,
        block=look.block,
        head=look.head,
        selected=look.box.key,
        values=_values(look),
    )


def _values(look: Look) -> dict[str, str]:
    """What boxes and lines carry, by their keys."""
    made = parts(look.traced.model, look.recording, len(look.traced.numbers_read))
    found = {box.key: _carried(look, made[box.part]) for box in BOXES.values() if box.part}
    found |= {name: _carried(look, made[name]) for name in _LINES if look.carry in (SHAPE, LENGTH)}
    n_layers = look.traced.model.config.n_layers
    for key, count in (("earlier", look.block), ("later", n_layers - 1 - look.block)):
        found[key] = _folded(look, made["block"], count)
    scored = look.next_score
    found["softmax"] = shape_text(look.recording.logits.shape) if look.carry == SHAPE else ""
    found["prompt"] = shape_text((1, len(look.recording.ids))) if look.carry == SHAPE else ""
    found["token"] = f"{chance(scored.probability)}, rank {scored.rank:,}"
    return found


def _carried(look: Look, part: Part) -> str:
    if look.carry == SHAPE:
        return shape_text(part.output.shape)
    if look.carry == LENGTH:
        return real(summarize(part.output, look.traced.token, look.head).length)
    if look.carry == PARAMETERS:
        return "" if part.parameters is None else f"{part.parameters:,}" if part.parameters else "tied: 0"
    return "" if part.flops_share is None else percent(part.flops_share)


def _folded(look: Look, block: Part, count: int) -> str:
    """Of blocks that are not opened: the sum over them. All are alike."""
    if look.carry == PARAMETERS:
        return f"{count * (block.parameters or 0):,}"
    if look.carry == FLOPS:
        return percent(count * (block.flops_share or 0.0))
    return ""


def _end_of(traced: Traced) -> str:
    """The text up to the selected token, as much of its end as fits."""
    text = "".join(traced.labels[: traced.token + 1])
    return text if len(text) <= _LONGEST_PROMPT else f"…{text[1 - _LONGEST_PROMPT :]}"
