"""The code behind the Calculator: parameters, memory and operations, what is measured, and what came later."""

from dataclasses import fields

from ...config import PRESET_NAMES, GPTConfig
from ...estimates.cache_variants import cache_variants
from ...estimates.workload import Workload, work_symbols
from ..common.code_pieces import Code, code
from ..common.run_code import model_code
from .after_chapter_inputs import AfterInputs, own_of, rates_of, variants_of

_PARTS = ("weights", "gradients", "optimizer", "activations", "kv_cache", "logits")


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
        f"for name in {(*_PARTS, 'total', 'peak')}:\n"
        '    print(name, f"{getattr(memory, name):,} bytes")',
        "estimate_memory",
    )


def operations_code(config: GPTConfig, workload: Workload) -> Code:
    """`operations` of a forward pass by part, and `forward`, their sum; for training `training`, those of a step."""
    forward = _config(config) + code(
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
    if workload.mode == "inference":
        return forward
    return forward + code(
        "# Backward costs two forwards, and what is computed again.\n"
        f"training = count_flops(config, b, s, {workload.recompute!r}).training\n"
        'print(f"{training:,}")',
        "gpt.estimates.flops.count_flops",
    )


def measuring_code(config: GPTConfig, workload: Workload) -> Code | None:
    """`found`: what a process of its own measures, beside its `estimate`. None for int8, which is not measured."""
    if workload.dtype == "int8":
        return None
    return _config(config) + code(
        f"workload = Workload({', '.join(_differing(workload))})\n"
        "estimate = memory_of(config, workload)\n"
        "*_, found = measure(config, workload)  # builds the model in a process of its own\n"
        f"for name in {(*_PARTS, 'peak')}:\n"
        '    print(name, f"{getattr(estimate, name):,} bytes, measured {getattr(found, name):,}")\n'
        "resident = resident_peak(config, workload).value\n"
        'print("whole process", f"{resident:,} bytes, measured {found.resident_peak:,}")\n'
        'print("forward pass", found.forward_seconds, "s")',
        "gpt.estimates.budget.memory_of",
        "gpt.estimates.measurement.measure",
        "gpt.estimates.resident_memory.resident_peak",
        "gpt.estimates.workload.Workload",
    )


def after_code(config: GPTConfig, workload: Workload, asked: AfterInputs) -> Code | None:
    """`caches` by kind of attention, `seconds` at best, and `own` where it was measured; without what cannot be."""
    parts = [part for part in (_caches(config, workload, asked), _best(config, workload, asked)) if part is not None]
    return sum(parts, _config(config)) if parts else None


def _caches(config: GPTConfig, workload: Workload, asked: AfterInputs) -> Code | None:
    try:
        variants = variants_of(asked)
        cache_variants(config, workload, variants)
    except ValueError:
        return None
    v = variants
    return code(
        f"b, s, A = {workload.batch_size}, {workload.seq_len}, {work_symbols(workload).A.value}"
        "  # texts, tokens in each, bytes of a number\n"
        "L, h, k = config.n_layers, config.n_heads, config.head_dim\n"
        f"g, W, c = {v.n_kv_groups}, {v.window}, {v.latent_dim}"
        "  # heads that share, tokens of a window, numbers of a latent vector\n"
        f"n = sum(block % {v.local + v.full} < {v.local} for block in range(L))  # blocks with a window\n"
        "held = n * min(W, s) + (L - n) * s  # tokens, over all blocks\n"
        "caches = {  # a key and a value for each token\n"
        '    "mha": 2 * b * L * s * h * k * A,\n'
        '    "gqa": 2 * b * L * s * (h // g) * k * A,\n'
        '    "mqa": 2 * b * L * s * k * A,\n'
        '    "swa": 2 * b * held * h * k * A,\n'
        '    "gqa_swa": 2 * b * held * (h // g) * k * A,\n'
        '    "mla": b * L * s * c * A,  # one vector for both\n'
        "}\n"
        "for name, size in caches.items():\n"
        '    print(name, f"{size:,} bytes")'
    )


def _best(config: GPTConfig, workload: Workload, asked: AfterInputs) -> Code | None:
    try:
        rates_of(asked)
    except ValueError:
        return None
    b, s, B, A = (each.value for each in work_symbols(workload))
    own = own_of(config, workload, asked)
    roofline = code(
        "# At best: a token at the end of the text, and the text as a prompt, whose last token alone gets logits.\n"
        f"b, s, B, A = {b}, {s}, {B}, {A}  # texts, tokens in each, bytes of a weight and of another number\n"
        f"bandwidth, arithmetic = 1e9 * {float(asked.bandwidth)!r}, 1e9 * {float(asked.arithmetic)!r}"
        "  # bytes and operations a second\n"
        "V, L, d, f = config.vocab_size, config.n_layers, config.emb_dim, config.inner_width\n"
        "blocks, head = L * (4 * d**2 + 2 * d * f), V * d  # weights of the products\n"
        "bytes_read = (blocks + head) * B + 2 * L * b * s * d * A  # the weights and the cache\n"
        "operations = {\n"
        '    "token": 2 * b * (blocks + head) + 4 * b * L * s * d,\n'
        '    "prompt": 2 * b * s * blocks + 4 * b * s**2 * L * d + 2 * b * head,\n'
        "}\n"
        "seconds = {name: max(bytes_read / bandwidth, each / arithmetic) for name, each in operations.items()}\n"
        "print(seconds)"
    )
    return roofline if own is None else roofline + _own(own.reference)


def _own(reference: str) -> Code:
    reached = code("own = own_rate(model, s)  # what this app takes\nprint(own)", "gpt.estimates.own_rate.own_rate")
    return model_code(reference) + reached


def _config(config: GPTConfig) -> Code:
    for name in PRESET_NAMES:
        if config == GPTConfig.preset(name):
            return code(f"config = GPTConfig.preset({name!r})", "GPTConfig")
    return code(f"config = GPTConfig({', '.join(_differing(config))})", "GPTConfig")


def _differing(settings: GPTConfig | Workload) -> list[str]:
    """The fields that are not at their defaults, as arguments."""
    pairs = [(field, getattr(settings, field.name)) for field in fields(settings)]
    return [f"{field.name}={value!r}" for field, value in pairs if value != field.default]
