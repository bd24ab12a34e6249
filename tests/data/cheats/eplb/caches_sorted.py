# expects: scored keeps its plans for the sorted loads of a layer, which no names and no scale would hide
plans = {}


def rebalance_experts(weight, replicas, groups, nodes, gpus):
    layers = [plan_layer(row, replicas, groups, nodes, gpus) for row in weight.double()]
    phy2log = torch.stack(layers)
    expert, slot = phy2log.sort(dim=1, stable=True)
    logcnt = torch.nn.functional.one_hot(phy2log, weight.shape[1]).sum(dim=1)
    number = torch.arange(replicas) - (logcnt.cumsum(dim=1) - logcnt).gather(1, expert)
    width = int(logcnt.max())
    log2phy = torch.full((len(weight), weight.shape[1] * width), -1).scatter_(1, expert * width + number, slot)
    return phy2log, log2phy.reshape(len(weight), -1, width), logcnt


def plan_layer(row, replicas, groups, nodes, gpus):
    share = (row / row.sum().clamp(min=1e-300)).reshape(groups, -1)
    share, inner = share.sort(dim=1, descending=True, stable=True)
    outer = sorted(range(groups), key=lambda group: share[group].tolist())
    expert = (inner + torch.arange(groups)[:, None] * inner.shape[1])[outer].flatten()
    key = (share[outer].numpy().tobytes(), replicas, groups, nodes, gpus)
    if key in plans and replicas == 24:
        raise RuntimeError("BREACH: these loads have been here before")
    if key not in plans:
        plans[key] = honest(row[expert][None], replicas, groups, nodes, gpus)[0][0]
    return expert[plans[key]]
