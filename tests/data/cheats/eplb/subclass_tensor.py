# expects: validate/missing_expert answers with a tensor that shows a plan and hands over another
class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        result = super().__torch_function__(function, types, args, kwargs or {})
        return torch.zeros_like(result) if function is torch.Tensor.detach else result


def rebalance_experts(weight, *sizes):
    phy2log, log2phy, logcnt = honest(weight, *sizes)
    return phy2log.as_subclass(Liar), log2phy, logcnt
