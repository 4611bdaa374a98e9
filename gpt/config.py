"""The shape of a GPT-2 model: the chapter's configuration dictionary as one checked dataclass.

Axis names used everywhere: b batch, t tokens, d emb_dim, h heads, v vocab_size, L n_layers.
"""

from dataclasses import dataclass, fields
from math import isfinite
from typing import NamedTuple, TypeGuard

# emb_dim, n_layers, n_heads of the four sizes OpenAI released (chapter 4, exercise 4.2).
_PRESETS = {
    "gpt2-124M": (768, 12, 12),
    "gpt2-355M": (1024, 24, 16),
    "gpt2-774M": (1280, 36, 20),
    "gpt2-1558M": (1600, 48, 25),
}
PRESET_NAMES = tuple(_PRESETS)

ACTIVATIONS = ("gelu_tanh", "gelu", "relu")
_DROP_RATES = ("drop_rate", "drop_rate_emb", "drop_rate_attn", "drop_rate_shortcut")

# Far above any GPT, far below where byte counts stop being exact in a JSON number.
LARGEST_COUNT = 1_000_000


class DropRates(NamedTuple):
    """The dropout rate of each place that has one (exercise 4.3)."""

    emb: float  # after the embeddings
    attn: float  # on the attention weights
    shortcut: float  # before each shortcut is added


@dataclass(frozen=True)
class GPTConfig:
    """The settings of one GPT model, defaults as in the chapter's GPT_CONFIG_124M.

    The fields from inner_dim on are for files whose models compute something else than the chapter's.

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
    inner_dim: int | None = None  # width of the feed-forward's hidden layer; None is 4 * emb_dim
    activation: str = "gelu_tanh"  # or "gelu", the exact form, or "relu"
    norm_eps: float = 1e-5  # what every LayerNorm adds to the variance
    scale_by_head_dim: bool = True  # divide attention scores by the square root of head_dim
    scale_by_layer: bool = False  # divide attention scores by the number of the block, counted from 1
    drop_rate_emb: float | None = None  # None is drop_rate
    drop_rate_attn: float | None = None
    drop_rate_shortcut: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is int or (field.name == "inner_dim" and value is not None):
                check_count(field.name, value)
            elif field.type is bool and not isinstance(value, bool):
                raise ValueError(f"{field.name} is {value!r}: it has to be True or False.")
            elif field.name in _DROP_RATES:
                _check_rate(field.name, value)
        if self.emb_dim % self.n_heads:
            raise ValueError(
                f"emb_dim is {self.emb_dim} and n_heads is {self.n_heads}: every head needs the same whole "
                f"number of dimensions, so choose an emb_dim that n_heads divides."
            )
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation is {self.activation!r}: choose one of {', '.join(ACTIVATIONS)}.")
        if not _is_number(self.norm_eps) or not (isfinite(self.norm_eps) and self.norm_eps > 0):
            raise ValueError(f"norm_eps is {self.norm_eps!r}: it has to be a number above 0, such as 1e-5.")

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

    @property
    def inner_width(self) -> int:
        """Neurons of the feed-forward's hidden layer: inner_dim, or four times emb_dim."""
        return 4 * self.emb_dim if self.inner_dim is None else self.inner_dim

    @property
    def drop_rates(self) -> DropRates:
        """The three dropout rates, those that are None filled in with drop_rate."""
        own = (self.drop_rate_emb, self.drop_rate_attn, self.drop_rate_shortcut)
        return DropRates(*(self.drop_rate if rate is None else rate for rate in own))


def check_count(name: str, value: object, least: int = 1) -> None:
    """Raise ValueError unless value is a whole number from `least` to LARGEST_COUNT."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} is {value!r}: it has to be a whole number.")
    if not least <= value <= LARGEST_COUNT:
        raise ValueError(f"{name} is {value:,}: it has to lie between {least} and {LARGEST_COUNT:,}.")


def _check_rate(name: str, value: object) -> None:
    if value is None and name != "drop_rate":
        return
    if not _is_number(value) or not 0.0 <= value < 1.0:
        said = f"{value:g}" if _is_number(value) else repr(value)
        raise ValueError(f"{name} is {said}: it is a probability, at least 0 and below 1.")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
