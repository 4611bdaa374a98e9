"""The bundled recording of a training: small, true to the files it was made from, and told by its own numbers."""

import json

import pytest
import torch

from gpt.attribution.head_scores import head_scores
from gpt.files.weights import load_model
from gpt.generation import next_token_table
from gpt.tokenizer import Tokenizer
from gpt.tracing import trace
from gpt.training import training_run
from gpt.training.command_line import main
from gpt.training.inner_look import as_json, from_json, look_inside
from gpt.training.output_folder import OutputFolder
from gpt.training.record_run import PATH, PROMPT, record
from gpt.training.stories import ENTROPY_PER_TOKEN
from gpt.training.training_history import history_in, recorded_history


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """The folder of a tiny training that has kept three steps."""
    monkeypatch.setattr(training_run, "SAMPLE_TOKENS", 4)
    text, out = tmp_path / "fable.txt", tmp_path / "fox"
    text.write_text("A fox ran over the hill and looked for the red ball. " * 60)
    sizes = "--emb-dim 32 --layers 2 --heads 2 --context 24 --batch-size 4 --steps 6 --evaluate-every 3 --keep-steps 3"
    main([str(text), "--out", str(out), "--prompt", "A fox ran over the", *sizes.split()])
    return out


def test_a_look_is_what_the_model_computes():
    model = load_model(PATH.parent / "storyteller")
    look = look_inside(model, PROMPT, 7)
    ids = Tokenizer().encode(PROMPT)
    traced, table = trace(model, ids), next_token_table(model, ids, n=8)
    assert [candidate.probability for candidate in look.candidates] == pytest.approx(
        [row.probability for row in table.tokens], abs=1e-5
    )
    assert look.deviation == pytest.approx(traced.stream[:, -1].std(-1, correction=0).tolist(), abs=1e-4)
    last = torch.tensor(look.maps[3][2][-1])
    assert torch.allclose(last, traced.blocks[3].attention[2, -1], atol=6e-4)
    assert look.scores["induction"][6][3] == pytest.approx(float(head_scores(model).induction[6, 3]), abs=1e-4)


def test_a_recording_is_read_as_the_folder_it_was_made_of(trained):
    found = json.loads(json.dumps(record(trained)))
    history = history_in(trained)
    assert history.kept_steps == (0, 1, 6) == tuple(OutputFolder(trained).kept_steps())
    assert (history.steps_done, history.steps_planned) == (6, 6)
    assert [kept["step"] for kept in found["looks"]] == [0, 1, 6]
    assert from_json(found["looks"][2]) == history.look(6) == from_json(as_json(history.look(6)))
    assert [each["step"] for each in found["records"]] == [each["step"] for each in history.records]
    assert found["records"][-1]["heldout_loss"] == pytest.approx(history.records[-1]["heldout_loss"], abs=1e-5)
    assert [point["step"] for point in history.points] == [0, 3, 6]
    assert history.nearest_kept(4) == 6
    assert history.point_at(4)["step"] == 3


def test_there_is_no_history_before_the_log_has_a_head(tmp_path):
    assert history_in(tmp_path) is None


def test_the_recording_in_the_box_is_small_and_of_a_model_that_has_learned():
    assert PATH.stat().st_size < 1_000_000
    history = recorded_history()
    points = history.points
    assert len(history.kept_steps) >= 10
    assert history.kept_steps[0] == 0
    assert history.kept_steps[-1] == history.steps_done == history.steps_planned
    assert points[0]["heldout_loss"] == pytest.approx(history.even_loss, abs=0.2)
    assert ENTROPY_PER_TOKEN * 0.9 < history.about["floor"] < points[-1]["heldout_loss"] < history.about["bigram_loss"]
    assert points[-1]["accepted"] > 0.8 * points[-1]["sentences"]
    assert points[0]["accepted"] == 0
    first, last = history.look(0), history.look(history.steps_done)
    assert first.candidates[0].probability < 0.01
    assert last.candidates[0].token == "·red"
    assert last.candidates[0].probability > 0.5
