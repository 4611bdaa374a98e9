"""Whose name is whose."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt.ui.host.host_names import Names, host_name, is_loopback, machine_names, names_of
from gpt.ui.host.refusal import Refused

OURS = Names(frozenset({"localhost"}))


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost", "localhost"),
        ("LocalHost:7860", "localhost"),
        ("http://localhost:7860", "localhost"),
        ("[::1]:7860", "::1"),
        ("https://[2001:db8::1]", "2001:db8::1"),
        ("", ""),
        ("null", "null"),
        ("localhost:http", ""),
        ("a b", ""),
        ("localhost/x", ""),
        ("evil@localhost", ""),
        ("localhost:7860:7860", ""),
    ],
)
def test_the_name_in_a_header(host, name):
    assert host_name(host) == name


@given(st.text(max_size=40))
def test_no_header_breaks_the_check(text):
    try:
        OURS.check(text, text, "127.0.0.1")
    except Refused as refused:
        assert refused.status == 403


def test_the_address_that_a_request_arrived_at_is_ours():
    OURS.check("192.0.2.7:7860", None, "192.0.2.7")
    with pytest.raises(Refused):
        OURS.check("192.0.2.8:7860", None, "192.0.2.7")


def test_this_machine_knows_its_own_names():
    assert {"localhost", "127.0.0.1", "::1", socket.gethostname().lower()} <= machine_names()


def test_a_name_that_nobody_resolves_is_still_ours(monkeypatch):
    def fails(*_):
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    assert socket.gethostname().lower() in machine_names()


def test_pages_of_allowed_names_may_ask_and_pages_of_this_machines_other_programs_not():
    names = names_of("0.0.0.0", ["Class.example"])
    names.check("localhost:7860", "https://class.example", "127.0.0.1")
    with pytest.raises(Refused):
        names.check("localhost:7860", "http://localhost:3000", "127.0.0.1")


@pytest.mark.parametrize(
    ("host", "only_here"),
    [
        *[(host, True) for host in ("127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost")],
        *[(host, False) for host in ("0.0.0.0", "::", "192.168.0.1", "gpt.example.org")],
    ],
)
def test_which_addresses_only_this_machine_reaches(host, only_here):
    assert is_loopback(host) == only_here
