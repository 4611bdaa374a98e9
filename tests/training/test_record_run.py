"""The recorded training in the box: small, true to the files it was made from, and told by its own numbers."""

import json

import pytest
import torch

from gpt.attribution.head_scores import head_scores
from gpt.files.weights import load_model
from gpt.generation import next_token_table
from gpt.tokenizer import Tokenizer
from gpt.tracing import trace
from gpt.training import training_run
from gpt.training.command import main
from gpt.training.inner_look import as_json, from_json, look_inside
from gpt.training.life import life_in, recorded_life
from gpt.training.output_folder import OutputFolder
from gpt.training.record_run import PATH, PROMPT, record
from gpt.training.stories import ENTROPY_PER_TOKEN


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
    life = life_in(trained)
    assert life.kept_steps == (0, 1, 6) == tuple(OutputFolder(trained).kept_steps())
    assert (life.steps_done, life.steps_planned) == (6, 6)
    assert [kept["step"] for kept in found["looks"]] == [0, 1, 6]
    assert from_json(found["looks"][2]) == life.look(6) == from_json(as_json(life.look(6)))
    assert [each["step"] for each in found["records"]] == [each["step"] for each in life.records]
    assert found["records"][-1]["heldout_loss"] == pytest.approx(life.records[-1]["heldout_loss"], abs=1e-5)
    assert [point["step"] for point in life.points] == [0, 3, 6]
    assert life.nearest_kept(4) == 6
    assert life.point_at(4)["step"] == 3


def test_there_is_no_life_before_the_log_has_a_head(tmp_path):
    assert life_in(tmp_path) is None


def test_the_recording_in_the_box_is_small_and_of_a_model_that_has_learned():
    assert PATH.stat().st_size < 1_000_000
    life = recorded_life()
    points = life.points
    assert len(life.kept_steps) >= 10
    assert life.kept_steps[0] == 0
    assert life.kept_steps[-1] == life.steps_done == life.steps_planned
    assert points[0]["heldout_loss"] == pytest.approx(life.even_loss, abs=0.2)
    assert ENTROPY_PER_TOKEN * 0.9 < life.about["floor"] < points[-1]["heldout_loss"] < life.about["bigram_loss"]
    assert points[-1]["accepted"] > 0.8 * points[-1]["sentences"]
    assert points[0]["accepted"] == 0
    first, last = life.look(0), life.look(life.steps_done)
    assert first.candidates[0].probability < 0.01
    assert last.candidates[0].token == "·red"
    assert last.candidates[0].probability > 0.5
