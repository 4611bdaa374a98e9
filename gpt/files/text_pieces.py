"""What a tokenizer.json does to a text before its byte-pair encoding: added tokens, normalization, and cutting.

The names are those of the tokenizers library. What is not known here is refused, never left out.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import regex

from .byte_pairs import GPT2_PIECES, WHOLE, Encode
from .characters import WITHOUT_IT
from .stored_tensors import WeightsError

Normalize = Callable[[str], str]
Cut = Callable[[str], Iterable[str]]

_FORMS = ("NFC", "NFD", "NFKC", "NFKD")


@dataclass(frozen=True)
class AddedToken:
    """A piece of text that is one token wherever it stands. A special one is only meant where one asks for it."""

    content: str
    token_id: int
    special: bool = False
    normalized: bool = False  # looked for in the normalized text
    single_word: bool = False  # not inside a longer word
    lstrip: bool = False  # includes the white space before it
    rstrip: bool = False


@dataclass(frozen=True)
class Cutting:
    """How normalized text is cut: step by step in Python, then by a pattern that tiktoken runs on every piece."""

    steps: tuple[Cut, ...]
    pattern: str  # GPT2_PIECES or WHOLE
    leading_space: bool  # every piece begins with a space, its own or one put there

    def __call__(self, text: str) -> list[str]:
        """The pieces that are encoded one by one."""
        pieces = [text]
        for step in self.steps:
            pieces = [part for piece in pieces for part in step(piece) if part]
        if self.leading_space:
            pieces = [piece if piece.startswith(" ") else " " + piece for piece in pieces]
        return pieces


def normalizer(settings: Mapping[str, Any] | None) -> Normalize:
    """The function that a tokenizer.json's normalizer describes. Raises WeightsError for one that is not known."""
    if settings is None:
        return str  # which leaves a text as it is
    kind = settings.get("type")
    if kind == "Sequence":
        steps = [normalizer(step) for step in settings.get("normalizers") or ()]
        return lambda text: _apply(steps, text)
    if kind in _FORMS:
        return lambda text: unicodedata.normalize(kind, text)
    if kind == "Lowercase":
        # Character by character: a whole word's last sigma would become another letter.
        return lambda text: "".join(character.lower() for character in text)
    raise _unknown("normalizer", kind)


def _apply(steps: Sequence[Normalize], text: str) -> str:
    for step in steps:
        text = step(text)
    return text


def cutting(settings: Mapping[str, Any] | None) -> Cutting:
    """What a tokenizer.json's pre_tokenizer describes. Raises WeightsError for one that is not known here."""
    steps = list(_flat(settings))
    if not steps or steps[-1].get("type") != "ByteLevel":
        raise _unknown("pre_tokenizer", steps[-1].get("type") if steps else None)
    last = steps.pop()
    pattern = GPT2_PIECES if last.get("use_regex", True) else WHOLE
    return Cutting(tuple(map(_cut, steps)), pattern, bool(last.get("add_prefix_space", True)))


def _flat(settings: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    if settings is None:
        return
    if settings.get("type") == "Sequence":
        for step in settings.get("pretokenizers") or ():
            yield from _flat(step)
    else:
        yield settings


def _cut(settings: Mapping[str, Any]) -> Cut:
    kind = settings.get("type")
    if kind == "Digits":
        return _isolate(regex.compile(r"\p{N}" if settings.get("individual_digits") else r"\p{N}+"), "isolated", False)
    behavior = str(settings.get("behavior")).lower()
    if kind != "Split" or behavior not in ("isolated", "removed"):
        raise _unknown("pre_tokenizer", kind if kind != "Split" else f"Split, {behavior}")
    pattern = settings.get("pattern") or {}
    try:
        found = regex.compile(pattern["Regex"] if "Regex" in pattern else regex.escape(pattern["String"]))
    except (KeyError, regex.error) as error:
        raise _unknown("pre_tokenizer", f"Split by {pattern}") from error
    return _isolate(found, behavior, bool(settings.get("invert")))


def _isolate(pattern: "regex.Pattern[str]", behavior: str, invert: bool) -> Cut:
    """Cut a text at the ends of every match. "removed" leaves the matches out; inverted, what lies between them."""

    def cut(text: str) -> Iterator[str]:
        end = 0
        for match in pattern.finditer(text):
            if match.end() == match.start():
                continue
            if behavior == "isolated" or not invert:
                yield text[end : match.start()]
            if behavior == "isolated" or invert:
                yield match.group()
            end = match.end()
        if behavior == "isolated" or not invert:
            yield text[end:]

    return cut


@dataclass(frozen=True)
class TextEncoder:
    """Text to ids, as `Vocabulary.encode` wants it: added tokens first, then normalized, cut and encoded."""

    added: Sequence[AddedToken]
    normalize: Normalize
    cutting: Cutting
    encode_piece: Encode

    def __call__(self, text: str, special: bool) -> list[int]:
        """Ids of text; special tokens in it become their ids only when special is True."""
        wanted = [token for token in self.added if special or not token.special]
        ids: list[int] = []
        for part in around_tokens(text, [token for token in wanted if not token.normalized], str):
            if isinstance(part, AddedToken):
                ids.append(part.token_id)
                continue
            normalized = [token for token in wanted if token.normalized]
            for piece in around_tokens(self.normalize(part), normalized, self.normalize):
                if isinstance(piece, AddedToken):
                    ids.append(piece.token_id)
                else:
                    ids += [token_id for cut in self.cutting(piece) for token_id in self.encode_piece(cut)]
        return ids


def around_tokens(text: str, tokens: Sequence[AddedToken], content: Normalize) -> Iterator[str | AddedToken]:
    """The text between added tokens, and the tokens, in order. Of several at one place the longest is taken."""
    by_content = {content(token.content): token for token in tokens}
    if not by_content:
        yield text
        return
    longest_first = sorted(by_content, key=len, reverse=True)
    end = 0
    for match in regex.finditer("|".join(map(regex.escape, longest_first)), text):
        token = by_content[match.group()]
        start, stop = match.span()
        if start < end or (token.single_word and _in_word(text, start, stop)):
            continue
        if token.lstrip:
            start = max(end, len(text[:start].rstrip()))
        if token.rstrip:
            stop += len(text[stop:]) - len(text[stop:].lstrip())
        if start > end:
            yield text[end:start]
        yield token
        end = stop
    if end < len(text):
        yield text[end:]


def _in_word(text: str, start: int, stop: int) -> bool:
    return bool(regex.search(r"\w\Z", text[:start]) or regex.match(r"\w", text[stop:]))


def _unknown(what: str, kind: object) -> WeightsError:
    return WeightsError(
        f"tokenizer.json has a {what} of the kind {kind}, which is not byte-level BPE as it is read here: {WITHOUT_IT}"
    )
