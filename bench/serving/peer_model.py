"""The same random model twice: as a Hugging Face folder for Baton, as GGUF files for llama.cpp.

Needs numpy, and the package gguf from PyPI.
"""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np

from on_device import LLAMA, write_model


def llama(hidden: int, intermediate: int, layers: int, heads: int, kv_heads: int, tied: bool) -> dict:
    return LLAMA | {"hidden_size": hidden, "intermediate_size": intermediate, "num_hidden_layers": layers,
                    "num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": hidden // heads,
                    "vocab_size": 32000, "max_position_embeddings": 4096, "rope_theta": 10000.0,
                    "tie_word_embeddings": tied}


SHAPES = {"15m": llama(288, 768, 6, 6, 6, tied=True), "110m": llama(768, 2048, 12, 12, 12, tied=True),
          "1.1b": llama(2048, 5632, 22, 32, 4, tied=False)}
# By type of the weights: the settings with which Baton serves a folder, and the type of the GGUF file.
TYPES = {"bf16": ([], gguf.GGMLQuantizationType.BF16), "f32": ([], gguf.GGMLQuantizationType.F32),
         "int8": (["engine.weights=int8"], gguf.GGMLQuantizationType.Q8_0),
         "w16a16": (["engine.weights=w16a16"], gguf.GGMLQuantizationType.BF16),
         "w8a8": (["engine.weights=w8a8"], gguf.GGMLQuantizationType.Q8_0)}
BYTE_TOKENS = 256
FIRST_WORD = 3 + BYTE_TOKENS


def rounded(values: np.ndarray) -> np.ndarray:
    """float32 to the bits of bfloat16, to nearest, ties to even."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def widened(bits: np.ndarray) -> np.ndarray:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def for_interleaved_rope(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of q or k in the order of llama.cpp, which rotates neighbours where Hugging Face rotates halves."""
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, rows.shape[1])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(rows.shape)


class RandomModel:
    """Weights of variance 1 / K, made one tensor at a time, the same whenever they are asked for."""

    def __init__(self, shape: dict):
        self.shape = shape
        E, F, V = shape["hidden_size"], shape["intermediate_size"], shape["vocab_size"]
        q = shape["num_attention_heads"] * shape["head_dim"]
        kv = shape["num_key_value_heads"] * shape["head_dim"]
        # By the name in the folder: the name in GGUF, the shape, and the heads of rows that are rotated.
        self.tensors: dict[str, tuple[str, tuple[int, ...], int]] = {
            "model.embed_tokens": ("token_embd", (V, E), 0), "model.norm": ("output_norm", (E,), 0)}
        if not shape["tie_word_embeddings"]:
            self.tensors["lm_head"] = ("output", (V, E), 0)
        for i in range(shape["num_hidden_layers"]):
            here, there = f"model.layers.{i}.", f"blk.{i}."
            self.tensors |= {
                here + "input_layernorm": (there + "attn_norm", (E,), 0),
                here + "self_attn.q_proj": (there + "attn_q", (q, E), shape["num_attention_heads"]),
                here + "self_attn.k_proj": (there + "attn_k", (kv, E), shape["num_key_value_heads"]),
                here + "self_attn.v_proj": (there + "attn_v", (kv, E), 0),
                here + "self_attn.o_proj": (there + "attn_output", (E, q), 0),
                here + "post_attention_layernorm": (there + "ffn_norm", (E,), 0),
                here + "mlp.gate_proj": (there + "ffn_gate", (F, E), 0),
                here + "mlp.up_proj": (there + "ffn_up", (F, E), 0),
                here + "mlp.down_proj": (there + "ffn_down", (E, F), 0)}

    def bits(self, name: str) -> np.ndarray:
        shape = self.tensors[name][1]
        if len(shape) == 1:
            return rounded(np.ones(shape, np.float32))
        random = np.random.default_rng([*name.encode()])
        bound = (3 / shape[1]) ** 0.5
        return rounded(random.random(shape, np.float32) * np.float32(2 * bound) - np.float32(bound))

    def write_folder(self, folder: Path, dtype: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_model(folder, self.shape | {"torch_dtype": {"bf16": "bfloat16", "f32": "float32"}[dtype]})
        header, end = {}, 0
        for name, (_, shape, _) in self.tensors.items():
            begin, end = end, end + int(np.prod(shape)) * {"bf16": 2, "f32": 4}[dtype]
            header[name + ".weight"] = {"dtype": dtype.upper(), "shape": shape, "data_offsets": [begin, end]}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(folder / "model.safetensors", "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name in self.tensors:
                bits = self.bits(name)
                file.write((bits if dtype == "bf16" else widened(bits)).tobytes())

    def write_gguf(self, file: Path, kind: gguf.GGMLQuantizationType) -> None:
        writer = gguf.GGUFWriter(file, "llama")
        shape = self.shape
        writer.add_context_length(shape["max_position_embeddings"])
        writer.add_embedding_length(shape["hidden_size"])
        writer.add_block_count(shape["num_hidden_layers"])
        writer.add_feed_forward_length(shape["intermediate_size"])
        writer.add_head_count(shape["num_attention_heads"])
        writer.add_head_count_kv(shape["num_key_value_heads"])
        writer.add_rope_dimension_count(shape["head_dim"])
        writer.add_rope_freq_base(shape["rope_theta"])
        writer.add_layer_norm_rms_eps(shape["rms_norm_eps"])
        writer.add_vocab_size(shape["vocab_size"])
        self.add_tokenizer(writer)
        for name, (theirs, extents, rotated_heads) in self.tensors.items():
            values = widened(self.bits(name))
            if rotated_heads > 0:
                values = for_interleaved_rope(values, rotated_heads)
            # llama.cpp keeps norms in float32 whatever the type of the file.
            own = gguf.GGMLQuantizationType.F32 if len(extents) == 1 else kind
            writer.add_tensor(theirs + ".weight", gguf.quants.quantize(values, own), raw_dtype=own)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    def add_tokenizer(self, writer: gguf.GGUFWriter) -> None:
        """Three special tokens, one per byte, and a word for every other id."""
        words = [f"\u2581w{i}" for i in range(FIRST_WORD, self.shape["vocab_size"])]
        tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(BYTE_TOKENS)), *words]
        kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL,
                 *[gguf.TokenType.BYTE] * BYTE_TOKENS, *[gguf.TokenType.NORMAL] * len(words)]
        writer.add_tokenizer_model("llama")
        writer.add_token_list(tokens)
        writer.add_token_scores([-float(i) for i in range(len(tokens))])
        writer.add_token_types(kinds)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_add_bos_token(False)


def write_both(folder: Path, shape: str, kind: str) -> tuple[Path, Path]:
    """The folder and the GGUF file of one type of weights, made where they are not there yet."""
    model = RandomModel(SHAPES[shape])
    dtype = "f32" if kind == "f32" else "bf16"
    ours, theirs = folder / f"{shape}-{dtype}", folder / f"{shape}-{TYPES[kind][1].name.lower()}.gguf"
    if not (ours / "model.safetensors").exists():
        model.write_folder(ours, dtype)
    if not theirs.exists():
        model.write_gguf(theirs, TYPES[kind][1])
    return ours, theirs
