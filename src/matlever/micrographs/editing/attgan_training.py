"""Training of an AttGAN from lot labels: resumable, every loss a curve, edits watched.

All randomness is a function of the seed and the number of the batch, so a training that was
interrupted goes on with the same bits.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from matlever.micrographs.editing._attgan_batches import check_tiles
from matlever.micrographs.editing._attgan_monitor import WEAK_GAIN
from matlever.micrographs.editing._attgan_run import AttGANRun
from matlever.micrographs.editing.attgan_editor import AttGANEditor
from matlever.micrographs.editing.attgan_settings import AttGANSettings
from matlever.micrographs.tiles import Tiles

__all__ = ["train_attgan"]

Progress = Callable[[int, int, str], None]


def train_attgan(
    tiles: Tiles,
    settings: AttGANSettings | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    random_state: int = 0,
    device: str = "cpu",
    checkpoint_minutes: float = 5.0,
    max_minutes: float | None = None,
    progress: Progress | None = None,
) -> AttGANEditor:
    """Train an AttGAN on tiles that know nothing but the attributes of their lots.

    Parameters
    ----------
    tiles : Tiles
        Grey or colour, their sides multiples of ``2 ** levels``; they may be memory-mapped, for
        only a batch at a time is read.
    settings : AttGANSettings, optional
        Networks and training; by default as published, which wants a GPU. See
        :meth:`AttGANSettings.narrow`.
    folder : path, optional
        Where the training is kept from time to time. If it holds a training of the same tiles,
        settings and seed, it goes on from there, bit for bit as if it had never stopped.
    random_state : int, default=0
        Of weights, batches and targets.
    device : str, default="cpu"
        Where to train; the editor is left there.
    checkpoint_minutes : float, default=5
        Between two writings to `folder`; the last iteration is always written.
    max_minutes : float, optional
        After so many minutes the training is written and ends, wherever it is.
    progress : callable, optional
        Called with (iterations done, iterations in all, "AttGAN iteration").

    Returns
    -------
    editor : AttGANEditor
        With the curves of the training.

    Raises
    ------
    DataError
        If attributes are missing, outside of 0-1 or the same in all lots.
    NotEnoughDataError
        If there are fewer than two tiles or two lots.
    SettingsError
        If sides and levels do not fit, `folder` holds another training, or a loss diverged.
    ModelFileError
        If the training in `folder` is damaged.

    Warns
    -----
    UserWarning
        If, by the discriminator's own classifier, less than a fifth of a change of some attribute
        arrives in the edited tiles.
    """
    settings = settings or AttGANSettings()
    check_tiles(tiles)
    training = AttGANRun(tiles, settings, random_state, device)
    place = None if folder is None else Path(folder)
    if place is not None and place.exists():
        training.load(place)
    start = kept = time.monotonic()
    written = training.done
    while training.done < training.n_iterations:
        training.iterate()
        if progress is not None:
            progress(training.done, training.n_iterations, "AttGAN iteration")
        now = time.monotonic()
        if place is not None and now - kept >= 60 * checkpoint_minutes:
            training.save(place)
            kept, written = now, training.done
        if max_minutes is not None and now - start >= 60 * max_minutes:
            break
    if place is not None and written < training.done:
        training.save(place)
    training.measure()
    weak = training.curves.weak()
    if weak:
        listed = ", ".join(f"{name} {gain:.2f}" for name, gain in weak.items())
        warnings.warn(
            f"After {training.done} iterations the edits of this AttGAN are weak: of a change that "
            f"is asked for, its own classifier sees less than {WEAK_GAIN}: {listed}. Train longer, "
            "or lower reconstruction_weight.",
            stacklevel=2,
        )
    return training.editor()
