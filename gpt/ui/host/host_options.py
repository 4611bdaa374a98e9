"""What a host can set: on the command line, in the environment as EXPLORER_ and the option's name, or by default.

`python app.py --help` lists it.
"""

import argparse
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from .host_names import is_loopback

_YES = ("1", "true", "yes", "on")
_NO = ("0", "false", "no", "off")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
_SOURCE = re.compile(r"'self'|'none'|\*|(?:https?:)?(?://)?[A-Za-z0-9.*-]+(?::(?:\d+|\*))?|\[[0-9a-f:]+\]")
HUB_PAGE = "https://huggingface.co"
_THIS_MACHINE = " ".join(
    ["'self'", *(f"{scheme}://{name}:*" for scheme in ("http", "https") for name in ("localhost", "127.0.0.1"))]
)
# A Space brings this one with it: see the front matter of README.md.
_SPACES_MODELS = ("gpt2-124M",)


@dataclass(frozen=True)
class Options:
    """How one server runs. None stands for the first free port, for any model of the hub, for any time."""

    model: str
    host: str
    port: int | None
    public: bool
    allowed_hosts: tuple[str, ...]
    trust_proxy: bool
    root_path: str
    frame_ancestors: str
    hub_models: tuple[str, ...] | None
    allow_training: bool
    allow_measuring: bool
    session_minutes: float
    max_tokens: int
    max_seconds: float | None
    start_link: str
    open: bool
    mcp: bool
    space_host: str = ""  # the name the hub gives a Space


