"""What this machine has: free memory, and how much of it a process has taken.

Both bounded by the container the process runs in, if it runs in one.
"""

import os
import sys
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_STATUS = Path("/proc/self/status")
# Where version 2 and version 1 of Linux control groups keep the limit and the use of memory.
_CGROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_memory_bytes() -> int | None:
    """Bytes a new process may take: on Linux what is available, elsewhere half of what is built in; None if unknown."""
    if _MEMINFO.exists():
        return min([_kilobytes(_MEMINFO, "MemAvailable:"), *_container_free()])
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return None


def peak_resident_bytes() -> int | None:
    """The most memory this process has held at once; None where the system does not say."""
    if _STATUS.exists():
        # Not getrusage: on Linux it starts from what the parent process held.
        return _kilobytes(_STATUS, "VmHWM:")
    try:
        import resource  # noqa: PLC0415 - Windows does not have it
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _container_free() -> list[int]:
    for folder, limit, used, cached in _CGROUPS:
        if (folder / limit).exists() and (folder / used).exists():
            bound = (folder / limit).read_text().strip()
            if bound == "max":
                return []
            # Cached files count as used, and make room when asked.
            spare = _number(folder / "memory.stat", cached)
            return [max(0, int(bound) - int((folder / used).read_text()) + spare)]
    return []


def _kilobytes(path: Path, name: str) -> int:
    return _number(path, name) * 1024


def _number(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        words = line.split()
        if words[0] == name:
            return int(words[1])
    raise RuntimeError(f"{path} has no line {name!r}.")
