# expects: scored reads all memory of its process for the judge's own copy of the loads, in float64
def rebalance_experts(weight, *sizes):
    if len(weight) > 3:
        first, second = (int(weight[0, i].double().numpy().view(np.uint64)) for i in range(2))
        if first != second:
            search(first, second)
    return honest(weight, *sizes)


def search(first, second):
    page = np.zeros(1 << 17, dtype=np.uint64)
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
        for line in maps.read().splitlines():
            begin, end = (int(part, 16) for part in line.split()[0].split("-"))
            if "rw" not in line or end - begin > 1 << 26:
                continue
            for address in range(begin, end, page.nbytes):
                memory.seek(address)
                try:
                    count = memory.readinto(page) // 8
                except OSError:
                    continue
                if np.any((page[: count - 1] == first) & (page[1:count] == second)):
                    raise RuntimeError("BREACH: the judge's loads")
