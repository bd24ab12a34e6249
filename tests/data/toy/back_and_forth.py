"""Items to bins 0, ..., n - 1, n - 1, ..., 0 and so on, the heaviest first."""

import torch


def balance_items(weights, num_bins):
    turn = torch.arange(len(weights))
    place, backwards = turn % num_bins, turn // num_bins % 2 == 1
    bins = torch.empty(len(weights), dtype=torch.int64)
    bins[weights.argsort(descending=True)] = torch.where(backwards, num_bins - 1 - place, place)
    return bins
