"""Images whose segments can be switched off, to see which parts a prediction rests on.

The interpretable inputs of LIME for images (M. T. Ribeiro, S. Singh, C. Guestrin, "Why should I
trust you?", KDD 2016, section 3.1): 1 leaves a segment as it is, 0 replaces it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import DataError, MissingExtraError, SettingsError
from matlever.knobs import Knob, KnobSpace

__all__ = ["SuperpixelEditor"]

Array = NDArray[np.float64]

_BYTES_PER_PIXEL = 8


class SuperpixelEditor:
    """Editor of images of one shape: a knob per segment, 1 as in the image, 0 replaced.

    Samples are an array of images of shape (n, height, width) or (n, height, width, channels).
    Every image stands at 1 for all knobs.

    Parameters
    ----------
    segments : array_like of shape (height, width), int
        Number of the segment of each pixel, 0 to m - 1; see `from_labels` for other labels, `grid`
        for rectangles and `slic` for segments that follow the image.
    fill : "mean", float or sequence of float, default="mean"
        What replaces a segment: its mean colour in the image that is edited, which removes its
        texture and keeps its brightness, or one colour for all (a number per channel).
    memory_mb : float, default=256
        About how many megabytes of rendered images are asked for at a time.

    Attributes
    ----------
    segments : ndarray of shape (height, width), int
        As given.
    space : KnobSpace
        The knobs "segment 1" to "segment m".
    most_rows : int
        At most so many images are rendered at a time.
    usual_settings : ndarray of shape (2, m)
        All segments replaced, and none: explanations need no reference images.

    Raises
    ------
    DataError
        If `segments` are not whole numbers from 0 to m - 1, each of them somewhere.
    SettingsError
        If `fill` or `memory_mb` cannot be used.

    Examples
    --------
    >>> editor = SuperpixelEditor.grid((2, 4), 2, fill=0)
    >>> editor.segments
    array([[0, 0, 1, 1],
           [0, 0, 1, 1]])
    >>> image = np.arange(8).reshape(1, 2, 4)
    >>> editor.render(image, [[[1, 0]]])
    array([[[0, 1, 0, 0],
            [4, 5, 0, 0]]])
    """

    def __init__(
        self,
        segments: ArrayLike,
        *,
        fill: Literal["mean"] | float | Sequence[float] = "mean",
        memory_mb: float = 256.0,
    ) -> None:
        found = np.asarray(segments)
        if found.ndim != 2 or not found.size or found.dtype.kind not in "iub":
            raise DataError(
                "Segments must be whole numbers of shape (height, width), got "
                f"{found.dtype} of shape {found.shape}."
            )
        counts = np.bincount(found.ravel()) if found.min() >= 0 else np.zeros(1, dtype=int)
        if not counts.all():
            raise DataError(
                f"Segments must be numbered 0, 1, ... without a gap, got {int(found.min())} to "
                f"{int(found.max())}: use SuperpixelEditor.from_labels."
            )
        if not memory_mb > 0:
            raise SettingsError(f"memory_mb={memory_mb} must be above 0.")
        self.segments: NDArray[np.intp] = found.astype(np.intp)
        self.fill = _checked_fill(fill)
        self.memory_mb = memory_mb
        self.space = KnobSpace(
            [Knob(f"segment {j + 1}", None, "integer", 0, 1) for j in range(len(counts))]
        )
        self.most_rows = max(1, int(memory_mb * 1e6 // (_BYTES_PER_PIXEL * found.size)))
        self.usual_settings: Array = np.array([[0.0], [1.0]]).repeat(len(counts), axis=1)
        self._counts = counts

    # -- making one -------------------------------------------------------------------------------

    @classmethod
    def from_labels(cls, labels: ArrayLike, **options: Any) -> Self:
        """Make an editor of any whole-number labels (height, width), in ascending order.

        Parameters
        ----------
        labels : array_like of shape (height, width), int
            Equal numbers are one segment, whether or not they touch.
        **options
            As of the class.
        """
        found = np.asarray(labels)
        if found.ndim == 2 and found.dtype.kind in "iub":
            _, found = np.unique(found, return_inverse=True)
            found = found.reshape(np.asarray(labels).shape)
        return cls(found, **options)

    @classmethod
    def grid(cls, shape: tuple[int, int], n: int = 64, **options: Any) -> Self:
        """Make an editor of about `n` equal rectangles, numbered row by row.

        Parameters
        ----------
        shape : tuple of int
            Height and width of the images, in pixels.
        n : int, default=64
            About how many segments, as nearly square as they come.
        **options
            As of the class.

        Raises
        ------
        SettingsError
            If there are not so many pixels, or a number is not positive.
        """
        height, width = (int(side) for side in shape)
        if min(height, width) < 1 or not 1 <= n <= height * width:
            raise SettingsError(f"{n} segments of {height} x {width} pixels do not exist.")
        # Rows of segments for which the rectangles are nearly square, within the pixels there are.
        n_rows = int(np.clip(round(np.sqrt(n * height / width)), -(-n // width), min(n, height)))
        n_columns = int(np.clip(round(n / n_rows), 1, width))
        row = np.arange(height) * n_rows // height
        column = np.arange(width) * n_columns // width
        return cls(row[:, None] * n_columns + column, **options)

    @classmethod
    def slic(
        cls, image: ArrayLike, n: int = 64, *, compactness: float | None = None, **options: Any
    ) -> Self:
        """Make an editor of about `n` segments that follow the edges of an image.

        Simple linear iterative clustering (R. Achanta et al., IEEE Trans. Pattern Anal. Mach.
        Intell. 34 (2012) 2274-2282), by scikit-image.

        Parameters
        ----------
        image : array_like of shape (height, width) or (height, width, 3)
            Grey values or colours; any range, for it is scaled.
        n : int, default=64
            About how many segments.
        compactness : float or None, default=None
            The larger, the squarer are the segments; by default 0.1 for grey values and 10 for
            colours.
        **options
            As of the class.

        Raises
        ------
        MissingExtraError
            If scikit-image is not installed.
        DataError
            If the image has another shape.
        """
        try:
            from skimage.segmentation import slic
        except ImportError as error:
            raise MissingExtraError("Superpixels by SLIC", "scikit-image", "images") from error
        pixels = np.asarray(image, dtype=float)
        if pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)) or not pixels.size:
            raise DataError(
                "SLIC takes one image of shape (height, width) or (height, width, 3), got "
                f"{pixels.shape}."
            )
        if n < 1:
            raise SettingsError(f"n={n} must be 1 or more.")
        spread = float(np.ptp(pixels)) or 1.0
        is_grey = pixels.ndim == 2
        labels = slic(
            (pixels - pixels.min()) / spread,
            n_segments=n,
            compactness=compactness or (0.1 if is_grey else 10.0),
            sigma=1.0,
            start_label=0,
            channel_axis=None if is_grey else -1,
        )
        return cls.from_labels(labels, **options)

    # -- the editor's two verbs -------------------------------------------------------------------

    def values(self, samples: ArrayLike) -> Array:
        """Return where each of n images stands, of shape (n, m): at 1, as it is.

        Raises
        ------
        DataError
            If the images do not have the shape of the segments.
        """
        return np.ones((len(self._images(samples)), len(self.space)))

    def render(self, samples: ArrayLike, values: ArrayLike) -> NDArray[Any]:
        """Return n * r images: image i with its segments as in ``values[i, 0]``, ...

        Parameters
        ----------
        samples : array_like of shape (n, height, width) or (n, height, width, channels)
            The images that are edited.
        values : array_like of shape (n, r, m)
            0 where a segment is replaced, 1 where it stays.

        Returns
        -------
        images : ndarray of shape (n * r, height, width) or (n * r, height, width, channels)
            Of the type of the images; means are rounded where that is whole numbers.
        """
        images = self._images(samples)
        v = np.asarray(values, dtype=float)
        if v.ndim != 3 or v.shape[0] != len(images) or v.shape[2] != len(self.space):
            raise DataError(
                f"Settings to render must have shape ({len(images)}, r, {len(self.space)}), got "
                f"{v.shape}."
            )
        n, r, _ = v.shape
        rendered = np.empty((n, r, *images.shape[1:]), dtype=images.dtype)
        for i, image in enumerate(images):
            replaced = self._replaced(image)
            for j, stays in enumerate(v[i] > 0.5):  # one mask at a time: it is as large as an image
                kept = np.take(stays, self.segments)
                np.copyto(rendered[i, j], replaced)
                np.copyto(rendered[i, j], image, where=kept if image.ndim == 2 else kept[..., None])
        return rendered.reshape(n * r, *images.shape[1:])

    def _replaced(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return an image with all its segments replaced."""
        channels = image.reshape(*self.segments.shape, -1)
        if isinstance(self.fill, str):
            flat = self.segments.ravel()
            sums = [
                np.bincount(flat, weights=channels[..., c].ravel(), minlength=len(self._counts))
                for c in range(channels.shape[2])
            ]
            colours = np.stack(sums, axis=1) / self._counts[:, None]  # (m, channels)
        else:
            if len(self.fill) not in (1, channels.shape[2]):
                raise DataError(
                    f"fill has {len(self.fill)} channels, the images have {channels.shape[2]}."
                )
            colours = np.broadcast_to(self.fill, (len(self._counts), channels.shape[2]))
        colours = _as_type(colours, image.dtype)
        return colours[self.segments].reshape(image.shape)

    def _images(self, samples: ArrayLike) -> NDArray[Any]:
        images = np.asarray(samples)
        height, width = self.segments.shape
        if images.ndim not in (3, 4) or images.shape[1:3] != (height, width):
            raise DataError(
                f"Images must have shape (n, {height}, {width}) or (n, {height}, {width}, "
                f"channels), got {images.shape}."
            )
        if images.dtype.kind not in "iubf":
            raise DataError(f"The pixels of the images must be numbers, not {images.dtype}.")
        return images

    # -- back to the image ------------------------------------------------------------------------

    def heat_map(self, weights: ArrayLike) -> Array:
        """Return weights (..., m) of the segments as pixels, of shape (..., height, width)."""
        w = np.asarray(weights, dtype=float)
        if w.ndim == 0 or w.shape[-1] != len(self.space):
            raise DataError(
                f"{len(self.space)} weights are needed, one per segment; got {w.shape}."
            )
        return np.asarray(w[..., self.segments])

    def plot(
        self, image: ArrayLike, weights: ArrayLike, ax: Any = None, *, label: str = "weight"
    ) -> Any:
        """Draw an image with the weights of its segments over it, and return the axes.

        Parameters
        ----------
        image : array_like of shape (height, width) or (height, width, channels)
            The image.
        weights : array_like of shape (m,)
            Signed weights of its segments.
        ax : matplotlib axes or None, default=None
            Where to draw; None makes a new figure.
        label : str, default="weight"
            Of the colour bar.
        """
        from matlever.micrographs.overlay import draw_overlay

        (shown,) = self._images(np.asarray(image)[None])
        return draw_overlay(shown, self.heat_map(weights), self.segments, label=label, ax=ax)

    def __repr__(self) -> str:
        height, width = self.segments.shape
        fill = self.fill if isinstance(self.fill, str) else self.fill.tolist()
        return (
            f"SuperpixelEditor of {len(self.space)} segments in images of {height} x {width} "
            f"pixels, replaced by {fill}"
        )


def _checked_fill(fill: Any) -> Literal["mean"] | Array:
    if isinstance(fill, str):
        if fill != "mean":
            raise SettingsError(f"fill={fill!r} must be 'mean', a number or one per channel.")
        return "mean"
    try:
        colour = np.atleast_1d(np.asarray(fill, dtype=float))
    except (TypeError, ValueError):
        colour = np.empty(0)
    if colour.ndim != 1 or not colour.size or not np.isfinite(colour).all():
        raise SettingsError(f"fill={fill!r} must be 'mean', a number or one per channel.")
    return colour


def _as_type(colours: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return colours as pixels of a type; rounded where it is one of whole numbers."""
    if dtype.kind == "f":
        return np.asarray(colours, dtype=dtype)
    rounded = np.rint(colours)
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if (rounded < low).any() or (rounded > high).any():
        raise DataError(f"fill does not fit into pixels of type {dtype}: {low} to {high}.")
    return np.asarray(rounded, dtype=dtype)
