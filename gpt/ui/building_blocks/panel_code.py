"""The code behind the Building blocks panels, in the chapter's own terms."""

from collections.abc import Mapping, Sequence

from ...runs import Run
from ...tracing import WINDOW
from ..common.code_pieces import Code, code
from ..common.run_code import ids_code, model_code, prompt_code, traced_code
from ..common.traced_run import Traced

_PLACEHOLDER = """
def next_token_logits(parts):
    normalize = lambda norm, x: norm(x) if "LayerNorm" in parts else x
    join = lambda x, change: x + change if "shortcuts" in parts else change
    x = model.tok_emb(torch.tensor([ids])) + model.pos_emb(torch.arange(len(ids)))
    for block in model.trf_blocks:
        if "attention" in parts:
            x = join(x, block.att(normalize(block.norm1, x)))
        if "feed-forward" in parts:
            x = join(x, block.ff(normalize(block.norm2, x)))
    return model.out_head(normalize(model.final_norm, x)[0, -1]).double()


chapter = ["LayerNorm", "feed-forward", "shortcuts", "attention"]
whole, agreements, likeliest = next_token_logits(chapter).softmax(-1), [], []
for parts in [*(chapter[:count] for count in range(5)), {chosen}]:
    logits = next_token_logits(parts)
    probabilities = logits.softmax(-1)
    agreements.append(torch.minimum(probabilities, whole).sum())
    likeliest.append(logits.topk(3).indices)
    print(parts, likeliest[-1], probabilities[likeliest[-1]], agreements[-1])
"""

_GELU = """
x = torch.linspace(-{reach:g}, {reach:g}, 401, dtype=torch.float64, requires_grad=True)
curves, derivatives = {{}}, {{}}
for name, function in {{
    "relu": torch.nn.functional.relu,
    "gelu_exact": torch.nn.functional.gelu,
    "gelu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
}}.items():
    curves[name] = function(x)
    derivatives[name] = torch.autograd.grad(curves[name].sum(), x)[0]
entering = traced.blocks[{block}].norm2.after{shown}
preactivations = model.trf_blocks[{block}].ff.layers[0](entering)  # what this block feeds into its GELU
print(curves, derivatives, preactivations.aminmax(), (preactivations > 0).float().mean())
"""

_FEED_FORWARD = """
expand, gelu, contract = model.trf_blocks[{block}].ff.layers
entering = traced.blocks[{block}].norm2.after[token]  # (d,)
preactivations = expand(entering)  # (4 d,) in the chapter
activations = gelu(preactivations)
leaving = contract(activations)  # (d,)
strongest = activations.topk(8)
print(strongest, (preactivations > 0).sum(), leaving)
"""

_CHAPTERS_GRADIENTS = """
def chapters_gradients(shortcuts):
    torch.manual_seed(123)
    sizes = [3, 3, 3, 3, 3, 1]
    layers = [torch.nn.Sequential(torch.nn.Linear(*pair), torch.nn.GELU("tanh")) for pair in zip(sizes, sizes[1:])]
    x = torch.tensor([[1.0, 0.0, -1.0]])
    for layer in layers:
        out = layer(x)
        x = x + out if shortcuts and x.shape == out.shape else out
    torch.nn.functional.mse_loss(x, torch.tensor([[0.0]])).backward()
    return [float(layer[0].weight.grad.abs().mean()) for layer in layers]


chapters = [chapters_gradients(shortcuts) for shortcuts in (True, False)]
models = [gradients.norms for gradients in block_gradients(model, ids)]  # with shortcuts, and without
print(chapters, models)
"""

_SHAPES = """
shapes = {}
for name, module in model.named_modules():
    module.register_forward_hook(lambda _, inputs, output, name=name: shapes.update({name or "logits": output.shape}))
with torch.no_grad():
    model(batch)
for name, shape in shapes.items():
    print(name, tuple(shape))
"""

_TURNS = """
for turn in range({turns}):
    logits = model(torch.tensor([ids[-model.config.context_length :]]))[0, -1]  # the last row counts
    top = logits.softmax(-1).topk(5)
    print(turn + 1, top, logits[top.indices])
    ids.append(int(logits.argmax()))
"""

