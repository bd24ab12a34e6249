"""Experiment trackers that people have: a run as rows of figures in MLflow, Weights & Biases or TensorBoard."""

from harness.trackers.feed import Feed
from harness.trackers.kinds import TRACKERS
from harness.trackers.parameters import parameters
from harness.trackers.tracker import Kind, Subject, Tracker

__all__ = ["TRACKERS", "Feed", "Kind", "Subject", "Tracker", "parameters"]
