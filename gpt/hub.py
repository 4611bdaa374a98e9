"""OpenAI's released GPT-2 weights from the Hugging Face Hub: downloaded once, resumed when the connection drops.

HF_ENDPOINT and HF_HUB_OFFLINE are honoured by huggingface_hub, which does the transfer.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .weights import WeightsError

REPOSITORIES = {
    "gpt2-124M": "openai-community/gpt2",
    "gpt2-355M": "openai-community/gpt2-medium",
    "gpt2-774M": "openai-community/gpt2-large",
    "gpt2-1558M": "openai-community/gpt2-xl",
}
_WEIGHTS = "model.safetensors"
_CONFIG = "config.json"

_PATIENCE_SECONDS = 10

Progress = Callable[[int, int], None]  # bytes so far, bytes in all


def downloaded(name: str) -> Path | None:
    """The folder that holds the weights already, or None."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415  # slow to import, seldom needed

    paths = [try_to_load_from_cache(REPOSITORIES[name], file) for file in (_CONFIG, _WEIGHTS)]
    return Path(str(paths[1])).parent if all(isinstance(path, str) for path in paths) else None


def download(name: str, on_progress: Progress | None = None) -> Path:
    """The folder with config.json and model.safetensors, fetched when missing. Raises WeightsError offline."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url  # noqa: PLC0415  # slow to import

    repository = REPOSITORIES[name]
    try:
        # hf_hub_download would try for half a minute before it says that there is no network.
        get_hf_file_metadata(hf_hub_url(repository, _CONFIG), timeout=_PATIENCE_SECONDS)
        hf_hub_download(repository, _CONFIG)
        weights = hf_hub_download(repository, _WEIGHTS, tqdm_class=_reporting_to(on_progress))
    except Exception as error:  # the client raises a dozen kinds for one thing: the file could not be had
        raise WeightsError(
            f"{name} could not be downloaded from the Hugging Face Hub ({_reason(error)}): check the connection "
            f"and try again, or open a file you have."
        ) from error
    return Path(weights).parent


def _reason(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__


def _reporting_to(on_progress: Progress | None) -> Any:
    from huggingface_hub.utils import tqdm  # noqa: PLC0415

    class Reporting(tqdm):
        """The client's progress bar, told to someone else instead of the terminal."""

        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            if on_progress is not None and self.total:
                on_progress(int(self.n), int(self.total))
            return shown

    return Reporting
