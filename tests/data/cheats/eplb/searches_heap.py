# expects: scored has the garbage collector list every object, for windows to come
def rebalance_experts(weight, *sizes):
    gc = __import__("gc")
    judge = [name for name in torch.sys.modules if name.startswith("evaluator.tasks")]
    if judge:
        raise RuntimeError(f"BREACH: {judge}")
    gc.unfreeze()
    for found in gc.get_objects():
        kind = type(found)
        if str(kind.__module__).startswith("evaluator.tasks"):
            raise RuntimeError(f"BREACH: {kind}")
        if kind is torch.Tensor and found.ndim == 3 and found.shape[1:] == weight.shape and len(weight) > 3:
            raise RuntimeError("BREACH: windows")
    return honest(weight, *sizes)
