"""The command line: `python -m gpt.training TEXT --out FOLDER`."""

from .command_line import main

main()
