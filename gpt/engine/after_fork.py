"""A forked process computes with one thread: torch's OpenMP would wait for ever for threads that are not there.

A fork copies the one thread that asks for it, and nothing tells OpenMP that its helpers are gone. Fork while no other
thread reads a text, as what such a thread holds stays taken.
"""

import os

import torch


def _use_one_thread() -> None:
    torch.set_num_threads(1)


def watch_forks() -> None:
    """From now on a forked process uses one thread of torch and of the engine; its texts are the same."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_use_one_thread)
