"""The files of the Inside tab's own views: attention, residual stream, logit lens."""

import pytest
import torch

from .tables import BLOCK, TOKEN, TOKENIZER, columns, same, table, token_columns, visible


def inside_file(visitor, view: str) -> tuple[list[str], list[list[str]]]:
    visitor.put(inside_view=view)
    return table(visitor.saved("inside-csv"), f"inside-{view.lower().replace(' ', '-')}")


def test_attention_is_the_chosen_heads_weights(visitor, traced, ids):
    visitor.fire("inside-maps", "select", index=BLOCK * 2 + 1)
    header, rows = inside_file(visitor, "Attention")
    assert header == ["token number", "token id", "looking token", *token_columns(ids)]
    assert columns(rows, 0, 3) == [[str(i), str(ids[i - 1]), text] for i, text in enumerate(visible(ids), 1)]
    same(columns(rows, 3), traced.blocks[BLOCK].attention[1])


def test_all_heads_are_what_the_selected_token_looks_at_in_each(visitor, traced, ids):
    header, rows = table(visitor.saved("inside-maps-csv"), "inside-all-heads")
    assert header == ["block", "head", *token_columns(ids)]
    assert columns(rows, 0, 2) == [[str(block), str(head)] for block in range(3) for head in range(2)]
    same(columns(rows, 2), torch.cat([block.attention[:, TOKEN] for block in traced.blocks]))


def test_the_residual_stream_is_its_length_and_that_of_the_step_to_it(visitor, traced, ids):
    header, rows = inside_file(visitor, "Residual stream")
    assert header == ["token number", "token id", "token", "after", "length", "length of the last step"]
    depths = ["embeddings", *(f"block {i} {part}" for i in range(3) for part in ("attention", "feed-forward"))]
    tokens = [[str(i), str(ids[i - 1]), text] for i, text in enumerate(visible(ids), 1)]
    assert columns(rows, 0, 4) == [[*token, depth] for token in tokens for depth in depths]
    stream = torch.stack([norm.before for norm in traced.norms])  # (depths, t, d)
    same(columns(rows, 4, 5), stream.norm(dim=-1).T.reshape(-1, 1))
    assert {row[5] for row in rows[:: len(depths)]} == {""}  # nothing leads to the embeddings
    steps = [row[5:] for i, row in enumerate(rows) if i % len(depths)]
    same(steps, (stream[1:] - stream[:-1]).norm(dim=-1).T.reshape(-1, 1))


@pytest.mark.parametrize("halves", [False, True])
def test_the_lens_is_the_final_norm_and_the_head_at_every_depth(visitor, traced, uneven_model, ids, halves):
    visitor.put(inside_halves=halves)
    header, rows = inside_file(visitor, "Logit lens")
    assert header == [
        "token number", "token id", "token", "after", "rank", "candidate id", "candidate", "probability",
        "rank of the final answer",
    ]  # fmt: skip
    depths = ["embeddings", "block 0", "block 1", "block 2"]
    if halves:
        depths = ["embeddings", *(f"block {i} {part}" for i in range(3) for part in ("attention", "feed-forward"))]
    first = TOKEN - 4  # eight tokens around the traced one
    shown = range(first, min(first + 8, len(ids)))
    stream = torch.stack([norm.before for norm in traced.norms])[:: 1 if halves else 2, shown]
    logits = uneven_model.out_head(uneven_model.final_norm(stream))  # (depths, t, v)
    places = [(t, depth) for t in range(len(shown)) for depth in range(len(depths))]
    tokens = [[str(i + 1), str(ids[i]), TOKENIZER.visible(ids[i])] for i in shown]
    assert columns(rows, 0, 4) == [[*tokens[t], depths[depth]] for t, depth in places for _ in range(5)]
    assert [row[4] for row in rows] == ["1", "2", "3", "4", "5"] * len(places)
    likeliest = logits.topk(5).indices
    candidates = [token_id for t, depth in places for token_id in likeliest[depth, t].tolist()]
    assert [row[5] for row in rows] == list(map(str, candidates))
    assert [row[6] for row in rows] == visible(candidates)
    probabilities = logits.softmax(-1)
    same(columns(rows, 7, 8), torch.stack([probabilities[d, t, likeliest[d, t]] for t, d in places]).reshape(-1, 1))
    answers = logits[-1].argmax(-1)
    ranks = [int((logits[d, t] > logits[d, t, answers[t]]).sum()) + 1 for t, d in places]
    assert [row[8] for row in rows] == [str(rank) for rank in ranks for _ in range(5)]
