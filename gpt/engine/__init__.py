"""How decoding is fast: number formats, compiled code (C sources in c/), and who may use the machine.

The way of a new token, one module after the other:

1. `gpt.generation` asks a reader (`text_reader`) for logits and draws the token from them (`logits`).
2. The reader hands its ids to the batch of all who read with this model (`batch`).
3. The batch decides whose ids are read now: by a rule (`fair_share`), and one pass at a time (`fair_lock`).
4. `compiled_pass` checks those ids and reads them in one pass of the compiled library, c/pass.c.

A pass reads a snapshot of the model (`packed_model`). A new one is made when `fingerprint` sees a change. Its weights
lie in panels (`panel_layout`), in one of the formats of `precision`; `weight_panels` says where the panels come from.
`build` compiles the library. `compiled` opens it, once `self_check` and `pass_check` have found that it computes what
torch computes. Without a library the reader uses the model's own modules.
"""

from .after_fork import watch_forks
from .compiled import also_check
from .pass_check import pass_difference

watch_forks()
also_check(pass_difference)
