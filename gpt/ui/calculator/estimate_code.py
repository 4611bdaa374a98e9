"""The code behind the Calculator: a configuration's parameters, memory and operations."""

from dataclasses import fields

from ...config import PRESET_NAMES, GPTConfig
from ...estimates.workload import Workload
from ..common.code import Code, code


def parameters_code(config: GPTConfig) -> Code:
    """`parameters`: the total and the parts."""
    return _config(config) + code(
        "parameters = count_parameters(config)\n"
        'print(f"{parameters.total:,}")\n'
        "for name, count in parameters.by_component.items():\n"
        '    print(name, f"{count:,}")',
        "count_parameters",
    )


def memory_code(config: GPTConfig, workload: Workload) -> Code:
    """`memory`: the bytes of each part, their sum, and the most at one time."""
    own = "".join(f", {each}" for each in _differing(workload))
    return _config(config) + code(
        f"memory = estimate_memory(config{own})\n"
        'for name in ("weights", "gradients", "optimizer", "activations", "kv_cache", "logits", "total", "peak"):\n'
        '    print(name, f"{getattr(memory, name):,} bytes")',
        "estimate_memory",
    )


def operations_code(config: GPTConfig, workload: Workload) -> Code:
    """`operations` of a forward pass by part, and `forward`, their sum."""
    return _config(config) + code(
        f"b, s = {workload.batch_size}, {workload.seq_len}  # texts, and tokens in each\n"
        "V, L, d, f = config.vocab_size, config.n_layers, config.emb_dim, config.inner_width\n"
        "operations = {  # a product and a sum for every weight and token, or pair of tokens\n"
        '    "attention": 2 * b * s * L * 4 * d**2,\n'
        '    "attention_scores": 4 * b * s**2 * L * d,\n'
        '    "feed_forward": 2 * b * s * L * 2 * d * f,\n'
        '    "output_head": 2 * b * s * V * d,\n'
        "}\n"
        "forward = sum(operations.values())\n"
        'print(operations, f"{forward:,}")'
    )


def _config(config: GPTConfig) -> Code:
    for name in PRESET_NAMES:
        if config == GPTConfig.preset(name):
            return code(f"config = GPTConfig.preset({name!r})", "GPTConfig")
    return code(f"config = GPTConfig({', '.join(_differing(config))})", "GPTConfig")


def _differing(settings: GPTConfig | Workload) -> list[str]:
    """The fields that are not at their defaults, as arguments."""
    pairs = [(field, getattr(settings, field.name)) for field in fields(settings)]
    return [f"{field.name}={value!r}" for field, value in pairs if value != field.default]
