"""Writes the model as a Hugging Face folder with bf16 weights."""

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from baton_tiny.model import BatonTiny, Shape
from baton_tiny.tokenizer import BEGIN, END, IM_END, save_tokenizer


def model_config(shape: Shape, tokenizer: Tokenizer) -> dict:
    """The contents of config.json."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": tokenizer.token_to_id(BEGIN),
        "eos_token_id": tokenizer.token_to_id(IM_END),
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "hidden_size": shape.hidden,
        "initializer_range": 0.02,
        "intermediate_size": shape.ffn,
        "max_position_embeddings": shape.max_positions,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.kv_heads,
        "pad_token_id": tokenizer.token_to_id(END),
        "rms_norm_eps": shape.norm_eps,
        "rope_scaling": None,
        "rope_theta": shape.rope_theta,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": shape.vocab,
    }


def generation_config(tokenizer: Tokenizer) -> dict:
    """The contents of generation_config.json."""
    return {
        "bos_token_id": tokenizer.token_to_id(BEGIN),
        "eos_token_id": [tokenizer.token_to_id(IM_END), tokenizer.token_to_id(END)],
        "pad_token_id": tokenizer.token_to_id(END),
        "do_sample": False,
    }


def round_to_bf16(model: BatonTiny) -> BatonTiny:
    """A copy of the model whose fp32 weights are exactly representable in bf16."""
    rounded = BatonTiny(Shape(**asdict(model.shape)))
    state = {name: w.bfloat16().float() for name, w in model.state_dict().items()}
    rounded.load_state_dict(state)
    return rounded


def export(model: BatonTiny, tokenizer: Tokenizer, folder: Path) -> None:
    """Writes config, weights, tokenizer and generation config."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("config.json", model_config(model.shape, tokenizer)),
        ("generation_config.json", generation_config(tokenizer)),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
    weights = {n: w.detach().to(torch.bfloat16).contiguous() for n, w in model.named_parameters()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    save_tokenizer(tokenizer, folder, model.shape.max_positions)
