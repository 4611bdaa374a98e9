"""On whose behalf an event runs."""

from types import SimpleNamespace

import pytest

from gpt.engine.fair_share import Client
from gpt.ui.host.event_answers import _client


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),  # one home has many of them
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_a_client_is_an_address_or_a_network_of_ipv6(host, address):
    assert _client(SimpleNamespace(client=SimpleNamespace(host=host)), "s") == Client(address, "s")


def test_without_a_connection_there_is_no_address():
    assert _client(SimpleNamespace(client=None), "") == Client()
