"""The tokenizer against a plain implementation of byte-pair encoding, and on awkward text."""

import copy
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiktoken._educational import SimpleBytePairEncoding
from tiktoken.load import load_tiktoken_bpe
from tiktoken_ext.openai_public import r50k_pat_str

from gpt import Tokenizer
from gpt.tokenizer import (
    END_OF_TEXT,
    END_OF_TEXT_ID,
    RANKS_PATH,
    RANKS_SHA256,
    VOCAB_SIZE,
    StreamDecoder,
    TokenIds,
    Vocabulary,
    gpt2_vocabulary,
    tokenizer_of,
)

TOKENIZER = Tokenizer()
REFERENCE = SimpleBytePairEncoding(pat_str=r50k_pat_str, mergeable_ranks=load_tiktoken_bpe(str(RANKS_PATH)))
TEXT = st.text(max_size=60) | st.text(alphabet=" \n\t'aeInst0😀é\u0301漢", max_size=60)


def test_the_ranks_are_the_ones_openai_published():
    assert hashlib.sha256(RANKS_PATH.read_bytes()).hexdigest() == RANKS_SHA256


def test_the_chapters_sentences():
    # Sections 4.1 and 4.7.
    assert TOKENIZER.encode("Every effort moves you") == [6109, 3626, 6100, 345]
    assert TOKENIZER.encode("Every day holds a") == [6109, 1110, 6622, 257]
    assert TOKENIZER.encode("Hello, I am") == [15496, 11, 314, 716]


@given(TEXT)
def test_same_ids_as_plain_byte_pair_encoding(text):
    assert TOKENIZER.encode(text) == REFERENCE.encode(text, visualise=None)


@given(TEXT)
def test_decoding_gives_the_text_back(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@given(TEXT)
def test_streaming_gives_the_same_text_and_never_a_broken_character(text):
    decoder = StreamDecoder(TOKENIZER)
    pieces = [decoder.push(token_id) for token_id in TOKENIZER.encode(text)]
    assert "".join(pieces) == text
    assert decoder.finish() == ""


def test_half_a_character_is_held_back_until_the_end():
    decoder = StreamDecoder(TOKENIZER)
    first = TOKENIZER.encode("😀")[0]
    assert decoder.push(first) == ""
    assert decoder.finish() == "\ufffd"


def test_end_of_text_is_ordinary_text_unless_asked_for():
    assert END_OF_TEXT_ID not in TOKENIZER.encode(f"a{END_OF_TEXT}b")
    assert TOKENIZER.decode(TOKENIZER.encode(f"a{END_OF_TEXT}b")) == f"a{END_OF_TEXT}b"
    assert TOKENIZER.encode(f"a{END_OF_TEXT}b", special=True)[1] == END_OF_TEXT_ID


def test_a_lone_surrogate_becomes_the_replacement_character():
    assert TOKENIZER.decode(TOKENIZER.encode("a\ud800b")) == "a\ufffdb"


@pytest.mark.parametrize("token_id", [-1, VOCAB_SIZE])
def test_an_unknown_id_is_refused_with_the_range(token_id):
    with pytest.raises(ValueError, match="0 to 50256"):
        TOKENIZER.decode([token_id])


def test_every_id_looks_different_and_printable():
    shown = [TOKENIZER.visible(token_id) for token_id in range(VOCAB_SIZE)]
    assert len(set(shown)) == VOCAB_SIZE
    assert all(text.isprintable() and text for text in shown)


def test_white_space_and_bytes_are_made_visible():
    assert [TOKENIZER.visible(token_id) for token_id in TOKENIZER.encode(" a\n\t")] == ["·a", "⏎", "⇥"]
    assert TOKENIZER.visible(TOKENIZER.encode("😀")[0]).startswith("\\x")


# Other vocabularies


def test_ids_without_a_token_and_tokens_of_one_text_look_different_all_the_same():
    tokenizer = Tokenizer(Vocabulary("three", (b"a", b"a", None, b"b", "⟨3⟩".encode()), lambda *_: [], 3))
    assert [tokenizer.visible(token_id) for token_id in range(5)] == [
        "a⟨0⟩",
        "a⟨1⟩",
        "⟨2⟩",
        "b",
        r"\xE2\x9F\xA8\x33\xE2\x9F\xA9",
    ]
    assert tokenizer.decode([0, 2, 3]) == "ab"
    assert (tokenizer.vocab_size, tokenizer.end_of_text) == (5, 3)


def test_without_a_vocabulary_a_text_is_ids_separated_by_spaces():
    ids = TokenIds(1000)
    assert ids.encode(" 464 3\n999 ") == [464, 3, 999]
    assert ids.decode([464, 3, 999]) == "464 3 999"
    assert [ids.visible(token_id) for token_id in (0, 464)] == ["0", "464"]
    decoder = StreamDecoder(ids)
    assert "".join(map(decoder.push, [464, 3])) == "464 3 "


@pytest.mark.parametrize("word", ["dog", "1000", "-1", "1.0", "²", "9" * 5000])
def test_what_is_no_id_is_refused_with_the_range(word):
    with pytest.raises(ValueError, match="write ids from 0 to 999, separated by spaces"):
        TokenIds(1000).encode(f"1 {word}")


def test_a_model_is_read_by_its_own_tokenizer_or_by_ids(small_model):
    own = Tokenizer(gpt2_vocabulary())
    model = copy.copy(small_model)
    model.tokenizer = None
    assert tokenizer_of(model) == TokenIds(50257)
    model.tokenizer = own
    assert tokenizer_of(model) is own
    assert copy.deepcopy(own) is own
