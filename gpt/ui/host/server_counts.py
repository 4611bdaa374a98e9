"""What a server counts for its log."""

from dataclasses import dataclass


@dataclass
class Counts:
    """Requests and events that were refused, and sessions whose results nobody read, since the last line of the log."""

    refused: int = 0
    unread: int = 0