def read_options(arguments: list[str] | None = None, environment: Mapping[str, str] | None = None) -> Options:
    """Command line first, then environment, then defaults. Ends the process with one sentence for what cannot be."""
    environment = os.environ if environment is None else environment
    given = vars(_parser(environment).parse_args(arguments))
    on_space = environment.get("SYSTEM") == "spaces"
    space_host = environment.get("SPACE_HOST", "").lower() if on_space else ""
    public = given["public"]
    if public is None:
        public = on_space or not is_loopback(given["host"])
    later = {  # what depends on whether strangers come
        "frame_ancestors": f"'self' {HUB_PAGE}" if on_space else "'self'" if public else _THIS_MACHINE,
        "hub_models": _SPACES_MODELS if on_space else () if public else "any",
        "allow_training": not public,
        "allow_measuring": not public,
        "max_seconds": 120.0 if public else 0.0,
    }
    chosen = given | {"public": public} | {name: value for name, value in later.items() if given[name] is None}
    chosen["hub_models"] = None if chosen["hub_models"] == "any" else chosen["hub_models"]
    chosen["max_seconds"] = chosen["max_seconds"] or None
    chosen["allowed_hosts"] += (space_host,) if space_host else ()
    return Options(**chosen, space_host=space_host)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence."""

    def error(self, message: str) -> NoReturn:
        said = re.sub(r"^argument \S+: (?=--)", "", message)  # our own sentences name the option themselves
        self.exit(2, f"The GPT-2 explorer could not start. {said[:1].upper()}{said[1:].rstrip('.')}.\n")


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = _Parser(description="See how GPT-2 works, in the browser.")

    def option(name: str, convert: Callable[[str], Any], default: Any, said: str, *others: str) -> None:
        """One option; `others` are further names of it in the environment."""
        variable = "EXPLORER_" + name[2:].upper().replace("-", "_")
        value = next((environment[each] for each in (variable, *others) if environment.get(each)), None)
        help_text = f"{said} ({variable})".replace("%", "%%")
        kind = _named(convert, f"{name} or {variable}")
        if convert is _yes_or_no:
            # A string default is converted like what is typed, so that a wrong one is refused by the same sentence.
            parser.add_argument(name, action=argparse.BooleanOptionalAction, default=None, help=help_text)
            dest = name[2:].replace("-", "_")
            try:
                parser.set_defaults(**{dest: default if value is None else kind(value)})
            except argparse.ArgumentTypeError as error:
                parser.error(str(error))
        else:
            parser.add_argument(name, type=kind, default=default if value is None else value, help=help_text)

    option("--model", str, "", "a model's name, or the path of a .safetensors file or folder")
    option(
        "--host", str, "127.0.0.1", "address to listen on; 0.0.0.0 lets other machines connect", "GRADIO_SERVER_NAME"
    )
    option("--port", _port, None, "port to listen on, else the first free one from 7860", "GRADIO_SERVER_PORT")
    option("--public", _yes_or_no, None, "a host for strangers; on for any other address than loopback, and on a Space")
    option("--allowed-hosts", _host_names, (), "further names, with commas, that Host and Origin may have")
    option("--trust-proxy", _yes_or_no, False, "believe X-Forwarded-For, -Host and -Proto")
    option("--root-path", _root_path, "", "the prefix behind a proxy, as /gpt", "GRADIO_ROOT_PATH")
    option("--frame-ancestors", _frame_ancestors, None, "who may frame the page, as in a content security policy")
    option("--hub-models", _hub_models, None, "what may be downloaded: any, none, or names with commas")
    option("--allow-training", _yes_or_no, None, "train from the page; off on a public host")
    option("--allow-measuring", _yes_or_no, None, "measure from the page; off on a public host")
    option("--session-minutes", _positive, 60.0, "idle sessions end after so long")
    option("--max-tokens", _whole, 1_000, "new tokens of one request")
    option("--max-seconds", _seconds, None, "seconds of one request, 0 for any time; 120 on a public host")
    option("--start-link", _start_link, "", "the view that every visitor starts with: a link, or its part from ? on")
    option("--open", _yes_or_no, False, "open the browser")
    option("--mcp", _yes_or_no, False, "serve assistants too")
    return parser


def _named(convert: Callable[[str], Any], names: str) -> Callable[[str], Any]:
    """A conversion for argparse that says which option it refuses, and why."""

    def converted(text: str) -> Any:
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{names} is {text[:80]!r}: {error}") from None

    return converted


def _yes_or_no(text: str) -> bool:
    if text.lower() in _YES:
        return True
    if text.lower() in _NO:
        return False
    raise ValueError("choose 1 or 0")


def _port(text: str) -> int:
    if text.isdecimal() and text.isascii() and 1 <= int(text) <= 65_535:
        return int(text)
    raise ValueError("choose a whole number from 1 to 65535")


def _whole(text: str) -> int:
    if text.isdecimal() and text.isascii() and 1 <= int(text) <= 10**9:
        return int(text)
    raise ValueError("choose a whole number of 1 or more")


def _positive(text: str) -> float:
    if (value := _seconds(text)) > 0:
        return value
    raise ValueError("choose a number above 0")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if 0 <= value < math.inf:
        return value
    raise ValueError("choose a number of 0 or more")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _host_names(text: str) -> tuple[str, ...]:
    names = tuple(name.lower() for name in _names(text))
    for name in names:
        if not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:]+", name):
            raise ValueError("give names like gpt.example.org, without scheme and port")
    return names


def _hub_models(text: str) -> tuple[str, ...] | str:
    return "any" if text == "any" else () if text == "none" else _names(text)


def _root_path(text: str) -> str:
    path = text.rstrip("/")
    if not _PREFIX.fullmatch(path):
        raise ValueError("give a path like /gpt")
    return path


def _frame_ancestors(text: str) -> str:
    sources = text.replace(",", " ").split()
    if not sources or not all(_SOURCE.fullmatch(source) for source in sources):
        raise ValueError("give sources like 'self' https://example.org")
    return " ".join(sources)


def _start_link(text: str) -> str:
    if not text:
        return ""
    query, _, fragment = text.partition("?")[2].partition("#")
    if not query or any(sign.isspace() for sign in text) or not text.isascii():
        raise ValueError("give a link to a view, as ?tab=layernorm")
    return f"?{query}" + (f"#{fragment}" if fragment else "")


# The options when nothing is set: only this machine is served.
LAPTOP = read_options([], {})
