"""The text as a dataset: every item is one block of bytes and the same block shifted by one."""

import os

import torch
from torch.utils.data import Dataset

VOCAB_SIZE = 256


def load_text():
    """Read the training text and split off its last tenth for validation."""
    path = os.path.join(os.environ.get("HOLDFAST_DATA", "data"), "text.txt")
    with open(path, "rb") as file:
        text = file.read()
    n = int(0.9 * len(text))
    return text[:n], text[n:]


def encode(text):
    """Turn text into a list of token ids: a token is a byte."""
    return [int(byte) for byte in text]


class TextDataset(Dataset):
    """Blocks of `block_size` tokens and their targets."""

    def __init__(self, text, block_size):
        self.text = text
        self.block_size = block_size

    def __len__(self):
        return (len(self.text) - 1) // self.block_size

    def __getitem__(self, index):
        start = index * self.block_size
        ids = encode(self.text[start : start + self.block_size + 1])
        x = torch.tensor(ids[:-1], dtype=torch.long)
        y = torch.tensor(ids[1:], dtype=torch.long)
        return x, y
