"""Measures what the roofline needs: this machine's two rates, and this app's own for the loaded model."""

from collections.abc import Callable, Sequence
from typing import Any

from ...estimates.own_rate import own_rate
from ...estimates.roofline import machine_rates
from ...estimates.workload import Workload
from ...library import LoadedModel
from ..common.drawing import MODEL_EVENT, Updates, with_note
from ..common.page_context import Page
from .after_chapter import AfterPanel
from .after_chapter_inputs import OwnReading
from .presets import Fields
from .setting_controls import same_model, settings_from


def wire_rates(
    page: Page,
    panel: AfterPanel,
    calculate: Callable[..., Updates],
    inputs: Sequence[Any],
    settings: Fields,
    outputs: Sequence[Any],
) -> None:
    """The button fills the fields with what it measured; then everything is calculated again."""
    if panel.measure is None:
        return
    rates, note = panel.inputs, panel.shown["best_note"]

    def measure(reference: str, *values: Any) -> Updates:
        def measured() -> Updates:
            config, workload = settings_from(*values)
            found = machine_rates(workload.dtype)
            loaded = page.library.get(reference)
            own = _own(loaded, workload) if same_model(config, loaded.model.config) else None
            return {
                rates.bandwidth: round(found.bytes_per_second / 1e9, 1),
                rates.arithmetic: round(found.flops_per_second / 1e9, 1),
                rates.own: own,
            }

        return with_note(note, measured)

    changed = [note, rates.bandwidth, rates.arithmetic, rates.own]
    panel.measure.click(measure, [page.model, *settings.all()], changed, **MODEL_EVENT).then(
        calculate, list(inputs), list(outputs), api_visibility="private"
    )


def _own(loaded: LoadedModel, workload: Workload) -> OwnReading | None:
    """How fast this app reads one text of that length with the loaded model; None in another number format."""
    if workload.dtype != loaded.precision or workload.batch_size > 1:
        return None
    rate = own_rate(loaded.model, workload.seq_len)
    return OwnReading(loaded.name, loaded.reference, loaded.model.config, loaded.precision, rate)
