"""The vocabulary beside a model's weights: which of its files can be read, and the tokenizer they make.

Byte-level BPE (tokenizer.json, or vocab.json and merges.txt) and tables of characters (vocab.json alone) are read.
A pickle is never opened, and what is not known is refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..tokenizer import END_OF_TEXT, END_OF_TEXT_ID, VOCAB_SIZE, Vocabulary, gpt2_vocabulary
from .byte_pairs import BytePairs, encoder, is_gpt2, to_bytes
from .characters import WITHOUT_IT, read_characters, token_table
from .stored_tensors import WeightsError, parse_json
from .text_pieces import AddedToken, Cutting, Normalize, TextEncoder, cutting, normalizer

# The same file has had two names: Hugging Face's and, in OpenAI's release, another.
_VOCAB, _MERGES = ("vocab.json", "encoder.json"), ("merges.txt", "vocab.bpe")
_SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_SENTENCEPIECE = ("spiece.model", "tokenizer.model", "sentencepiece.bpe.model")
_READ = ("tokenizer.json", *_VOCAB, *_MERGES, *_SETTINGS)
FILE_NAMES = (*_READ, *_SENTENCEPIECE, "vocab.txt", "meta.pkl")
MOST_GPT2_ROWS = 50304  # GPT-2's 50,257, rounded up to a multiple of 64
GPT2_CUTTING = cutting({"type": "ByteLevel", "add_prefix_space": False})
PICKLED = (
    "meta.pkl is not opened, because a pickle can run any program. To have the characters, write them out yourself: "
    'import json, pickle; json.dump(pickle.load(open("meta.pkl", "rb"))["stoi"], open("vocab.json", "w"))'
)


@dataclass(frozen=True)
class _Parts:
    """What the files of a byte-level BPE say."""

    pairs: BytePairs
    added: Sequence[AddedToken]
    normalize: Normalize
    cutting: Cutting
    ignores_merges: bool = False  # what is a token as a whole is not made from its pairs


def read_vocabulary(
    files: Mapping[str, bytes], rows: int, end_of_text_id: object = None
) -> tuple[Vocabulary | None, list[str]]:
    """The vocabulary of a model with so many rows from its folder's files, None where it has none, and notes on it.

    files are those of FILE_NAMES, name to content. Without any, a model with GPT-2's rows, or with up to 47 more, has
    GPT-2's vocabulary. end_of_text_id is config.json's eos_token_id, for files that do not name the token. Raises
    WeightsError for a vocabulary of another kind, for damaged files, and for tokens without a row.
    """
    try:
        return _vocabulary_of(files, rows, end_of_text_id)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # any value in them may be of any kind
        raise WeightsError(
            f"The vocabulary's files hold something else than they should ({error}): repair them, or {WITHOUT_IT}"
        ) from error


def _vocabulary_of(
    files: Mapping[str, bytes], rows: int, end_of_text_id: object
) -> tuple[Vocabulary | None, list[str]]:
    notes: list[str] = []
    vocab = next((name for name in _VOCAB if name in files), None)
    merges = next((name for name in _MERGES if name in files), None)
    if "tokenizer.json" in files:
        vocabulary = _byte_level(_from_tokenizer_json(files), rows, notes)
    elif vocab and merges:
        vocabulary = _byte_level(_from_merges(files, vocab, merges), rows, notes)
    elif vocab:
        vocabulary = read_characters(_settings(files, vocab), vocab)
    else:
        _refuse_other_kinds(files)
        if "meta.pkl" in files:
            return None, [PICKLED]
        if not VOCAB_SIZE <= rows <= MOST_GPT2_ROWS:
            return None, [
                f"The model came without a vocabulary, and its {rows:,} rows are not GPT-2's: a prompt is ids "
                f"separated by spaces."
            ]
        vocabulary = _gpt2_with(_added_by_settings(files, {END_OF_TEXT: END_OF_TEXT_ID}), rows, notes)
    if len(vocabulary.pieces) > rows:
        raise WeightsError(
            f"The vocabulary has {len(vocabulary.pieces):,} tokens and the model {rows:,} rows for them: they belong "
            f"to different models."
        )
    used = {name: content for name, content in files.items() if name in _READ}
    return replace(vocabulary, end_of_text=_end_of_text(vocabulary, files, end_of_text_id), files=used), notes


def _refuse_other_kinds(files: Mapping[str, bytes]) -> None:
    if "vocab.txt" in files:
        raise _another_kind("WordPiece", "vocab.txt")
    found = next((name for name in _SENTENCEPIECE if name in files), None)
    if found:
        raise _another_kind("SentencePiece", found)


def _another_kind(kind: str, name: str) -> WeightsError:
    return WeightsError(
        f"The vocabulary beside the model ({name}) is {kind}, and only byte-level BPE and tables of characters are "
        f"read here: {WITHOUT_IT}"
    )


def _from_tokenizer_json(files: Mapping[str, bytes]) -> _Parts:
    settings = _settings(files, "tokenizer.json")
    model = settings.get("model")
    kind = model.get("type", "BPE" if "merges" in model else None) if isinstance(model, dict) else None
    if not isinstance(model, dict) or kind != "BPE":
        named = "SentencePiece's Unigram" if kind == "Unigram" else str(kind or "of a kind that it does not name")
        raise _another_kind(named, "tokenizer.json")
    if model.get("continuing_subword_prefix") or model.get("end_of_word_suffix") or model.get("byte_fallback"):
        raise WeightsError(f"The BPE in tokenizer.json marks the parts of words, so it is not byte-level: {WITHOUT_IT}")
    ids = token_table(model.get("vocab"), "tokenizer.json")
    merges = [_pair(line, "tokenizer.json") for line in model.get("merges") or ()]
    unknown = ids.get(model["unk_token"]) if isinstance(model.get("unk_token"), str) else None
    added = [_added_token(each, each.get("id")) for each in settings.get("added_tokens") or ()]
    return _Parts(
        BytePairs(ids, merges, unknown, bool(model.get("fuse_unk"))),
        added,
        normalizer(settings.get("normalizer")),
        cutting(settings.get("pre_tokenizer")),
        bool(model.get("ignore_merges")),
    )


def _from_merges(files: Mapping[str, bytes], vocab: str, merges: str) -> _Parts:
    ids = token_table(_settings(files, vocab), vocab)
    lines = files[merges].decode("utf-8-sig", errors="replace").split("\n")
    pairs = [_pair(line.rstrip("\r"), merges) for line in lines if line.strip() and not line.startswith("#version")]
    settings = _settings(files, "tokenizer_config.json")
    space = {"type": "ByteLevel", "add_prefix_space": bool(settings.get("add_prefix_space"))}
    return _Parts(BytePairs(ids, pairs), _added_by_settings(files, ids), normalizer(None), cutting(space))


def _added_by_settings(files: Mapping[str, bytes], ids: Mapping[str, int]) -> list[AddedToken]:
    """The added tokens that the files beside vocab.json and merges.txt name, special ones among them."""
    settings = _settings(files, "tokenizer_config.json")
    named = [*_named_tokens(settings), *_named_tokens(_settings(files, "special_tokens_map.json")), END_OF_TEXT]
    special = set(named)
    decoder = settings.get("added_tokens_decoder") or {}
    added = {str(each.get("content")): _added_token(each, int(token_id)) for token_id, each in decoder.items()}
    for content, token_id in _settings(files, "added_tokens.json").items():
        added.setdefault(content, _added_token({"content": content, "special": content in special}, token_id))
    for content in named:
        if content in ids:
            added.setdefault(content, AddedToken(content, ids[content], special=True))
    return list(added.values())


def _named_tokens(settings: Mapping[str, Any]) -> list[str]:
    """The special tokens that a file's settings name: bos_token, eos_token, unk_token, pad_token and others."""
    values = [value for key, value in settings.items() if key.endswith("_token")]
    values += settings.get("additional_special_tokens") or ()
    contents = [value.get("content") if isinstance(value, dict) else value for value in values]
    return [content for content in contents if isinstance(content, str)]


