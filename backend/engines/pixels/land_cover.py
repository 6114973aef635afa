"""What covers the ground, by colour and texture: a picture in, one class per pixel out.

No band beyond red, green and blue is at hand, so each class is a rule over several cues, and what no rule explains
stays unclassified. The cues:

- CIE 1976 L*a*b*: lightness, chroma and hue angle. "Green", "blue" and "earthy" are sectors of the hue angle, which
  haze and exposure move less than they move ratios of RGB. They hold what the visible-band indices look for: green
  above red and blue is excess green (Woebbecke et al. 1995, doi:10.13031/2013.27838); green and blue above red is the
  visible stand-in for the normalised difference water index (McFeeters 1996, doi:10.1080/01431169608948714).
- Roughness: the local standard deviation of a plane after its low frequencies are taken out. Open water is the
  smoothest thing in a scene. Built-up ground is rough in lightness and in colour; broken cloud only in lightness.
- Shape and neighbours: shadow and water share a colour, but shadow comes in thin patches beside vegetation; cloud and
  asphalt share a colour, but asphalt comes in ribbons of one width.

The thresholds were set on scenes from 10 cm to 1 km per pixel, at `picture.WORKING_SIDE`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.color import rgb2lab

from backend.engines.pixels.patches import Mask, Patches, thick
from backend.engines.pixels.picture import Picture

Plane = NDArray[np.float32]


class Cover(StrEnum):
    """A class of land cover that colour and texture can tell."""

    WATER = "water"
    VEGETATION = "vegetation"
    BARE = "bare ground"
    BUILT_UP = "built-up surface"
    WHITE = "cloud, snow or white ground"
    SHADOW = "shadow"
    UNCLASSIFIED = "unclassified"
    NO_DATA = "no data"


CODES = {cover: code for code, cover in enumerate(Cover)}
"""The number that stands for each class in a `CoverMap`."""

FALSE_COLOUR_WATER_LIGHTNESS = 30.0
"""Greatest L* of water in a near-infrared composite: it absorbs near infrared, while roofs and streets look cyan."""

MIN_CHROMA = 4.0
"""A picture with less chroma than this almost everywhere (99th percentile) is greyscale."""


CLOUDY_SHARE = 0.2
"""Where more of a picture than this is cloud, loose grey wisps are taken for cloud as well."""


@dataclass(frozen=True)
class CoverMap:
    """One class per pixel, and what was noticed on the way."""

    codes: NDArray[np.uint8]
    """Height x width, values of `CODES`."""
    greyscale: bool
    """Whether the picture has no colour to go by; everything with data is unclassified then."""
    false_colour: bool
    """Whether red seems to show near infrared; vegetation was then looked for in red."""
    blue_share: float
    """Share of the pixels with data that are water by their colour alone; the rest of the water is only likely."""

    def is_class(self, cover: Cover) -> Mask:
        """Returns where the class is."""
        return np.asarray(self.codes == CODES[cover])

    def share(self, cover: Cover) -> float:
        """Returns the share of the pixels with data that the class has; for `NO_DATA`, of all pixels. 0 to 1."""
        counted = self.is_class(cover)
        if cover is Cover.NO_DATA:
            return float(counted.mean())
        valid = np.count_nonzero(self.codes != CODES[Cover.NO_DATA])
        return float(np.count_nonzero(counted) / valid) if valid else 0.0


@dataclass(frozen=True)
class Cues:
    """What the rules look at, each height x width. L*, a*, b* and chroma in L*a*b* units, hue in degrees 0 to 360."""

    lightness: Plane
    a: Plane
    b: Plane
    chroma: Plane
    hue: Plane
    roughness: Plane
    """Of lightness, in the smoothest window of 5 pixels that a pixel lies in, so that edges do not spoil what they
    bound."""
    clutter: Plane
    """Roughness of lightness in a window of 11 pixels about the pixel."""
    colour_clutter: Plane
    """The same of a*."""
    local_lightness: Plane
    local_chroma: Plane
    """Chroma of the mean colour of 11 pixels about the pixel: what the patch looks like from afar."""


def classify(picture: Picture) -> CoverMap:
    """Returns the class of every pixel of the picture."""
    lab = rgb2lab(picture.rgb).astype(np.float32)
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    codes = np.full(picture.valid.shape, CODES[Cover.UNCLASSIFIED], dtype=np.uint8)
    codes[~picture.valid] = CODES[Cover.NO_DATA]
    if not picture.valid.any() or np.percentile(chroma[picture.valid], 99) < MIN_CHROMA:
        return CoverMap(codes, greyscale=True, false_colour=False, blue_share=0.0)
    false_colour = _shows_near_infrared(lab, picture.valid)
    if false_colour:
        lab = rgb2lab(picture.rgb[..., [1, 0, 2]]).astype(np.float32)
    cues = _cues(lab)
    blue = _is_blue_water(cues)
    if false_colour:
        blue &= cues.lightness < FALSE_COLOUR_WATER_LIGHTNESS
    for cover, mask in _decide(cues, blue).items():
        codes[mask & picture.valid] = CODES[cover]
    blue &= codes == CODES[Cover.WATER]
    return CoverMap(codes, False, false_colour, blue_share=float(blue.sum() / picture.valid.sum()))


def _decide(cues: Cues, blue: Mask) -> dict[Cover, Mask]:
    """Applies the rules. A later class of the result takes precedence over an earlier one."""
    green = _is_vegetation(cues)
    built_up = _is_built_up(cues)
    smooth_water = _is_smooth_water(cues)
    water = (blue | smooth_water) & ~built_up
    water, shadow = _split_dark(_is_dark(cues) & ~built_up, water, green)
    white = (cues.lightness > 72) & (cues.chroma < 9) & ~built_up
    ribbons = _ribbons(white & (cues.clutter < 8))
    return {
        Cover.VEGETATION: green,
        Cover.BARE: _is_earthy(cues) & ~green,
        Cover.SHADOW: shadow,
        Cover.WATER: water,
        Cover.WHITE: _with_thin_cloud(white & ~ribbons, cues) & ~water & ~built_up,
        Cover.BUILT_UP: built_up | ribbons,
    }


def _shows_near_infrared(lab: Plane, valid: Mask) -> bool:
    """Tells whether vivid red stands where true colour would have green: a near-infrared, red, green composite."""
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    hue = np.degrees(np.arctan2(lab[..., 2], lab[..., 1])) % 360
    red = ((hue < 38) | (hue > 345)) & (chroma > 32)
    green = (hue > 105) & (hue < 170) & (chroma > 12)
    return bool(red[valid].mean() > 0.04 and green[valid].mean() < 0.02)


def _cues(lab: Plane) -> Cues:
    smooth = ndimage.gaussian_filter(lab, (0.7, 0.7, 0))
    lightness, a, b = np.moveaxis(smooth, -1, 0)
    local = ndimage.uniform_filter(lab, (11, 11, 0))
    return Cues(
        lightness=lightness,
        a=a,
        b=b,
        chroma=np.hypot(a, b),
        hue=np.degrees(np.arctan2(b, a)) % 360,
        roughness=ndimage.minimum_filter(_roughness(lab[..., 0], 5), 5),
        clutter=_roughness(lab[..., 0], 11),
        colour_clutter=_roughness(lab[..., 1], 11),
        local_lightness=local[..., 0],
        local_chroma=np.hypot(local[..., 1], local[..., 2]),
    )


def _roughness(plane: Plane, window: int) -> Plane:
    detail = plane - ndimage.gaussian_filter(plane, 1.0)
    return np.asarray(np.sqrt(np.maximum(ndimage.uniform_filter(detail * detail, window), 0)))


def _is_vegetation(cues: Cues) -> Mask:
    """Green and olive. Dark forest has little chroma left, but stays on the green side."""
    green = (cues.hue > _olive_hue(cues)) & (cues.hue < 190) & (cues.chroma >= 7)
    green &= (cues.lightness < 85) | (cues.chroma > 25)
    dark_forest = (cues.lightness < 24) & (cues.a < -1.5) & (cues.b > -8) & (cues.chroma < 12)
    return green | dark_forest


def _olive_hue(cues: Cues) -> Plane:
    """Returns the hue angle between soil and plants: dark olive is plants, while light sand and straw are yellower."""
    return np.asarray(93 + np.clip((cues.lightness - 50) / 3, 0, 8), dtype=np.float32)


def _is_earthy(cues: Cues) -> Mask:
    """Red, brown, tan, pink and cream: soil, sand, rock, dry mud."""
    warm = (cues.hue <= _olive_hue(cues)) | (cues.hue > 330)
    cream = (cues.hue < 120) & (cues.lightness >= 85)
    return (warm | cream) & (cues.chroma >= 8)


def _is_blue_water(cues: Cues) -> Mask:
    """Blue that neither shadow nor haze has: turquoise at any depth, or a deep saturated blue."""
    turquoise = (cues.hue > 190) & (cues.hue < 245) & (cues.lightness < 85)
    turquoise &= (cues.chroma >= 10) & ((cues.roughness < 1.5) | (cues.chroma > 15))
    deep_blue = (cues.hue >= 245) & (cues.hue < 320) & (cues.chroma >= 26) & (cues.lightness < 75)
    return thick(turquoise | deep_blue, 0.004)


def _is_smooth_water(cues: Cues) -> Mask:
    """Greenish or grey water, which only its smoothness over a wide patch tells from fields: likely, not certain."""
    pale = (cues.hue > 138) & (cues.hue < 200) & (cues.chroma < 18) & (cues.roughness < 1.0)
    pale &= (cues.lightness > 40) & (cues.lightness < 80)
    dull = (cues.hue > 75) & (cues.hue < 175) & (cues.chroma < 14) | (cues.lightness < 5)
    dull &= (cues.lightness < 40) & (cues.roughness < 0.03 * (cues.lightness + 8))
    return thick(pale, 0.008) | thick(dull, 0.025)


def _is_dark(cues: Cues) -> Mask:
    """Dark and bluish, or nearly black: water, or shadow under a blue sky."""
    bluish = (cues.hue > 215) & (cues.hue < 330) & (cues.lightness < 48) & (cues.b < -2)
    return bluish | (cues.lightness < 7)


def _is_built_up(cues: Cues) -> Mask:
    """Grey from afar, rough in lightness and colour at close range, and without the blue shadows of a forest."""
    grey = (cues.chroma < 14) & (cues.lightness > 45)
    shadow = (cues.b < -7) & (cues.lightness < 50)
    mostly_grey = ndimage.uniform_filter(grey.astype(np.float32), 15) > 0.35
    few_shadows = ndimage.uniform_filter(shadow.astype(np.float32), 25) < 0.12
    rough = (cues.clutter > 6) & (cues.colour_clutter > 0.9)
    core = rough & mostly_grey & few_shadows & (cues.local_chroma < 13) & (cues.local_lightness > 42)
    built_up = thick(core, 0.01)
    # What lies within a town belongs to it: courtyards, bright roofs, squares.
    return np.asarray(built_up | (ndimage.uniform_filter(built_up.astype(np.float32), 17) > 0.5))


def _split_dark(dark: Mask, water: Mask, green: Mask) -> tuple[Mask, Mask]:
    """Shares out what is dark between water and shadow, patch by patch; returns both masks.

    A patch is water when most of it is known to be, or when it is thick and little vegetation lies along its shore: the
    thicker, the more.
    """
    patches = Patches(dark | water)
    greenness = ndimage.uniform_filter(green.astype(np.float32), 9)
    beside_green = patches.mean(greenness, where=patches.depth <= 1.5)
    sea = patches.radii > 0.1
    lake = (patches.radii > 0.042) & (beside_green < 0.3)
    pond = (patches.radii > 0.02) & (beside_green < 0.12)
    water = water | (dark & patches.select((patches.mean(water) > 0.5) | sea | lake | pond))
    return water, dark & ~water


def _ribbons(mask: Mask) -> Mask:
    """Returns the long patches of one width, such as roads and runways: built-up, whatever their brightness.

    In a ribbon the deepest point lies twice as deep as the mean one; in a disc three times; in ragged shapes more.
    """
    patches = Patches(mask)
    deepest = np.maximum(patches.radii * max(mask.shape), 1e-6)
    even = deepest < 2.85 * patches.mean(patches.depth)
    long = patches.areas > 30 * deepest**2
    return patches.select(even & long & (patches.areas > 0.004 * mask.size) & (patches.radii < 0.06))


def _with_thin_cloud(white: Mask, cues: Cues) -> Mask:
    """Adds the neutral grey that hangs together with wide white patches: cloud thins out, roofs and salt do not."""
    grey = (cues.lightness > 48) & (cues.chroma < 7)
    banks = Patches(white | grey)
    wide = banks.mean(thick(white, 0.04)) > 0
    cloud = banks.select(wide)
    if cloud.mean() > CLOUDY_SHARE:
        return white | grey
    return np.asarray(white | (grey & cloud))
