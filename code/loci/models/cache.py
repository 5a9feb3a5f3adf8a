"""A key-value cache with room for what is still to come: appending writes in place instead of copying the whole."""

import torch
from transformers import Cache
from transformers.cache_utils import DynamicLayer


class _GrowingLayer(DynamicLayer):
    """Keys and values [B, H, capacity, head] of which the first columns are in use; `keys` and `values` show those."""

    def __init__(self, capacity: int):
        super().__init__()
        self._capacity = capacity
        self._store: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_args, **_kwargs):
        """Append [B, H, n, head] each and return all keys and values so far; ValueError beyond the capacity."""
        used = 0 if self._store is None else self.keys.shape[2]
        end = used + key_states.shape[2]
        if end > self._capacity:
            raise ValueError(f"the cache has room for {self._capacity} positions, not for {end}")
        if self._store is None:
            self.lazy_initialization(key_states, value_states)
            self._store = tuple(new.new_empty(*new.shape[:2], self._capacity, new.shape[3]) for new in (key_states, value_states))
        for store, new in zip(self._store, (key_states, value_states), strict=True):
            store[:, :, used:end] = new
        self._show(end)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these batch elements only."""
        if self._store is not None:
            used = self.keys.shape[2]
            self._store = tuple(store[indices] for store in self._store)
            self._show(used)

    def _show(self, used: int) -> None:
        self.keys, self.values = (store[:, :, :used] for store in self._store)


class GrowingCache(Cache):
    """One growing layer per decoder layer of a model `config`, for sequences of up to `capacity` positions."""

    def __init__(self, config, capacity: int):
        super().__init__(layers=[_GrowingLayer(capacity) for _ in range(config.get_text_config().num_hidden_layers)])