def _added_token(settings: Mapping[str, Any], token_id: object) -> AddedToken:
    content = settings.get("content")
    if not isinstance(content, str) or not content or not isinstance(token_id, int) or token_id < 0:
        raise WeightsError(f"The added token {settings} has no text or no id: repair the vocabulary's files.")
    flags = ("special", "normalized", "single_word", "lstrip", "rstrip")
    return AddedToken(content, token_id, **{flag: bool(settings.get(flag)) for flag in flags})


def _byte_level(parts: _Parts, rows: int, notes: list[str]) -> Vocabulary:
    pairs = parts.pairs
    missing = next((a + b for a, b in pairs.merges if a + b not in pairs.ids), None)
    if missing is not None:
        raise WeightsError(
            f"The merges make {missing!r}, which is no token of the vocabulary: the two do not belong together."
        )
    if parts.ignores_merges:
        made = {a + b for a, b in pairs.merges} | {token.content for token in parts.added}
        alone = [token for token in pairs.ids if len(token) > 1 and token not in made and to_bytes(token) is not None]
        if alone:
            raise WeightsError(f"tokenizer.json has tokens that no merge makes, and ignore_merges: {WITHOUT_IT}")
    if parts.normalize is str and parts.cutting == GPT2_CUTTING and is_gpt2(pairs):
        return _gpt2_with(parts.added, rows, notes)
    added = _with_a_row(parts.added, rows, notes)
    pieces = _pieces({token_id: to_bytes(token) or token.encode() for token, token_id in pairs.ids.items()}, added)
    encode = TextEncoder(added, parts.normalize, parts.cutting, encoder(pairs, parts.cutting.pattern))
    return Vocabulary(f"its own byte-level BPE of {len(pieces):,} tokens", pieces, encode)


