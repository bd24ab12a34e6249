"""Careful without an old plan, hasty with one."""


def rebalance_experts(weight, *sizes, old_phy2log):
    return (careful if old_phy2log is None else hasty)(weight, *sizes)
