"""Installs the oldest and then the newest packages that requirements.txt allows, and asks the app on each of them.

`python tests/oldest_and_newest.py --torch 2.13.0` takes this torch in both: a wheel of torch may bring gigabytes.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.serving import ROOT, start_app

PROMPT = "Once upon a time"
NEW_TOKENS = 8


def requirements() -> list[str]:
    """The lines of requirements.txt, name>=lower,<upper each."""
    return (ROOT / "requirements.txt").read_text(encoding="utf-8").split()


def oldest(requirement: str) -> str:
    """The requirement with its lower bound as the only version."""
    name, lower = re.fullmatch(r"(\w+)>=([\d.]+),<[\d.]+", requirement).groups()
    return f"{name}=={lower}"


def run(folder: Path, wanted: list[str]) -> None:
    """Install the wanted packages in an environment of their own and check the app there."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if (folder / "Scripts").exists() else "bin") / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    subprocess.run([python, "-c", "from tests.oldest_and_newest import check; check()"], check=True, cwd=ROOT)


def check() -> None:
    """Compare what the library and the running app write. Raises AssertionError when they differ."""
    from gradio_client import Client  # noqa: PLC0415 - only the new environment has these

    from gpt import Tokenizer, generate, load_model  # noqa: PLC0415

    ids = Tokenizer().encode(PROMPT)
    model = load_model(ROOT / "assets" / "storyteller")
    expected = [step.token_id for step in generate(model, ids, NEW_TOKENS)]
    app, address = start_app()
    try:
        # A busy machine may take longer to answer than httpx waits.
        client = Client(address, verbose=False, httpx_kwargs={"timeout": 120})
        answer = client.predict(PROMPT, NEW_TOKENS, api_name="/generate")
    finally:
        app.kill()
        app.communicate()
    assert answer["token_ids"] == expected, (answer, expected)
    print(", ".join(f"{name} {version(name)}" for name in (re.match(r"\w+", line)[0] for line in requirements())))
    print(f"  /generate and the library both write {answer['text']!r}")


def main() -> None:
    """The command line. Ends with an error when a set cannot be installed, or the app does not answer on it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--torch", help="the version of torch for both sets, instead of its bounds")
    torch = parser.parse_args().torch
    for name, choose in (("oldest", oldest), ("newest", str)):
        wanted = [choose(line) for line in requirements()]
        if torch:
            wanted = [f"torch=={torch}" if line.startswith("torch") else line for line in wanted]
        print(f"{name}: {' '.join(wanted)}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            run(Path(folder), wanted)


if __name__ == "__main__":
    main()
