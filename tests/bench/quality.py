"""int8 against float32 on a text: `python tests/bench/quality.py MODEL TEXT TOKENS` prints their differences as JSON.

Windows as for the held-out loss: each token is scored once, with at least half a context before it.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from torch import Tensor
from torch.nn import functional as F

from gpt import Tokenizer, load_model
from gpt.training.evaluation import last_logits
from gpt.training.held_out_windows import windows


@torch.inference_mode()
def main(model: str, text: str, most_tokens: int) -> None:
    """Sum over the windows what each of the two models makes of every token."""
    exact, rounded = load_model(model), load_model(model, "int8")
    ids = torch.tensor(Tokenizer().encode(Path(text).read_text(encoding="utf-8"), special=True)[:most_tokens])
    sums, n_tokens = torch.zeros(4, dtype=torch.float64), 0
    for window, targets in windows(ids, exact.config.context_length):
        sums += _compare(*(last_logits(each, window, len(targets)) for each in (exact, rounded)), targets)
        n_tokens += len(targets)
    float32_loss, int8_loss, agreement, kl = (sums / n_tokens).tolist()
    found = {
        "tokens": n_tokens,
        "float32_loss": float32_loss,
        "int8_loss": int8_loss,
        "loss_difference": abs(int8_loss / float32_loss - 1),
        "agreement": agreement,
        "kl": kl,
    }
    print(json.dumps(found))


def _compare(exact_logits: Tensor, rounded_logits: Tensor, targets: Tensor) -> Tensor:
    """Sums over positions of both losses, of equal first choices, and of KL(exact || rounded)."""
    exact, rounded = exact_logits.log_softmax(-1), rounded_logits.log_softmax(-1)
    sums = [F.nll_loss(each, targets, reduction="sum") for each in (exact, rounded)]
    sums.append((exact.argmax(-1) == rounded.argmax(-1)).sum())
    sums.append(F.kl_div(rounded, exact, reduction="sum", log_target=True))
    return torch.stack([each.double() for each in sums])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
