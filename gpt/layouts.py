"""Three habits of naming the same GPT-2 tensors, and the way from each to the names and shapes of gpt.model.

Hugging Face and nanoGPT share GPT-2's own names and differ in which way round a matrix lies; the book has its own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

# Wrappers people save through: torch.compile, DataParallel, a model that holds the transformer beside its head.
_PREFIXES = ("_orig_mod.", "module.", "transformer.")

_GPT2_MODULES = {
    "tok_emb": "wte",
    "pos_emb": "wpe",
    "norm1": "ln_1",
    "att.W_qkv": "attn.c_attn",
    "att.out_proj": "attn.c_proj",
    "norm2": "ln_2",
    "ff.layers.0": "mlp.c_fc",
    "ff.layers.2": "mlp.c_proj",
    "final_norm": "ln_f",
    "out_head": "lm_head",
}
_GPT2_LEAVES = {"weight": "weight", "bias": "bias", "scale": "weight", "shift": "bias"}

_LINEAR = re.compile(r"\.(W_qkv|out_proj|layers\.[02])\.weight$")
# Whole names: the mask h.0.attn.bias ends like the real h.0.attn.c_attn.bias.
_MASK = re.compile(r"(h\.\d+\.attn\.(bias|masked_bias)|trf_blocks\.\d+\.att\.mask)")


class WeightsError(Exception):
    """A file that cannot become a GPTModel: says what was found, what was expected and what to do."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of a safetensors file, not read yet; shape may leave out rows at the end."""

    file: Path
    full_name: str
    shape: tuple[int, ...]
    dtype: str  # as safetensors calls it: F32, F16, BF16, ...

    def read(self) -> Tensor:
        """The numbers, memory-mapped: pages come in when touched, and are given back together with the tensor."""
        with safe_open(self.file, "pt") as opened:
            return opened.get_tensor(self.full_name)[: self.shape[0]]


@dataclass(frozen=True)
class Source:
    """Where one of the chapter model's parameters comes from; without parts it is zero."""

    shape: torch.Size
    parts: tuple[StoredTensor, ...] = ()
    turned: bool = False  # the file has (in, out)

    def read(self) -> Tensor:
        """The parameter in float32, mapped from the file where it needs no rearranging."""
        if not self.parts:
            return torch.zeros(self.shape)
        parts = [part.read().t() if self.turned else part.read() for part in self.parts]
        whole = parts[0] if len(parts) == 1 else torch.cat(parts)
        # A training run that diverged shows in every vector; looking through the matrices would read the whole file.
        if whole.dim() == 1 and not whole.isfinite().all():
            raise WeightsError(
                f"{self.parts[0].full_name} holds values that are not finite: the training it comes from has diverged."
            )
        return whole.float()


@dataclass(frozen=True)
class Layout:
    """How one file names and lays out its tensors."""

    name: str
    transposed: bool = False  # Hugging Face keeps GPT-2's matrices as (in, out)

    def file_names(self, name: str) -> list[str]:
        """What this layout calls the chapter model's parameter `name`; three names where it splits W_qkv."""
        if self.name == "book":
            parts = ("W_query", "W_key", "W_value") if "W_qkv" in name else ("W_qkv",)
            return [name.replace("W_qkv", part) for part in parts]
        module, leaf = name.rsplit(".", 1)
        block = ""
        if module.startswith("trf_blocks."):
            _, index, module = module.split(".", 2)
            block = f"h.{index}."
        return [f"{block}{_GPT2_MODULES[module]}.{_GPT2_LEAVES[leaf]}"]

    def turned(self, name: str) -> bool:
        """Whether the chapter's parameter `name` lies the other way round in the file."""
        return self.transposed and _LINEAR.search(name) is not None

    def count_blocks(self, tensors: Mapping[str, StoredTensor]) -> int:
        """One more than the highest block index among the tensors."""
        pattern = re.compile(r"trf_blocks\.(\d+)\." if self.name == "book" else r"h\.(\d+)\.")
        return max((int(match[1]) + 1 for match in map(pattern.match, tensors) if match), default=0)

    def shape(self, tensors: Mapping[str, StoredTensor], name: str) -> tuple[int, int]:
        """Rows and columns of the matrix the chapter calls `name`. Raises WeightsError when it is not there."""
        (file_name,) = self.file_names(name)
        found = _find(tensors, file_name)
        if len(found.shape) != 2:
            raise WeightsError(f"{file_name} has shape {found.shape}: an embedding has two dimensions.")
        return found.shape[0], found.shape[1]


