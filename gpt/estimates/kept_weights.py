"""Bytes of the weights of a loaded model as this app keeps them: its own numbers, and a copy laid out for the engine.

A configuration that need not exist has the textbook's bytes instead: budget.py.
"""

from dataclasses import dataclass

from ..config import GPTConfig
from ..engine.panel_layout import in_panels
from .formula import Formula, Term, constant, symbol, total
from .workload import DTYPES, ModelSymbols, model_symbols

_OWN = "gpt/engine/precision.py: Linear layers in whole panels of 32 outputs, all other numbers float32"
_OWN_FLOAT32 = "gpt/model.py: every number in float32, a tied head once"
_BESIDE = "gpt/engine/packed_model.py: what the engine reads, in whole panels of 32 outputs"


@dataclass(frozen=True)
class KeptWeights:
    """Bytes: the model's own numbers, what is packed beside them for reading, and both."""

    own: Formula
    beside: Formula
    held: Formula


def kept_weights(config: GPTConfig, precision: str, compiled: bool = True, packed_size: int = 4) -> KeptWeights:
    """The weights of a model of this configuration, loaded in a precision.

    compiled: whether there is an engine that they are packed for. packed_size: bytes of a packed number of a float32
    matrix, an embedding's too, 2 where all its numbers are bfloat16 ones.
    """
    m = model_symbols(config)
    is_packed = precision != "float32"
    own = _own_packed(config, m, precision) if is_packed else _parameters(config, m) * 4
    beside = constant(0)
    if compiled:
        rows, embeddings = _rows(config, m, precision), _packed_embeddings(config, m, is_packed)
        layers = constant(0) if is_packed else _panels(m, precision)
        beside = total(embeddings, layers) * packed_size + rows
    return KeptWeights(
        own=own.formula("own", "bytes", _OWN if is_packed else _OWN_FLOAT32),
        beside=beside.formula("beside", "bytes", _BESIDE if compiled else "without the compiled engine, nothing"),
        held=(symbol("own", own.value) + symbol("beside", beside.value)).formula("held", "bytes", "both"),
    )


def _parameters(config: GPTConfig, m: ModelSymbols) -> Term:
    matrices = m.L * (4 * m.d**2 + 2 * m.d * m.f)
    head = constant(0) if config.tied_head else m.V * m.d
    return total(_embeddings(m), matrices, head, _biases(config, m), _norms(m))


def _own_packed(config: GPTConfig, m: ModelSymbols, precision: str) -> Term:
    """A tied head is packed as a matrix of its own. int8 weights have a float32 scale for each output."""
    scales = m.L * (5 * m.d + m.f) + m.V if precision == "int8" else constant(0)
    floats = total(_embeddings(m), _norms(m), _biases(config, m), scales)
    return _panels(m, precision) * DTYPES[precision] + floats * 4


def _embeddings(m: ModelSymbols) -> Term:
    return m.V * m.d + m.T * m.d


def _packed_embeddings(config: GPTConfig, m: ModelSymbols, is_packed: bool) -> Term:
    """The embeddings as the engine reads them, in panels of 32 rows; a tied head in float32 is the same panels."""
    V_out, T_out = symbol("⌈V⌉", in_panels(m.V.value)), symbol("⌈T⌉", in_panels(m.T.value))
    tokens = constant(0) if config.tied_head and not is_packed else V_out * m.d
    return tokens + T_out * m.d


def _norms(m: ModelSymbols) -> Term:
    return (4 * m.L + constant(2)) * m.d


def _biases(config: GPTConfig, m: ModelSymbols) -> Term:
    return m.L * ((5 if config.qkv_bias else 2) * m.d + m.f)


def _panels(m: ModelSymbols, precision: str) -> Term:
    """Numbers of all Linear layers; int8 ones lie in pairs of inputs."""
    d_out, qkv_out, f_out, V_out = _outputs(m)
    d_in, f_in = (_in_pairs(m.d), _in_pairs(m.f)) if precision == "int8" else (m.d, m.f)
    return m.L * ((qkv_out + d_out + f_out) * d_in + d_out * f_in) + V_out * d_in


def _rows(config: GPTConfig, m: ModelSymbols, precision: str) -> Term:
    """Norms, biases and scales as the engine reads them: float32, in whole panels."""
    d_out, qkv_out, f_out, V_out = _outputs(m)
    biases = 2 * d_out + f_out + qkv_out if config.qkv_bias else 2 * d_out + f_out
    scales = m.L * (qkv_out + 2 * d_out + f_out) + V_out if precision == "int8" else constant(0)
    return total((4 * m.L + constant(2)) * d_out, m.L * biases, scales) * 4


def _outputs(m: ModelSymbols) -> tuple[Term, Term, Term, Term]:
    """d, 3 d, f and V rounded up to whole panels."""
    return (
        symbol("⌈d⌉", in_panels(m.d.value)),
        symbol("⌈3 d⌉", in_panels(3 * m.d.value)),
        symbol("⌈f⌉", in_panels(m.f.value)),
        symbol("⌈V⌉", in_panels(m.V.value)),
    )


def _in_pairs(term: Term) -> Term:
    return symbol(f"2 ⌈{term.symbols}/2⌉", term.value + term.value % 2)
