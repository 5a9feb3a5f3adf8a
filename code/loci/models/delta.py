"""The delta rule with a decay for every channel (Kimi Delta Attention, arXiv 2510.26692): one state a head, whatever the length.

A head keeps a matrix S [K, V]. Token by token

    S' = Diag(a) S;  S = S' + b k (v - S'^T k)^T;  o = S^T q / sqrt(K)

so that what is stored under a key is corrected towards the new value, not added to. `recurrent` is that; `chunked` is the same
for C tokens at a time: what the tokens of a chunk write to each other is a triangular system, everything else is products.
"""

import torch

CHUNK = 16  # tokens
STRONGEST = -5.0  # log decay of a token, at the least, where decays are bounded: 16 such tokens stay within float32's exponents


def recurrent(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    log_decay: torch.Tensor,
    write: torch.Tensor,
    state: torch.Tensor,
    correct: bool = True,
) -> tuple[torch.Tensor, torch.Tensor]:
    """(what is read [B, H, T, V], the state after it [B, H, K, V]).

    query, key [B, H, T, K], keys of length 1; value [B, H, T, V]; log_decay [B, H, T, K], at most 0; write [B, H, T], from 0 to
    1 (2 where eigenvalues may be negative); state [B, H, K, V]. correct: False adds values to what is stored under their keys
    (linear attention with decay), for comparison.
    """
    query, read = query * query.shape[-1] ** -0.5, []
    for t in range(query.shape[2]):
        state = state * log_decay[:, :, t, :, None].exp()
        missing = value[:, :, t]
        if correct:
            missing = missing - torch.einsum("bhkv,bhk->bhv", state, key[:, :, t])
        state = state + torch.einsum("bhk,bhv->bhkv", key[:, :, t], write[:, :, t, None] * missing)
        read.append(torch.einsum("bhkv,bhk->bhv", state, query[:, :, t]))
    return (torch.stack(read, 2) if read else torch.zeros_like(value)), state


def chunked(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    log_decay: torch.Tensor,
    write: torch.Tensor,
    state: torch.Tensor,
    chunk: int = CHUNK,
    bounded: bool = False,
    correct: bool = True,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same as `recurrent`, to rounding, for any length; a last chunk that is not full is padded with tokens that neither
    decay nor write. bounded: the caller vouches that no log decay is below STRONGEST; at most CHUNK tokens then go together, four
    times as fast."""
    length = query.shape[2]
    query = query * query.shape[-1] ** -0.5
    query, key, value, log_decay, write = (_cut(part, chunk) for part in (query, key, value, log_decay, write[..., None]))
    total = log_decay.cumsum(-2)  # [B, H, N, C, K], of a chunk up to and with each token
    if bounded:
        among, seen = _factored(query, key, total)
    else:
        lower = torch.ones(chunk, chunk, dtype=torch.bool, device=query.device).tril()
        # What is left at token i of what token j wrote, j <= i: exponents of at most 0. Above the diagonal they could overflow.
        left = (total[..., :, None, :] - total[..., None, :, :]).masked_fill(~lower[..., None], -torch.inf).exp()
        among = torch.einsum("bhnik,bhnjk,bhnijk->bhnij", key, key, left).tril(-1)  # [B, H, N, C, C]
        seen = torch.einsum("bhnik,bhnjk,bhnijk->bhnij", query, key, left)
    # (I + Diag(b) among) u = Diag(b) (v - what the state says); both sides of the difference are solved for at once.
    entered = key * total.exp()
    system = torch.eye(chunk, dtype=query.dtype, device=query.device) + write * among
    if correct:
        solved = torch.linalg.solve_triangular(system, write * torch.cat([value, entered], -1), upper=False, unitriangular=True)
        own, from_state = solved.split([value.shape[-1], key.shape[-1]], -1)
    else:
        own, from_state = write * value, torch.zeros_like(key)
    asked, end = query * total.exp(), total[..., -1:, :]
    kept = key * (end - total).exp()
    read = []
    for at in range(query.shape[2]):
        written = own[:, :, at] - from_state[:, :, at] @ state  # [B, H, C, V]
        read.append(asked[:, :, at] @ state + seen[:, :, at] @ written)
        state = state * end[:, :, at].transpose(-1, -2).exp() + kept[:, :, at].transpose(-1, -2) @ written
    joined = torch.cat(read, 2)[:, :, :length] if read else value.flatten(2, 3)
    return joined, state


def _factored(query: torch.Tensor, key: torch.Tensor, total: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Products of keys, and of queries, with the keys before them, decayed in between: [B, H, N, C, C] each.

    The decay between two tokens is split at the chunk's beginning, which no later token moves: both halves are finite, and so is
    what stands above the diagonal before it is cut off.
    """
    late, early = total.exp(), (key * (-total).exp()).transpose(-1, -2)
    return ((key * late) @ early).tril(-1), ((query * late) @ early).tril()


def _cut(part: torch.Tensor, chunk: int) -> torch.Tensor:
    """[B, H, T, D] -> [B, H, N, C, D], padded with zeros."""
    missing = -part.shape[2] % chunk
    return torch.nn.functional.pad(part, (0, 0, 0, missing)).unflatten(2, (-1, chunk))
