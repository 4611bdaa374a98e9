"""Byte-level byte-pair encoding from a file's own tokens and merges, run by tiktoken.

Files write each byte as one visible character; a merge joins two neighbouring tokens, the first in the list first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import regex
import tiktoken
from tiktoken_ext.openai_public import r50k_pat_str

from ..tokenizer import gpt2_vocabulary

Encode = Callable[[str], list[int]]
_Pair = tuple[str, str]

# How a text is cut before its pieces are encoded: as GPT-2 does, or not at all.
GPT2_PIECES = r50k_pat_str
WHOLE = r"(?s:.+)"


def _alphabet() -> dict[str, int]:
    """The visible character of each byte (GPT-2's bytes_to_unicode), and the byte."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(256 + i): byte for i, byte in enumerate(others)}


ALPHABET = _alphabet()
_CHARACTER = {byte: character for character, byte in ALPHABET.items()}


@dataclass(frozen=True)
class BytePairs:
    """The tokens of a byte-level BPE with their ids, in visible characters, and its merges in order."""

    ids: Mapping[str, int]
    merges: Sequence[_Pair]
    unknown: int | None = None  # the id of a byte that has no token; None leaves such bytes out
    fuse_unknown: bool = False  # several of them in a row are one


def to_bytes(token: str) -> bytes | None:
    """The bytes that a token's visible characters stand for, None when one of them stands for none."""
    try:
        return bytes(ALPHABET[character] for character in token)
    except KeyError:
        return None


def merge(symbols: list[str], ranks: Mapping[_Pair, int]) -> list[str]:
    """Join neighbours, the pair of lowest rank first and the leftmost of its kind, until none is in ranks."""
    never = len(ranks)
    while len(symbols) > 1:
        found = [ranks.get(pair, never) for pair in pairwise(symbols)]
        rank = min(found)
        if rank == never:
            break
        i = found.index(rank)
        symbols = [*symbols[:i], symbols[i] + symbols[i + 1], *symbols[i + 2 :]]
    return symbols


def reachable(merges: Sequence[_Pair]) -> list[_Pair]:
    """The merges that can ever happen, in order.

    A merge happens only where the merges before it leave its two halves side by side. Then they also do so for the
    joined token on its own, because nothing reaches across its ends. Without the others, each token comes from one
    pair, and tiktoken, which knows tokens and not pairs, encodes every text as the merges do.
    """
    ranks: dict[_Pair, int] = {}
    kept = []
    for pair in merges:
        if pair not in ranks and merge(list("".join(pair)), ranks) == list(pair):
            ranks[pair] = len(ranks)
            kept.append(pair)
    return kept


def is_gpt2(pairs: BytePairs) -> bool:
    """Whether these are GPT-2's own tokens, ids and merges."""
    known = gpt2_vocabulary()
    if len(pairs.merges) != len(known.pieces) - 257:
        return False
    by_id = {token_id: to_bytes(token) for token, token_id in pairs.ids.items() if token_id != known.end_of_text}
    return by_id == dict(enumerate(known.pieces[:-1])) and all(
        pairs.ids.get(a + b) == 256 + i for i, (a, b) in enumerate(pairs.merges)
    )


def encoder(pairs: BytePairs, pattern: str) -> Encode:
    """A function from text to ids, which cuts the text by `pattern` (GPT2_PIECES or WHOLE) and encodes each piece."""
    merges = reachable(pairs.merges)
    if any(character not in pairs.ids for character in ALPHABET):
        return _step_by_step(pairs, merges, pattern)
    tokens = [_CHARACTER[byte] for byte in range(256)] + [a + b for a, b in merges]
    ids = [pairs.ids[token] for token in tokens]
    ranks = {bytes(ALPHABET[character] for character in token): rank for rank, token in enumerate(tokens)}
    encoding = tiktoken.Encoding("from a file", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return lambda text: [ids[rank] for rank in encoding.encode_ordinary(text)]


def _step_by_step(pairs: BytePairs, merges: Sequence[_Pair], pattern: str) -> Encode:
    """For tokens that do not cover all bytes; tiktoken needs one for each."""
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    pieces = regex.compile(pattern)

    def encode(text: str) -> list[int]:
        ids: list[int] = []
        for piece in pieces.findall(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")):
            symbols = [_CHARACTER[byte] for byte in piece.encode()]
            if pairs.unknown is None:
                symbols = [symbol for symbol in symbols if symbol in pairs.ids]
            ids += _with_unknown(pairs, merge(symbols, ranks))
        return ids

    return encode


def _with_unknown(pairs: BytePairs, symbols: Sequence[str]) -> list[int]:
    ids: list[int] = []
    before_was_unknown = False
    for symbol in symbols:
        is_unknown = symbol not in pairs.ids
        if not is_unknown:
            ids.append(pairs.ids[symbol])
        elif pairs.unknown is not None and not (before_was_unknown and pairs.fuse_unknown):
            ids.append(pairs.unknown)
        before_was_unknown = is_unknown
    return ids
