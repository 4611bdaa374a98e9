"""The C files read random models of random shapes under the sanitizers: no foreign memory, no undefined behaviour."""

import platform

import pytest

from .drivers import driver, needs_sanitizer, run
from .tiny import needs_library

pytestmark = needs_library

MEMORY = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
PROCESSORS = {"native": ["-march=native"]}
if platform.machine() == "x86_64":
    PROCESSORS |= {"x86-64-v3": ["-march=x86-64-v3"], "plain C": ["-march=x86-64-v3", "-DPLAIN_LANES"]}


def test_random_shapes_touch_no_foreign_memory_and_do_nothing_undefined(tmp_path):
    needs_sanitizer(tmp_path, "address,undefined")
    shapes = driver("shapes", tmp_path, "-march=native", *MEMORY)
    assert run(shapes, 1, 60) == "60 shapes\n"


@pytest.mark.long
@pytest.mark.parametrize("processor", PROCESSORS)
def test_many_random_shapes_on_every_kind_of_processor(processor, tmp_path):
    needs_sanitizer(tmp_path, "address,undefined")
    shapes = driver("shapes", tmp_path, *PROCESSORS[processor], *MEMORY)
    for seed in range(2):
        assert run(shapes, 1000 + seed, 1000, seconds=600) == "1000 shapes\n"


@pytest.mark.long
def test_threads_share_nothing_that_they_should_not(tmp_path):
    needs_sanitizer(tmp_path, "thread")
    shapes = driver("shapes", tmp_path, "-march=native", "-fsanitize=thread")
    assert run(shapes, 1, 1000, seconds=600) == "1000 shapes\n"
