"""Text to GPT-2 token ids and back, from the ranks file in assets/: no network.

GPT-2's byte-pair encoding, run by tiktoken. A token is a piece of bytes, not always of whole characters.
"""

import codecs
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import tiktoken
from tiktoken.load import load_tiktoken_bpe
from tiktoken_ext.openai_public import r50k_pat_str

RANKS_PATH = Path(__file__).parent.parent / "assets" / "gpt2.tiktoken"
RANKS_SHA256 = "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"
END_OF_TEXT = "<|endoftext|>"
END_OF_TEXT_ID = 50256
VOCAB_SIZE = 50257

_VISIBLE = str.maketrans({" ": "·", "\n": "⏎", "\t": "⇥", "\r": "␍"})
# A token that holds one of the marks itself would look like another token's white space.
_UNSHOWABLE = frozenset("·⏎⇥␍\ufffd")


@cache
def _encoding() -> tiktoken.Encoding:
    return tiktoken.Encoding(
        "gpt2",
        pat_str=r50k_pat_str,
        mergeable_ranks=load_tiktoken_bpe(str(RANKS_PATH), expected_hash=RANKS_SHA256),
        special_tokens={END_OF_TEXT: END_OF_TEXT_ID},
        explicit_n_vocab=VOCAB_SIZE,
    )


class Tokenizer:
    """GPT-2's tokenizer: 50,256 byte pieces and `<|endoftext|>`."""

    def __init__(self) -> None:
        self._encoding = _encoding()

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids of text. `<|endoftext|>` in it is ordinary text, or id 50256 when special is True."""
        if special:
            return self._encoding.encode(text, allowed_special={END_OF_TEXT})
        return self._encoding.encode(text, disallowed_special=())

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids; bytes that are no whole character become U+FFFD. Raises ValueError for an unknown id."""
        return b"".join(map(self.token_bytes, ids)).decode(errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes one id stands for. Raises ValueError for an unknown id."""
        if not 0 <= token_id < VOCAB_SIZE:
            raise ValueError(f"There is no token {token_id}: GPT-2's ids run from 0 to {VOCAB_SIZE - 1}.")
        return self._encoding.decode_single_token_bytes(token_id)

    def visible(self, token_id: int) -> str:
        """One token for the eye, different for every id: white space as · ⏎ ⇥, what cannot be shown as hex bytes."""
        piece = self.token_bytes(token_id)
        text = piece.decode(errors="replace")
        if not _UNSHOWABLE.intersection(text):
            text = text.translate(_VISIBLE)
            if text.isprintable():
                return text
        return "".join(f"\\x{byte:02X}" for byte in piece)


class StreamDecoder:
    """Turns ids into text one at a time, holding back bytes until their character is whole."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_id: int) -> str:
        """The text that became whole with this id, possibly none."""
        return self._utf8.decode(self._tokenizer.token_bytes(token_id))

    def finish(self) -> str:
        """What is still held back, as U+FFFD."""
        return self._utf8.decode(b"", final=True)
