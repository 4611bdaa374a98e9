"""A model fits where its bytes are at most the device's."""

from gpt.devices import DEVICES, fits


def test_fits_up_to_the_last_byte():
    for device in DEVICES:
        exact = next(fit for fit in fits(device.memory_bytes) if fit.device == device)
        above = next(fit for fit in fits(device.memory_bytes + 1) if fit.device == device)
        assert exact.fits and exact.share == 1
        assert not above.fits and above.share > 1
