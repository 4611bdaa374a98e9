"""Vocabularies of every kind beside a model: what its text is, which rows., and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Reference
from transformers import GPT2LMHeadModel

from .kinds import Made, Opens, Refused
from .making import book_tensors, random_reference, reference_tensors, settings_of, write

TEXT = (
    "Every effort moves you. Every day holds a café, 1234 😀\nA model is what its vocabulary and weights make it.\n"
    * 20
)
EFFORT = {"Every effort moves you": [6109, 3626, 6100, 345]}  # GPT-2's ids, chapter 4


def reference_of(rows: int) -> GPT2LMHeadModel:
    return random_reference(vocab_size=rows, n_embd=8, n_positions=16)


def model(folder: Path, rows: int, counted: int | None = None, layout: str = "huggingface") -> Made:
    """A model with so many rows; its config.json, if there is one, counts `counted`."""
    reference = reference_of(rows)
    tensors = book_tensors(reference) if layout == "book" else reference_tensors(reference)
    settings = {"n_head": 1} if counted is None else settings_of(reference) | {"vocab_size": counted}
    return Made(write(folder, tensors, **settings), reference)


def rows(rows: int, counted: int | None = None, layout: str = "huggingface", **files: object) -> Callable[[Path], Made]:
    """A model beside files: "tokenizer__json" is tokenizer.json, what is not text is written as JSON."""

    def make(folder: Path) -> Made:
        made = model(folder, rows, counted, layout)
        for name, content in files.items():
            text = content if isinstance(content, str) else json.dumps(content)
            (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
        return made

    return make


def byte_level(n: int = 300, special: tuple[str, ...] = ("<|endoftext|>",)) -> Reference:
    reference = Reference(models.BPE())
    reference.pre_tokenizer, reference.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    reference.train_from_iterator(
        [TEXT],
        trainers.BpeTrainer(vocab_size=n, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False),
    )
    return reference


SAYING = "Every effort 😀"
OWN = {SAYING: byte_level().encode(SAYING).ids}


def fast(n_rows: int, *added: AddedToken) -> Callable[[Path], Made]:
    def make(folder: Path) -> Made:
        made = model(folder, n_rows, n_rows)
        reference = byte_level()
        reference.add_tokens(list(added))
        reference.save(str(folder / "tokenizer.json"))
        return made

    return make


def slow(n_rows: int) -> Callable[[Path], Made]:
    def make(folder: Path) -> Made:
        made = model(folder, n_rows, n_rows)
        byte_level().model.save(str(folder))
        return made

    return make


def as_ids(kind: str) -> Reference:
    """A tokenizer of another kind than byte-level BPE."""
    if kind == "WordPiece":
        return Reference(models.WordPiece({"[UNK]": 0, "a": 1, "##b": 2}, unk_token="[UNK]"))
    return Reference(models.Unigram([("<unk>", 0.0), ("a", -1.0)], 0))


def beside(name: str, content: bytes | str, n_rows: int = 300) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        made = model(folder, n_rows, n_rows)
        path = made.path / name
        path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content)
        return made.path

    return make


CHARACTERS = {character: i for i, character in enumerate("\n !abcdefghijklmnopqrstuvwxyz")}

WITH_WORDS: dict[str, Opens] = {
    "GPT-2's vocabulary, no files": Opens(rows(50257), ids=EFFORT),
    "50304 rows, nothing says why": Opens(rows(50304), "47 of 50304 rows.", {"vocab_size": 50257}, EFFORT),
    "50304 rows in the book's layout": Opens(
        rows(50304, layout="book"), "47 of 50304 rows.", {"vocab_size": 50257}, EFFORT
    ),
    "50304 rows, a config of 50257": Opens(rows(50304, 50257), "47 of 50304 rows.", {"vocab_size": 50257}, EFFORT),
    "50304 rows, a config that counts them": Opens(rows(50304, 50304), config={"vocab_size": 50304}, ids=EFFORT),
    "50258 rows, one token added": Opens(
        rows(50258, 50258, added_tokens__json={"<|user|>": 50257}),
        config={"vocab_size": 50258},
        ids=EFFORT | {"a<|user|>b": [64, 50257, 65]},
    ),
    "50258 rows, one token added, a config that forgot it": Opens(
        rows(50258, 50257, added_tokens__json={"<|user|>": 50257}),
        config={"vocab_size": 50258},
        ids={"a<|user|>b": [64, 50257, 65]},
    ),
    "50304 rows, two tokens added, padded": Opens(
        rows(50304, added_tokens__json={"<|user|>": 50257, "<|end|>": 50258}),
        "45 of 50304 rows.",
        {"vocab_size": 50259},
        {"<|user|> moves<|end|>": [50257, 6100, 50258]},
    ),
    "a tokenizer.json of its own": Opens(fast(300), ids=OWN),
    "a tokenizer.json as large as GPT-2's rows": Opens(fast(50257), config={"vocab_size": 50257}, ids=OWN),
    "a tokenizer.json with added tokens": Opens(
        fast(302, AddedToken("<|user|>"), AddedToken("<|end|>")), ids={"<|user|><|end|>": [300, 301]}
    ),
    "a token added without a row": Opens(fast(300, AddedToken("[PAD]")), "1 token", {"vocab_size": 300}, OWN),
    "its own vocab.json and merges.txt": Opens(slow(300), ids=OWN),
    "its own merges, padded to 320": Opens(slow(320), config={"vocab_size": 320}, ids=OWN),
    "a table of characters": Opens(
        rows(29, 29, vocab__json=CHARACTERS), ids={"a day\n": [3, 1, 6, 3, 27, 0]}, config={"vocab_size": 29}
    ),
    "characters beside a pickle": Opens(rows(29, 29, vocab__json=CHARACTERS, meta__pkl="not opened"), ids={"a": [3]}),
    "a pickle of characters": Opens(rows(65, 65, meta__pkl="not opened"), r'open\("meta.pkl", "rb"\)', ids=None),
    "no vocabulary, other rows": Opens(rows(1000, 1000), "came without a vocabulary", ids=None),
    "no vocabulary, a few rows more": Opens(rows(50400, 50400), "came without a vocabulary", ids=None),
    "more rows than the tokenizer has tokens": Opens(fast(2000), config={"vocab_size": 2000}, ids=OWN),
}

WITHOUT_WORDS: dict[str, Refused] = {
    "WordPiece": Refused(beside("vocab.txt", "[PAD]\n[UNK]\na\n"), r"\(vocab.txt\) is WordPiece"),
    "WordPiece in tokenizer.json": Refused(beside("tokenizer.json", as_ids("WordPiece").to_str()), "is WordPiece"),
    "SentencePiece": Refused(beside("spiece.model", b"\n\x07"), r"\(spiece.model\) is SentencePiece"),
    "SentencePiece in tokenizer.json": Refused(beside("tokenizer.json", as_ids("Unigram").to_str()), "Unigram"),
    "words without merges": Refused(beside("vocab.json", '{"the": 0, "a": 1}'), "no merges.txt"),
    "a vocabulary of another model": Refused(
        beside("tokenizer.json", byte_level().to_str(), 200), "300 tokens .* 200 rows"
    ),
    "a damaged tokenizer.json": Refused(
        beside("tokenizer.json", byte_level().to_str()[:-50]), "cannot be read as JSON"
    ),
}
