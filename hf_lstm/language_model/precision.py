"""Training in bf16, fp16 or fp32 with weights that are kept in fp32."""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@contextmanager
def without_copy_warning() -> Iterator[None]:
    """
    Hide a warning of cuDNN, as a context or as a decorator.

    DropConnect and the features that hold a state at padding make new weights in every step, which cuDNN copies into
    one block: 1 % of the time.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
        yield


class MasterWeights:
    """
    A model in fp32 that the optimizer updates, and a copy of it in lower precision that computes.

    `torch.autocast` is not enough on a GPU: it runs the recurrent kernels of cuDNN in fp16 even when bf16 is asked for.

    Args:
        model: The model, in fp32.
        dtype: Precision of the copy; with `torch.float32` there is no copy.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype):
        self.master = model
        self.working = model if dtype == torch.float32 else copy.deepcopy(model).to(dtype)
        self.pairs = list(zip(self.master.parameters(), self.working.parameters(), strict=True))

    @torch.no_grad()
    def update_copy(self) -> None:
        """Round the fp32 weights into the copy, and copy `requires_grad`."""
        if self.working is not self.master:
            for master, working in self.pairs:
                working.copy_(master)
                working.requires_grad_(master.requires_grad)
        self.working.train(self.master.training)

    @torch.no_grad()
    def collect_gradients(self) -> None:
        """Move the gradients of the copy to the fp32 weights."""
        if self.working is not self.master:
            for master, working in self.pairs:
                master.grad = None if working.grad is None else working.grad.to(master.dtype)
                working.grad = None


def choose_precision(device: torch.device, precision: str = "auto") -> torch.dtype:
    """
    Return the precision to train in on a device.

    Args:
        device: The device.
        precision: "fp32", "bf16", "fp16", or "auto": on a GPU bf16, or fp16 where it has no bf16 in hardware; on a CPU
            bf16 where it multiplies bf16 in hardware, else fp32. On an H100, both train at the same speed, and bf16
            needs no loss scaling.

    Raises:
        ValueError: The device does not support the precision.
    """
    if precision == "auto":
        if device.type == "cuda":
            return torch.bfloat16 if has_fast_bf16() else torch.float16
        return torch.bfloat16 if cpu_has_bf16() else torch.float32
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be auto, {', '.join(PRECISIONS)}; got {precision!r}.")
    if device.type == "cpu" and precision == "fp16":
        raise ValueError("A CPU does not train in fp16; choose bf16 or fp32.")
    if device.type == "cpu" and precision == "bf16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        raise ValueError("This CPU has no bf16 kernels; choose fp32.")
    return PRECISIONS[precision]


def cpu_has_bf16() -> bool:
    """Return whether the CPU multiplies bf16 matrices in hardware."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}  # torch 2.8 lacks it
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("amx_tile"))


def has_fast_bf16(use_cpu: bool = False) -> bool:
    """
    Return whether the device of a Trainer multiplies bfloat16 matrices in hardware.

    Args:
        use_cpu: Ask for the CPU even if there is a GPU.
    """
    if torch.cuda.is_available() and not use_cpu:
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return cpu_has_bf16()
