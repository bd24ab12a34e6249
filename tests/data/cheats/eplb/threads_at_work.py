# expects: scored leaves threads that disturb what is timed after it, and write over its answer
time = __import__("time")


def spin(memory):
    while True:
        memory[-64:] = bytes(64)
        time.sleep(1e-5)


def rebalance_experts(weight, *sizes):
    threading = __import__("threading")
    if threading.active_count() < 4:
        threading.Thread(target=spin, args=(caller_local("answer"),), daemon=True).start()
    return honest(weight, *sizes)
