"""A judge at work elsewhere: in a process of its own, or on another machine, and its handle here."""

from evaluator.remote.handle import Line, RemoteJudge
from evaluator.remote.messages import JudgeSpec
from evaluator.remote.process import ProcessLine
from evaluator.remote.ray_cluster import Cluster, Room

__all__ = ["Cluster", "JudgeSpec", "Line", "ProcessLine", "RemoteJudge", "Room"]
