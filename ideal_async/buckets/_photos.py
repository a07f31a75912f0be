"""What a picture is, and how one from a phone is made to fit."""

from importlib.util import find_spec
from io import BytesIO
from threading import BoundedSemaphore
from typing import Any, cast

import attrs

#: Pictures that are prepared at once: one of 12 megapixels takes a quarter of a second of a core, and 50 MB.
_AT_ONCE = BoundedSemaphore(2)
#: What a file begins with, at which byte; its suffix and media type.
_MAGIC = (
    (0, b"\xff\xd8\xff", ".jpg", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", ".png", "image/png"),
    (8, b"WEBP", ".webp", "image/webp"),
    (0, b"GIF8", ".gif", "image/gif"),
    (0, b"BM", ".bmp", "image/bmp"),
    (4, b"ftypavif", ".avif", "image/avif"),
    (4, b"ftyphei", ".heic", "image/heic"),
    (4, b"ftyphev", ".heic", "image/heic"),
    (4, b"ftypmif1", ".heic", "image/heic"),
)
#: Sides and quality beyond which JPEG or Pillow do not go.
_LARGEST_SIDE = 16_384
_BEST = 100


def suffix_of(content: bytes) -> str | None:
    r"""Tell the suffix for a picture from its first bytes; `None`: it is no picture.

    Example:
        >>> suffix_of(b"\xff\xd8\xff\xe0"), suffix_of(b"<html>")
        ('.jpg', None)
    """
    return next((suffix for at, magic, suffix, _ in _MAGIC if content.startswith(magic, at)), None)


def media_type_of(suffix: str) -> str:
    """Tell the media type of a picture with that suffix.

    Example:
        >>> media_type_of(".png")
        'image/png'
    """
    return next(media_type for _, _, known, media_type in _MAGIC if known == suffix)


@attrs.frozen
class Fit:
    """Makes pictures of phones fit: upright, not too large, JPEG in sRGB, without EXIF (where it was taken, with what).

    Args:
        longest: Pixels of the longest side, at most; smaller pictures keep their size.
        quality: Of the JPEG, 1 to 100.

    Raises:
        ImportError: The extra `photos` is not installed.
        ValueError: A number is out of range.

    Example:
        >>> Fit(longest=1920).version
        'fit1-1920-90'
    """

    longest: int = 2048
    quality: int = 90

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.longest <= _LARGEST_SIDE:
            raise ValueError(f"longest must be 1 to {_LARGEST_SIDE} pixels, not {self.longest}")
        if not 1 <= self.quality <= _BEST:
            raise ValueError(f"quality must be 1 to {_BEST}, not {self.quality}")
        if not (find_spec("PIL") and find_spec("pillow_heif")):
            raise ImportError("prepare= needs Pillow and pillow-heif: pip install 'ideal-async[photos]'")

    @property
    def version(self) -> str:
        """Stands in the names of prepared pictures; its first number changes when the same input looks different."""
        return f"fit1-{self.longest}-{self.quality}"

    def prepare(self, content: bytes) -> bytes:
        """Return a picture as it should be published; blocking, a core's work.

        Raises:
            ValueError: It cannot be read.
        """
        from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
        from pillow_heif import register_heif_opener  # pyright: ignore[reportUnknownVariableType]

        register_heif_opener()
        with _AT_ONCE:
            try:
                with Image.open(BytesIO(content)) as opened:
                    profile = opened.info.get("icc_profile")
                    picture = _in_eight_bits(opened)
                    picture.thumbnail((self.longest, self.longest), Image.Resampling.LANCZOS, reducing_gap=2.0)
                    picture = ImageOps.exif_transpose(picture)
                if picture.has_transparency_data:
                    page = Image.new("RGBA", picture.size, "white")
                    page.alpha_composite(picture.convert("RGBA"))
                    picture = page.convert("RGB")
                if profile and picture.mode in ("RGB", "CMYK"):
                    source = ImageCms.ImageCmsProfile(BytesIO(profile))
                    srgb = cast("Any", ImageCms.createProfile("sRGB"))  # pyright: ignore[reportUnknownMemberType]
                    picture = ImageCms.profileToProfile(picture, source, srgb, outputMode="RGB") or picture
                picture = picture.convert("RGB")
                picture.info.clear()  # comments and what else Pillow would carry over
                fit = BytesIO()
                picture.save(fit, "JPEG", quality=self.quality, exif=b"")
            except UnidentifiedImageError:
                raise ValueError("the picture cannot be read: Pillow finds none in it, or only half of one") from None
            except Exception as error:  # of a decoder: they raise what they like, warnings where those are errors
                words = " ".join(str(error).split())
                raise ValueError(f"the picture cannot be read: {words or type(error).__name__}") from error
        return fit.getvalue()


def _to_eight_bits(value: float) -> float:
    return value * (1 / 256)


def _in_eight_bits(opened: Any) -> Any:
    """Return a picture that can be made smaller without harm: palettes have no shades between, 16 bits none in JPEG."""
    if opened.mode == "P":
        return opened.convert("RGBA" if opened.has_transparency_data else "RGB")
    if opened.mode.startswith("I"):
        return opened.point(_to_eight_bits).convert("L")
    return opened
