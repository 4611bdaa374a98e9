"""Vocabularies read from files against transformers' tokenizers, on text made to be awkward."""

import json
import random
from itertools import pairwise
from pathlib import Path

import pytest
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Reference
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from gpt.files.byte_pairs import ALPHABET, GPT2_PIECES, WHOLE, BytePairs, encoder, merge, reachable
from gpt.files.layouts import WeightsError
from gpt.files.vocabularies import read_vocabulary
from gpt.tokenizer import Tokenizer, Vocabulary, gpt2_vocabulary

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8") + "Ein schöner Tag 😀 漢字 1234 don't I'LL " * 50
SNIPPETS = [
    *" \n\t'aeInst0😀é\u0301漢Éß①ΣΑ½²\u00a0\u200b\u3000\r",
    *("<|endoftext|>", "don't", "  ", "\n\n", "[PAD]", "<X>", "word", "1234"),
]
BYTE_LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False)
WORDS = Regex(r"(?i:'s|'t|'ll)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+(?!\S)|\s+")


def trained(
    cut: object = BYTE_LEVEL,
    normalizer: object = None,
    alphabet: bool = True,
    unknown: str | None = None,
    special: tuple[str, ...] = ("<|endoftext|>",),
) -> Reference:
    """A byte-level BPE of 600 tokens, trained by the tokenizers library."""
    reference = Reference(models.BPE(unk_token=unknown))
    reference.pre_tokenizer, reference.decoder = cut, decoders.ByteLevel()
    if normalizer is not None:
        reference.normalizer = normalizer
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=[*special, *([unknown] if unknown else [])],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if alphabet else [],
        show_progress=False,
    )
    reference.train_from_iterator([TEXT], trainer)
    return reference


def with_added_tokens(reference: Reference) -> Reference:
    reference.add_special_tokens(["[PAD]"])
    stripping = AddedToken("don't", lstrip=True, rstrip=True)
    reference.add_tokens([AddedToken("<X>", single_word=True), stripping, AddedToken("½", normalized=True)])
    return reference


def split_cut(behavior: str, invert: bool) -> object:
    split = pre_tokenizers.Split(WORDS, behavior, invert=invert)
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def digits_cut(each: bool, space: bool) -> object:
    digits = pre_tokenizers.Digits(individual_digits=each)
    return pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=space)])


KINDS = {
    "plain": trained,
    "a space before every text": lambda: trained(pre_tokenizers.ByteLevel(add_prefix_space=True)),
    "each digit alone": lambda: trained(digits_cut(True, False)),
    "digits together": lambda: trained(digits_cut(False, True)),
    "cut by a pattern": lambda: trained(split_cut("isolated", False)),
    "cut to what a pattern matches": lambda: trained(split_cut("removed", True)),
    "normalized": lambda: trained(normalizer=normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])),
    "added tokens": lambda: with_added_tokens(trained()),
    "added tokens, normalized": lambda: with_added_tokens(trained(normalizer=normalizers.NFKC())),
    "bytes without a token": lambda: trained(alphabet=False),
    "a token for unknown bytes": lambda: trained(alphabet=False, unknown="<unk>"),
}


def awkward_texts(n: int = 400) -> list[str]:
    draw = random.Random(0)
    return ["".join(draw.choices(SNIPPETS, k=draw.randint(0, 30))) for _ in range(n)]


def read(folder: Path) -> Vocabulary:
    return vocabulary_of({path.name: path.read_bytes() for path in folder.iterdir()})


def vocabulary_of(files: dict[str, bytes], end_of_text_id: object = None) -> Vocabulary:
    """What a model with rows enough for every token would have."""
    found, notes = read_vocabulary(files, 100_000, end_of_text_id)
    assert found is not None
    assert notes == []
    return found


