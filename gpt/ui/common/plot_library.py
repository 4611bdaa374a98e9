"""The plot library is fetched while a visitor reads the first text, so that the first figure need not wait for it.

It is larger than all the rest of the page, and Gradio asks for it only with a figure.
"""

import gradio as gr
import plotly.graph_objects as go
from gradio.components.plot import PlotData

from .drawing import KEPT_EVENT, Listener


def fetch_plot_library(after: Listener) -> None:
    """Let the page draw an empty figure that nobody sees, after this event."""
    unseen = gr.Plot(visible="hidden")
    after(lambda: PlotData(type="plotly", plot=go.Figure().to_json()), None, [unseen], **KEPT_EVENT)
