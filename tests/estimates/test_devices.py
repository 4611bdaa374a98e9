"""A model fits where the peak is at most a card's memory, and the whole process at most the machine's."""

from dataclasses import replace

from gpt import GPTConfig
from gpt.estimates.budget import memory_of
from gpt.estimates.devices import DEVICES, fits
from gpt.estimates.workload import Workload


def test_fits_up_to_the_last_byte():
    for device in DEVICES:
        size, is_card = device.memory_bytes, device.kind == "GPU"
        exact, above = ((size, 2**60), (size + 1, 0)) if is_card else ((2**60, size), (0, size + 1))
        exactly = next(fit for fit in fits(*exact) if fit.device == device)
        too_large = next(fit for fit in fits(*above) if fit.device == device)
        assert exactly.fits and exactly.share == 1
        assert not too_large.fits and too_large.share > 1


def test_774m_with_adamw_is_not_ticked_for_12_gb_although_its_total_is_below():
    config = replace(GPTConfig.preset("gpt2-774M"), tied_head=True)
    estimate = memory_of(config, Workload(seq_len=1, mode="training"))
    card = next(fit for fit in fits(estimate.peak, estimate.peak) if fit.device.name == "NVIDIA RTX 3060")
    assert estimate.total < card.device.memory_bytes < estimate.peak
    assert not card.fits
