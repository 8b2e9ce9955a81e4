"""Start values that already look things up, so that a short training suffices.

Every embedding shares one constant component. From it, layer 0 gets heads that attend one, two and
three tokens back, by RoPE alone, and note the tokens there. Layer 1 gets heads that compare such
notes with each other and copy what they find: "A B ... A" gives B (an induction head), and a value
is found by the key that stands three tokens before it. The comparing uses the slow RoPE
frequencies, which turn little over a context. Training changes all of it freely.
"""

import torch
from torch import Tensor

from baton_tiny.model import BatonTiny

CONSTANT = 4.0
EMBEDDING_STD = 0.08
LOOK_BACK_PAIRS = 5
COMPARE_PAIRS = 12
LOOK_BACK_LOGIT = 50.0
NOTE_SCALE = 0.25
COPY_SCALE = 0.5
COMPARE_SCALE = 3.2
NOTE_SIZE = 30
DISTANCES = (1, 2, 3)


def orthonormal(rows: int, columns: int) -> Tensor:
    """Random orthonormal rows."""
    return torch.linalg.qr(torch.randn(columns, rows)).Q.T


def look_back(model: BatonTiny, head: int, distance: int) -> None:
    """Makes a head of layer 0 attend `distance` tokens back."""
    shape, attention = model.shape, model.model.layers[0].self_attn
    half, size = shape.head_dim // 2, shape.head_dim
    strength = LOOK_BACK_LOGIT**0.5 / CONSTANT
    angles = distance * shape.rope_theta ** (-torch.arange(LOOK_BACK_PAIRS) / half)
    kv = head // (shape.heads // shape.kv_heads)
    query = attention.q_proj.weight[head * size : (head + 1) * size]
    key = attention.k_proj.weight[kv * size : (kv + 1) * size]
    query.zero_()
    key.zero_()
    query[:LOOK_BACK_PAIRS, 0] = strength * angles.cos()
    query[half : half + LOOK_BACK_PAIRS, 0] = -strength * angles.sin()
    key[:LOOK_BACK_PAIRS, 0] = strength


def slow_rows(model: BatonTiny) -> list[int]:
    """Rows of a head that turn slowest."""
    half = model.shape.head_dim // 2
    pairs = range(half - COMPARE_PAIRS, half)
    return [*pairs, *(p + half for p in pairs)]


@torch.no_grad()
def give_start_values(model: BatonTiny) -> None:
    """Replaces the random start values of the embedding and of the attention in layers 0 and 1."""
    shape = model.shape
    token_size = shape.hidden - NOTE_SIZE * len(DISTANCES)
    embedding = model.model.embed_tokens.weight
    embedding.normal_(std=EMBEDDING_STD)
    embedding[:, token_size:] = 0
    embedding[:, 0] = CONSTANT * EMBEDDING_STD
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()

    places = {0: torch.zeros(NOTE_SIZE, shape.hidden)}
    places[0][:, 1:token_size] = orthonormal(NOTE_SIZE, token_size - 1)
    for number, distance in enumerate(DISTANCES):
        places[distance] = torch.zeros(NOTE_SIZE, shape.hidden)
        start = token_size + number * NOTE_SIZE
        places[distance][:, start : start + NOTE_SIZE] = torch.eye(NOTE_SIZE)
    take_notes(model, places)
    compare_notes(model, places)


def take_notes(model: BatonTiny, places: dict[int, Tensor]) -> None:
    """Layer 0: one head a distance writes the token there to its place."""
    size, attention = model.shape.head_dim, model.model.layers[0].self_attn
    for kv in range(model.shape.kv_heads):
        attention.v_proj.weight[kv * size : kv * size + NOTE_SIZE] = places[0]
    for head, distance in enumerate(DISTANCES):
        look_back(model, head, distance)
        output = attention.o_proj.weight[:, head * size : (head + 1) * size]
        output[:, :NOTE_SIZE] = NOTE_SCALE * places[distance].T


def compare_notes(model: BatonTiny, places: dict[int, Tensor]) -> None:
    """Layer 1: each head compares a note with one of an earlier position and copies its token."""
    shape, attention = model.shape, model.model.layers[1].self_attn
    size, rows = shape.head_dim, slow_rows(model)
    group = shape.heads // shape.kv_heads
    queries, keys = [0, 0, 1, 2], [1, 3]
    for kv, noted in enumerate(keys):
        mix = orthonormal(len(rows), NOTE_SIZE) * COMPARE_SCALE
        key = attention.k_proj.weight[kv * size : (kv + 1) * size]
        key.zero_()
        key[rows] = mix @ places[noted]
        attention.v_proj.weight[kv * size : kv * size + NOTE_SIZE] = places[0]
        for head in range(kv * group, (kv + 1) * group):
            query = attention.q_proj.weight[head * size : (head + 1) * size]
            query.zero_()
            query[rows] = mix @ places[queries[head]]
            output = attention.o_proj.weight[:, head * size : (head + 1) * size]
            output[:, :NOTE_SIZE] = COPY_SCALE * places[0].T
