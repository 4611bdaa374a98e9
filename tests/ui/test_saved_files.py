"""Every file that the page saves holds, number by number, the arrays of the run it is about."""

import io
import json
from dataclasses import asdict, astuple

import gradio as gr
import pandas
import pytest
import torch
from torch.nn import functional as F

from gpt import GPTConfig, Tokenizer, count_parameters, direct_logit_attribution, head_scores, trace
from gpt.chapter.layernorm_example import chapter_example
from gpt.chapter.shortcuts import block_gradients
from gpt.chapter.tensor_shapes import tensor_shapes
from gpt.chapter.without_norms import without_norms
from gpt.engine.weights_digest import weights_digest
from gpt.estimates.budget import memory_of
from gpt.estimates.cache_variants import Variants, cache_variants
from gpt.estimates.flops import count_flops
from gpt.estimates.resident_memory import resident_peak
from gpt.estimates.workload import Workload
from gpt.sampling import Sampling, token_table
from gpt.ui.calculator.setting_controls import ConfigControls, WorkloadControls
from gpt.ui.layernorm.chapter_example import BIASED, INPUTS, OUTPUTS, UNBIASED
from gpt.version import full_version

TOKENIZER = Tokenizer()
BUTTONS = {
    "save-step", "save-run", "norm-csv", "example-csv", "inside-csv", "calc-csv", "calc-json",
    "save-gelu", "save-neurons", "save-gradients", "save-shapes",
    "account-csv", "heads-csv", "tokens-csv", "off-csv", "off-candidates-csv", "swap-csv",
    "save-tokens", "save-placeholder", "save-turn", "save-chapter-gradients", "inside-maps-csv",
    "train-csv",  # in ui/train/test_tab.py
    "save-this-run",  # in ui/generate/test_run_files.py
    "beside-csv",  # in ui/generate/test_comparison_events.py
}  # fmt: skip
# Nothing is there until something is asked.
WITHOUT_A_FILE_HERE = {"beside-csv", "off-csv", "off-candidates-csv", "swap-csv", "train-csv", "save-turn"}
TOKEN, BLOCK = 5, 2  # what is looked at in all of these: neither the first nor in the middle
SETTINGS = {"max_new_tokens": 6, "temperature": 0.7, "top_k": 30, "top_p": 0.9, "seed": 11}


@pytest.fixture
def ids(visitor):
    """The tokens of the run, with the token that is looked at opened."""
    visitor.fire("probabilities-strip", "select", index=TOKEN)
    return visitor.run.ids


@pytest.fixture
def opened(uneven_model, ids):
    """The run's tokens read in one plain pass, every activation kept."""
    return trace(uneven_model, ids)


