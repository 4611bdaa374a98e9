"""Models of any small shape, with random weights, and a text for each: what hypothesis draws."""

from hypothesis import strategies as st

from gpt.config import GPTConfig
from gpt.model import GPTModel
from tests.attribution.seeded import seeded_model


@st.composite
def models_and_ids(draw, n_texts: int = 1) -> tuple[GPTModel, list[list[int]]]:
    """A model in float32 and texts of one length that it can read."""
    n_heads = draw(st.integers(1, 4))
    config = GPTConfig(
        vocab_size=draw(st.integers(3, 40)),
        context_length=draw(st.integers(2, 10)),
        emb_dim=n_heads * draw(st.integers(1, 6)),
        n_heads=n_heads,
        n_layers=draw(st.integers(1, 3)),
        drop_rate=0.0,
        qkv_bias=draw(st.booleans()),
        tied_head=draw(st.booleans()),
    )
    t = draw(st.integers(1, config.context_length))
    ids = st.lists(st.integers(0, config.vocab_size - 1), min_size=t, max_size=t)
    return seeded_model(config, draw(st.integers(0, 9))), [draw(ids) for _ in range(n_texts)]
