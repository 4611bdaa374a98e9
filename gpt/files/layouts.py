"""Three layouts of the same GPT-2 tensors, and the way from each to the names and shapes of gpt.model.

Hugging Face and nanoGPT share GPT-2's own names; Hugging Face transposes most matrices. The book has its own names.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .stored_tensors import StoredTensor, WeightsError

__all__ = ["HUGGING_FACE", "Layout", "Named", "Source", "StoredTensor", "WeightsError", "find_sources", "recognise"]

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

# Wrappers put their own name before a model's: torch.compile, DataParallel, a class that holds the model, a trainer.
# What follows the first of these roots is the model's own name for a tensor.
_ROOT = re.compile(
    r"(?:.*?\.)??((?:wte|wpe|ln_f|lm_head|tok_emb|pos_emb|final_norm|out_head)\.\w+|(?:h|trf_blocks)\.\d+\..+)"
)
_LINEAR = re.compile(r"\.(W_qkv|out_proj|layers\.[02])\.weight$")
# Whole names: the mask h.0.attn.bias ends like the real h.0.attn.c_attn.bias.
_MASK = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)|trf_blocks\.\d+\.att\.mask")
_CACHE = re.compile(r"trf_blocks\.\d+\.att\.(cache_[kv]|[kv]_cache|cache_(keys|values))")
# Heads beside the language model's own, which it works without.
_SECOND_HEAD = re.compile(r"(?:.*\.)?(multiple_choice_head|v_head\.summary)\.\w.*")
# The book's faster classes call the same things otherwise.
_BOOK_SYNONYMS = (
    (re.compile(r"(trf_blocks\.\d+\.att)\.qkv\."), r"\1.W_qkv."),
    (re.compile(r"(trf_blocks\.\d+\.att)\.proj\."), r"\1.out_proj."),
    (re.compile(r"((?:trf_blocks\.\d+\.norm[12])|final_norm)\.weight$"), r"\1.scale"),
    (re.compile(r"((?:trf_blocks\.\d+\.norm[12])|final_norm)\.bias$"), r"\1.shift"),
)


@dataclass(frozen=True)
class Named:
    """A file's tensors under the names of their layout, without wrappers' prefixes and without what is no weight."""

    tensors: Mapping[str, StoredTensor]
    has_masks: bool = False
    second_heads: tuple[str, ...] = ()  # what was left out, by name

    @classmethod
    def of(cls, stored: Mapping[str, StoredTensor]) -> "Named":
        """Raises WeightsError when two tensors have one name."""
        tensors: dict[str, StoredTensor] = {}
        has_masks, second_heads = False, set()
        for full_name, tensor in stored.items():
            match = _ROOT.fullmatch(full_name)
            name = match[1] if match else full_name
            for other, ours in _BOOK_SYNONYMS:
                name = other.sub(ours, name)
            if second := _SECOND_HEAD.fullmatch(full_name):
                second_heads.add(second[1])
            elif _MASK.fullmatch(name):
                has_masks = True
            elif name in tensors:
                raise WeightsError(
                    f"Two tensors are called {name} ({tensors[name].full_name} and {full_name}): save one model alone."
                )
            elif not _CACHE.fullmatch(name):
                tensors[name] = tensor
        for embedding, head in (("wte.weight", "lm_head.weight"), ("tok_emb.weight", "out_head.weight")):
            if embedding not in tensors and head in tensors:
                tensors[embedding] = tensors[head]  # of two that share their numbers a file needs only one
        return cls(tensors, has_masks, tuple(sorted(second_heads)))


@dataclass(frozen=True)
class Source:
    """Where one of the chapter model's parameters comes from; without parts it is zero."""

    shape: torch.Size
    parts: tuple[StoredTensor, ...] = ()
    transposed: bool = False  # the file has (in, out)

    def read(self) -> Tensor:
        """The parameter in float32, mapped from the file where it needs no rearranging.

        Raises WeightsError for numbers that are not finite.
        """
        if not self.parts:
            return torch.zeros(self.shape)
        parts = [part.read_float32().t() if self.transposed else part.read_float32() for part in self.parts]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def read_again(self) -> Tensor | None:
        """The parameter from a mapping of its own, once it has been read; None where it needs rearranging."""
        if len(self.parts) != 1 or self.parts[0].dtype != "F32":
            return None
        return self.parts[0].read().t() if self.transposed else self.parts[0].read()


