"""Bytes of the key-value cache beside other ways to attend: what came after the chapter's multi-head attention.

The sums of the book's own estimators, in the folders 04_gqa, 05_mla and 06_swa of its chapter 4.
"""

from dataclasses import dataclass

from ..config import GPTConfig, check_count
from .budget import check_countable
from .formula import Formula, Term, symbol, total
from .workload import Workload, model_symbols, work_symbols

VARIANT_SYMBOLS = {
    "k": "dimensions of a head, d / h",
    "g": "query heads that share a key and a value",
    "W": "tokens in a window, at most s",
    "n": "blocks with a window",
    "m": "blocks that see everything",
    "c": "numbers of a latent vector",
}
_GQA = "Ainslie et al. 2023, arXiv 2305.13245; the book's 04_gqa"
_SOURCES = {
    "mha": "the chapter's: every head has keys and values of its own",
    "gqa": _GQA,
    "mqa": "Shazeer 2019, arXiv 1911.02150: all heads share one key and one value",
    "swa": "Beltagy et al. 2020, arXiv 2004.05150; the book's 06_swa",
    "gqa_swa": "both, as in Gemma 3; the book's 06_swa",
    "mla": "DeepSeek-V2 2024, arXiv 2405.04434; the book's 05_mla",
}


@dataclass(frozen=True)
class Variants:
    """The settings of other kinds of attention.

    `local` blocks with a window come before every `full` ones without, as the layers are stacked.
    """

    n_kv_groups: int = 4  # query heads that share a key and a value
    window: int = 256
    local: int = 5
    full: int = 1
    latent_dim: int = 192

    def __post_init__(self) -> None:
        check_count("n_kv_groups", self.n_kv_groups)
        check_count("window", self.window)
        check_count("latent_dim", self.latent_dim)
        check_count("blocks with a window", self.local)
        check_count("blocks without a window", self.full, least=0)


def cache_variants(config: GPTConfig, workload: Workload, variants: Variants) -> tuple[Formula, ...]:
    """Bytes of the cache, named mha, gqa, mqa, swa, gqa_swa and mla.

    Raises ValueError for groups that do not divide the heads.
    """
    if config.n_heads % variants.n_kv_groups:
        raise ValueError(
            f"n_kv_groups is {variants.n_kv_groups} and n_heads is {config.n_heads}: every group needs the same number "
            f"of heads, so choose a number that divides n_heads."
        )
    workload.check_fits(config)
    m, w = model_symbols(config), work_symbols(workload)
    head_dim, groups = symbol("k", config.head_dim), variants.n_kv_groups
    shared = symbol("(h/g)", config.n_heads // groups)
    everywhere, seen = m.L * w.s, _seen(config, workload, variants)

    def keys_and_values(tokens: Term, *heads: Term) -> Term:
        product = 2 * w.b * tokens
        for each in (*heads, head_dim):
            product = product * each
        return product * w.A

    terms = {
        "mha": keys_and_values(everywhere, m.h),
        "gqa": keys_and_values(everywhere, shared),
        "mqa": keys_and_values(everywhere),
        "swa": keys_and_values(seen, m.h),
        "gqa_swa": keys_and_values(seen, shared),
        "mla": w.b * everywhere * symbol("c", variants.latent_dim) * w.A,
    }
    check_countable(max(term.value for term in terms.values()), "bytes")  # long vectors may take more than the heads
    return tuple(term.formula(name, "bytes", _SOURCES[name]) for name, term in terms.items())


def _seen(config: GPTConfig, workload: Workload, variants: Variants) -> Term:
    """Tokens held, over all blocks: a window in each of the local ones."""
    local, full = _layers(config.n_layers, variants)
    window = symbol("W", min(variants.window, workload.seq_len))
    return total(symbol("n", local) * window, symbol("m", full) * symbol("s", workload.seq_len))


def _layers(n_layers: int, variants: Variants) -> tuple[int, int]:
    """Blocks with a window, and without."""
    whole, rest = divmod(n_layers, variants.local + variants.full)
    local = whole * variants.local + min(variants.local, rest)
    return local, n_layers - local
