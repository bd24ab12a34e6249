# expects: ok reaches for the network
import socket

import torch


def solve(weight, count):
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK, socket.AF_PACKET):
        must_fail(f"socket {family}", lambda: socket.socket(family))
    must_fail("resolved a name", lambda: socket.getaddrinfo("example.org", 80))
    must_fail("connected", lambda: socket.create_connection(("127.0.0.1", 22), 1))
    return torch.argsort(weight, dim=1)
