"""The command line: `python -m gpt.training TEXT --out FOLDER`."""

from .command import main

main()
