"""Every listed word has its sentences, and text finds them."""

import re

import pytest

from gpt.ui.common.glossary import GLOSSARY, forms, hinted

# What a newcomer meets on the page without having been told.
LISTED = """
token, vocabulary, prompt, logit, softmax, temperature, top-k, top-p, greedy, seed, probability, rank, entropy,
surprisal, perplexity, divergence, mean, variance, deviation, eps, scale, shift, feature, residual stream, head, block,
attention, query, key, value, mask, LayerNorm, norm, feed-forward, neuron, GELU, shortcut, gradient, dropout, lens,
logit lens, embedding, output head, parameter, weights, batch, context, FLOPs, KV cache, precision, attribution,
ablation, patching, occlusion, induction, loss
"""


@pytest.mark.parametrize("term", re.split(r",\s+", LISTED.strip()))
def test_every_listed_word_has_one_or_two_plain_sentences_and_a_section(term):
    name = forms().get(term.lower())
    assert name is not None, f"{term} has no hint"
    word = GLOSSARY[name]
    assert word.said.endswith(".") and 1 <= len(re.findall(r"\.(?: |$)", word.said)) <= 2
    assert 20 < len(word.said) < 130
    assert re.fullmatch(r"[2-5]\.\d", word.section)


def test_no_two_words_claim_the_same_form():
    claimed = [form.lower() for name, word in GLOSSARY.items() for form in (name, *word.forms)]
    assert len(claimed) == len(set(claimed))


def test_the_first_mention_of_a_word_has_its_hint_and_text_stays_text():
    shown = hinted("Logits & <b>logits</b>: the residual stream of every token.")
    assert shown.count("data-term") == 3
    assert '<span class="term" tabindex="0" data-term="logit">Logits</span> &amp; &lt;b&gt;logits' in shown
    assert 'data-term="residual stream">residual stream<' in shown
    assert (
        re.sub(r"<[^>]*>", "", shown) == "Logits &amp; &lt;b&gt;logits&lt;/b&gt;: the residual stream of every token."
    )


def test_a_part_of_another_word_is_no_mention():
    assert "data-term" not in hinted("The tokenizer heads-up, a blockade, monkeys.")
