"""The line of the header that says what is loaded, and where that model computes something else than the chapter's."""

from html import escape

from ..config import GPTConfig
from ..engine.compiled import is_being_built, why_not_compiled
from ..library import LoadedModel
from ..model_reference import Reference, in_an_address
from .common.number_format import counted, decimal, exact_size, size

_WITHOUT_ENGINE = "computed by torch alone: slower, and the same seed may write another text than elsewhere"
_UNTIL_ENGINE = (
    "its engine is being compiled: until it is ready torch computes what is asked for, which is slower, "
    "and the same seed may write another text than afterwards"
)
_IDS = "ids separated by spaces"
_ACTIVATIONS = {"gelu": "the exact GELU, not its tanh form", "relu": "ReLU, not GELU"}


def loaded_text(loaded: LoadedModel) -> str:
    """HTML that says what is loaded: name, parameters, trained or not, precision, bytes, differences, assumptions."""
    config = loaded.model.config
    tied = (
        "head tied to the embedding"
        if config.tied_head
        else f"{loaded.parameters - config.emb_dim * config.vocab_size:,} if the head were tied"
    )
    parts = [
        f"<b>{escape(Reference.parse(loaded.reference).name)}</b>",
        f"{loaded.parameters:,} parameters ({tied})",
        "trained" if loaded.trained else f"<mark>untrained</mark>, seed {Reference.parse(loaded.reference).seed}",
        loaded.precision,
        f"weights {exact_size(loaded.weight_bytes)}",
        *_beside_the_weights(loaded),
        *map(escape, [*_about_the_vocabulary(loaded), *_about_the_settings(loaded), *loaded.model.notes]),
    ]
    return line(" · ".join(parts), safe=True, model=in_an_address(loaded.reference))


def line(text: str, safe: bool = False, model: str = "") -> str:
    """HTML of one line about the model; text is plain unless it is safe. The address takes `model` from it."""
    named = f' data-model="{escape(model)}"' if model else ""
    told = " data-aloud" if model else ""  # not what is said of a load under way
    return f'<p class="loaded"{named}{told}>{text if safe else escape(text)}</p>'


def differences(config: GPTConfig) -> list[str]:
    """What a model computes otherwise than the chapter's, in words."""
    told = [_ACTIVATIONS[config.activation]] if config.activation in _ACTIVATIONS else []
    if config.inner_width != 4 * config.emb_dim:
        told.append(f"{config.inner_width:,} inner neurons, not 4 × {config.emb_dim:,}")
    if config.norm_eps != GPTConfig.norm_eps:
        told.append(f"eps {decimal(config.norm_eps)} in its norms, not {decimal(GPTConfig.norm_eps)}")
    if not config.scale_by_head_dim:
        told.append("attention scores not divided by the root of the head's width")
    if config.scale_by_layer:
        told.append("attention scores divided by the block's number")
    return told


def _about_the_vocabulary(loaded: LoadedModel) -> list[str]:
    tokenizer, rows = loaded.model.tokenizer, loaded.model.config.vocab_size
    if tokenizer is None:
        is_said = any(_IDS in note for note in loaded.model.notes)
        return [] if is_said else [f"no vocabulary: a prompt is {_IDS}, from 0 to {rows - 1:,}"]
    name = tokenizer.vocabulary.name
    return [] if name == "GPT-2's" else [f"vocabulary: {name}"]


def _about_the_settings(loaded: LoadedModel) -> list[str]:
    reference, found = Reference.parse(loaded.reference), differences(loaded.model.config)
    told = [f"unlike the chapter's model: {'; '.join(found)}"] if found else []
    chosen = ["its activation"] if reference.activation else []
    chosen += [f"its {counted(reference.n_heads, 'head')}"] if reference.n_heads else []
    return [*told, *([f"you chose {' and '.join(chosen)}"] if chosen else [])]


def _beside_the_weights(loaded: LoadedModel) -> list[str]:
    """What else is in memory, and what it means that there is no compiled engine."""
    packed = loaded.held_bytes - loaded.weight_bytes
    said = [f"+ {size(packed)} packed for speed"] if packed else []
    if is_being_built():
        said.append(_UNTIL_ENGINE)
    problem = why_not_compiled()
    if problem:
        said.append(f'<span title="{escape(problem)}">{_WITHOUT_ENGINE}</span>')
    return said
