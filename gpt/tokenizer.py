"""Text to token ids and back, without a network: GPT-2's byte-pair encoding, or the vocabulary a model brings.

A token is a sequence of bytes, which may end inside a character. `tokenizer_of` gives what reads a model's prompts.
"""

import codecs
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import tiktoken
from tiktoken.load import load_tiktoken_bpe
from tiktoken_ext.openai_public import r50k_pat_str

from .model import GPTModel

RANKS_PATH = Path(__file__).parent.parent / "assets" / "gpt2.tiktoken"
RANKS_SHA256 = "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"
END_OF_TEXT = "<|endoftext|>"
END_OF_TEXT_ID = 50256
VOCAB_SIZE = 50257

_VISIBLE = str.maketrans({" ": "·", "\n": "⏎", "\t": "⇥", "\r": "␍"})
# A token that contains one of these marks would look like a token with white space, or like an id.
_UNSHOWABLE = frozenset("·⏎⇥␍⟨\ufffd")


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Every token of a tokenizer, and how text becomes them."""

    name: str  # what it is, for a sentence: "GPT-2's"
    pieces: tuple[bytes | None, ...]  # by id; None for an id without a token
    encode: Callable[[str, bool], list[int]]  # text, and whether special tokens written in it become their ids
    end_of_text: int | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)  # the files it was read from, by name

    @cached_property
    def ambiguous(self) -> frozenset[bytes | None]:
        """Pieces that more than one id has."""
        return frozenset(piece for piece, count in Counter(self.pieces).items() if count > 1)


@cache
def _encoding() -> tiktoken.Encoding:
    return tiktoken.Encoding(
        "gpt2",
        pat_str=r50k_pat_str,
        mergeable_ranks=load_tiktoken_bpe(str(RANKS_PATH), expected_hash=RANKS_SHA256),
        special_tokens={END_OF_TEXT: END_OF_TEXT_ID},
        explicit_n_vocab=VOCAB_SIZE,
    )


@cache
def gpt2_vocabulary() -> Vocabulary:
    """GPT-2's 50,256 byte pieces and `<|endoftext|>`."""
    encoding = _encoding()

    def encode(text: str, special: bool) -> list[int]:
        allowed = {END_OF_TEXT} if special else set()
        return encoding.encode(text, allowed_special=allowed, disallowed_special=())

    pieces = tuple(map(encoding.decode_single_token_bytes, range(VOCAB_SIZE)))
    return Vocabulary("GPT-2's", pieces, encode, END_OF_TEXT_ID)


class Tokenizer:
    """The tokenizer of a vocabulary, GPT-2's when none is given."""

    def __init__(self, vocabulary: Vocabulary | None = None) -> None:
        self.vocabulary = vocabulary or gpt2_vocabulary()

    @property
    def vocab_size(self) -> int:
        """How many ids there are."""
        return len(self.vocabulary.pieces)

    @property
    def end_of_text(self) -> int | None:
        """The id that ends a text and stands before one, None where the vocabulary has no such token."""
        return self.vocabulary.end_of_text

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids of text. `<|endoftext|>` in it is ordinary text, or the token's id when special is True.

        Raises ValueError for text that the vocabulary cannot express, as a table of characters may not.
        """
        return self.vocabulary.encode(text, special)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids; bytes that are no whole character become U+FFFD. Raises ValueError for an unknown id."""
        return b"".join(map(self.token_bytes, ids)).decode(errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes one id stands for, none for an id without a token. Raises ValueError for an unknown id."""
        if not 0 <= token_id < self.vocab_size:
            raise ValueError(f"There is no token {token_id}: the vocabulary's ids run from 0 to {self.vocab_size - 1}.")
        return self.vocabulary.pieces[token_id] or b""

    def visible(self, token_id: int) -> str:
        """One token as text to show, different for every id.

        White space is · ⏎ ⇥, other bytes are in hexadecimal, and an id without a token of its own is its number.
        """
        piece = self.token_bytes(token_id)
        mark = f"⟨{token_id}⟩" if not piece or piece in self.vocabulary.ambiguous else ""
        text = piece.decode(errors="replace")
        if not _UNSHOWABLE.intersection(text):
            text = text.translate(_VISIBLE)
            if text.isprintable():
                return text + mark
        return "".join(f"\\x{byte:02X}" for byte in piece) + mark

    def __deepcopy__(self, _: object) -> "Tokenizer":
        return self  # it never changes: a copied model shares it


@dataclass(frozen=True)
class TokenIds:
    """Stands in for the tokenizer of a model that came without one: a text is ids separated by spaces."""

    vocab_size: int
    end_of_text: None = None

    def encode(self, text: str, *, special: bool = False) -> list[int]:  # noqa: ARG002  # as Tokenizer.encode
        """The ids written in text. Raises ValueError for anything else."""
        words = text.split()
        for word in words:
            if not (word.isascii() and word.isdigit() and len(word) < 10 and int(word) < self.vocab_size):
                raise ValueError(
                    f"{word[:40]!r} is not a token of this model, which came without a vocabulary: write ids from 0 to "
                    f"{self.vocab_size - 1}, separated by spaces."
                )
        return [int(word) for word in words]

    def decode(self, ids: Sequence[int]) -> str:
        """The ids separated by spaces. Raises ValueError for an unknown id."""
        return "".join(self.token_bytes(token_id).decode() for token_id in ids).rstrip()

    def token_bytes(self, token_id: int) -> bytes:
        """The id and a space. Raises ValueError for an unknown id."""
        if not 0 <= token_id < self.vocab_size:
            raise ValueError(f"There is no token {token_id}: the model's ids run from 0 to {self.vocab_size - 1}.")
        return f"{token_id} ".encode()

    def visible(self, token_id: int) -> str:
        """The id. Raises ValueError for an unknown one."""
        return self.token_bytes(token_id).decode().rstrip()


AnyTokenizer = Tokenizer | TokenIds


def tokenizer_of(model: GPTModel) -> AnyTokenizer:
    """What turns a prompt into the model's ids: its tokenizer, or ids written out where it has none."""
    return model.tokenizer or TokenIds(model.config.vocab_size)


class StreamDecoder:
    """Decodes ids one at a time. Bytes are held back until their character is complete."""

    def __init__(self, tokenizer: AnyTokenizer) -> None:
        self._tokenizer = tokenizer
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_id: int) -> str:
        """The characters that are complete with this id, possibly none."""
        return self._utf8.decode(self._tokenizer.token_bytes(token_id))

    def finish(self) -> str:
        """What is still held back, as U+FFFD."""
        return self._utf8.decode(b"", final=True)
