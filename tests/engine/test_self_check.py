"""A library that computes something else than torch is found out before it is used."""

from dataclasses import replace

import pytest
import torch

from gpt.engine import build, compiled
from gpt.engine.build import BuildError
from gpt.engine.compiled import (
    compiled_library,
    open_library,
)
from gpt.engine.pass_check import pass_difference
from gpt.engine.self_check import first_difference

from .tiny import needs_library, threads

pytestmark = needs_library


class Wrong:
    """The functions of a library, one of them followed by a mistake."""

    def __init__(self, library, name, mistake):
        self._library, self._name, self._mistake = library, name, mistake

    def __getattr__(self, name):
        function = getattr(self._library.c, name)
        if name != self._name:
            return function

        def wrongly(*arguments):
            function(*arguments)
            self._mistake(self._library.ffi, arguments)

        return wrongly


def last_output(_, arguments):
    _, _, n_rows, y, _, _ = arguments
    y[(n_rows - 1) * 96 + 69] += 0.01


def first_panel(ffi, arguments):
    ffi.cast("uint8_t *", arguments[0])[3] ^= 64


def the_sum(_, arguments):
    arguments[2][1] *= 1.01


def last_vector(_, arguments):
    hidden = arguments[4]
    hidden[41] += 0.01


def last_logit(_, arguments):
    if arguments[1][0].wants_logits:
        arguments[5][40] += 0.01


@pytest.mark.parametrize(
    ("name", "mistake", "what"),
    [
        ("multiply", last_output, "a product in torch.float32"),
        ("pack_float32", first_panel, "a product in torch.float32"),
        ("pack_bfloat16", first_panel, "a product in torch.bfloat16"),
        ("pack_int8", first_panel, "a product in torch.int8"),
        ("softmax_sums", the_sum, "a softmax"),
        ("read_rows", last_vector, "the vectors of a whole pass"),
        ("read_rows", last_logit, "the logits of a whole pass"),
    ],
)
def test_a_library_that_computes_something_else_is_found_out(name, mistake, what):
    library = compiled_library()
    assert first_difference(library) == pass_difference(library) == ""
    wrong = replace(library, c=Wrong(library, name, mistake))
    assert (first_difference(wrong) or pass_difference(wrong)) == what


def test_a_library_that_reads_something_else_is_not_opened(monkeypatch):
    assert compiled._more_checks == [pass_difference]
    monkeypatch.setattr(compiled, "_more_checks", [lambda _: "", lambda _: "the logits of a whole pass"])
    with pytest.raises(BuildError, match="something else than torch: the logits of a whole pass"):
        open_library()


def test_a_library_that_computes_something_else_is_not_opened(monkeypatch):
    monkeypatch.setattr("gpt.engine.self_check.first_difference", lambda _: "a product in torch.int8")
    with pytest.raises(BuildError, match="something else than torch: a product"):
        open_library()


def test_a_compiler_that_fuses_what_it_should_not_is_found_out(monkeypatch):
    monkeypatch.setattr(build, "_FLAGS", tuple(flag.replace("contract=off", "contract=fast") for flag in build._FLAGS))
    with pytest.raises(BuildError, match="something else than torch: a product and a sum, rounded once"):
        open_library()


def test_the_flag_that_forbids_it_is_there():
    assert "-ffp-contract=off" in build._FLAGS  # some compilers do the same without it, and some do not


def test_the_check_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    with threads(2):
        assert first_difference(compiled_library()) == pass_difference(compiled_library()) == ""
    assert torch.equal(torch.get_rng_state(), before)
