"""A forked process computes with one thread: torch's OpenMP would wait for ever for threads that are not there.

A fork copies only the thread that asks for it, and nothing tells OpenMP that the other threads are missing. Fork while
no other thread reads a text: a lock that such a thread holds is never released in the copy.
"""

import os

import torch


def _use_one_thread() -> None:
    torch.set_num_threads(1)


def watch_forks() -> None:
    """From now on a forked process uses one thread of torch and of the engine; its texts are the same."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_use_one_thread)
