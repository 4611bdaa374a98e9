"""The weights of the loaded model as this app keeps them: never in one sum with a configuration's textbook bytes."""

from collections.abc import Iterator
from html import escape

from ...engine.precision import PRECISIONS
from ...estimates.formula import Formula
from ...estimates.kept_weights import KeptWeights, kept_weights
from ...library import LoadedModel
from ..common.number_format import size
from ..common.page_html import table


def loaded_weights(loaded: LoadedModel) -> str:
    """A table of its weights in every precision; the one it is loaded in stands first and has its formulas."""
    rows = [_row(name, kept, loaded) for name, kept in _precisions(loaded)]
    return (
        f'<p class="intro"><b>{escape(loaded.name)} as this app keeps it.</b> The table above has the textbook\'s '
        "bytes, the same for every number. A loaded model's matrices are packed in its precision, the rest stays "
        "float32, and the compiled engine has a copy of its own laid out for reading.</p>"
        + table(["Weights", "Own numbers", "Packed beside", "In memory"], rows, "sums")
    )


def textbook_note(reference: str) -> str:
    """What stands there while the settings are not those of the loaded model."""
    return (
        '<p class="hint">Bytes of weights are the textbook\'s here, the same for every number. Loaded model shows '
        f"what this app keeps of {escape(reference)} in memory.</p>"
    )


def _precisions(loaded: LoadedModel) -> Iterator[tuple[str, KeptWeights]]:
    config, compiled = loaded.model.config, loaded.held_bytes > loaded.weight_bytes
    candidates = [kept_weights(config, loaded.precision, compiled, packed_size) for packed_size in (4, 2)]
    yield loaded.precision, next((kept for kept in candidates if kept.held.value == loaded.held_bytes), candidates[0])
    for name in PRECISIONS:
        if name != loaded.precision:
            yield name, kept_weights(config, name, compiled)


def _row(name: str, kept: KeptWeights, loaded: LoadedModel) -> list[str]:
    if name != loaded.precision:
        at_most = " at most, unless all its numbers are bfloat16 ones" if name == "float32" else ""
        return [name + at_most, *(size(each.value) for each in (kept.own, kept.beside, kept.held))]
    beside = loaded.held_bytes - loaded.weight_bytes
    sums = _sum("Own numbers", kept.own, loaded.weight_bytes) + _sum("Packed beside", kept.beside, beside)
    held = f"<b>{size(loaded.held_bytes)}</b>"
    return [f"<b>{name}, as it is loaded</b>{sums}", size(loaded.weight_bytes), size(beside), held]


def _sum(label: str, row: Formula, held: int) -> str:
    """The formula of what is held; a file whose matrices are packed each in its own way has none."""
    formula = f"{escape(row.symbols)} <span>= {escape(row.numbers)}</span> = " if row.value == held else ""
    return f'<div class="sum">{label}: {formula}{held:,} bytes</div>'
