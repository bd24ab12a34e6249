"""Items to bins in turn, whatever they weigh."""

import torch


def balance_items(weights, num_bins):
    return torch.arange(len(weights)) % num_bins
