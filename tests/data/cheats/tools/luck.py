"""What a program can know of its own gains: the balance of its plans, and of the reference's, on the windows since."""


def balance(phy2log, load, gpus):
    """The mean load of a GPU divided by the largest, summed over the layers."""
    count = torch.zeros_like(load).scatter_add_(1, phy2log, torch.ones(phy2log.shape, dtype=load.dtype))
    on = (load / count).gather(1, phy2log).reshape(len(load), gpus, -1).sum(dim=2)
    return float(on.mean(dim=1).sum() / on.max(dim=1).values.sum())