_DROPOUT = """
rates = {rates}
twin = copy.deepcopy(model).train()
for name, module in twin.named_modules():
    if isinstance(module, torch.nn.Dropout):
        module.p = rates[name.rpartition(".")[2]]
passes = [model(torch.tensor([ids]))[0, -1].softmax(-1).topk(3)]  # the first without dropout
for seed in {seeds}:
    torch.manual_seed(seed)
    with watched():  # attention in the chapter's own lines
        passes.append(twin(torch.tensor([ids]))[0, -1].softmax(-1).topk(3))
print(passes)
"""

_PRINTED = """
config = GPTConfig.preset("gpt2-124M")
batch = torch.tensor({batch})
torch.manual_seed(123)
tok_emb = torch.nn.Embedding(config.vocab_size, config.emb_dim)
pos_emb = torch.nn.Embedding(config.context_length, config.emb_dim)
out_head = torch.nn.Linear(config.emb_dim, config.vocab_size, bias=False)
with torch.no_grad():  # in training mode, with dropout, as the chapter prints it
    placeholder = out_head(torch.nn.Dropout(config.drop_rate)(tok_emb(batch) + pos_emb(torch.arange(batch.shape[1]))))
    torch.manual_seed(123)
    model = GPTModel(config)
    logits = model(batch)
    model.eval()
    ids = {start}
    for _ in range({new}):
        ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
print(placeholder, logits, ids)
"""


def placeholder_code(run: Run, most: int, chosen: Sequence[str]) -> Code:
    """`agreements` and `likeliest` of the chapter's steps, and last of the parts that the visitor chose."""
    return prompt_code(run, most) + code(_PLACEHOLDER.format(chosen=list(chosen)), "torch")


def gelu_code(traced: Traced, block: int, reach: float) -> Code:
    """`curves` and `derivatives`, and the `preactivations` that a block feeds into its GELU."""
    unseen = traced.window.start - traced.window.first_read
    shown = f"[{unseen}:]" if unseen else ""
    return traced_code(traced) + code(_GELU.format(block=block, reach=reach, shown=shown), "torch")


def feed_forward_code(traced: Traced, block: int) -> Code:
    """`preactivations` and `activations` of the selected token's neurons."""
    return traced_code(traced) + code(_FEED_FORWARD.format(block=block))


def shortcuts_code(run: Run, most: int) -> Code:
    """`chapters` and `models`: gradients with and without shortcuts."""
    # A prompt of one token has no next one to predict: the whole text is read instead.
    ids = prompt_code(run, most) if len(run.prompt_ids) > 1 else ids_code(run) + code(f"ids = ids[-{most}:]")
    return ids + code(_CHAPTERS_GRADIENTS, "torch", "gpt.chapter.shortcuts.block_gradients")


def shapes_code(run: Run, is_loaded: bool, batch: str) -> Code:
    """`shapes` of what every module of the run's model, or of the chapter's, makes of a batch, an expression."""
    chapters = code('model = GPTModel(GPTConfig.preset("gpt2-124M")).eval()', "GPTModel", "GPTConfig")
    needs_prompt = "ids" in batch
    model = prompt_code(run, WINDOW) if needs_prompt else model_code(run.model_name)
    if not is_loaded:
        model = model + chapters if needs_prompt else chapters
    return model + code(f"batch = {batch}") + code(_SHAPES, "torch")


def turns_code(run: Run, most: int, turns: int) -> Code:
    """`top` of the last of so many turns of the loop, and `ids` after it."""
    return prompt_code(run, most) + code(_TURNS.format(turns=turns), "torch")


def dropout_code(run: Run, most: int, rates: Mapping[str, float], seeds: Sequence[int]) -> Code:
    """`passes`: the likeliest next tokens without dropout, and with it for each seed."""
    return prompt_code(run, most) + code(
        _DROPOUT.format(rates=dict(rates), seeds=tuple(seeds)), "copy", "torch", "gpt.model.watched"
    )


def printed_code(batch: Sequence[Sequence[int]], start: Sequence[int], new_tokens: int) -> Code:
    """`placeholder` and `logits`, and the `ids` of section 4.7."""
    lines = _PRINTED.format(batch=[list(ids) for ids in batch], start=list(start), new=new_tokens)
    return code(lines, "torch", "GPTConfig", "GPTModel")
