"""One head's attention as a figure: numpy arrays in, a plotly figure out."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from .colours import ACCENT, COLOURS, translucent
from .figure_template import figure, token_axis, token_names
from .number_format import chance

# Opacity is the square root of a share: small weights stay visible, and a cell without colour is a weight of 0.
_SHARE_SCALE = [[share, translucent(ACCENT, share**0.5)] for share in (0, 0.01, 0.04, 0.1, 0.2, 0.4, 0.7, 1)]


def attention_map(labels: Sequence[str], first: int, weights: np.ndarray, row: int) -> go.Figure:
    """One head's weights (t, s): a row per looking token, a column per token looked at, the selected row framed.

    labels name all s tokens, whose first has the number `first` in the text; the rows are the last t of them.
    """
    t, s = weights.shape
    fig = figure("token looked at", "looking token", height=440)
    future = np.triu(np.ones((t, s), bool), 1 + s - t)
    names = token_names(labels, first)
    fig.add_heatmap(
        z=np.where(future, np.nan, weights),
        x=names,
        y=names[s - t :],
        zmin=0,
        zmax=1,
        colorscale=_SHARE_SCALE,
        colorbar={"thickness": 10, "outlinewidth": 0, "tickformat": ".0%"},
        customdata=[[chance(weight, s - t + i + 1) for weight in row] for i, row in enumerate(weights.tolist())],
        hovertemplate="%{y} looks at %{x}: %{customdata}<extra></extra>",
        hoverongaps=False,
    )
    fig.add_hrect(row - 0.5, row + 0.5, line={"color": COLOURS["branch"], "width": 1})
    fig.update_xaxes(token_axis(labels, room=24) | {"tickangle": -60})
    return fig.update_yaxes(token_axis(labels[s - t :], room=26) | {"autorange": "reversed"})
