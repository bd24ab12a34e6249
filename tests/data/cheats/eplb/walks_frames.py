# expects: scored looks in the frames above it for more than its own call
def rebalance_experts(weight, *sizes):
    frame = torch.sys._getframe().f_back
    while frame:
        path = frame.f_code.co_filename
        if path.startswith("/") and not path.endswith(("/worker.py", "/zygote.py")):
            raise RuntimeError(f"BREACH: called from {path}")
        found = {"windows", "loads", "task", "case", "cases", "judge", "plans", "quality"} & set(frame.f_locals)
        if found:
            raise RuntimeError(f"BREACH: {found} in {path}")
        frame = frame.f_back
    return honest(weight, *sizes)
