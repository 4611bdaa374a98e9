"""The weights everybody runs: GPT-2 124M's shape, random from one seed, saved by this project and converted for peers.

`python tests/bench/convert.py FOLDER NAME` makes FOLDER/NAME, one of `MAKERS`. An earlier commit is laid out here too.
"""

import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
from arena import ROOT
from contestants import EARLIER
from numpy.typing import NDArray

from gpt import GPTConfig, GPTModel, save_model

SEED = 123
# As OpenAI released it: 124 million weights, because the head is the token embedding.
CONFIG = GPTConfig(qkv_bias=True, tied_head=True)

_FLOAT32, _Q8_0 = "f32.gguf", "q8_0.gguf"
# Hugging Face's names, and llama.cpp's, of what a block has as weight and bias.
_IN_BLOCK = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
_OUTSIDE = {
    "wte.weight": "token_embd.weight",
    "wpe.weight": "position_embd.weight",
    "ln_f.weight": "output_norm.weight",
    "ln_f.bias": "output_norm.bias",
}


def make_weights(path: Path) -> None:
    """The folder that this project and transformers open."""
    torch.manual_seed(SEED)
    save_model(GPTModel(CONFIG), path)


def make_gguf(path: Path) -> None:
    """llama.cpp's file, in float32 or with matrices in q8_0, without a vocabulary: only ids go in and out."""
    import gguf  # noqa: PLC0415 - a peer that may be missing

    q8_0 = gguf.GGMLQuantizationType.Q8_0
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_tokenizer_model("no_vocab")
    writer.add_vocab_size(CONFIG.vocab_size)
    writer.add_context_length(CONFIG.context_length)
    writer.add_embedding_length(CONFIG.emb_dim)
    writer.add_feed_forward_length(4 * CONFIG.emb_dim)
    writer.add_block_count(CONFIG.n_layers)
    writer.add_head_count(CONFIG.n_heads)
    writer.add_layer_norm_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0 if path.name == _Q8_0 else gguf.LlamaFileType.ALL_F32)
    for name, array in _llama_tensors(path.parent / "weights"):
        # What llama.cpp's own converter quantizes: every matrix but the positions.
        if path.name == _Q8_0 and array.ndim == 2 and name != _OUTSIDE["wpe.weight"]:
            writer.add_tensor(name, gguf.quants.quantize(array, q8_0), raw_dtype=q8_0)
        else:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _llama_tensors(folder: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    from safetensors.numpy import load_file  # noqa: PLC0415

    stored = load_file(folder / "model.safetensors")
    for name, llama_name in _OUTSIDE.items():
        yield llama_name, stored[f"transformer.{name}"]
    for layer in range(CONFIG.n_layers):
        for name, llama_name in _IN_BLOCK.items():
            for leaf in ("weight", "bias"):
                array = stored[f"transformer.h.{layer}.{name}.{leaf}"]
                # transformers keeps these matrices (in, out), llama.cpp (out, in); .T leaves vectors as they are.
                yield f"blk.{layer}.{llama_name}.{leaf}", np.ascontiguousarray(array.T)


def make_ctranslate2(path: Path) -> None:
    """ctranslate2's folder in float32; it quantizes when it opens it. Every token is called by its id."""
    from ctranslate2.converters.transformers import GPT2Loader  # noqa: PLC0415 - a peer that may be missing
    from transformers import GPT2LMHeadModel  # noqa: PLC0415

    spec = GPT2Loader().get_model_spec(GPT2LMHeadModel.from_pretrained(path.parent / "weights", dtype=torch.float32))
    tokens = [str(token_id) for token_id in range(CONFIG.vocab_size)]
    spec.register_vocabulary(tokens)
    spec.config.bos_token = spec.config.eos_token = spec.config.unk_token = tokens[-1]
    spec.validate()
    spec.optimize()
    path.mkdir()
    spec.save(str(path))


def make_earlier(path: Path) -> None:
    """The code of an earlier commit, with the bundled model of today. Needs the history that git keeps."""
    command = ["git", "archive", EARLIER.split()[-1], "gpt", "assets", "tests/bench"]
    packed = subprocess.run(command, check=False, capture_output=True, cwd=ROOT)
    if packed.returncode:
        raise SystemExit(f"git has no {EARLIER} here: {packed.stderr.decode(errors='replace').strip()}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(path, filter="data")
    model = Path("assets", "storyteller")
    shutil.rmtree(path / model)
    shutil.copytree(ROOT / model, path / model)


MAKERS: dict[str, Callable[[Path], None]] = {
    "weights": make_weights,
    _FLOAT32: make_gguf,
    _Q8_0: make_gguf,
    "ctranslate2": make_ctranslate2,
    "earlier": make_earlier,
}


if __name__ == "__main__":
    MAKERS[sys.argv[2]](Path(sys.argv[1]) / sys.argv[2])