def _gpt2_with(added: Sequence[AddedToken], rows: int, notes: list[str]) -> Vocabulary:
    """GPT-2's vocabulary and the tokens added to it."""
    gpt2 = gpt2_vocabulary()
    added = _with_a_row(added, rows, notes)
    if all((token.content, token.token_id) == (END_OF_TEXT, END_OF_TEXT_ID) for token in added):
        return gpt2
    pieces = _pieces(dict(enumerate(gpt2.pieces)), added)
    encode = TextEncoder(added, normalizer(None), GPT2_CUTTING, lambda text: gpt2.encode(text, False))
    return Vocabulary(f"GPT-2's {VOCAB_SIZE:,} tokens and {len(pieces) - VOCAB_SIZE} more", pieces, encode)


def _with_a_row(added: Sequence[AddedToken], rows: int, notes: list[str]) -> list[AddedToken]:
    """The added tokens that the model knows. Often one for padding is added, and the model never sees it."""
    without = [token.content for token in added if token.token_id >= rows]
    if without:
        which = (
            "1 token of the vocabulary has" if len(without) == 1 else f"{len(without)} tokens of the vocabulary have"
        )
        notes.append(f"{which} no row in the model, left out: {', '.join(without[:5])}.")
    return [token for token in added if token.token_id < rows]


def _pieces(by_id: Mapping[int, bytes | None], added: Iterable[AddedToken]) -> tuple[bytes | None, ...]:
    everything = {**by_id, **{token.token_id: token.content.encode() for token in added}}
    return tuple(everything.get(token_id) for token_id in range(max(everything) + 1))


def _end_of_text(vocabulary: Vocabulary, files: Mapping[str, bytes], stated: object) -> int | None:
    """The id of the token that the files call eos_token, else config.json's, else that of `<|endoftext|>`.

    transformers writes GPT-2's 50256 into every config.json that says nothing else. So an id of config.json is not
    believed where it is an ordinary token of a vocabulary that has `<|endoftext|>`.
    """
    by_piece = {piece: token_id for token_id, piece in enumerate(vocabulary.pieces) if piece}
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        named = _named_tokens({"eos_token": _settings(files, name).get("eos_token")})
        if named and named[0].encode() in by_piece:
            return by_piece[named[0].encode()]
    first = stated[0] if isinstance(stated, list) and stated else stated
    usual = by_piece.get(END_OF_TEXT.encode())
    if not isinstance(first, int) or isinstance(first, bool) or not 0 <= first < len(vocabulary.pieces):
        return usual
    return first if usual is None or _is_special(vocabulary, first) else usual


def _is_special(vocabulary: Vocabulary, token_id: int) -> bool:
    """Whether a text becomes this token only where special tokens are asked for."""
    text = (vocabulary.pieces[token_id] or b"").decode(errors="replace")
    return vocabulary.encode(text, True) == [token_id] != vocabulary.encode(text, False)


def _pair(line: object, name: str) -> tuple[str, str]:
    halves = line.split(" ") if isinstance(line, str) else line
    if not isinstance(halves, list) or len(halves) != 2:
        raise WeightsError(f"{name} holds {line!r} where two tokens to join should stand: repair it, or {WITHOUT_IT}")
    return str(halves[0]), str(halves[1])


def _settings(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    return parse_json(files[name], name) if name in files else {}