@dataclass(frozen=True)
class Layout:
    """How one file names and lays out its tensors."""

    name: str
    transposed: bool = False  # Hugging Face keeps GPT-2's matrices as (in, out)
    splits_qkv: bool = False  # the book keeps query, key and value apart

    def file_names(self, name: str) -> list[str]:
        """What this layout calls the chapter model's parameter `name`; three names where it splits W_qkv."""
        if self.name == "book":
            parts = ("W_query", "W_key", "W_value") if "W_qkv" in name and self.splits_qkv else ("W_qkv",)
            return [name.replace("W_qkv", part) for part in parts]
        module, leaf = name.rsplit(".", 1)
        block = ""
        if module.startswith("trf_blocks."):
            _, index, module = module.split(".", 2)
            block = f"h.{index}."
        return [f"{block}{_GPT2_MODULES[module]}.{_GPT2_LEAVES[leaf]}"]

    def is_transposed(self, name: str) -> bool:
        """Whether the chapter's parameter `name` is transposed in the file."""
        return self.transposed and _LINEAR.search(name) is not None

    def count_blocks(self, tensors: Mapping[str, StoredTensor]) -> int:
        """One more than the highest block index among the tensors."""
        pattern = re.compile(r"trf_blocks\.(\d+)\." if self.name == "book" else r"h\.(\d+)\.")
        return max((int(match[1]) + 1 for match in map(pattern.match, tensors) if match), default=0)

    def shape(self, tensors: Mapping[str, StoredTensor], name: str) -> tuple[int, int]:
        """Rows and columns in the file of the matrix the chapter calls `name`. Raises WeightsError for none."""
        (file_name,) = self.file_names(name)
        found = _find(tensors, file_name)
        if len(found.shape) != 2:
            raise WeightsError(f"{file_name} has shape {found.shape}: a matrix has two dimensions.")
        return found.shape[0], found.shape[1]


HUGGING_FACE = Layout("Hugging Face", transposed=True)


def recognise(tensors: Mapping[str, StoredTensor]) -> Layout:
    """Which of the three layouts the named tensors have. Raises WeightsError for any other."""
    if "tok_emb.weight" in tensors:
        return Layout("book", splits_qkv="trf_blocks.0.att.W_qkv.weight" not in tensors)
    if "wte.weight" not in tensors:
        first = ", ".join(sorted(tensors)[:3]) or "no tensors at all"
        raise WeightsError(
            f"No token embedding found (wte.weight or tok_emb.weight) but {first}: "
            f"this is not a GPT-2 in the Hugging Face, book or nanoGPT layout."
        )
    # Decided once, from a matrix that is not square: the square out_proj alone would not tell.
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
        transposed = layout.is_transposed(name)
        expected = (shape[0] // len(file_names), *shape[1:])
        expected = expected[::-1] if transposed else expected
        sources[name] = Source(shape, tuple(_check(tensors, each, expected) for each in file_names), transposed)
    if unused:
        raise WeightsError(
            f"{min(unused)} has no place in a GPT-2 with n_layers {layout.count_blocks(tensors)}: "
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
    tensor.check_dtype()
    return tensor


def _find(tensors: Mapping[str, StoredTensor], file_name: str) -> StoredTensor:
    if file_name not in tensors:
        raise WeightsError(f"The tensor {file_name} is missing: the file is incomplete or not a GPT-2.")
    return tensors[file_name]
