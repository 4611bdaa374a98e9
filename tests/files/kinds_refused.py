"""What is no GPT-2, or not yet a file that can be opened: refused, and named for what it is."""

import torch

from .kinds import Refused
from .refused_files import (
    GPT_SIZES,
    LFS,
    SIZES,
    adapter,
    adapter_file,
    beside,
    book_classifier,
    book_classifier_without_bias,
    books_lora,
    broken_config,
    deepspeed_reward,
    eight_bits,
    file,
    file_of,
    float8,
    gptq,
    head_bias,
    interleaved,
    lead_outside,
    lfs_config,
    lose_one,
    lose_one_and_the_index,
    of_transformers,
    only,
    pickled,
    pickled_shards,
    shards,
    spoilt,
    stripped,
    tensors,
    truncated,
    two_folders,
    two_in_one_file,
    two_models,
    with_tensor,
)

NAMED = "h.1.mlp.c_fc.weight"
REFUSED: dict[str, Refused] = {
    "an adapter's folder": Refused(adapter, "LoRA adapter .*openai-community/gpt2.*merge"),
    "an adapter's file": Refused(adapter_file, "LoRA adapter.*merge"),
    "the book's LoRA, not merged": Refused(tensors(books_lora, "book"), "LoRA layers .* not merged: add alpha"),
    "an adapter of another kind": Refused(beside(peft_type="PROMPT_TUNING"), "This is an adapter, not a whole model"),
    "GPTQ": Refused(tensors(gptq), "quantised"),
    "8 bits by bitsandbytes": Refused(tensors(eight_bits), "quantised"),
    "float8": Refused(tensors(float8), "quantised|F8_E4M3"),
    "a quantization_config": Refused(
        beside(quantization_config={"quant_method": "gptq", "bits": 4}), "quantised.*gptq"
    ),
    "whole numbers as weights": Refused(
        tensors(lambda usual: usual | {f"transformer.{NAMED}": usual[f"transformer.{NAMED}"].to(torch.int16)}),
        f"{NAMED} holds I16",
    ),
    "a reward model": Refused(
        of_transformers("GPT2ForSequenceClassification", **GPT_SIZES, num_labels=1), "reward model.*score.weight"
    ),
    "a reward model by DeepSpeed": Refused(deepspeed_reward, "reward model.*v_head.weight"),
    "a classifier": Refused(
        of_transformers("GPT2ForSequenceClassification", **GPT_SIZES, num_labels=3), "classifier.*3 classes"
    ),
    "a classifier of tokens": Refused(
        of_transformers("GPT2ForTokenClassification", **GPT_SIZES), "classifier of tokens"
    ),
    "a finder of answers": Refused(of_transformers("GPT2ForQuestionAnswering", **GPT_SIZES), "answers to questions"),
    "the book's classifier": Refused(book_classifier, "the book's classifier.*2 classes"),
    "the book's classifier, its head without bias": Refused(
        book_classifier_without_bias, "the book's classifier.*2 classes"
    ),
    "GPT-Neo": Refused(
        of_transformers(
            "GPTNeoForCausalLM",
            vocab_size=101,
            hidden_size=32,
            num_layers=2,
            num_heads=2,
            attention_types=[[["global", "local"], 1]],
            max_position_embeddings=24,
            bos_token_id=0,
            eos_token_id=0,
        ),
        "GPT-Neo",
    ),
    "GPT-J": Refused(of_transformers("GPTJForCausalLM", **GPT_SIZES, rotary_dim=8), "GPT-J"),
    "GPT-NeoX": Refused(of_transformers("GPTNeoXForCausalLM", **SIZES), "GPT-NeoX"),
    "Llama": Refused(of_transformers("LlamaForCausalLM", **SIZES), "Llama"),
    "Llama without a config": Refused(stripped(of_transformers("LlamaForCausalLM", **SIZES)), "Llama"),
    "GPT-J without a config": Refused(stripped(of_transformers("GPTJForCausalLM", **GPT_SIZES, rotary_dim=8)), "GPT-J"),
    "BERT": Refused(of_transformers("BertForMaskedLM", **SIZES), "BERT"),
    "OPT": Refused(
        of_transformers(
            "OPTForCausalLM",
            vocab_size=101,
            hidden_size=32,
            num_hidden_layers=2,
            ffn_dim=64,
            num_attention_heads=2,
            max_position_embeddings=24,
            word_embed_proj_dim=32,
        ),
        "OPT",
    ),
    "the first GPT": Refused(of_transformers("OpenAIGPTLMHeadModel", **GPT_SIZES), "GPT-1"),
    "GPT-BigCode, which looks like nanoGPT": Refused(interleaved, "GPT-BigCode"),
    "an image GPT": Refused(of_transformers("ImageGPTForCausalImageModeling", **GPT_SIZES), "Image GPT"),
    "T5": Refused(
        of_transformers(
            "T5ForConditionalGeneration", vocab_size=101, d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2
        ),
        "T5",
    ),
    "one shard of several": Refused(shards(lambda _, found: found[0]), "shard 1 of .*give the folder"),
    "shards, one missing": Refused(shards(lose_one), "model-00002-of-.*is not in the folder"),
    "shards without an index, one missing": Refused(shards(lose_one_and_the_index), "model-00002-of-.*missing"),
    "shards that lie elsewhere": Refused(shards(lead_outside), "is not in the folder"),
    "an index without a list": Refused(file(b"{}", "model.safetensors.index.json"), "no weight_map"),
    "an LFS pointer": Refused(file(LFS), "Git LFS pointer.*git lfs pull"),
    "an LFS pointer as config.json": Refused(lfs_config, "config.json is a Git LFS pointer"),
    "a web page": Refused(file(b"<!DOCTYPE html><html><title>Sign in"), "web page"),
    "a pickle under this name": Refused(
        pickled("model.safetensors"), "model.safetensors is a PyTorch pickle.*save_file"
    ),
    "GGUF under this name": Refused(file(b"GGUF" + bytes(100)), "GGUF"),
    "an empty file": Refused(file(b""), "empty"),
    "a text": Refused(file(b"Every effort moves you"), "cannot be read as a safetensors file"),
    "a download that broke off": Refused(truncated, "broke off"),
    "a folder with pytorch_model.bin": Refused(pickled("pytorch_model.bin"), "pytorch_model.bin.*\n.*save_file"),
    "a folder with ckpt.pt": Refused(pickled("ckpt.pt", lambda usual: {"model": usual}), "ckpt.pt.*\n.*save_file"),
    "the book's model.pth": Refused(pickled("model.pth"), "model.pth.*\n.*save_file"),
    "the path of ckpt.pt": Refused(lambda folder: pickled("ckpt.pt")(folder) / "ckpt.pt", "ckpt.pt.*\n.*save_file"),
    "pytorch_model.bin in shards": Refused(pickled_shards, "one of 2 PyTorch pickles.*\n.*glob"),
    "a Trainer's output of pickles": Refused(
        lambda folder: pickled("pytorch_model.bin")(folder / "checkpoint-10").parent, "pytorch_model.bin.*\n.*save_file"
    ),
    "a Hub cache with a pickle": Refused(
        lambda folder: pickled("pytorch_model.bin")(folder / "snapshots" / ("a" * 40)).parents[1],
        "pytorch_model.bin.*\n.*save_file",
    ),
    "a folder with a GGUF file": Refused(only("gpt2.Q8_0.gguf"), "gpt2.Q8_0.gguf.*GGUF"),
    "a folder with TensorFlow's file": Refused(only("tf_model.h5"), "tf_model.h5"),
    "an empty folder": Refused(only(), "holds no .safetensors file"),
    "a path that leads nowhere": Refused(lambda folder: folder / "nowhere", "no file or folder"),
    "the path of config.json": Refused(file_of("config.json"), "give the folder"),
    "a Trainer's output without a model": Refused(
        only("trainer_state.json", "training_args.bin"), "no .safetensors file"
    ),
    "two models in a folder": Refused(two_models, "one.safetensors, two.safetensors"),
    "two folders with models": Refused(two_folders, "large, small"),
    "two models in a file": Refused(two_in_one_file, "policy.*reference"),
    "NaN in a matrix": Refused(spoilt(f"transformer.{NAMED}", torch.nan), f"{NAMED}.*NaN"),
    "infinity in the embedding": Refused(spoilt("transformer.wte.weight", torch.inf), "wte.weight.*infinit"),
    "infinity in a norm": Refused(spoilt("transformer.ln_f.bias", -torch.inf), "ln_f.bias.*infinit"),
    "infinity in float16": Refused(spoilt(f"transformer.{NAMED}", torch.inf, torch.float16), f"{NAMED}.*infinit"),
    "float64 beyond float32": Refused(spoilt(f"transformer.{NAMED}", 1e300, torch.float64), f"{NAMED}.*float32"),
    "another activation": Refused(beside(activation_function="silu"), "silu"),
    "an activation that is no name": Refused(beside(activation_function=["gelu"]), r"is \['gelu'\]: the models here"),
    "cross attention": Refused(beside(add_cross_attention=True), "add_cross_attention"),
    "heads that do not divide": Refused(beside(n_head=3), "n_heads is 3"),
    "heads that are no number": Refused(beside(n_head="many"), "many"),
    "more layers than there are": Refused(beside(n_layer=3), "n_layers is 3, the tensors say 2"),
    "more rows than there are": Refused(beside(vocab_size=50257), "vocab_size is 50257, the tensors say 101"),
    "another hidden width than there is": Refused(beside(n_inner=128), "inner_dim is 128, the tensors say 256"),
    "a head that is not there": Refused(beside(tie_word_embeddings=False), "lm_head.weight is missing"),
    "an epsilon that is none": Refused(beside(layer_norm_epsilon=-1.0), "norm_eps is -1"),
    "a config.json that is none": Refused(broken_config("{"), "config.json cannot be read as JSON"),
    "a config.json with a list": Refused(broken_config("[]"), "config.json is not a JSON object"),
    "a missing tensor": Refused(
        tensors(lambda usual: {name: tensor for name, tensor in usual.items() if NAMED not in name}),
        f"{NAMED} is missing",
    ),
    "a misshapen tensor": Refused(with_tensor(f"transformer.{NAMED}", 5, 5), rf"{NAMED} has shape \(5, 5\)"),
    "a tensor that has no place": Refused(
        with_tensor("transformer.h.0.gate.weight", 64), "h.0.gate.weight has no place"
    ),
    "a head with a bias": Refused(tensors(head_bias), "lm_head.bias"),
    "no tensors at all": Refused(tensors(lambda _: {}), "no tensors at all"),
}
