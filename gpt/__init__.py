"""See how GPT-2 works: the chapter's model, its weights, its decoding and its insides, without any page."""

from .attribution.ablation import ablate
from .attribution.head_scores import head_scores
from .attribution.logit_attribution import direct_logit_attribution
from .attribution.patching import activation_patching
from .attribution.token_importance import occlusion
from .config import GPTConfig
from .estimates.budget import count_parameters, estimate_memory
from .files.layouts import WeightsError
from .files.weights import load_model, save_model
from .generation import generate, next_token_table
from .model import GPTModel
from .tokenizer import Tokenizer
from .tracing import trace

__all__ = [
    "GPTConfig",
    "GPTModel",
    "Tokenizer",
    "WeightsError",
    "ablate",
    "activation_patching",
    "count_parameters",
    "direct_logit_attribution",
    "estimate_memory",
    "generate",
    "head_scores",
    "load_model",
    "next_token_table",
    "occlusion",
    "save_model",
    "trace",
]
