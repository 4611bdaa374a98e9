"""Models of a Hub that runs on this machine: downloads that break, cost, damage and lie, and what is said of each."""

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from huggingface_hub import constants

from gpt import GPTModel
from gpt.files import hub
from gpt.files.hub_cache import repository_folder

from .hub_client import LARGE, NAME, files_of, partial_bytes, refusal
from .hub_server import COMMIT
from .kinds_with_words import byte_level
from .making import random_reference, reference_tensors, write
from .refused_files import adapter, of_transformers

# Downloads that work


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_model_is_downloaded_once_with_its_progress_in_bytes(online, large, elsewhere):
    online.elsewhere = elsewhere
    told = []
    folder = hub.download(NAME, lambda *progress: told.append(progress))
    assert files_of(folder) == large
    total = sum(map(len, large.values()))
    assert {whole for _, whole in told} == {total}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert len({done for done, _ in told}) > 3
    assert told[-1] == (total, total)
    online.requests.clear()
    assert hub.download(NAME) == hub.downloaded(NAME) == folder
    assert online.requests == []


def test_a_token_goes_to_the_hub_and_nowhere_else(online, monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_secret")
    online.elsewhere = True
    hub.download(NAME)
    assert any("/model.safetensors" in request for request in online.requests)
    assert online.secrets_told == []


def test_a_repository_that_moved_is_found(online):
    online.moved["someone/old-name"] = NAME
    assert hub.download("someone/old-name").is_dir()


def test_other_programs_open_what_was_downloaded_and_the_other_way_round(online, large, tmp_path):
    hub.download(NAME)
    program = f"""
from transformers import GPT2LMHeadModel
print(GPT2LMHeadModel.from_pretrained({NAME!r}).config.n_embd)
"""
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.stdout.split()[-1] == "192"
    shutil.rmtree(tmp_path / "cache")
    fetch = f"""
from huggingface_hub import hf_hub_download
for name in {list(large)!r}: hf_hub_download({NAME!r}, name)
"""
    environment = environment | {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": online.address, "HF_HUB_DISABLE_XET": "1"}
    subprocess.run([sys.executable, "-c", fetch], check=True, capture_output=True, env=environment, timeout=120)
    online.requests.clear()
    assert files_of(hub.download(NAME)) == large
    assert not any("safetensors" in request for request in online.requests)


@pytest.mark.usefixtures("online")
def test_what_openais_models_were_called_once_is_found_in_the_cache(large, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    old = tmp_path / "cache" / "models--gpt2" / "snapshots" / COMMIT
    old.mkdir(parents=True)
    for name, content in large.items():
        (old / name).write_bytes(content)
    assert hub.downloaded("gpt2-124M") == hub.download("openai-community/gpt2") == old
    other = tmp_path / "of transformers"
    shutil.move(tmp_path / "cache", other)
    assert hub.downloaded("gpt2-124M") is None
    monkeypatch.setenv("TRANSFORMERS_CACHE", str(other))
    assert hub.downloaded("gpt2-124M") == other / "models--gpt2" / "snapshots" / COMMIT


def test_shards_are_downloaded_and_open(online, tmp_path):
    random_reference().save_pretrained(tmp_path / "sharded", max_shard_size="100KB")
    online.repositories[NAME] = files_of(tmp_path / "sharded")
    assert len(online.repositories[NAME]) > 4
    assert hub.load_repository(NAME).config.emb_dim == 64


def test_a_model_brings_its_own_vocabulary_also_when_another_program_left_it_behind(online, tmp_path):
    folder = write(tmp_path / "own", reference_tensors(random_reference(vocab_size=300)), n_head=1, vocab_size=300)
    byte_level().save(str(folder / "tokenizer.json"))
    online.repositories[NAME] = files_of(folder)
    expected = byte_level().encode("Every effort").ids
    model = hub.load_repository(NAME)
    assert model.tokenizer.encode("Every effort") == expected
    (hub.downloaded(NAME) / "tokenizer.json").unlink()
    assert hub.load_repository(NAME).tokenizer.encode("Every effort") == expected
    online.requests.clear()
    assert hub.load_repository(NAME).tokenizer.encode("Every effort") == expected
    assert online.requests == []


def test_two_visitors_share_one_download(online):
    online.trouble.bytes_per_second = 100e6
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(hub.download, [NAME, NAME])
    assert first == second
    assert online.offsets() == [0]


def test_a_visitor_who_leaves_does_not_take_the_download_from_another(online):
    online.trouble.bytes_per_second = 60e6

    def leave(done: int, _: int) -> None:
        if done > 1e6:
            raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as pool:
        staying, leaving = pool.submit(hub.download, NAME), pool.submit(hub.download, NAME, leave)
        with pytest.raises(KeyboardInterrupt):
            leaving.result()
        assert staying.result().is_dir()
    assert online.offsets() == [0]


# What a repository holds, before it comes


@pytest.mark.parametrize(("kind", "said"), [
    (of_transformers("LlamaForCausalLM", vocab_size=10, hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
                     intermediate_size=8), "This is Llama"),
    (adapter, "holds no model.safetensors but adapter_config.json, an adapter"),
], ids=["Llama", "adapter"])  # fmt: skip
def test_what_is_no_gpt2_is_said_before_its_weights_come(online, tmp_path, kind, said):
    online.repositories[NAME] = files_of(kind(tmp_path / "other"))
    assert said in refusal()
    assert online.offsets() == []
    described = hub.describe(NAME)
    assert said in described.refusal
    assert described.config is None


def test_weights_without_a_configuration_are_judged_by_their_first_bytes(online, tmp_path):
    reference = random_reference(vocab_size=60_000, n_embd=192)  # 46 MB
    tensors = {name.replace("wte", "embed"): tensor for name, tensor in reference_tensors(reference).items()}
    online.repositories[NAME] = files_of(write(tmp_path / "other", tensors))
    online.trouble.bytes_per_second = 5e6
    begin = time.monotonic()
    assert "No token embedding found" in refusal()
    assert time.monotonic() - begin < 4
    assert partial_bytes() == 0


def test_a_description_needs_some_kilobytes(online, large):
    online.trouble.bytes_per_second = 1e6
    described = hub.describe(f"https://huggingface.co/{NAME}/tree/main")
    assert described.repository == NAME
    assert described.bytes == sum(map(len, large.values()))
    assert described.config == LARGE
    assert described.parameters == sum(parameter.numel() for parameter in GPTModel(LARGE).parameters())
    assert described.refusal == ""
    assert list(repository_folder(NAME).glob("*")) == []


# Names


@pytest.mark.parametrize(("text", "name"), [
    ("gpt2-355M", "openai-community/gpt2-medium"),
    ("someone/my-gpt2.v1", "someone/my-gpt2.v1"),
    (" someone/x ", "someone/x"),
    ("https://huggingface.co/someone/x", "someone/x"),
    ("https://huggingface.co/someone/x/blob/main/config.json?download=true", "someone/x"),
    ("huggingface.co/someone/x#readme", "someone/x"),
    ("http://127.0.0.1:8000/someone/x", "someone/x"),
])  # fmt: skip
def test_a_repository_has_a_name_and_an_address(text, name):
    assert hub.repository_of(text) == name


@pytest.mark.parametrize("text", [
    *("", "gpt2", "a/b/c", "../secret", "someone/..", "some one/x", "someone/x--y", "-a/b", "a/.b", "é/x"),
    "a" * 97 + "/x",
])  # fmt: skip
def test_what_is_no_repository_is_refused_without_asking(text):
    with pytest.raises(ValueError, match="is no repository: write owner/name, as in openai-community/gpt2"):
        hub.repository_of(text)
