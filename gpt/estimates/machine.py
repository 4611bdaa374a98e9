"""This machine: its memory, how much of it is free, what a process took of it and of the processor.

In a container, what is free is bounded by the limit of the container.
"""

import ctypes
import os
import platform
import sys
from pathlib import Path

import torch

_MEMINFO = Path("/proc/meminfo")
_STATUS = Path("/proc/self/status")
_CPUINFO = Path("/proc/cpuinfo")
_VMSTAT = Path("/proc/vmstat")
_ASSUMED_BYTES = 8 * 2**30  # of a machine that does not say, such as one with Windows
# Where version 2 and version 1 of Linux control groups keep the limit and the use of memory.
_CGROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_memory_bytes() -> int | None:
    """Bytes a new process may take: on Linux the available memory, elsewhere half of all memory; None if unknown."""
    if _MEMINFO.exists():
        return min([_kilobytes(_MEMINFO, "MemAvailable:"), *_container_free()])
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return None


def memory_bytes() -> int:
    """Bytes of memory this machine has, or the container this process runs in; 8 GiB where nothing says."""
    return min([*_built_in(), *_container_limit()], default=_ASSUMED_BYTES)


def _built_in() -> list[int]:
    if _MEMINFO.exists():
        return [_kilobytes(_MEMINFO, "MemTotal:")]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    return []


def _container_limit() -> list[int]:
    for folder, limit, *_ in _CGROUPS:
        if (folder / limit).exists():
            bound = (folder / limit).read_text().strip()
            return [] if bound == "max" else [int(bound)]
    return []


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


def resident_bytes() -> int | None:
    """Memory this process holds now; None where the system does not say."""
    return _kilobytes(_STATUS, "VmRSS:") if _STATUS.exists() else None


def worked_seconds(pid: int) -> float | None:
    """Time that the first thread of a process has had a processor for itself; None where the system does not say."""
    stat = Path(f"/proc/{pid}/task/{pid}/stat")
    try:
        words = stat.read_text().rpartition(")")[2].split()
    except OSError:
        return None
    user, system = int(words[11]), int(words[12])  # after the name in brackets: see proc_pid_stat(5)
    return (user + system) / os.sysconf("SC_CLK_TCK")


def has_fast_products(dtype: str) -> bool:
    """Whether torch multiplies "float16" or "bfloat16" with instructions of this processor, not in plain loops."""
    if not torch.backends.mkldnn.is_available():  # then torch has no operator to ask
        return False
    found = {
        "float16": torch.ops.mkldnn._is_mkldnn_fp16_supported,
        "bfloat16": torch.ops.mkldnn._is_mkldnn_bf16_supported,
    }
    return bool(found[dtype]())


def ended_for_memory() -> int:
    """How many processes the system has ended because memory ran out; 0 where it does not say."""
    lines = _VMSTAT.read_text().splitlines() if _VMSTAT.exists() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def description() -> str:
    """The machine in a few words: 2 processors of AMD EPYC, Linux x86_64."""
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    name = next(named, platform.processor() or platform.machine())
    return f"{os.cpu_count()} processors of {name}, {platform.system()} {platform.machine()}"


def _container_free() -> list[int]:
    for folder, limit, used, cached in _CGROUPS:
        if (folder / limit).exists() and (folder / used).exists():
            bound = (folder / limit).read_text().strip()
            if bound == "max":
                return []
            # Cached files count as used, but the system frees them when memory is asked for.
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


def give_back_memory() -> None:
    """Give freed memory back to the system: after a large model, glibc keeps hundreds of MiB for later."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # not in every C library
        if trim is not None:
            trim(0)
