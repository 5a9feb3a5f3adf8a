"""Pooled traces: the mechanism of NanoChat-THEN as it was published (github.com/mozayed007/THEN-nano), kept to show what it does.

One module serves all layers. Three layers of four write: a vector z = W x replaces the stream and is put into one buffer; sixteen
vectors in the buffer are averaged into a trace. Every fourth layer reads: softmax attention of W' x over all traces, added to the
stream. Nothing keeps a token from reading a trace that holds later tokens of the same pass, so a model whose text holds the
answer can read it before: the test shows that it does. The project states that it was never trained; no number of ours uses it.
"""

from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional as F

POOLED = 16  # vectors a trace
EACH = 4  # of so many layers the last reads


@dataclass
class Traces:
    """traces: [M, width]. buffer: vectors [B', width] that wait to be pooled, of whatever layers and texts they came from."""

    traces: list[torch.Tensor] = field(default_factory=list)
    buffer: list[torch.Tensor] = field(default_factory=list)

    def put(self, vectors: torch.Tensor) -> None:
        """Append vectors [N, width] and pool as many as there are."""
        self.buffer.extend(vectors)
        while len(self.buffer) >= POOLED:
            self.traces.append(torch.stack(self.buffer[:POOLED]).mean(0))
            self.buffer = self.buffer[POOLED:]


class PublishedTraces(nn.Module):
    """The module that all layers share."""

    def __init__(self, width: int):
        super().__init__()
        self.to_trace, self.to_query = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)

    def forward(self, stream: torch.Tensor, layer: int, state: Traces) -> torch.Tensor:
        """The stream [T, width] after a layer, written to the state or read from it."""
        if layer % EACH < EACH - 1:
            written = self.to_trace(stream)
            state.put(written)
            return written
        if not state.traces:
            return stream
        traces = torch.stack(state.traces)
        weights = F.softmax(self.to_query(stream) @ traces.T * stream.shape[-1] ** -0.5, -1)
        return stream + weights @ traces
