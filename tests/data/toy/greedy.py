"""Each item, the heaviest first, to the bin with the least weight in it."""

import torch


def balance_items(weights, num_bins):
    loads, bins = [0.0] * num_bins, [0] * len(weights)
    for weight, item in sorted(((weight, item) for item, weight in enumerate(weights.tolist())), reverse=True):
        bins[item] = min(range(num_bins), key=loads.__getitem__)
        loads[bins[item]] += weight
    return torch.tensor(bins)