HUGGING_FACE = Layout("Hugging Face", transposed=True)


def strip_names(tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """The tensors under their names without wrapper prefixes, masks left out."""
    stripped: dict[str, StoredTensor] = {}
    for full_name, tensor in tensors.items():
        name = full_name
        while name.startswith(_PREFIXES):
            name = name.split(".", 1)[1]
        if name in stripped:
            raise WeightsError(f"Two tensors are called {name}, one of them with a prefix: keep one of them.")
        if not _MASK.fullmatch(name):
            stripped[name] = tensor
    return stripped


def recognise(tensors: Mapping[str, StoredTensor]) -> Layout:
    """Which of the three layouts the stripped tensors have. Raises WeightsError for any other."""
    if "tok_emb.weight" in tensors:
        return Layout("book")
    if "wte.weight" not in tensors:
        first = ", ".join(sorted(tensors)[:3]) or "no tensors at all"
        raise WeightsError(
            f"No token embedding found (wte.weight or tok_emb.weight) but {first}: "
            f"this is not a GPT-2 in the Hugging Face, book or nanoGPT layout."
        )
    # Decided once, from a matrix that is not square: out_proj alone could lie either way.
    d = HUGGING_FACE.shape(tensors, "tok_emb.weight")[1]
    found = _find(tensors, "h.0.attn.c_attn.weight").shape
    if found == (d, 3 * d):
        return HUGGING_FACE
    if found == (3 * d, d):
        return Layout("nanoGPT")
    raise WeightsError(
        f"h.0.attn.c_attn.weight has shape {found}: beside a wte.weight of width {d} it should be "
        f"{(d, 3 * d)} (Hugging Face) or {(3 * d, d)} (nanoGPT)."
    )


def find_sources(
    tensors: Mapping[str, StoredTensor], layout: Layout, shapes: Mapping[str, torch.Size]
) -> dict[str, Source]:
    """Where each of the chapter model's parameters, given with their shapes, lies among the file's tensors.

    Raises WeightsError naming the first tensor that is missing, misshapen, not a floating-point one, or not part
    of the model.
    """
    # nanoGPT's bias=False leaves the biases out of linear layers and norms alike.
    biasless = layout.name == "nanoGPT" and not any(name.endswith(".bias") for name in tensors)
    unused = set(tensors)
    sources = {}
    for name, shape in shapes.items():
        if biasless and len(shape) == 1 and not name.endswith("scale"):
            sources[name] = Source(shape)
            continue
        file_names = layout.file_names(name)
        unused.difference_update(file_names)
        turned = layout.turned(name)
        expected = (shape[0] // len(file_names), *shape[1:])
        expected = expected[::-1] if turned else expected
        sources[name] = Source(shape, tuple(_check(tensors, each, expected) for each in file_names), turned)
    if unused:
        raise WeightsError(
            f"{min(unused)} has no place in a GPT-2 of {layout.count_blocks(tensors)} blocks: "
            f"choose a file with the plain language model."
        )
    return sources


def _check(tensors: Mapping[str, StoredTensor], file_name: str, expected: tuple[int, ...]) -> StoredTensor:
    tensor = _find(tensors, file_name)
    if tensor.shape != expected:
        raise WeightsError(
            f"{file_name} has shape {tensor.shape}, but the file's other tensors make it {expected}: "
            f"it is damaged or not a GPT-2."
        )
    if tensor.dtype not in ("F32", "F16", "BF16"):
        raise WeightsError(
            f"{file_name} holds {tensor.dtype} values: only float32, float16 and bfloat16 weights can be opened."
        )
    return tensor


def _find(tensors: Mapping[str, StoredTensor], file_name: str) -> StoredTensor:
    if file_name not in tensors:
        raise WeightsError(f"The tensor {file_name} is missing: the file is incomplete or not a GPT-2.")
    return tensors[file_name]
