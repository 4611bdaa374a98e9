"""What a view takes after the trace: `python tests/bench/views.py [tokens]`, GPT-2 124M's shape, random weights.

Prints the median and the best of interleaved runs in milliseconds: Inside, Building blocks, a change in Calculator.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import gradio as gr

from gpt.generation import Run
from gpt.library import UNTRAINED, Library
from gpt.sampling import Sampling
from gpt.ui import blocks, calculator, generate, inside_views
from gpt.ui.attention_maps import maps_value
from gpt.ui.runs import grow, new_run, settings_from
from gpt.ui.shared import Page, plot
from gpt.ui.traces import traced_run

ROUNDS = 5


def main(t: int) -> None:
    """Draw in turn, so that a busy moment of the machine falls on all views."""
    library = Library(UNTRAINED)
    run = new_run(library, "", " word" * t, settings_from(2, Sampling(), 123))
    *_, run = grow(library, run)
    views = inside(library, run) | building_blocks(library, run)
    views["Calculator: one change"] = calculator._first_results
    milliseconds: dict[str, list[float]] = {name: [] for name in views}
    for draw in views.values():
        draw()
    for _ in range(ROUNDS):
        for name, draw in views.items():
            start = perf_counter()
            draw()
            milliseconds[name].append(1000 * (perf_counter() - start))
    for name, taken in milliseconds.items():
        print(f"{name:40} {median(taken):8.0f} {min(taken):8.0f}")


def inside(library: Library, run: Run) -> dict[str, Callable[[], object]]:
    """The views of the Inside tab as it puts them on the page."""
    traced = traced_run(library, run, None)

    def drawn(name: str, halves: bool) -> object:
        look = inside_views.Look(run, traced, 0, 0, halves)
        view = inside_views.VIEWS[name][0](look)
        maps = maps_value(look.all_weights, (0, 0)) if name == "Attention" else None
        return maps, [plot(figure) for figure in (view.figure, view.second) if figure is not None]

    views = {f"Inside: {name}": (lambda name=name: drawn(name, False)) for name in inside_views.VIEWS}
    return views | {"Inside: Logit lens, with halves": lambda: drawn("Logit lens", True)}


def building_blocks(library: Library, run: Run) -> dict[str, Callable[[], object]]:
    """The panels of the Building blocks tab, their controls where a visitor finds them."""
    views: dict[str, Callable[[], object]] = {}
    with gr.Blocks():
        page = Page(library, model=gr.State(""), run=gr.State(run), position=gr.State(len(run.prompt_ids)))
        generating = generate.build(page)
        page = Page(library, page.model, page.run, page.position, generating)
        for panel in blocks.PANELS:
            draw, inputs, _ = panel.build(page, gr.HTML())
            values = [run if field is page.run else field.value for field in inputs]
            views[f"Building blocks: {panel.LABEL}"] = _with(draw, values)
    return views


def _with(draw: Callable[..., object], values: list[Any]) -> Callable[[], object]:
    return lambda: draw(*values)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 128)
