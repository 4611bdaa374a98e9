"""Parameters, memory and FLOPs: formulas with their numbers, and a measurement beside them."""