def table(file: dict[str, str], what: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a saved CSV file, without the columns that say what the numbers are of."""
    read = whole_table(file, what)
    own = [name for name in read.columns if not is_context(name)]
    return own, read[own].to_numpy().tolist()


def whole_table(file: dict[str, str], what: str) -> pandas.DataFrame:
    """A saved CSV file as pandas reads it, each cell as text."""
    assert file["type"] == "text/csv"
    assert file["name"].removesuffix(".csv").split("_")[0] == what
    read = pandas.read_csv(io.BytesIO(file["text"].encode()), dtype=str, keep_default_na=False, encoding="utf-8-sig")
    assert read.columns.is_unique
    return read


def is_context(column: str) -> bool:
    return column in ("model", "prompt") or column.startswith("selected ")


def numbers(rows: list[list[str]]) -> torch.Tensor:
    return torch.tensor([[float(cell) for cell in row] for row in rows], dtype=torch.float64)


def same(rows: list[list[str]], expected: torch.Tensor) -> None:
    """The cells are these numbers, to what another order of sums may change."""
    torch.testing.assert_close(numbers(rows), expected.double(), rtol=1e-4, atol=1e-5)


def columns(rows: list[list[str]], start: int, stop: int | None = None) -> list[list[str]]:
    return [row[start:stop] for row in rows]


def token_columns(ids) -> list[str]:
    return [f"{i} {text} (id {ids[i - 1]})" for i, text in enumerate(visible(ids), 1)]


def visible(ids) -> list[str]:
    return [TOKENIZER.visible(token_id) for token_id in ids]


def test_every_button_that_saves_has_its_claim(visitor):
    blocks = visitor.blocks.blocks.values()
    assert {block.elem_id for block in blocks if "save" in (block.elem_classes or [])} == BUTTONS


def test_every_row_says_of_which_model_prompt_and_selection_it_is(visitor, ids):
    visitor.put(norm_view="Per token", norm_block=BLOCK, norm_name="norm2")
    read = whole_table(visitor.saved("norm-csv"), "layernorm-per-token")
    assert set(read["model"]) == {visitor.run.model_name}
    assert set(read["prompt"]) == {"Every effort moves you"}
    assert set(read["selected block"]) == {str(BLOCK)}
    assert set(read["selected norm"]) == {"norm2"}
    assert set(read["selected token number"]) == {str(TOKEN + 1)}
    assert set(read["selected token"]) == set(visible(ids[TOKEN : TOKEN + 1]))
    assert set(read["selected token id"]) == {str(ids[TOKEN])}


JSON_OF_A_MODEL = ["save-run", "save-shapes"]


@pytest.mark.usefixtures("ids")
def test_every_json_file_is_known(visitor):
    files = {button: visitor.saved(button) for button in BUTTONS - WITHOUT_A_FILE_HERE}
    found = {button for button, file in files.items() if file["type"] == "application/json"}
    assert found == {*JSON_OF_A_MODEL, "calc-json", "save-this-run"}


@pytest.mark.usefixtures("ids")
@pytest.mark.parametrize("button", JSON_OF_A_MODEL)
def test_a_json_file_says_of_which_model_weights_and_code_it_is(visitor, uneven_model, button):
    visitor.put(shapes_text="The chapter's two sentences")
    saved = json.loads(visitor.saved(button)["text"])
    assert saved["app"] == "GPT-2 explorer" and saved["version"] == full_version()
    assert saved["model"] == visitor.run.model_name
    assert saved["weights"]["precision"] == "float32"
    assert saved["weights"]["digest"] == weights_digest(uneven_model)


def test_shapes_of_a_model_without_weights_name_no_weights(visitor):
    visitor.put(shapes_model="gpt2-124M")
    saved = json.loads(visitor.saved("save-shapes")["text"])
    visitor.put(shapes_model="the loaded one")
    assert (saved["model"], saved["weights"]) == ("gpt2-124M", None)


def test_the_calculation_says_with_which_code_it_was_made(visitor):
    saved = json.loads(visitor.saved("calc-json")["text"])
    assert (saved["version"], saved["model"], saved["weights"]) == (full_version(), None, None)


# Probabilities


def test_the_step_has_every_column_of_the_table_and_all_other_tokens_in_the_last_row(visitor, uneven_model, ids):
    visitor.put(T=0.8, k=12, p=0.95, rows=9)
    header, rows = table(visitor.saved("save-step"), "probabilities-candidates")
    assert header == [
        "rank", "token_id", "token", "logit", "probability", "sampling_probability", "filter", "note",
    ]  # fmt: skip
    sampling = Sampling(0.8, 12, 0.95)
    expected = token_table(uneven_model(torch.tensor([ids[:TOKEN]]))[0, -1], sampling, 9, (ids[TOKEN],))
    *tokens, others = rows
    assert [row[0] for row in tokens] == [str(row.rank) for row in expected.tokens]
    assert [row[1] for row in tokens] == [str(row.token_id) for row in expected.tokens]
    assert [row[2] for row in tokens] == visible(row.token_id for row in expected.tokens)
    figures = [[row.logit, row.probability, row.sampling_probability] for row in expected.tokens]
    same(columns(tokens, 3, 6), torch.tensor(figures))
    assert [row[6] for row in tokens] == ["kept" if row.kept else f"cut by {row.cut_by}" for row in expected.tokens]
    assert [row[7] for row in tokens] == ["drawn" * (row.token_id == ids[TOKEN]) for row in expected.tokens]
    assert others[:4] == ["", "", f"all {50257 - len(tokens)} other tokens", ""]
    same([others[4:6]], torch.tensor([[expected.other_probability, expected.other_sampling_probability]]))
    assert others[6:] == [f"{expected.other_kept} kept", ""]


def test_the_run_has_the_settings_it_was_made_with_and_a_perplexity_of_its_prompt_alone(visitor, uneven_model, ids):
    saved = json.loads(visitor.saved("save-run")["text"])
    assert saved["prompt"] == "Every effort moves you"
    assert {name: saved[name] for name in SETTINGS} == SETTINGS
    assert saved["ids"] == list(ids)
    prompt = torch.tensor(ids[:4])
    loss = F.cross_entropy(uneven_model(prompt[None, :-1])[0], prompt[1:])
    assert saved["prompt_perplexity"] == pytest.approx(float(loss.exp()), rel=1e-3)
    assert len(saved["prompt_tokens"]) == 4


def test_the_tokens_of_the_run_have_their_probability_and_the_first_has_none(visitor, uneven_model, ids):
    header, rows = table(visitor.saved("save-tokens"), "tokens-of-the-run")
    assert header[:4] == ["token number", "token id", "token", "where"]
    assert columns(rows, 1, 3) == [[str(token_id), text] for token_id, text in zip(ids, visible(ids), strict=True)]
    assert [row[3] for row in rows] == ["prompt"] * 4 + ["new"] * (len(ids) - 4)
    assert rows[0][4:] == [""] * 4
    logprobs = uneven_model(torch.tensor([ids]))[0].log_softmax(-1)
    expected = torch.tensor([logprobs[i, token_id] for i, token_id in enumerate(ids[1:])])
    same(columns(rows[1:], 5, 6), expected[:, None])


# LayerNorm


def norm_file(visitor, view: str, norm: str = "norm2") -> tuple[list[str], list[list[str]]]:
    visitor.put(norm_view=view, norm_block=BLOCK, norm_name=norm)
    return table(visitor.saved("norm-csv"), f"layernorm-{view.lower().replace(' ', '-')}")


def stages(norm) -> list[torch.Tensor]:
    """Before, normalized, after: (t, d) each, the middle one by the chapter's formula."""
    x = norm.before
    normalized = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
    return [x, normalized, norm.after]


@pytest.mark.parametrize("norm", ["norm1", "norm2", "final_norm"])
def test_distribution_is_the_opened_token_feature_by_feature(visitor, opened, norm):
    header, rows = norm_file(visitor, "Distribution", norm)
    assert header == ["feature", "before", "normalized", "after"]
    assert [row[0] for row in rows] == [str(i) for i in range(24)]
    same(columns(rows, 1), torch.stack([x[TOKEN] for x in stages(opened.norm(BLOCK, norm))], 1))


def test_per_token_is_mean_and_biased_variance_of_every_stage(visitor, opened, ids):
    header, rows = norm_file(visitor, "Per token")
    names = [f"{name} {stage}" for stage in ("before", "normalized", "after") for name in ("mean", "biased variance")]
    assert header == ["token number", "id", "token", *names]
    assert columns(rows, 0, 3) == [
        [str(i), str(token_id), text] for i, (token_id, text) in enumerate(zip(ids, visible(ids), strict=True), 1)
    ]
    expected = [each for x in stages(opened.norm(BLOCK, "norm2")) for each in (x.mean(1), x.var(1, correction=0))]
    same(columns(rows, 3), torch.stack(expected, 1))


def test_the_feature_map_is_every_feature_of_every_token_before_and_after(visitor, opened, ids):
    header, rows = norm_file(visitor, "Feature map")
    assert header == ["stage", "token number", "id", "token", *map(str, range(24))]
    t = len(ids)
    assert [row[0] for row in rows] == ["before"] * t + ["after"] * t
    assert [row[1:4] for row in rows[:t]] == [row[1:4] for row in rows[t:]]
    assert [row[2] for row in rows[:t]] == list(map(str, ids))
    before, _, after = stages(opened.norm(BLOCK, "norm2"))
    same(columns(rows, 4), torch.cat([before, after]))


@pytest.mark.parametrize("norm", ["norm1", "norm2", "final_norm"])
def test_scale_and_shift_are_the_norms_own(visitor, uneven_model, norm):
    header, rows = norm_file(visitor, "Scale and shift", norm)
    module = uneven_model.final_norm if norm == "final_norm" else getattr(uneven_model.trf_blocks[BLOCK], norm)
    assert header == ["feature", "scale", "shift"]
    same(columns(rows, 1), torch.stack([module.scale, module.shift], 1))


PLACES = ["block 0, norm1", "block 0, norm2", "block 1, norm1", "block 1, norm2", "block 2, norm1", "block 2, norm2"]


def test_through_the_depth_is_the_deviation_that_enters_every_norm(visitor, opened, ids):
    header, rows = norm_file(visitor, "Through the depth")
    assert header == ["entering", *token_columns(ids)]
    assert [row[0] for row in rows] == [*PLACES, "final_norm"]
    same(columns(rows, 1), torch.stack([norm.before.std(1, correction=0) for norm in opened.norms]))


def test_without_norms_sets_the_opened_token_of_both_networks_side_by_side(visitor, opened, uneven_model, ids):
    header, rows = norm_file(visitor, "Without norms")
    assert header == ["entering", "with norms", "without"]
    assert [row[0] for row in rows] == [*PLACES, "final_norm"]
    bare = trace(without_norms(uneven_model), ids)
    deviations = [[norm.before[TOKEN].std(correction=0) for norm in each.norms] for each in (opened, bare)]
    same(columns(rows, 1), torch.tensor(deviations).T)


@pytest.mark.parametrize("which", [OUTPUTS, INPUTS])
@pytest.mark.parametrize("variance", [BIASED, UNBIASED])
def test_the_example_is_the_chapters_rows_and_their_figures_before_and_after(visitor, which, variance):
    visitor.put(example_rows=which, example_variance=variance, example_eps=-2)
    header, rows = table(visitor.saved("example-csv"), "layernorm-2-5-example")
    inputs, outputs = chapter_example()
    x = inputs if which == INPUTS else outputs
    features = [str(i) for i in range(1, x.shape[1] + 1)]
    assert header == ["row", *features, "mean", "biased var.", "unbiased var."]
    stages = ("before", "normalized", "without eps")
    assert [row[0] for row in rows] == [f"{name}, example {i}" for name in stages for i in (1, 2)]
    spread = x.var(1, keepdim=True, correction=int(variance == UNBIASED))
    centred = x - x.mean(1, keepdim=True)
    all_three = torch.cat([x, centred / (spread + 0.01).sqrt(), centred / spread.sqrt()])
    figures = [all_three.mean(1), all_three.var(1, correction=0), all_three.var(1, correction=1)]
    same(columns(rows, 1), torch.cat([all_three, torch.stack(figures, 1)], 1))


# Inside


def inside_file(visitor, view: str) -> tuple[list[str], list[list[str]]]:
    visitor.put(inside_view=view)
    return table(visitor.saved("inside-csv"), f"inside-{view.lower().replace(' ', '-')}")


def test_attention_is_the_chosen_heads_weights(visitor, opened, ids):
    visitor.fire("inside-maps", "select", index=BLOCK * 2 + 1)
    header, rows = inside_file(visitor, "Attention")
    assert header == ["token number", "token id", "looking token", *token_columns(ids)]
    assert columns(rows, 0, 3) == [[str(i), str(ids[i - 1]), text] for i, text in enumerate(visible(ids), 1)]
    same(columns(rows, 3), opened.blocks[BLOCK].attention[1])


def test_all_heads_are_what_the_selected_token_looks_at_in_each(visitor, opened, ids):
    header, rows = table(visitor.saved("inside-maps-csv"), "inside-all-heads")
    assert header == ["block", "head", *token_columns(ids)]
    assert columns(rows, 0, 2) == [[str(block), str(head)] for block in range(3) for head in range(2)]
    same(columns(rows, 2), torch.cat([block.attention[:, TOKEN] for block in opened.blocks]))


def test_the_residual_stream_is_its_length_and_that_of_the_step_to_it(visitor, opened, ids):
    header, rows = inside_file(visitor, "Residual stream")
    assert header == ["token number", "token id", "token", "after", "length", "length of the last step"]
    depths = ["embeddings", *(f"block {i} {part}" for i in range(3) for part in ("attention", "feed-forward"))]
    tokens = [[str(i), str(ids[i - 1]), text] for i, text in enumerate(visible(ids), 1)]
    assert columns(rows, 0, 4) == [[*token, depth] for token in tokens for depth in depths]
    stream = torch.stack([norm.before for norm in opened.norms])  # (depths, t, d)
    same(columns(rows, 4, 5), stream.norm(dim=-1).T.reshape(-1, 1))
    assert {row[5] for row in rows[:: len(depths)]} == {""}  # nothing leads to the embeddings
    steps = [row[5:] for i, row in enumerate(rows) if i % len(depths)]
    same(steps, (stream[1:] - stream[:-1]).norm(dim=-1).T.reshape(-1, 1))


@pytest.mark.parametrize("halves", [False, True])
def test_the_lens_is_the_final_norm_and_the_head_at_every_depth(visitor, opened, uneven_model, ids, halves):
    visitor.put(inside_halves=halves)
    header, rows = inside_file(visitor, "Logit lens")
    assert header == [
        "token number", "token id", "token", "after", "rank", "candidate id", "candidate", "probability",
        "rank of the final answer",
    ]  # fmt: skip
    depths = ["embeddings", "block 0", "block 1", "block 2"]
    if halves:
        depths = ["embeddings", *(f"block {i} {part}" for i in range(3) for part in ("attention", "feed-forward"))]
    first = TOKEN - 4  # eight tokens around the opened one
    shown = range(first, min(first + 8, len(ids)))
    stream = torch.stack([norm.before for norm in opened.norms])[:: 1 if halves else 2, shown]
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


# Building blocks


def test_the_curves_are_gelu_and_relu_and_their_derivatives(visitor):
    visitor.put(reach=2.5)
    header, rows = table(visitor.saved("save-gelu"), "building-blocks-gelu-relu-and-their-derivatives")
    functions = {
        "relu": F.relu,
        "gelu_exact": F.gelu,
        "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    }
    assert header == ["x", *functions, *(f"{name}_derivative" for name in functions)]
    x = torch.linspace(-2.5, 2.5, len(rows), dtype=torch.float64, requires_grad=True)
    values = [function(x) for function in functions.values()]
    derivatives = [torch.autograd.grad(value.sum(), x)[0] for value in values]
    same(rows, torch.stack([x, *values, *derivatives], 1).detach())


def test_the_neurons_are_what_gelu_reads_and_leaves_for_the_opened_token(visitor, opened, uneven_model):
    visitor.put(feed_forward_block=BLOCK)
    header, rows = table(visitor.saved("save-neurons"), "building-blocks-feed-forward")
    assert header == ["neuron", "preactivation", "activation"]
    assert [row[0] for row in rows] == [str(i) for i in range(4 * 24)]
    read = uneven_model.trf_blocks[BLOCK].ff.layers[0](opened.blocks[BLOCK].norm2.after[TOKEN])
    same(columns(rows, 1), torch.stack([read, F.gelu(read, approximate="tanh")], 1))


def test_the_gradients_are_those_of_every_block_with_and_without_shortcuts(visitor, uneven_model, ids):
    header, rows = table(visitor.saved("save-gradients"), "building-blocks-gradients-of-the-model")
    assert header == ["block", "norm_with", "norm_without"]
    assert [row[0] for row in rows] == ["0", "1", "2"]
    expected = [gradients.norms for gradients in block_gradients(uneven_model, ids[:4])]
    same(columns(rows, 1), torch.tensor(expected).T)


def test_the_chapters_gradients_are_those_it_prints(visitor):
    header, rows = table(visitor.saved("save-chapter-gradients"), "building-blocks-gradients-of-the-chapter-s-netwo")
    assert header == ["layer", "mean_with", "mean_without"]
    # As section 4.4 prints the first layer and the last, with shortcuts and without.
    same(columns(rows, 0)[::4], torch.tensor([[1, 0.22169792, 0.00020173], [5, 1.32585418, 0.00504964]]))


def test_the_placeholder_table_has_the_tokens_of_every_network(visitor, uneven_model, ids):
    header, rows = table(visitor.saved("save-placeholder"), "building-blocks-placeholder")
    assert header[0] == "network" and header[-2:] == ["agreement", "divergence in bits"]
    whole = [row for row in rows if row[1:5] == ["1"] * 4]
    likeliest = uneven_model(torch.tensor([ids[:4]]))[0, -1].softmax(-1).topk(3)
    assert [int(row[6]) for row in whole] == likeliest.indices.tolist()
    same(columns(whole, 8, 9), likeliest.values[:, None])
    same(columns(whole, 9), torch.tensor([[1.0, 0.0]] * 3))


@pytest.mark.usefixtures("ids")
def test_a_turn_of_the_loop_is_the_likeliest_tokens_after_its_text(visitor, uneven_model):
    visitor.fire("start-over")
    visitor.fire("next-turn")
    read = TOKENIZER.encode("Every effort moves you")
    read.append(int(uneven_model(torch.tensor([read]))[0, -1].argmax()))
    header, rows = table(visitor.saved("save-turn"), "building-blocks-text-loop")
    assert header == ["rank", "token id", "token", "logit", "probability"]
    logits = uneven_model(torch.tensor([read]))[0, -1]
    assert [int(row[1]) for row in rows] == logits.topk(5).indices.tolist()
    same(columns(rows, 3), torch.stack([logits.topk(5).values, logits.softmax(-1).topk(5).values], 1))


@pytest.mark.parametrize("text", ["The chapter's two sentences", "The prompt"])
def test_the_shapes_are_those_of_the_chosen_text(visitor, uneven_model, ids, text):
    visitor.put(shapes_text=text)
    batch = [TOKENIZER.encode("Every effort moves you"), TOKENIZER.encode("Every day holds a")]
    expected = tensor_shapes(uneven_model, torch.tensor(batch if "two" in text else [ids[:4]]))
    file = visitor.saved("save-shapes")
    assert file["name"].startswith("building-blocks-tensor-shapes_")
    saved = json.loads(file["text"])
    assert saved["tensors"] == json.loads(json.dumps([asdict(shape) for shape in expected]))
    assert saved["text"] == text


# Calculator


CONFIG = GPTConfig(1000, 128, 96, 3, 5, drop_rate=0.2, qkv_bias=True, tied_head=True)
WORKLOAD = Workload("bfloat16", 3, 64, "training", "adam", "selective")


@pytest.fixture
def calculator(visitor):
    """The visitor with the fields of the Calculator filled in, none of them as it was."""
    controls = (*ConfigControls.__dataclass_fields__, *WorkloadControls.__dataclass_fields__)
    visitor.put(**{f"calc_{name}": (asdict(CONFIG) | asdict(WORKLOAD))[name] for name in controls})
    return visitor


def test_the_sums_are_all_formulas_of_the_settings_in_the_fields(calculator):
    variants = Variants(n_kv_groups=3, window=16, local=2, full=1, latent_dim=10)
    calculator.put(**{f"calc_{name}": value for name, value in asdict(variants).items()})
    header, rows = table(calculator.saved("calc-csv"), "calculator-calculation")
    memory, flops = memory_of(CONFIG, WORKLOAD), count_flops(CONFIG, 3, 64, "selective")
    sections = {
        "parameters": count_parameters(CONFIG).formulas,
        "memory": memory.formulas,
        "memory, whole process": [resident_peak(CONFIG, WORKLOAD)],
        "memory, other formulas": memory.alternatives,
        "operations": flops.formulas,
        "after the chapter, key-value cache": cache_variants(CONFIG, Workload("bfloat16", 3, 64), variants),
    }
    assert header == ["section", "name", "symbols", "numbers", "value", "unit", "source"]
    expected = [
        [section, *map(str, astuple(formula))] for section, formulas in sections.items() for formula in formulas
    ]
    assert rows[: len(expected)] == expected
    # The times rest on the two rates of the panel: ui/calculator/test_after_chapter.py.
    assert {section for section, *_ in rows[len(expected) :]} == {"after the chapter, at best"}


def test_the_calculation_has_every_setting_and_every_figure(calculator):
    saved = json.loads(calculator.saved("calc-json")["text"])
    own = {"config", "workload", "parameters", "memory_bytes", "flops", "formulas", "measurement", "after_the_chapter"}
    assert set(saved) == {"app", "version", "what", "model", "weights", *own}
    assert saved["measurement"] is None
    assert saved["config"] == asdict(CONFIG)
    assert saved["workload"] == asdict(WORKLOAD)
    counts, memory, flops = (
        count_parameters(CONFIG),
        memory_of(CONFIG, WORKLOAD),
        count_flops(CONFIG, 3, 64, "selective"),
    )
    assert saved["parameters"] == figures(counts)
    assert saved["memory_bytes"] == figures(memory) | {"resident": resident_peak(CONFIG, WORKLOAD).value}
    assert saved["flops"] == figures(flops)
    _, rows = table(calculator.saved("calc-csv"), "calculator-calculation")
    assert [list(map(str, formula.values())) for formula in saved["formulas"]] == rows


def figures(result: object) -> dict:
    """All fields of a result but its formulas."""
    return {name: value for name, value in vars(result).items() if name not in ("formulas", "alternatives")}


# Why this token


def test_an_account_is_every_part_of_the_logit(visitor, uneven_model, ids):
    header, rows = table(visitor.saved("account-csv"), "account-of-a-logit")
    assert header == ["component", "block", "head", "adds"]
    scores = uneven_model(torch.tensor([ids[:TOKEN]]))[0, -1]
    rival = next(each for each in scores.argsort(descending=True).tolist() if each != ids[TOKEN])
    account = direct_logit_attribution(uneven_model, ids[:TOKEN], ids[TOKEN], rival)
    expected = [
        [part.component, *("" if n is None else str(n) for n in (part.block, part.head))] for part in account.parts
    ]
    assert columns(rows, 0, 3) == expected
    same(columns(rows, 3), torch.tensor([[part.value] for part in account.parts]))


@pytest.mark.usefixtures("ids")
def test_heads_by_what_they_do_are_their_scores(visitor, uneven_model):
    header, rows = table(visitor.saved("heads-csv"), "inside-heads-by-what-they-do")
    scores = head_scores(uneven_model, seed=123)
    assert header[:2] == ["block", "head"]
    assert set(header[2:]) == {"previous", "first", "same", "duplicate", "induction", "entropy", "distance"}
    assert len(rows) == scores.previous.numel()
    for column, name in enumerate(header[2:], 2):
        same(columns(rows, column, column + 1), getattr(scores, name).reshape(-1, 1))


def test_tokens_that_mattered_are_the_tokens_before_the_selected_one(visitor, ids):
    header, rows = table(visitor.saved("tokens-csv"), "inside-which-tokens-mattered")
    assert header[:3] == ["token number", "token id", "token"]
    assert [int(row[1]) for row in rows] == list(ids[:TOKEN])
    assert sum(float(row[5]) for row in rows) == pytest.approx(1, abs=1e-4)  # attention from the last one


@pytest.mark.usefixtures("ids")
def test_heads_switched_off_are_saved_once_they_were_computed(visitor):
    visitor.fire("off-csv")
    assert not [value for block, value in visitor.news if isinstance(block, gr.JSON) and value]


@pytest.mark.usefixtures("ids")
def test_swapped_states_have_every_block_and_token(visitor, uneven_model):
    header, rows = table(visitor.saved("swap-csv"), "inside-swap-a-state")
    of_token = ["token number", "token id taken from", "token id put into", "token"]
    assert header == ["entering block", *of_token, "share that comes back", "estimate"]
    taken_from, put_into = (TOKENIZER.encode(visitor.value(f"swap-{which}")) for which in ("from", "into"))
    ids = [list(map(str, pair)) for pair in zip(taken_from, put_into, strict=True)]
    assert columns(rows, 2, 4)[: len(ids)] == ids
    n_blocks = uneven_model.config.n_layers
    assert sorted({int(row[0]) for row in rows}) == list(range(n_blocks))
    assert len(rows) % n_blocks == 0
