"""Read the next tokens of many streams in one batch, at a small cost for a single token."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from ..data import pad_batch
from ..models import CELLS, POOLINGS, LstmForSequenceClassification

# Streams with up to so many new tokens are read step by step with the formula of the cell. For more tokens, the fused
# kernel is faster, although its call takes as long as several such steps.
FEW_TOKENS = 6

# Tokens of each stream that one call of the model reads, and padded tokens of all streams in it. They bound the memory.
STEPS = 512
WINDOW_TOKENS = 16_384

Memory = dict[str, torch.Tensor]


class TokenReader:
    """
    A classifier that reads forward, as a function from the memory of streams and their next tokens to the new memory.

    The memory of a stream is the state of the cell, `(num_layers, hidden_size)` per tensor, and that of the pooling. It
    is on the CPU, because not every device has double precision.

    Args:
        model: The classifier. Its weights must not change afterwards.
    """

    def __init__(self, model: LstmForSequenceClassification):
        config = model.config  # its attributes take long to read
        self.model = model
        self.cell, self.pooling = CELLS[config.cell_type], POOLINGS[config.pooling]
        self.pad_token_id, self.num_labels = config.pad_token_id or 0, int(config.num_labels or 0)
        self.shape = (config.num_hidden_layers, config.hidden_size)
        self.device, self.dtype = model.device, model.dtype
        self.weights = [layer.directions[0].all_weights[0] for layer in model.model.layers]

    def start(self) -> Memory:
        """Return the memory before the first token."""
        zeros = torch.zeros(self.shape, dtype=self.dtype)
        # Sums are in double precision, because a sum over millions of tokens would otherwise stop growing.
        pooling = self.pooling.start(zeros[:1], total_dtype=torch.float64)
        return dict.fromkeys(self.cell.states, zeros) | {name: part[0] for name, part in pooling.tensors().items()}

    @torch.inference_mode()
    def read(
        self, memories: Sequence[Memory], input_ids: Sequence[Sequence[int]], each_token: bool
    ) -> tuple[list[Memory], np.ndarray, list[np.ndarray]]:
        """
        Read the next tokens of each stream.

        Args:
            memories: Memory of each stream; it is not modified.
            input_ids: Next token ids of each stream, any number of them.
            each_token: Compute the logits after each token.

        Returns:
            The memory of each stream after its tokens; the logits then, `(streams, num_labels)`; and, if wanted, the
            logits of each stream after each of its tokens, `(tokens, num_labels)`, which are otherwise empty.
        """
        memory = {name: torch.stack([one[name] for one in memories]) for name in memories[0]}  # (streams, ...)
        token_logits: list[list[np.ndarray]] = [[] for _ in memories]
        for rows, steps in windows([len(ids) for ids in input_ids]):
            whole = len(rows) == len(memories)
            part = memory if whole else {name: tensor[rows] for name, tensor in memory.items()}
            window = [input_ids[row][steps] for row in rows]
            part, logits = self._read_window(part, window, each_token)
            for name, tensor in part.items():
                memory[name] = tensor if whole else memory[name].index_copy(0, torch.tensor(rows), tensor)
            for row, ids, its_logits in zip(rows, window, logits, strict=each_token):
                token_logits[row].append(its_logits[: len(ids)])
        logits = self._head(self.pooling.from_tensors(memory).vector())
        # Copies, because a view would keep the memory of the whole batch.
        unbind: Any = torch.unbind_copy  # its annotation lacks the tensors that it returns
        unstacked = [unbind(tensor) for tensor in memory.values()]
        none = [np.zeros((0, self.num_labels), dtype=np.float32)]
        return (
            [dict(zip(memory, tensors, strict=True)) for tensors in zip(*unstacked, strict=True)],
            logits,
            [np.concatenate(parts or none) for parts in token_logits],
        )

    def _read_window(
        self, memory: Memory, window: Sequence[Sequence[int]], each_token: bool
    ) -> tuple[Memory, np.ndarray | Sequence[np.ndarray]]:
        """Read some tokens of streams with stacked memory; return it and the logits, `(rows, steps, num_labels)`."""
        parts = [memory[name].to(self.device) for name in self.cell.states]  # each (rows, layers, hidden_size)
        pooling = self.pooling.from_tensors(memory)
        logits: np.ndarray | Sequence[np.ndarray] = ()
        if max(map(len, window)) == 1:
            parts = self._step(torch.tensor([ids[0] for ids in window], device=self.device), parts)
            last = parts[0][:, -1].cpu()  # (rows, hidden_size)
            pooling = pooling.update(last[:, None], None, last)
            if each_token:
                logits = self._head(pooling.vector())[:, None]
        else:
            batch = {name: tensor.to(self.device) for name, tensor in pad_batch(window, self.pad_token_id).items()}
            state = self.cell.join([part.transpose(0, 1) for part in parts])  # (layers, rows, hidden_size)
            output = self.model.model(**batch, state=state, return_dict=True)
            outputs = output.last_hidden_state.cpu()  # (rows, steps, hidden_size)
            parts = [part.transpose(0, 1) for part in self.cell.split(output.state)]
            if each_token:
                logits = self._head(pooling.running(outputs).vector())
            pooling = pooling.update(outputs, batch["attention_mask"].cpu(), parts[0][:, -1].cpu())
        states = {name: part.cpu() for name, part in zip(self.cell.states, parts, strict=True)}
        return states | pooling.tensors(), logits

    def _step(self, ids: torch.Tensor, parts: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Read one token of each stream, `(rows,)`, with all layers; the state tensors are `(rows, layers, size)`."""
        inputs = F.embedding(ids, self.model.model.embed_tokens.weight)  # (rows, embedding_size)
        layers = []
        for layer, (weight_ih, weight_hh, bias_ih, bias_hh) in enumerate(self.weights):
            before = [part[:, layer] for part in parts]  # each (rows, hidden_size)
            after = self.cell.step(
                F.linear(inputs, weight_ih, bias_ih), F.linear(before[0], weight_hh, bias_hh), before
            )
            inputs = after[0]
            layers.append(after)
        return [torch.stack(part, dim=1) for part in zip(*layers, strict=True)]

    def _head(self, vectors: torch.Tensor) -> np.ndarray:
        """Return the logits, `(..., num_labels)`, of pooled vectors, `(..., pooled)`."""
        head = self.model.classifier
        return F.linear(vectors.to(self.device, self.dtype), head.weight, head.bias).float().cpu().numpy()


def windows(lengths: Sequence[int]) -> Iterator[tuple[list[int], slice]]:
    """
    Divide the tokens of streams into parts that are read in one call.

    Args:
        lengths: Number of tokens of each stream.

    Yields:
        The numbers of the streams, in increasing order, and the tokens of each: one, or at most `STEPS`. Each stream is
        read in the order of its tokens.
    """
    order = sorted((row for row, length in enumerate(lengths) if length), key=lengths.__getitem__)
    few = sorted(row for row in order if lengths[row] <= FEW_TOKENS)
    for step in range(max((lengths[row] for row in few), default=0)):
        yield [row for row in few if lengths[row] > step], slice(step, step + 1)
    many = order[len(few) :]
    while many:
        group = [many.pop()]  # the longest
        while many and min(lengths[group[0]], STEPS) * (len(group) + 1) <= WINDOW_TOKENS:
            group.append(many.pop())
        for start in range(0, lengths[group[0]], STEPS):
            yield sorted(row for row in group if lengths[row] > start), slice(start, start + STEPS)
