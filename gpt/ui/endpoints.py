"""The HTTP endpoints for programs, as /generate and /calculate. The page's own events are private."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import gradio as gr
from gradio.events import api

from ..attribution.forward_pass import last_logits
from ..attribution.logit_attribution import account
from ..attribution.named_token import one_token
from ..config import GPTConfig
from ..estimates.workload import Workload
from ..files.layouts import WeightsError
from ..generation import next_token_table
from ..library import Library, LoadedModel
from ..runs import check_prompt, encoded_prompt, grow, new_run
from ..sampling import Sampling
from ..tokenizer import AnyTokenizer, StreamDecoder, tokenizer_of
from ..tracing import trace
from .calculator import calculation
from .common.drawing import MODEL_QUEUE
from .common.run_settings import settings_from
from .common.time_limit import within
from .endpoint_answers import Answer, account_answer, row_answer, run_answer, spread_answer, step_news
from .host.host_options import Options


def build(library: Library, options: Options) -> None:
    """Register the endpoints on the page under construction."""

    def asked(
        model: str, prompt: str, begin_with_end_of_text: bool
    ) -> tuple[LoadedModel, AnyTokenizer, tuple[int, ...]]:
        """The model, what reads its text, and the prompt's ids: the same rule for every endpoint with a prompt."""
        check_prompt(prompt, begin_with_end_of_text)  # refused before a model is loaded for it
        loaded = library.get(model)
        reader = tokenizer_of(loaded.model)
        return loaded, reader, encoded_prompt(reader, prompt, begin_with_end_of_text)

    def generate(
        prompt: str,
        max_new_tokens: int = 50,
        temperature: float = 0.8,
        top_k: int = 50,
        top_p: float = 1.0,
        seed: int = 123,
        model: str = "",
        begin_with_end_of_text: bool = False,
    ) -> Iterator[Answer]:
        """Continue a prompt with a GPT-2 model, token by token.

        The answer holds the whole text, the ids of the prompt's and of the new tokens, why the text ended (length, eos
        or seconds), and each step: the token, its probability and logprob (natural) at temperature 1 over the whole
        vocabulary, and its rank by them from 1. The same arguments always give the same text. Over HTTP it streams
        what is new after every token, and at last the whole answer.

        Parameters:
            prompt: The text that the model reads, of at most 20,000 characters and 4,096 tokens.
            max_new_tokens: How many tokens to write, from 1 to the server's limit, which is usually 1,000.
            temperature: 0 always takes the likeliest token. Higher is more random.
            top_k: Draw from the k likeliest tokens. 0 keeps all.
            top_p: Draw from the likeliest tokens that together reach this probability, above 0 and up to 1 (all).
            seed: A whole number that the random draws start from.
            model: A name from models. Empty, the default, is the server's own model. Others may have to load first.
            begin_with_end_of_text: Start with the end-of-text token. Then the prompt may be empty. Default false.
        """
        with refusals():
            settings = settings_from(max_new_tokens, Sampling(temperature, top_k, top_p), seed, options.max_tokens)
            loaded, *_ = asked(model, prompt, begin_with_end_of_text)
            run = new_run(loaded.model, loaded.reference, prompt, settings, begin_with_end_of_text)
            decoder = StreamDecoder(run.reader)
            for grown in within(grow(loaded.model, run), options.max_seconds):
                run = grown
                yield step_news(run, decoder)
            yield run_answer(run)

    def next_token(
        prompt: str,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        n: int = 10,
        model: str = "",
        begin_with_end_of_text: bool = False,
    ) -> Answer:
        """The n likeliest tokens to follow a prompt, with their probabilities before and after the sampling settings.

        Each row has the rank from 1, the token and its id, its logit, its probability (at temperature 1, over the whole
        vocabulary), its sampling_probability (after temperature, top_k and top_p) and whether these kept it. Besides,
        the probability of all other tokens together and the entropy of the whole distribution in bits.

        Parameters:
            prompt: The text that the model reads, of at most 20,000 characters and 4,096 tokens.
            temperature: What logits are divided by. 0 always takes the likeliest token.
            top_k: Keep the k likeliest tokens. 0, the default, keeps all.
            top_p: Keep the likeliest tokens that together reach this probability, above 0 and up to 1 (all).
            n: How many rows to give, 1 or more.
            model: A name from models. Empty, the default, is the server's own model. Others may have to load first.
            begin_with_end_of_text: Start with the end-of-text token. Then the prompt may be empty. Default false.
        """
        with refusals():
            Sampling(temperature, top_k, top_p)  # refused before a model is loaded for it
            loaded, reader, ids = asked(model, prompt, begin_with_end_of_text)
            table = next_token_table(loaded.model, ids, temperature, top_k, top_p, n)
        return {
            "tokens": [row_answer(row, reader) for row in table.tokens],
            "other_probability": table.other_probability,
            "entropy_bits": table.entropy_bits,
        }

    def layernorm(
        prompt: str, block: int = 0, norm: str = "norm1", model: str = "", begin_with_end_of_text: bool = False
    ) -> Answer:
        """What a LayerNorm of the model does to every token of a prompt, as figures over the token's features.

        Three pairs of lists, mean and biased variance with a number per token: before the norm, normalized, and after
        scale and shift.

        Parameters:
            prompt: The text that the model reads, of at most 20,000 characters and 4,096 tokens.
            block: The transformer block, counted from 0, the default. It does not matter for final_norm.
            norm: norm1 (before attention), norm2 (before the feed-forward network) or final_norm.
            model: A name from models. Empty, the default, is the server's own model. Others may have to load first.
            begin_with_end_of_text: Start with the end-of-text token. Then the prompt may be empty. Default false.
        """
        with refusals():
            loaded, reader, ids = asked(model, prompt, begin_with_end_of_text)
            traced = trace(loaded.model, ids).norm(block, norm)
        return {
            "tokens": [reader.decode([token_id]) for token_id in ids],
            "before": spread_answer(traced.before),
            "normalized": spread_answer(traced.normalized),
            "after": spread_answer(traced.after),
        }

    def attribution(
        prompt: str, token: str = "", rival: str = "", model: str = "", begin_with_end_of_text: bool = False
    ) -> Answer:
        """Why a token follows a prompt, rather than its rival: direct logit attribution.

        The logit difference of the two, and the parts that it is the sum of: embeddings, attention heads, feed-forward
        networks and biases. A part's block and head count from 0 and are null where it has none; its value is in
        logits.

        Parameters:
            prompt: The text that the model reads, of at most 20,000 characters and 4,096 tokens.
            token: Text of exactly one token (often with a space before it), or # and its id. Empty is the likeliest.
            rival: Another token, written the same way. Empty is the mean over the vocabulary.
            model: A name from models. Empty, the default, is the server's own model. Others may have to load first.
            begin_with_end_of_text: Start with the end-of-text token. Then the prompt may be empty. Default false.
        """
        with refusals():
            loaded, reader, ids = asked(model, prompt, begin_with_end_of_text)
            gpt = loaded.model
            traced = trace(gpt, ids[-gpt.config.context_length :])
            token_id = one_token(gpt, reader, token) if token else int(last_logits(gpt, traced).argmax())
            rival_id = one_token(gpt, reader, rival) if rival else None
            return account_answer(account(gpt, traced, token_id, rival_id))

    def models() -> list[Answer]:
        """The models that can be named in the other calls.

        A list with each one's name, description, number of parameters (null if unknown), whether it is trained, and
        whether it is available without a download.
        """
        return [asdict(info) for info in library.models()]

    for fn in (generate, next_token, layernorm, attribution):
        api(fn, api_name=fn.__name__, **MODEL_QUEUE)
    api(calculate, api_name="calculate")
    api(models, api_name="models")


