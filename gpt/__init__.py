"""See how GPT-2 works: the chapter's model, its weights, its decoding and its insides, without any page."""

from .budget import count_parameters, estimate_memory
from .config import GPTConfig
from .generation import generate, next_token_table
from .layouts import WeightsError
from .model import GPTModel
from .tokenizer import Tokenizer
from .tracing import trace
from .weights import load_model, save_model

__all__ = [
    "GPTConfig",
    "GPTModel",
    "Tokenizer",
    "WeightsError",
    "count_parameters",
    "estimate_memory",
    "generate",
    "load_model",
    "next_token_table",
    "save_model",
    "trace",
]
