"""The cache of other kinds of attention against the figures that the book's estimators print."""

from dataclasses import replace

import pytest

from gpt import GPTConfig
from gpt.estimates.budget import memory_of
from gpt.estimates.cache_variants import Variants, cache_variants
from gpt.estimates.workload import Workload
from tests.estimates.test_formula import value_of

# The example of ch04/04_gqa and ch04/06_swa: bf16, one sequence of 32,768 tokens.
BOOK = GPTConfig(context_length=32768, emb_dim=4096, n_heads=32, n_layers=32)
LONG = Workload("bfloat16", 1, 32768)


def caches(config: GPTConfig, workload: Workload, variants: Variants) -> dict[str, int]:
    return {row.name: row.value for row in cache_variants(config, workload, variants)}


def gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1000**3:,.2f}"


def test_what_the_books_estimators_print():
    found = caches(BOOK, LONG, Variants(n_kv_groups=4, window=1024, local=5, full=1))
    printed = {"mha": "17.18", "gqa": "4.29", "swa": "3.14", "gqa_swa": "0.78"}
    assert {name: gigabytes(found[name]) for name in printed} == printed


def test_what_the_books_latent_estimator_prints():
    # ch04/05_mla; the size of a head does not count, and 24 heads would not divide 2,048.
    config = GPTConfig(context_length=8192, emb_dim=2048, n_heads=16, n_layers=48)
    found = caches(config, Workload("bfloat16", 1, 8192), Variants(latent_dim=1024))
    assert gigabytes(found["mla"]) == "0.81"


@pytest.mark.parametrize(("n_layers", "local", "full", "windows"), [
    (32, 5, 1, 27), (12, 5, 1, 10), (12, 1, 0, 12), (7, 1, 5, 2), (3, 5, 1, 3),
])  # fmt: skip
def test_layers_are_shared_out_as_in_the_book(n_layers, local, full, windows):
    config = replace(BOOK, n_layers=n_layers)
    found = caches(config, LONG, Variants(window=1024, local=local, full=full))
    of_a_layer = found["mha"] // n_layers
    assert found["swa"] == windows * of_a_layer * 1024 // 32768 + (n_layers - windows) * of_a_layer


def test_the_chapters_own_cache_is_the_one_of_the_memory_estimate():
    workload = Workload("float16", 3, 700)
    config = GPTConfig.preset("gpt2-355M")
    rows = cache_variants(config, workload, Variants(window=100))
    assert rows[0].value == memory_of(config, workload).kv_cache
    assert caches(config, workload, Variants(n_kv_groups=16))["gqa"] == rows[2].value  # one group is MQA
    for row in rows:
        assert value_of(row.numbers) == row.value


def test_a_window_longer_than_the_text_saves_nothing():
    found = caches(BOOK, replace(LONG, seq_len=100), Variants(window=1024))
    assert found["swa"] == found["mha"]


@pytest.mark.parametrize(("wrong", "sentence"), [
    ({"n_kv_groups": 5}, "n_kv_groups is 5 and n_heads is 32"),
    ({"window": 0}, "window is 0"),
    ({"latent_dim": -1}, "latent_dim is -1"),
    ({"local": 0}, "blocks with a window is 0"),
])  # fmt: skip
def test_what_cannot_be_is_refused(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        cache_variants(BOOK, LONG, Variants(**wrong))


def test_latent_vectors_that_no_number_counts_are_refused():
    many = GPTConfig(context_length=10**6, emb_dim=1, n_heads=1, n_layers=10**6)
    assert memory_of(many, Workload(batch_size=10**5, seq_len=10**6)).kv_cache < 2**63
    with pytest.raises(ValueError, match="64-bit"):
        cache_variants(many, Workload(batch_size=10**5, seq_len=10**6), Variants(n_kv_groups=1, latent_dim=10**6))
