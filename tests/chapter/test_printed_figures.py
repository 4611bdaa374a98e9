"""Every logit that the chapter prints, to its last digit."""

import pytest
import torch

from gpt.chapter.printed_figures import printed_figures

# Sections 4.1 and 4.6: of each row of logits the first and the last three.
SECTION_4_1 = """
-1.2034 0.3201 -0.7130 -1.5548 -0.2390 -0.4667
-0.1192 0.4539 -0.4432 0.2392 1.3469 1.2430
0.5307 1.6720 -0.4695 1.1966 0.0111 0.5835
0.0139 1.6754 -0.3388 1.1586 -0.0435 -1.0400
-1.0908 0.1798 -0.9484 -1.6047 0.2439 -0.4530
-0.7860 0.5581 -0.0610 0.4835 -0.0077 1.6621
0.3567 1.2698 -0.6398 -0.0162 -0.1296 0.3717
-0.2407 -0.7349 -0.5102 2.0057 -0.3694 0.1814
"""
SECTION_4_6 = """
0.3613 0.4222 -0.0711 0.3483 0.4661 -0.2838
-0.1792 -0.5660 -0.9485 0.0477 0.5181 -0.3168
0.7120 0.0332 0.1085 0.1018 -0.4327 -0.2553
-1.0076 0.3418 -0.1190 0.7195 0.4023 0.0532
-0.2564 0.0900 0.0335 0.2659 0.4454 -0.6806
0.1230 0.3653 -0.2074 0.7705 0.2710 0.2246
1.0558 1.0318 -0.2800 0.6936 0.3205 -0.3178
-0.1565 0.3926 0.3288 1.2630 -0.1858 0.0388
"""
# Section 4.7: "Hello, I am Featureiman Byeswickattribute argue".
SECTION_4_7 = (15496, 11, 314, 716, 27018, 24086, 47843, 30961, 42348, 7267)


@pytest.mark.parametrize(("name", "printed"), [("placeholder_logits", SECTION_4_1), ("model_logits", SECTION_4_6)])
def test_all_48_printed_logits_come_out_to_the_last_digit(name, printed):
    expected = torch.tensor([[float(number) for number in line.split()] for line in printed.strip().splitlines()])
    found = getattr(printed_figures(), name).reshape(8, 6)
    assert (found - expected).abs().max() < 1.5e-4  # one in the last digit: editions differ by that much


def test_the_text_of_section_4_7_and_the_shape_of_4_6():
    assert printed_figures().text_ids == SECTION_4_7
    assert printed_figures().logits_shape == (2, 4, 50257)
