"""Pictures to test with, and a look at those that come back."""

import io
from typing import Protocol

import numpy as np
from PIL import Image


class Encoded(Protocol):
    """A picture or a preview."""

    @property
    def data(self) -> bytes:
        """The encoded bytes."""


def quarters(side: int) -> np.ndarray:
    """Returns 3 x side x side: red, green, blue and white from the top left to the bottom right."""
    values = np.zeros((3, side, side), np.uint8)
    half = side // 2
    values[0, :half, :half] = values[1, :half, half:] = values[2, half:, :half] = 255
    values[:, half:, half:] = 255
    return values


def decode(picture: Encoded, mode: str = "RGB") -> np.ndarray:
    """Returns rows x columns x channels."""
    return np.asarray(Image.open(io.BytesIO(picture.data)).convert(mode)).astype(int)


def colours_of(picture: Encoded) -> np.ndarray:
    """Returns the colours of the centres of the four quarters, row by row: 4 x 3."""
    pixels = decode(picture)
    near, far = pixels.shape[0] // 4, 3 * pixels.shape[0] // 4
    left, right = pixels.shape[1] // 4, 3 * pixels.shape[1] // 4
    return np.array([pixels[near, left], pixels[near, right], pixels[far, left], pixels[far, right]])
