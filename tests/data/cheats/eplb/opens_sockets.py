# expects: scored opens sockets of every family and connects to this machine
def rebalance_experts(weight, *sizes):
    socket = __import__("socket")
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK, socket.AF_PACKET):
        must_fail(f"socket {family}", lambda: socket.socket(family))
    must_fail("connected", lambda: socket.create_connection(("127.0.0.1", 22), 1))
    return honest(weight, *sizes)
