"""What a view takes after the trace: `python tests/bench/views.py [tokens]`, GPT-2 124M's shape, random weights.

Prints the median and the best of interleaved runs in milliseconds: Inside, Building blocks, a change in Calculator.
`python tests/bench/views.py attribution [tokens] [model]` prints those of the figures that tell why a token is likely.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import gradio as gr
import torch

from gpt import (
    ablate,
    activation_patching,
    direct_logit_attribution,
    head_scores,
    next_token_table,
    occlusion,
    trace,
)
from gpt.attribution.head_effects import head_effects
from gpt.attribution.patching import estimated_patching, prompt_pair
from gpt.attribution.token_importance import gradient_times_input
from gpt.estimates.workload import Workload
from gpt.generation import Settings
from gpt.library import Library
from gpt.model_reference import UNTRAINED
from gpt.runs import Run, grow, new_run
from gpt.sampling import Sampling
from gpt.ui.building_blocks import tab
from gpt.ui.calculator.calculated_results import PRESETS, calculated
from gpt.ui.common.attention_maps import maps_value
from gpt.ui.common.components import plot
from gpt.ui.common.traced_run import traced_run
from gpt.ui.generate import tab as generate
from gpt.ui.inside import views as inside_views
from tests.ui.bare_page import bare_page

ROUNDS = 5


def main(t: int) -> None:
    """The views that draw a run."""
    library = Library(UNTRAINED)
    loaded = library.get()
    run = new_run(loaded.model, loaded.reference, " word" * t, Settings(2, Sampling(), 123))
    *_, run = grow(loaded.model, run)
    views = inside(library, run) | building_blocks(library, run)
    views["Calculator: one change"] = lambda: calculated(PRESETS["gpt2-124M"], Workload(), "seq_len", 100)
    measure(views)


def why(t: int, name: str) -> None:
    """The figures of attribution, for a text of t tokens."""
    model = Library(name).get().model
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 5000, (t,), generator=generator).tolist()
    others = [*ids[: t // 2], ids[t // 2] + 1, *ids[t // 2 + 1 :]]
    first, second = (row.token_id for row in next_token_table(model, ids, n=2).tokens)
    measure(
        {
            "Account of one logit": lambda: direct_logit_attribution(model, ids, first, second),
            "One head off, candidates before and after": lambda: [
                next_token_table(each, ids) for each in (model, ablate(model, heads=[(0, 0)]))
            ],
            "All heads: the first block's row": lambda: next(head_effects(model, ids, first)),
            "All heads": lambda: list(head_effects(model, ids, first)),
            "Head scores": lambda: head_scores(model),
            "Replaced tokens": lambda: occlusion(model, ids, first),
            "Gradient x input": lambda: gradient_times_input(model, trace(model, ids), first),
            "Patch grid": lambda: activation_patching(model, ids, others, first, second),
            "Patch grid, estimated": lambda: estimated_patching(prompt_pair(model, ids, others, first, second)),
        }
    )


def measure(views: dict[str, Callable[[], object]]) -> None:
    """Draw in turn, so that a busy moment of the machine falls on all views."""
    milliseconds: dict[str, list[float]] = {name: [] for name in views}
    for draw in views.values():
        draw()
    for _ in range(ROUNDS):
        for name, draw in views.items():
            start = perf_counter()
            draw()
            milliseconds[name].append(1000 * (perf_counter() - start))
    for name, taken in milliseconds.items():
        print(f"{name:45} {median(taken):8.0f} {min(taken):8.0f}")


def inside(library: Library, run: Run) -> dict[str, Callable[[], object]]:
    """The views of the Inside tab as it puts them on the page."""
    traced = traced_run(library, run, None)

    def drawn(name: str, halves: bool) -> object:
        look = inside_views.Look(traced, 0, 0, halves)
        view = inside_views.VIEWS[name].show(look)
        about = inside_views.about(name, look)
        maps = maps_value(look.all_weights, (0, 0), about) if name == "Attention" else None
        return maps, [plot(figure, about) for figure in (view.figure, view.second) if figure is not None]

    views = {f"Inside: {name}": (lambda name=name: drawn(name, False)) for name in inside_views.VIEWS}
    return views | {"Inside: Logit lens, with halves": lambda: drawn("Logit lens", True)}


def building_blocks(library: Library, run: Run) -> dict[str, Callable[[], object]]:
    """The panels of the Building blocks tab, their controls where a visitor finds them."""
    views: dict[str, Callable[[], object]] = {}
    with gr.Blocks():
        page = replace(bare_page(library), run=gr.State(run), position=gr.State(len(run.prompt_ids)))
        generating, _ = generate.build(page)
        page = replace(page, generating=generating, openings=[], places={})
        for panel in tab.PANELS:
            drawing = panel.build(page, gr.HTML())
            values = [run if field is page.run else field.value for field in drawing.inputs]
            views[f"Building blocks: {panel.LABEL}"] = _with(drawing.fn, values)
    return views


def _with(draw: Callable[..., object], values: list[Any]) -> Callable[[], object]:
    return lambda: draw(*values)


if __name__ == "__main__":
    if sys.argv[1:2] == ["attribution"]:
        why(int((sys.argv[2:] or ["21"])[0]), (sys.argv[3:] or [UNTRAINED])[0])
    else:
        main(int((sys.argv[1:] or ["128"])[0]))
