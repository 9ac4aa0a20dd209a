"""Sentences on what the knobs of crystals mean, and what they leave out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matlever.crystals._editor_levels import ABSENT, OTHER
from matlever.crystals._editor_sites import PrototypeSites
from matlever.crystals.crystals import Crystals

if TYPE_CHECKING:
    from matlever.crystals.editor import CrystalEditor

__all__ = ["notes_on"]


def notes_on(editor: CrystalEditor, samples: Crystals) -> list[str]:
    """Return the sentences that hold for some crystals."""
    notes = [
        "Volume strain counts from each crystal as it is; edited crystals are not relaxed: their "
        "fractional coordinates stay. A model that has seen relaxed crystals only tells how "
        "crystals of other volumes differ, not what it takes to strain one."
    ]
    names = editor.space.names[1:]
    if names and editor.volumes is not None:
        notes.append(
            "Where an element replaces another the cell is scaled by the volumes that elements "
            "have in the data (these give known volumes within "
            f"{100 * editor.volumes.error:.0f} % in half of the crystals)."
        )
    elif names:
        notes.append("Where an element replaces another the cell stays as it is.")
    if names and not isinstance(editor.sites, PrototypeSites):
        notes.append(
            "Elements are in order of electronegativity in each crystal, element 1 being the most "
            "electropositive; a knob replaces all atoms of its element."
        )
    values = editor.values(samples)
    for j, name in enumerate(names, 1):
        labels = editor.space.knobs[j].levels
        for word, why in (
            (ABSENT, "have no such element: this knob does nothing for them"),
            (OTHER, "have something rare there, which can be replaced and not put elsewhere"),
        ):
            if word in labels:
                n = int((np.rint(values[:, j]) == labels.index(word)).sum())
                if n:
                    notes.append(f"{name}: {n:,} of {len(samples):,} crystals {why}.")
    return notes
