"""What may happen to a model while a text is written with it: new weights, other types, other layers."""

from torch import nn

from gpt.engine.precision import set_precision
from gpt.model import GPTModel, LayerNorm

from .tiny import CONFIG, a_model


def replace_embedding(model: GPTModel) -> None:
    model.tok_emb = nn.Embedding(*model.tok_emb.weight.shape).requires_grad_(False)


def assign_state(model: GPTModel) -> None:
    other = a_model(model.precision, seed=9)
    model.load_state_dict({name: tensor.clone() for name, tensor in other.state_dict().items()}, assign=True)


def copy_state(model: GPTModel) -> None:
    packed = {name for name, _ in model.named_buffers()}
    state = a_model(model.precision, seed=9).state_dict()
    model.load_state_dict({name: tensor for name, tensor in state.items() if name not in packed}, strict=False)


def new_data(model: GPTModel) -> None:
    for parameter in model.parameters():
        parameter.data = parameter.data * 1.5


def pack_anew(model: GPTModel) -> None:
    if model.precision == "float32":
        set_precision(model, "int8")
    else:
        model.out_head = nn.Linear(CONFIG.emb_dim, CONFIG.vocab_size, bias=False).requires_grad_(False)


def write_linear_weights(model: GPTModel) -> None:
    for module in model.modules():
        if isinstance(module, nn.Linear | LayerNorm):
            for parameter in module.parameters():
                parameter.mul_(1.5)


def new_head(model: GPTModel) -> None:
    model.out_head = nn.Linear(CONFIG.emb_dim, CONFIG.vocab_size, bias=False)


# After these the engine reads the model still.
READABLE = {
    "assign": assign_state,
    "data": new_data,
    "embedding": replace_embedding,
    "set_precision": pack_anew,
    "mul_": write_linear_weights,
    "head": new_head,
    "eps": lambda model: setattr(model.final_norm, "eps", 0.5),
}
CHANGES = READABLE | {
    "bfloat16": lambda model: model.bfloat16(),
    "double": lambda model: model.double(),
    "half": lambda model: model.half(),
    "blocks": lambda model: setattr(model, "trf_blocks", nn.ModuleList()),
    "meta": lambda model: model.to("meta"),
}
