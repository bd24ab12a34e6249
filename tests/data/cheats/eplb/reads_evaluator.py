# expects: scored reads and writes the judge's own files and its tests
def rebalance_experts(weight, *sizes):
    os = torch.os
    for name in ("", "/evaluator", "/tests"):
        must_fail(f"listed @ROOT@{name}", lambda: os.listdir("@ROOT@" + name))
    for name in ("/evaluator/evaluate.py", "/evaluator/tasks/eplb/workloads.py", "/pyproject.toml"):
        must_fail(f"read @ROOT@{name}", lambda: open("@ROOT@" + name).close())
        must_fail(f"wrote @ROOT@{name}", lambda: open("@ROOT@" + name, "a").close())
    own = torch.sys.modules["evaluator.confined.worker"].__file__
    must_fail("wrote the worker", lambda: open(own, "a").close())
    return honest(weight, *sizes)
