"""One process or several, on a GPU or not: where a run takes place."""

import ctypes
import os
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Processes:
    """The processes that train together, and the device of this one.

    ``rank`` is this process's number, from 0, of ``count``. Each trains on its share of every
    batch; the gradients are averaged. Only ``rank`` 0 writes and tells.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and tells."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """This process's part of a batch of indices, (N,) to about (N / count,)."""
        return batch[self.rank :: self.count]

    def wrap(self, model: nn.Module) -> nn.Module:
        """The network as it is trained: with gradients averaged over all processes.

        Stochastic depth leaves blocks out, so some parameters may have no gradient in a step.
        """
        if self.count == 1:
            return model
        return DistributedDataParallel(model, find_unused_parameters=True)

    def total(self, numbers: list[float]) -> list[float]:
        """The sums of these numbers over all processes."""
        if self.count == 1:
            return numbers
        sums = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        distributed.all_reduce(sums)
        return sums.tolist()

    def close(self) -> None:
        """Part from the others. Call it when all is done."""
        if self.count > 1:
            distributed.destroy_process_group()


def join_processes() -> Processes:
    """The processes that ``torchrun`` started, or this one alone; on a GPU where there is one."""
    count, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
        # The same sums in the same order, and measured as a CPU would.
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False
    if count > 1:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Processes(rank, count, device)


def can_mix_precision(device: torch.device) -> bool:
    """Whether bfloat16 is made for this device's arithmetic, and so worth it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    flags = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(flags and flags())


def keep_freed_memory() -> None:
    """Ask glibc to keep freed memory for the next step rather than hand it back.

    Handing big tensors back and asking for them again costs about half of a small network's
    training time in page faults. Elsewhere than on glibc nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(-4, 0)  # M_MMAP_MAX: no block gets a mapping of its own
    mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: the heap is not cut back
    mallopt(-2, 2**28)  # M_TOP_PAD: it grows in big steps
