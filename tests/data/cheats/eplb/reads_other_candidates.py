# expects: scored looks for the scratch folders and the programs of others
def rebalance_experts(weight, *sizes):
    os = torch.os
    here = os.getcwd()
    must_fail("listed all scratch folders", lambda: os.listdir(os.path.dirname(here)))
    must_fail("made one", lambda: os.mkdir(here + "0"))
    if os.path.basename(here).removeprefix("scratch").isdecimal():
        raise RuntimeError("BREACH: names of scratch folders can be guessed")
    for other in (os.path.dirname(here) + "/base", "../base"):  # the helpers' own
        if not os.path.isdir(other):
            raise RuntimeError(f"{other} is not there")
        must_fail(f"listed {other}", lambda: os.listdir(other))
    return honest(weight, *sizes)
