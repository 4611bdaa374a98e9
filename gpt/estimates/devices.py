"""The memory of common machines, to see where a model fits.

The sizes as sold, in GiB. What drivers and other programs take is not subtracted.
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


def fits(peak_bytes: int, resident_bytes: int) -> tuple[Fit, ...]:
    """Every device, with whether there is room: for the peak of the tensors on a GPU, for the whole process in RAM."""
    return tuple(_fit(device, peak_bytes if device.kind == "GPU" else resident_bytes) for device in DEVICES)


def _fit(device: Device, needed_bytes: int) -> Fit:
    return Fit(device, needed_bytes <= device.memory_bytes, needed_bytes / device.memory_bytes)
