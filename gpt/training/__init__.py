"""Train a small GPTModel on a text: `python -m gpt.training TEXT --out FOLDER`."""
