"""Speed of ElemNet: ``python benchmarks/elemnet.py [--threads 1] [--repeats 5]``."""

from __future__ import annotations

import argparse

import torch

from _elemnet_speed import elemnet_speed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    elemnet_speed(asked.repeats)


if __name__ == "__main__":
    main()
