"""Code that gives the model and the tokens of a visitor's run, with which the code of every view begins."""

from collections.abc import Sequence
from dataclasses import replace

from ...model_reference import CHAPTER_SEED, STORYTELLER, UNTRAINED, Reference, file_name, is_path
from ...runs import Run, n_unread
from ...tokenizer import Tokenizer
from .code_pieces import Code, code
from .traced_run import Traced


def model_code(reference: str) -> Code:
    """`model`: the bundled one, an untrained one, or a file that the visitor has to name."""
    named = Reference.parse(reference)
    if named.name == UNTRAINED:
        return _untrained(named)
    if named.untrained:
        return _drawn_again(named)
    arguments = [f"precision={named.precision!r}"] if named.precision != "float32" else []
    arguments += [f"activation={named.activation!r}"] if named.activation else []
    arguments += [f"n_heads={named.n_heads}"] if named.n_heads else []
    if named.name == STORYTELLER:
        return code(f"model = load_model({', '.join([repr('assets/storyteller'), *arguments])})", "load_model")
    # The path of a file on this machine is not shown to anybody else.
    path = f"PATH OF {file_name(named.name) if is_path(named.name) else named.name}"
    call = f"load_model({', '.join([repr(path), *arguments])})"
    return code(f"# Write here where the model's folder or file lies on your machine.\nmodel = {call}", "load_model")


def _untrained(named: Reference) -> Code:
    drawn = code(
        f"torch.manual_seed({named.seed})\n"
        'model = GPTModel(GPTConfig.preset("gpt2-124M")).eval().requires_grad_(False)',
        "torch",
        "GPTModel",
        "GPTConfig",
    )
    return drawn + _packed(named)


def _drawn_again(named: Reference) -> Code:
    """A model with another one's settings, and weights as its training could have begun with."""
    trained = replace(named, untrained=False, precision="float32", seed=CHAPTER_SEED)
    drawn = code(
        f"trained = model\ntorch.manual_seed({named.seed})\nmodel = GPTModel(trained.config)\ninit_weights(model)\n"
        "model.eval().requires_grad_(False)",
        "torch",
        "GPTModel",
        "gpt.seeding.init_weights",
    )
    return model_code(str(trained)) + drawn + _packed(named) + code("model.tokenizer = trained.tokenizer")


def _packed(named: Reference) -> Code:
    """Puts an untrained `model` into its precision."""
    if named.precision == "float32":
        return Code()
    return code(
        "# Its numbers are packed as they are read from a file.\n"
        f'save_model(model, "untrained")\nmodel = load_model("untrained", precision={named.precision!r})',
        "save_model",
        "load_model",
    )


def prompt_code(run: Run, most: int | None = None) -> Code:
    """`model`, and `ids` of the prompt alone; of more than `most` tokens the last ones."""
    first = run
    while first.parent is not None:
        first = first.parent
    # The prompt of a branch inside the prompt is cut between tokens: its text may read as other ones.
    ids = _prompt(run) if run.prompt == first.prompt else _listed(run.prompt_ids)
    cut = code(f"ids = ids[-{most}:]") if most is not None and len(run.prompt_ids) > most else Code()
    return model_code(run.model_name) + ids + cut


def tokenizer_code(reference: str) -> Code:
    """`tokenizer` of a model that has one: an untrained one has GPT-2's."""
    if Reference.parse(reference).name == UNTRAINED:
        return code("tokenizer = Tokenizer()", "Tokenizer")
    return code("tokenizer = model.tokenizer")


def ids_code(run: Run, keep_steps: bool = False) -> Code:
    """`model`, and `ids` of the whole run; of its new tokens `steps` too where they are kept."""
    return model_code(run.model_name) + _settings(run) + _ids(run, len(run.ids), keep_steps)


def decoded(run: Run, ids: str) -> str:
    """An expression that shows some ids, itself an expression for a list, as text where the model has a tokenizer."""
    return f"tokenizer.decode({ids})" if isinstance(run.reader, Tokenizer) else ids


def shown_token(run: Run, token_id: str) -> str:
    """An expression that shows one id, itself an expression."""
    return f"repr(tokenizer.decode([{token_id}]))" if isinstance(run.reader, Tokenizer) else token_id


def traced_code(traced: Traced) -> Code:
    """`traced` of the tokens around the selected one, and `token`: its row there."""
    shown = traced.labels[traced.token]
    read = _stretch(traced)
    return ids_code(traced.run) + code(f"traced = trace(model, {read})\ntoken = {read_row(traced)}  # {shown}", "trace")


def traced_read(traced: Traced) -> tuple[Code, Code]:
    """`read`, the ids that the page reads for the tokens around the selected one, and `token`: its row there."""
    shown = traced.labels[traced.token]
    return (
        ids_code(traced.run) + code(f"read = {_stretch(traced)}"),
        code(f"token = {read_row(traced)}  # {shown}"),
    )


def read_row(traced: Traced) -> int:
    """The selected token's row among all tokens that were read."""
    return traced.window.start - traced.window.first_read + traced.token


def rows(traced: Traced) -> str:
    """A slice, in brackets, of the tokens that were read, down to those that the page shows; "" where it shows all."""
    unseen = traced.window.start - traced.window.first_read
    return f"[{unseen}:]" if unseen else ""


def read_before(run: Run, position: int) -> str:
    """An expression for the ids that the model had read when it chose, or predicted, the token at `position`."""
    unread = n_unread(run) if position < len(run.prompt_ids) else 0
    return f"ids[{unread or ''}:{position}]"


def _stretch(traced: Traced) -> str:
    window = traced.window
    whole = window.first_read == 0 and window.stop == len(traced.run.ids)
    return "ids" if whole else f"ids[{window.first_read}:{window.stop}]"


def _settings(run: Run) -> Code:
    sampling = run.settings.sampling
    values = f"temperature={sampling.temperature!r}, top_k={sampling.top_k!r}, top_p={sampling.top_p!r}"
    return code(f"settings = dict({values}, seed={run.settings.seed!r})") if run.steps else Code()


def _ids(run: Run, stop: int, keep_steps: bool) -> Code:
    """`ids` of a run, as far as position `stop` at least."""
    if run.parent is None or run.parted_at is None:
        return _prompt(run) + _grown(stop - len(run.prompt_ids), keep_steps)
    at = run.parted_at
    chosen = code(f"ids = ids[:{at}] + [{run.ids[at]}]  # the branch")
    return _ids(run.parent, at, keep_steps=False) + chosen + _grown(stop - at - 1, keep_steps)


def _prompt(run: Run) -> Code:
    if not isinstance(run.reader, Tokenizer):
        return _listed(run.prompt_ids)
    begin = "[tokenizer.end_of_text] + " if run.begin_with_end_of_text else ""
    return tokenizer_code(run.model_name) + code(f"ids = {begin}tokenizer.encode({run.prompt!r})")


def _listed(ids: Sequence[int]) -> Code:
    return code(f"ids = {list(ids)}")


def _grown(count: int, keep_steps: bool) -> Code:
    if count < 1:
        return code("steps = []") if keep_steps else Code()
    call = f"generate(model, ids, max_new_tokens={count}, **settings)"
    if not keep_steps:
        return code(f"ids += [step.token_id for step in {call}]", "generate")
    return code(f"steps = list({call})\nids += [step.token_id for step in steps]", "generate")