def check_against(reference: object, vocabulary: Vocabulary) -> None:
    tokenizer = Tokenizer(vocabulary)
    for text in awkward_texts():
        expected = reference(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.encode(text, special=True) == expected, repr(text)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tokenizer_json_gives_the_ids_of_transformers(tmp_path, kind):
    KINDS[kind]().save(str(tmp_path / "tokenizer.json"))
    vocabulary = read(tmp_path)
    check_against(PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json")), vocabulary)
    assert vocabulary.end_of_text == 0


@pytest.mark.parametrize("settings", [{}, {"add_prefix_space": True}], ids=str)
@pytest.mark.parametrize("added", [False, True])
def test_vocab_and_merges_give_the_ids_of_transformers(tmp_path, settings, added):
    trained().model.save(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings | {"tokenizer_class": "GPT2Tokenizer"}))
    if added:
        (tmp_path / "added_tokens.json").write_text('{"[PAD]": 600, "<X>": 601}')
        (tmp_path / "special_tokens_map.json").write_text('{"pad_token": "[PAD]", "eos_token": "[PAD]"}')
    vocabulary = read(tmp_path)
    check_against(AutoTokenizer.from_pretrained(tmp_path), vocabulary)
    assert vocabulary.end_of_text == (600 if added else 0)
    assert len(vocabulary.pieces) == (602 if added else 600)


def random_merges(n: int = 600) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Merges that no training would make: many can never happen, some make the same token."""
    draw = random.Random(1)
    tokens = ["a", "e", "n", "s", "t", "Ġ", "d", "'", "o", "Ã", "©", "1", "2"]
    merges: dict[tuple[str, str], None] = {}
    while len(merges) < n:
        pair = draw.choice(tokens), draw.choice(tokens)
        if len("".join(pair)) <= 8:
            merges[pair] = None
            tokens.append("".join(pair))
    everything = list(dict.fromkeys([*ALPHABET, *tokens]))
    return dict(zip(everything, draw.sample(range(len(everything)), len(everything)), strict=True)), list(merges)


def test_tiktoken_does_what_any_list_of_merges_says():
    ids, merges = random_merges()
    reference = Reference(models.BPE(ids, merges))
    reference.pre_tokenizer = BYTE_LEVEL
    encode = encoder(BytePairs(ids, merges), GPT2_PIECES)
    assert 0 < len(reachable(merges)) < len(merges)
    for text in awkward_texts():
        assert encode(text) == reference.encode(text, add_special_tokens=False).ids
    encode = encoder(BytePairs(ids, merges), WHOLE)
    draw = random.Random(2)
    for _ in range(500):
        word = "".join(draw.choices("aenstdo'é12", k=draw.randint(1, 12)))
        symbols = [{v: k for k, v in ALPHABET.items()}[byte] for byte in word.encode()]
        ranks = {pair: rank for rank, pair in reversed(list(enumerate(merges)))}
        assert encode(word) == [ids[symbol] for symbol in merge(symbols, ranks)]


@pytest.fixture(scope="module")
def gpt2_files() -> dict[str, bytes]:
    """GPT-2's ranks written as vocab.json and merges.txt: each token is halved as the tokens before it are merged."""
    pieces = gpt2_vocabulary().pieces[:-1]
    character = {byte: visible for visible, byte in ALPHABET.items()}
    tokens = ["".join(character[byte] for byte in piece or b"") for piece in pieces]
    rank = {token: i for i, token in enumerate(tokens)}
    lines = ["#version: 0.2"]
    for token in tokens[256:]:
        symbols = list(token)
        while len(symbols) > 2:
            found = [rank.get(a + b, len(rank)) for a, b in pairwise(symbols)]
            i = found.index(min(found))
            symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]
        lines.append(" ".join(symbols))
    vocab = rank | {"<|endoftext|>": 50256}
    return {"vocab.json": json.dumps(vocab).encode(), "merges.txt": "\n".join(lines).encode()}


def test_gpt2s_own_files_are_recognised(gpt2_files):
    assert vocabulary_of(gpt2_files).encode is gpt2_vocabulary().encode
    shuffled = gpt2_files["merges.txt"].split(b"\n")
    shuffled[1], shuffled[2] = shuffled[2], shuffled[1]
    other = gpt2_files | {"merges.txt": b"\n".join(shuffled)}
    assert vocabulary_of(other).encode is not gpt2_vocabulary().encode


def test_gpt2_with_a_token_more_is_gpt2_and_that_token(gpt2_files):
    files = gpt2_files | {"added_tokens.json": b'{"<X>": 50257}'}
    tokenizer = Tokenizer(vocabulary_of(files))
    assert tokenizer.encode("Every effort<X> moves you") == [6109, 3626, 50257, 6100, 345]
    assert tokenizer.visible(50257) == "<X>"
    assert tokenizer.end_of_text == 50256


@pytest.mark.parametrize(
    "table", [{"a": 0, "é": 1, "\n": 2, "<pad>": 3}, {"0": "a", "1": "é", "2": "\n", "3": "<pad>"}]
)
def test_a_table_of_characters_reads_characters(table):
    tokenizer = Tokenizer(vocabulary_of({"vocab.json": json.dumps(table).encode("utf-8-sig")}))
    assert tokenizer.encode("é\na") == [1, 2, 0]
    assert tokenizer.encode("a<pad>", special=True) == [0, 3]
    assert tokenizer.decode([1, 2, 0, 3]) == "é\na<pad>"
    assert tokenizer.end_of_text is None
    with pytest.raises(ValueError, match=r"The character 'z' is not among the 4 that this model knows: leave it out"):
        tokenizer.encode("az")


def test_no_files_are_no_vocabulary_and_a_pickle_is_none():
    for files, said in (({}, "came without a vocabulary"), ({"meta.pkl": b""}, "meta.pkl is not opened")):
        vocabulary, (note,) = read_vocabulary(files, 1000)
        assert vocabulary is None
        assert said in note
    vocabulary, notes = read_vocabulary({}, 50304)
    assert vocabulary.encode is gpt2_vocabulary().encode
    assert notes == []


