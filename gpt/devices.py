"""The memory of common machines, to see where a model fits.

Sizes as sold, read as GiB; what drivers and other programs take is not in them.
"""

from dataclasses import dataclass

GIB = 2**30


@dataclass(frozen=True)
class Device:
    """A graphics card or a machine's main memory."""

    name: str
    kind: str  # "GPU" or "RAM"
    memory_bytes: int


@dataclass(frozen=True)
class Fit:
    """Whether something fits a device, and which share of its memory it takes."""

    device: Device
    fits: bool
    share: float


DEVICES = (
    Device("NVIDIA RTX 4060", "GPU", 8 * GIB),
    Device("NVIDIA RTX 3060", "GPU", 12 * GIB),
    Device("NVIDIA T4", "GPU", 16 * GIB),
    Device("NVIDIA RTX 4090", "GPU", 24 * GIB),
    Device("NVIDIA A100 40 GB", "GPU", 40 * GIB),
    Device("NVIDIA L40S", "GPU", 48 * GIB),
    Device("NVIDIA H100", "GPU", 80 * GIB),
    Device("8 GB of RAM", "RAM", 8 * GIB),
    Device("16 GB of RAM", "RAM", 16 * GIB),
    Device("32 GB of RAM", "RAM", 32 * GIB),
    Device("64 GB of RAM", "RAM", 64 * GIB),
    Device("128 GB of RAM", "RAM", 128 * GIB),
)


def fits(needed_bytes: int) -> tuple[Fit, ...]:
    """Every device, with whether needed_bytes fit into it."""
    return tuple(
        Fit(device, needed_bytes <= device.memory_bytes, needed_bytes / device.memory_bytes) for device in DEVICES
    )
