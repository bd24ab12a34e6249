"""A Ray cluster of three node processes on this machine, whose parts can be killed."""

from __future__ import annotations

from typing import Any


class Nodes:
    """Node processes of a cluster on this machine."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster as Processes

        self.room = {"num_cpus": 2, "object_store_memory": 80_000_000}
        # Not 127.0.0.1: a driver that is given a loopback address looks for the head at the machine's own.
        head = {**self.room, "include_dashboard": False}
        self.processes = Processes(initialize_head=True, head_node_args=head)
        self.added: list[Any] = [self.processes.add_node(**self.room) for _ in range(2)]

    @property
    def address(self) -> str:
        return str(self.processes.address)

    def kill_one(self) -> None:
        self.processes.remove_node(self.added.pop(), allow_graceful=False)

    def add_one(self) -> None:
        self.added.append(self.processes.add_node(**self.room))

    def kill_head(self) -> None:
        self.processes.head_node.kill_gcs_server()
        self.processes.head_node.kill_raylet()

    def close(self) -> None:
        self.processes.shutdown()
