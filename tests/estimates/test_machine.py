"""What the machine says about memory, from files written as Linux writes them and from this machine."""

import os
import platform
import subprocess
import sys

import pytest

from gpt.estimates import machine


@pytest.fixture
def linux(tmp_path, monkeypatch):
    """A machine of 8 GiB with 5 GiB available, in a container without a limit."""
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:        8388608 kB\nMemFree:         1048576 kB\nMemAvailable:    5242880 kB\n")
    monkeypatch.setattr(machine, "_MEMINFO", meminfo)
    monkeypatch.setattr(machine, "_CGROUPS", ((tmp_path, "memory.max", "memory.current", "inactive_file"),))
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("123\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 1073741824\n")
    return tmp_path


@pytest.mark.usefixtures("linux")
def test_free_is_what_linux_calls_available():
    assert machine.free_memory_bytes() == 5 * 2**30


def test_a_container_bounds_it_and_its_cached_files_count_as_free(linux):
    (linux / "memory.max").write_text(f"{4 * 2**30}\n")
    (linux / "memory.current").write_text(f"{3 * 2**30}\n")
    assert machine.free_memory_bytes() == 2 * 2**30


def test_a_full_container_has_nothing_free(linux):
    (linux / "memory.max").write_text("1000\n")
    (linux / "memory.current").write_text(f"{2**31}\n")
    assert machine.free_memory_bytes() == 0


def test_elsewhere_it_is_half_of_what_is_built_in_or_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_MEMINFO", tmp_path / "missing")
    pages = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(machine.os, "sysconf", pages.get)
    assert machine.free_memory_bytes() == 1000 * 4096 // 2
    monkeypatch.delattr(machine.os, "sysconf")
    assert machine.free_memory_bytes() is None


def test_peak_grows_by_what_is_held():
    before = machine.peak_resident_bytes()
    held = bytearray(b"x") * (200 * 2**20)
    after = machine.peak_resident_bytes()
    assert before is not None and after is not None
    assert after >= before and after >= len(held)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the variable names instructions of x86-64")
def test_a_processor_without_the_instructions_has_no_fast_products():
    asked = "from gpt.estimates.machine import has_fast_products as fast; print(fast('float16'), fast('bfloat16'))"
    limited = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    told = subprocess.run([sys.executable, "-c", asked], env=limited, capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "False"]


def test_where_torch_has_no_such_library_there_are_none(monkeypatch):
    monkeypatch.setattr(machine.torch.backends.mkldnn, "is_available", lambda: False)
    assert not machine.has_fast_products("float16")
