# expects: ok answers with a tensor whose class lies about its shape
import torch


class Liar(torch.Tensor):
    @property
    def shape(self):
        return torch.Size([0])

    def __len__(self):
        return 0


def solve(weight, count):
    return torch.argsort(weight, dim=1).as_subclass(Liar)
