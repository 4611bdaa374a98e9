"""What can go wrong with the Hub, each in one sentence."""

import errno
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from .hub_cache import REPOSITORIES
from .stored_tensors import WeightsError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)


class HubError(WeightsError):
    """A model that could not be had, which says nothing of the model itself."""


def endpoint() -> str:
    """The address of the Hub: HF_ENDPOINT, or the public one."""
    from huggingface_hub import constants  # noqa: PLC0415  # reads the environment when imported

    return str(constants.ENDPOINT)


def could_not(name: str, because: str, then: str) -> HubError:
    """The sentence for a repository's model that could not be had, and what to do about it."""
    chapters_name = next((short for short, repository in REPOSITORIES.items() if repository == name), name)
    return HubError(f"{chapters_name} could not be downloaded, because {because}: {then}.")


def not_answered(name: str, response: httpx.Response) -> HubError:
    """The sentence for an answer that is no file."""
    hub, status, code = f"the Hub ({_host()})", response.status_code, response.headers.get("X-Error-Code", "")
    if code == "GatedRepo":
        return could_not(
            name,
            "its owner lets only those read it who ask",
            f"accept its terms on {endpoint()}/{name}, then sign in here with `hf auth login`",
        )
    if code in ("RepoNotFound", "RevisionNotFound") or status in (401, 404):
        return HubError(
            f"There is no repository {name} on the Hub ({_host()}), or it is private: check the name, or sign in with "
            f"`hf auth login`."
        )
    if status == 403:
        return could_not(name, f"{hub} does not allow it", "sign in with `hf auth login` as somebody who may read it")
    if status == 429:
        wait = response.headers.get("Retry-After", "")
        after = f"in {wait} seconds" if wait.isdigit() else "in a few minutes"
        return could_not(name, f"{hub} has had too many requests from this address", f"try again {after}")
    if status >= 500:
        return could_not(name, f"{hub} has trouble of its own (status {status})", "try again later")
    return could_not(name, f"{hub} answered with status {status}", "try again, or open a model on this machine")


@contextmanager
def in_one_sentence(name: str, folder: Path) -> Iterator[None]:
    """Inside, trouble with the network or with the disk under `folder` becomes a WeightsError."""
    try:
        yield
    except httpx.HTTPError as error:
        raise _network_trouble(name, error) from error
    except httpx.InvalidURL as error:
        raise could_not(
            name, f"HF_ENDPOINT is {endpoint()}, which is no address", "set it right, or not at all"
        ) from error
    except OSError as error:
        raise _disk_trouble(name, folder, error) from error


def _network_trouble(name: str, error: httpx.HTTPError) -> HubError:
    hub = f"the Hub ({_host()})"
    if any(isinstance(each, ssl.SSLError) for each in _causes(error)) or "CERTIFICATE" in str(error).upper():
        return could_not(name, f"{hub} cannot prove who it is", "check this machine's clock and certificates")
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return could_not(name, f"{hub} does not answer", "try again later")
    if isinstance(error, httpx.ProxyError):
        return could_not(name, "the proxy does not let it through", "check HTTPS_PROXY")
    return could_not(
        name, f"{hub} cannot be reached", "check the connection and try again, or open a model on this machine"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _disk_trouble(name: str, folder: Path, error: OSError) -> HubError:
    if error.errno in _FULL:
        return could_not(name, f"the disk of {folder} is full", "make room, and the download goes on where it stopped")
    if error.errno in _CLOSED:
        return could_not(name, f"{folder} cannot be written", "set HF_HOME to a folder that can")
    return could_not(name, f"{folder} cannot be used ({error.strerror})", "set HF_HOME to another folder")


def _host() -> str:
    return urlsplit(endpoint()).netloc or endpoint()
