# expects: scored replaces the functions that carry answers out of torch
real = {name: getattr(torch.Tensor, name) for name in ("cpu", "detach", "contiguous", "numpy", "resolve_conj")}


def lie(*args, **kwargs):
    return torch.ones(2, 2)


def rebalance_experts(weight, *sizes):
    for name, function in real.items():
        setattr(torch.Tensor, name, function)
    answer = honest(weight, *sizes)
    for name in real:
        setattr(torch.Tensor, name, lie)
    torch.is_tensor = torch.manual_seed = lie
    return answer
