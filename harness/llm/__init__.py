"""Models behind an endpoint: what they are, what they may cost, asking them, and choosing between them."""

from harness.llm.client import ModelFailure, Models, Retries, booked
from harness.llm.model import Model, Price, Secret

__all__ = ["Model", "ModelFailure", "Models", "Price", "Retries", "Secret", "booked"]
