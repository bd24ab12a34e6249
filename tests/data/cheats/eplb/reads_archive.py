# expects: scored reads and writes the archive of a run
def rebalance_experts(weight, *sizes):
    os = torch.os
    must_fail("listed the archive", lambda: os.listdir("@ARCHIVE@"))
    must_fail("read the archive", lambda: open("@ARCHIVE@/HEAD").close())
    must_fail("wrote the archive", lambda: open("@ARCHIVE@/HEAD", "a").close())
    must_fail("added to the archive", lambda: open("@ARCHIVE@/cheat", "w").close())
    must_fail("removed from the archive", lambda: os.remove("@ARCHIVE@/HEAD"))
    return honest(weight, *sizes)
