"""How decoding is fast: number formats, compiled code (C sources in c/), and who may use the machine.

A new token on its way, each asking the next: `gpt.generation` draws it from what a reader (`text_reader`) gives it; the
reader hands its ids to the batch of everybody who reads with this model (`batch`), which decides by a rule
(`fair_share`) and in turns (`fair_lock`) who is read now; `rows` checks those ids and makes one pass of them by the
compiled library, c/pass.c.

What a pass reads is a snapshot of the model (`packed_model`), made anew when `fingerprint` sees a change; its weights
lie in `panels`, in one of the formats of `precision`. `compiled` opens the library, once `build` has compiled it and
`self_check` and `pass_check` have seen it compute what torch computes. `logits` are what the draw asks of a pass.
Without a library the reader asks the model's own modules.
"""

from .after_fork import watch_forks
from .compiled import also_check
from .pass_check import pass_difference

watch_forks()
also_check(pass_difference)
