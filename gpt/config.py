"""The shape of a GPT-2 model: the chapter's configuration dictionary as one checked dataclass.

Axis names used everywhere: b batch, t tokens, d emb_dim, h heads, v vocab_size, L n_layers.
"""

from dataclasses import dataclass, fields

# emb_dim, n_layers, n_heads of the four sizes OpenAI released (chapter 4, exercise 4.2).
_PRESETS = {
    "gpt2-124M": (768, 12, 12),
    "gpt2-355M": (1024, 24, 16),
    "gpt2-774M": (1280, 36, 20),
    "gpt2-1558M": (1600, 48, 25),
}
PRESET_NAMES = tuple(_PRESETS)

# Far above any GPT, far below where byte counts stop being exact in a JSON number.
_LARGEST = 1_000_000


@dataclass(frozen=True)
class GPTConfig:
    """The settings of one GPT model, defaults as in the chapter's GPT_CONFIG_124M.

    Raises ValueError when the sizes cannot make a model.
    """

    vocab_size: int = 50257
    context_length: int = 1024
    emb_dim: int = 768
    n_heads: int = 12
    n_layers: int = 12
    drop_rate: float = 0.1
    qkv_bias: bool = False  # the chapter leaves it out; OpenAI's weights have it
    tied_head: bool = False  # the chapter's head is its own matrix; OpenAI's is the token embedding

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.type is int:
                _check_size(field.name, getattr(self, field.name))
        if self.emb_dim % self.n_heads:
            raise ValueError(
                f"emb_dim is {self.emb_dim} and n_heads is {self.n_heads}: every head needs the same whole "
                f"number of dimensions, so choose an emb_dim that n_heads divides."
            )
        if not 0.0 <= self.drop_rate < 1.0:
            raise ValueError(f"drop_rate is {self.drop_rate}: it is a probability, at least 0 and below 1.")

    @classmethod
    def preset(cls, name: str) -> "GPTConfig":
        """The chapter's settings for one of `PRESET_NAMES`. Raises ValueError for any other name."""
        if name not in _PRESETS:
            raise ValueError(f"There is no preset called {name!r}: choose one of {', '.join(_PRESETS)}.")
        emb_dim, n_layers, n_heads = _PRESETS[name]
        return cls(emb_dim=emb_dim, n_layers=n_layers, n_heads=n_heads)

    @property
    def head_dim(self) -> int:
        """Dimensions of one attention head."""
        return self.emb_dim // self.n_heads


def _check_size(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} is {value!r}: it has to be a whole number.")
    if not 1 <= value <= _LARGEST:
        raise ValueError(f"{name} is {value}: it has to lie between 1 and {_LARGEST:,}.")
