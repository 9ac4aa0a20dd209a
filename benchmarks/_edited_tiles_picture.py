"""The picture of edited tiles in the README: python benchmarks/_edited_tiles_picture.py."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

from matlever.micrographs import ATTRIBUTES, ExactEditor, load_demo_editor, simulate_sem

mpl.use("Agg")
VALUES = (0.1, 0.3, 0.5, 0.7, 0.9)
SEED = 1001


def main() -> None:
    from matplotlib import pyplot as plt

    tiles = simulate_sem(8, 4, 64, random_state=SEED).tiles[::8]
    editors = {"edited": load_demo_editor(), "drawn again": ExactEditor()}
    figure, axes = plt.subplots(8, 6, figsize=(8.4, 11.6))
    for j, name in enumerate(ATTRIBUTES):
        tile = tiles[j]
        asked = np.repeat(tile.attributes[:, None], len(VALUES), axis=1)
        asked[0, :, j] = VALUES
        for e, (kind, editor) in enumerate(editors.items()):
            row = axes[2 * j + e]
            shown = [tile.unit()[0], *editor.render(tile, asked).unit()]
            for axis, image in zip(row, shown, strict=True):
                axis.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
                axis.set(xticks=[], yticks=[])
            row[0].set_ylabel(f"{name}\n{kind}", fontsize=9)
            if e == 0:
                row[0].set_title(f"as it is ({tile.attributes[0, j]:.2f})", fontsize=9)
                for axis, value in zip(row[1:], VALUES, strict=True):
                    axis.set_title(f"{name} {value:g}", fontsize=9)
    figure.suptitle("Simulated tiles (64 px) of unseen lots, one attribute turned", fontsize=11)
    figure.tight_layout()
    path = Path(__file__).parents[1] / "docs" / "images" / "edited-tiles.png"
    figure.savefig(path, dpi=75)
    print(path)


if __name__ == "__main__":
    main()