def calculate(
    emb_dim: int,
    n_layers: int,
    n_heads: int,
    context_length: int = 1024,
    vocab_size: int = 50257,
    qkv_bias: bool = False,
    tied_head: bool = False,
    dtype: str = "float32",
    batch_size: int = 1,
    seq_len: int = 1024,
    mode: str = "inference",
    optimizer: str = "adamw",
    drop_rate: float = 0.1,
    recompute: str = "none",
    inner_dim: int | None = None,
    activation: str = "gelu_tanh",
    drop_rate_emb: float | None = None,
    drop_rate_attn: float | None = None,
    drop_rate_shortcut: float | None = None,
) -> Answer:
    """Parameters, memory and operations of a GPT-2 of any size, by formula: no model is loaded.

    The parameters in total and by component, the memory in bytes by what takes it, and the floating-point operations of
    a forward pass and of a training step.

    Parameters:
        emb_dim: Width of the model: features per token, a multiple of n_heads.
        n_layers: Transformer blocks.
        n_heads: Attention heads per block.
        context_length: The most tokens that the model reads at once.
        vocab_size: Tokens in the vocabulary.
        qkv_bias: Whether queries, keys and values have a bias. Default false.
        tied_head: Whether the output head shares the token embedding's weights. Default false.
        dtype: Number format of the weights: float32, float16, bfloat16 or int8.
        batch_size: Sequences per step.
        seq_len: Tokens per sequence, at most context_length.
        mode: inference or training.
        optimizer: sgd, sgd_momentum, adam, adamw or adamw_mixed (with 16-bit weights). Only for training.
        drop_rate: Dropout rate in training, from 0 to below 1.
        recompute: Which activations training computes again to save memory: none, selective or full.
        inner_dim: Width inside the feed-forward network. Null, the default, is 4 times emb_dim.
        activation: gelu_tanh, gelu (exact) or relu.
        drop_rate_emb: Dropout rate after the embeddings. Null, the default, is drop_rate.
        drop_rate_attn: Dropout rate of the attention weights. Null, the default, is drop_rate.
        drop_rate_shortcut: Dropout rate before each shortcut addition. Null, the default, is drop_rate.
    """
    with refusals():
        config = GPTConfig(
            vocab_size,
            context_length,
            emb_dim,
            n_heads,
            n_layers,
            drop_rate,
            qkv_bias,
            tied_head,
            inner_dim,
            activation,
            drop_rate_emb=drop_rate_emb,
            drop_rate_attn=drop_rate_attn,
            drop_rate_shortcut=drop_rate_shortcut,
        )
        return calculation.answer(config, Workload(dtype, batch_size, seq_len, mode, optimizer, recompute))


@contextmanager
def refusals() -> Iterator[None]:
    """What the library refuses becomes an answer of one sentence, without a traceback in the log."""
    try:
        yield
    except (ValueError, WeightsError) as error:
        raise gr.Error(str(error), print_exception=False) from error