@pytest.mark.parametrize(("stated", "expected"), [(1, 1), ([2, 1], 2), (10**6, 0), (None, 0), (True, 0), ("1", 0)])
def test_the_end_of_text_is_the_files_own(tmp_path, stated, expected):
    trained(special=("<|endoftext|>", "<A>", "<B>")).save(str(tmp_path / "tokenizer.json"))
    files = {"tokenizer.json": (tmp_path / "tokenizer.json").read_bytes()}
    assert vocabulary_of(files, stated).end_of_text == expected
    named = files | {"tokenizer_config.json": b'{"eos_token": {"content": "!"}}'}
    assert vocabulary_of(named, stated).end_of_text == json.loads(files["tokenizer.json"])["model"]["vocab"]["!"]


def test_an_ordinary_token_that_config_json_names_does_not_stand_over_the_vocabularys_end_of_text():
    with_one = {"tokenizer.json": trained().to_str().encode()}
    without = {"tokenizer.json": trained(special=("<A>",)).to_str().encode()}
    assert vocabulary_of(with_one, 5).end_of_text == 0
    assert vocabulary_of(without, 5).end_of_text == 5
    characters = {"vocab.json": b'{"<|endoftext|>": 0, "a": 1, "b": 2}'}
    assert vocabulary_of(characters, 2).end_of_text == 0


def tokenizer_json(**changes: object) -> bytes:
    settings = json.loads(trained().to_str())
    for path, value in changes.items():
        part = settings
        *outer, last = path.split("__")
        for key in outer:
            part = part[key]
        part[last] = value
    return json.dumps(settings).encode()


PAIRS = {"vocab.json": b'{"a": 0}', "merges.txt": b""}
REFUSED = {
    "WordPiece": ({"vocab.txt": b"[PAD]\n"}, r"\(vocab.txt\) is WordPiece"),
    "SentencePiece": ({"spiece.model": b""}, r"\(spiece.model\) is SentencePiece"),
    "Unigram": ({"tokenizer.json": b'{"model": {"type": "Unigram"}}'}, "is SentencePiece's Unigram"),
    "WordPiece in JSON": ({"tokenizer.json": b'{"model": {"type": "WordPiece"}}'}, r"\(tokenizer.json\) is WordPiece"),
    "pieces without merges": ({"vocab.json": b'{"ab": 0}'}, "such as 'ab', and there is no merges.txt"),
    "broken JSON": ({"vocab.json": b"{", "merges.txt": b""}, "vocab.json cannot be read as JSON"),
    "a list": ({"vocab.json": b"[]", "merges.txt": b""}, "vocab.json is not a JSON object"),
    "one id twice": ({"vocab.json": b'{"a": 0, "b": 0}'}, "gives two tokens one id"),
    "ids that are no numbers": ({"vocab.json": b'{"a": 0.5}'}, "no table of tokens and their ids"),
    "half a merge": ({"vocab.json": b'{"a": 0}', "merges.txt": b"a b c"}, "'a b c' where two tokens"),
    "a merge into nothing": ({"vocab.json": b'{"a": 0}', "merges.txt": b"a b"}, "'ab', which is no token"),
    "marks inside words": (lambda: tokenizer_json(model__continuing_subword_prefix="##"), "marks the parts of words"),
    "an unknown cut": (lambda: tokenizer_json(pre_tokenizer={"type": "Whitespace"}), "of the kind Whitespace"),
    "no cut": (lambda: tokenizer_json(pre_tokenizer=None), "pre_tokenizer of the kind None"),
    "merges that are a number": (lambda: tokenizer_json(model__merges=5), "something else than they should"),
    "added tokens that are a text": (lambda: tokenizer_json(added_tokens="x"), "something else than they should"),
    "a cut that is a text": (lambda: tokenizer_json(pre_tokenizer="ByteLevel"), "something else than they should"),
    "an added token before the first": (
        lambda: tokenizer_json(added_tokens=[{"content": "<X>", "id": -1}]),
        "has no text or no id",
    ),
    "no kind": ({"tokenizer.json": b"{}"}, "is of a kind that it does not name"),
    **{
        f"{name} {content.decode()}": ({**PAIRS, name: content}, "something else than they should|has no text or no id")
        for name, content in (
            ("tokenizer_config.json", b'{"added_tokens_decoder": ["x"]}'),
            ("tokenizer_config.json", b'{"added_tokens_decoder": {"500": "a"}}'),
            ("tokenizer_config.json", b'{"added_tokens_decoder": {"x": {"content": "a"}}}'),
            ("special_tokens_map.json", b'{"additional_special_tokens": 5}'),
            ("added_tokens.json", b'{"<x>": null}'),
            ("added_tokens.json", b'{"<x>": "abc"}'),
        )
    },
    "an unknown normalizer": (lambda: tokenizer_json(normalizer={"type": "Prepend"}), "of the kind Prepend"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_known_is_refused_in_one_sentence_with_the_way_out(name):
    files, said = REFUSED[name]
    files = files if isinstance(files, dict) else {"tokenizer.json": files()}
    with pytest.raises(WeightsError, match=said) as caught:
        read_vocabulary(files, 100_000)
    ways_out = ("instead of text.", "repair it or take it away.", "belong together.", "repair the vocabulary's files.")
    assert str(caught.value).endswith(ways_out)
