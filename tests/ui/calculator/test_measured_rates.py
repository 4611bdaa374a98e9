"""What the roofline's button measures comes into the fields in the units that their labels name."""

from gpt.estimates.roofline import Rates
from gpt.ui.calculator import measured_rates


def test_measured_rates_are_shown_in_billions_of_bytes_and_of_operations_a_second(visitor, monkeypatch):
    monkeypatch.setattr(measured_rates, "machine_rates", lambda _: Rates(43.21e9, 765.4e9))
    visitor.fire("calc-rates")
    assert (visitor.value("calc-bandwidth"), visitor.value("calc-arithmetic")) == (43.2, 765.4)
