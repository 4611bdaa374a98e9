"""The library is compiled once and kept; what is damaged, hangs or is missing costs a log line, not the app."""

import logging
import os
import platform
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gpt.engine import build
from gpt.engine.build import BuildError, compile_to, library_file

from .tiny import needs_library

pytestmark = needs_library

OTHER_PROCESSOR = "x86-64-v2" if platform.machine() == "x86_64" else "armv8-a"


@pytest.fixture(autouse=True)
def small_sources(tmp_path, monkeypatch):
    """One short C file in a folder where nothing is compiled yet: the true sources take many seconds."""
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / "answer.c").write_text("int answer(void) { return 42; }\n")
    monkeypatch.setattr(build, "FOLDER", folder)
    monkeypatch.setattr(build, "_KEPT_IN", folder / "__pycache__")
    return folder


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary files go."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """A function that has a shell script stand in for the compiler."""

    def stand_in(script: str) -> Path:
        path = tmp_path / "compiler"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("CC", str(path))
        return path

    return stand_in


def kept_files(sources: Path) -> dict[str, Path]:
    return {path.suffix: path for path in (sources / "__pycache__").iterdir()}


def built() -> bytes:
    with library_file() as path:
        return path.read_bytes()


def test_what_is_built_is_kept_whole_with_its_digest(small_sources, temporary):
    content = built()
    assert content.startswith(b"\x7fELF") or sys.platform != "linux"
    assert set(kept_files(small_sources)) == {".so", ".digest"}
    assert kept_files(small_sources)[".so"].read_bytes() == content
    assert list(temporary.iterdir()) == []


def test_a_later_process_compiles_nothing(monkeypatch):
    content = built()
    monkeypatch.setattr(build, "compile_to", lambda *_: pytest.fail("compiled again"))
    assert built() == content


@pytest.mark.parametrize("changed", ["source", "header", "flags", "compiler", "processor", "architecture"])
def test_another_source_compiler_or_processor_is_another_library(small_sources, monkeypatch, changed, tmp_path):
    built()
    if changed == "source":
        (small_sources / "answer.c").write_text("int answer(void) { return 43; }\n")
    elif changed == "header":
        (small_sources / "answer.h").write_text("\n")
    elif changed == "flags":
        monkeypatch.setattr(build, "_FLAGS", (*build._FLAGS, "-DOTHER"))
    elif changed == "compiler":
        (tmp_path / "other-cc").symlink_to(shutil.which("cc"))
        monkeypatch.setenv("CC", str(tmp_path / "other-cc"))
    elif changed == "processor":
        monkeypatch.setattr(build, "_processor", lambda: "another")
    with library_file(OTHER_PROCESSOR if changed == "architecture" else "native"):
        assert len(list((small_sources / "__pycache__").glob("*.so"))) == 2


DAMAGE = {
    "cut off": (".so", lambda content: content[: len(content) // 2]),
    "empty": (".so", lambda _: b""),
    "one bit": (".so", lambda content: content[:-1] + bytes([content[-1] ^ 1])),
    "longer": (".so", lambda content: content + b"\0"),
    "digest cut off": (".digest", lambda content: content[:20]),
    "digest empty": (".digest", lambda _: b""),
    "digest garbled": (".digest", lambda _: b"\xff\xfe\x00"),
    "digest of another": (".digest", lambda content: content[:-1] + b"x"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_library_is_built_again_with_one_line_in_the_log(small_sources, damage, caplog):
    content = built()
    suffix, spoil = DAMAGE[damage]
    path = kept_files(small_sources)[suffix]
    path.write_bytes(spoil(path.read_bytes()))
    with caplog.at_level(logging.INFO, "gpt.engine.build"):
        assert built() == content
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "is damaged" in caplog.text
        built()
    assert len(caplog.records) == 1
    assert kept_files(small_sources)[".so"].read_bytes() == content


@pytest.mark.parametrize("suffix", [".so", ".digest"])
def test_a_missing_file_is_made_again_without_a_word(small_sources, suffix, caplog):
    content = built()
    kept_files(small_sources)[suffix].unlink()
    assert built() == content
    assert set(kept_files(small_sources)) == {".so", ".digest"}
    assert caplog.records == []


# Compilers that fail


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process_id}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(os.name != "posix", reason="a shell script stands in for the compiler")
@pytest.mark.parametrize(
    "hanging",
    [
        "sleep 100 & echo $! > PIDS; echo $$ >> PIDS; wait",  # as a driver waits for the compiler proper
        "sleep 100 & echo $! > PIDS; exit 0",  # gone itself, and what it started holds its output open
        "trap '' TERM INT HUP; echo $$ > PIDS; while :; do sleep 1; done",
    ],
)
def test_a_compiler_that_hangs_leaves_no_process_and_no_file(
    compiler, hanging, tmp_path, temporary, small_sources, monkeypatch
):
    pids = tmp_path / "pids"
    compiler('echo half > "$TMPDIR/cc-half.s"\n' + hanging.replace("PIDS", str(pids)))
    monkeypatch.setattr(build, "_TIME_LIMIT_SECONDS", 0.5)
    start = time.monotonic()
    with pytest.raises(BuildError, match=r"was not done after 0\.5 seconds"):
        built()
    assert time.monotonic() - start < 20
    deadline = time.monotonic() + 10
    while any(is_running(int(line)) for line in pids.read_text().split()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(is_running(int(line)) for line in pids.read_text().split())
    assert list(temporary.iterdir()) == []
    assert not (small_sources / "__pycache__").exists()


@pytest.mark.skipif(os.name != "posix", reason="a shell script stands in for the compiler")
def test_a_failing_compiler_is_quoted(compiler, temporary):
    compiler('echo "no such flag" >&2; echo half > "$TMPDIR/cc-half.s"; exit 3')
    with pytest.raises(BuildError, match="failed with code 3: no such flag"):
        built()
    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(shutil.which("false") is None, reason="there is no command that does nothing but fail")
def test_a_compiler_that_says_nothing_is_named_with_its_code(monkeypatch):
    monkeypatch.setenv("CC", "false")
    with pytest.raises(BuildError, match=r"^false failed with code 1: it said nothing\.$"):
        built()


def test_code_that_does_not_compile_says_so(small_sources):
    (small_sources / "answer.c").write_text("int answer(void) { return }\n")
    with pytest.raises(BuildError, match="failed"):
        built()


@pytest.mark.parametrize("named", ["/does/not/exist", "false", "/"])
def test_a_compiler_that_is_none(monkeypatch, named):
    monkeypatch.setenv("CC", named)
    with pytest.raises(BuildError):
        built()


def test_no_compiler_at_all(monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "/does/not/exist")
    with pytest.raises(BuildError, match=r"There is no C compiler \(cc\)\."):
        built()


def test_a_compiler_may_be_named_with_flags_of_its_own(monkeypatch, small_sources):
    monkeypatch.setenv("CC", "cc -DANSWER=7")
    (small_sources / "answer.c").write_text("int answer(void) { return ANSWER; }\n")
    assert built()


# Folders


def read_only(folder: Path) -> None:
    """Not to be written to; for root, who may write anywhere, a file stands where the folder should be."""
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    if os.access(folder, os.W_OK):
        (folder / "__pycache__").write_text("a file where a folder should be")


def test_a_folder_that_cannot_be_written_to_is_no_hindrance(small_sources, temporary):
    read_only(small_sources)
    try:
        with library_file() as path:
            assert path.read_bytes()
            assert path.parent.parent == temporary
        assert list(temporary.iterdir()) == []
    finally:
        small_sources.chmod(0o755)


@pytest.mark.parametrize("at", ["write", "fsync", "replace"])
def test_a_full_disk_is_no_hindrance_and_leaves_nothing_unfinished(small_sources, monkeypatch, at):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if at == "write":
        monkeypatch.setattr(build, "_replace", full)
    else:
        monkeypatch.setattr(os, at, full)
    assert built()
    assert list((small_sources / "__pycache__").iterdir()) == []


def test_two_processes_of_the_same_number_do_not_write_into_one_file(small_sources, monkeypatch):
    """Containers that share a folder have processes of the same number; what one has opened must not be cut off."""
    path, sizes = small_sources / "engine-1.so", []
    replace = os.replace

    def meanwhile(temporary: Path, to: Path) -> None:
        monkeypatch.setattr(os, "replace", replace)
        build._replace(path, b"of another")
        sizes.append(temporary.stat().st_size)
        replace(temporary, to)

    monkeypatch.setattr(os, "replace", meanwhile)
    build._replace(path, b"of one")
    assert sizes == [len(b"of one")]
    assert path.read_bytes() == b"of one"


def test_no_temporary_folder_is_a_build_that_failed(monkeypatch):
    from gpt.engine.compiled import open_library  # noqa: PLC0415 - beside what it is about

    monkeypatch.setattr("tempfile.tempdir", "/does/not/exist")
    with pytest.raises(BuildError, match="cannot be opened"):
        open_library()


def test_only_stale_temporary_files_are_removed(small_sources):
    folder = small_sources / "__pycache__"
    folder.mkdir()
    old, new = folder / "engine-1.so.17.unfinished", folder / "engine-1.so.18.unfinished"
    other = folder / "another.txt"
    for path in (old, new, other):
        path.write_text("half")
    for path in (old, other):
        os.utime(path, (0, 0))
    built()
    assert not old.exists()
    assert new.exists()
    assert other.exists()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the names are those of x86-64")
def test_many_starts_at_once_all_find_a_whole_library(small_sources):
    # The flags do not matter to a function without numbers: each name is another file to fight over.
    script = """if True:
        import ctypes, sys
        from importlib.util import module_from_spec, spec_from_file_location
        from pathlib import Path
        spec = spec_from_file_location("build", sys.argv[1])  # by itself: torch takes seconds to import
        build = module_from_spec(spec)
        spec.loader.exec_module(build)
        build.FOLDER = Path(sys.argv[2])
        build._KEPT_IN = build.FOLDER / "__pycache__"
        sys.stdin.readline()
        for name in ("x86-64", "x86-64-v2", "x86-64-v3"):
            with build.library_file(name) as path:
                assert ctypes.CDLL(str(path)).answer() == 42
    """
    command = [sys.executable, "-c", script, build.__file__, str(small_sources)]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert len(list((small_sources / "__pycache__").iterdir())) == 3 * 2


def test_compile_to_names_what_it_could_not_start(tmp_path):
    with pytest.raises(BuildError, match="/does/not/exist cannot be started"):
        compile_to(tmp_path / "x.so", ["/does/not/exist"], [])
