# expects: scored looks for the scratch folders and the programs of others
def rebalance_experts(weight, *sizes):
    os = torch.os
    here = os.getcwd()
    must_fail("listed all scratch folders", lambda: os.listdir(os.path.dirname(here)))
    must_fail("made one", lambda: os.mkdir(here + "0"))
    own = int(os.path.basename(here).removeprefix("scratch"))
    for number in set(range(max(0, own - 3), own + 4)) - {own}:
        other = f"{os.path.dirname(here)}/scratch{number}"
        must_fail(f"listed {other}", lambda: os.listdir(other))
        must_fail(f"read {other}", lambda: open(other + "/program.py").close())
    return honest(weight, *sizes)
