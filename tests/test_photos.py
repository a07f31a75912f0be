"""Pictures of phones are made to fit: upright, not too large, JPEG in sRGB, and silent about where they were taken."""

import re
import zlib
from io import BytesIO
from pathlib import Path

import pytest

pytest.importorskip("obstore", reason="pip install 'ideal-async[buckets]'")
pytest.importorskip("pillow_heif", reason="pip install 'ideal-async[photos]'")
from PIL import Image, ImageCms
from pillow_heif import register_heif_opener

from ideal_async.buckets import Bucket, Fit

GPS, ORIENTATION, MODEL = 0x8825, 0x0112, 0x0110


def picture(size: tuple[int, int] = (40, 20), mode: str = "RGB", form: str = "JPEG", **options: object) -> bytes:
    """Left half red, right half blue (or the like, in other modes)."""
    image = Image.new("RGB", size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1]))
    content = BytesIO()
    register_heif_opener()
    image.convert(mode).save(content, form, quality=100, **options)
    return content.getvalue()


def opened(content: bytes) -> Image.Image:
    image = Image.open(BytesIO(content))
    image.load()
    return image


def is_red(image: Image.Image, x: int, y: int) -> bool:
    red, _, blue = image.getpixel((x, y))  # type: ignore[misc]  # RGB
    return red > 180 and blue < 80


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_a_picture_stands_upright_and_says_nothing_of_its_maker(form: str) -> None:
    """Turned as its EXIF says (here: 90 degrees, so that the left is on top), and then without any."""
    exif = Image.Exif()
    exif[ORIENTATION], exif[MODEL] = 6, "Phone of Anna"
    exif.get_ifd(GPS)[1] = "N"
    content = Fit().prepare(picture(form=form, exif=exif.tobytes()))
    image = opened(content)
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (20, 40))
    assert is_red(image, 10, 5)
    assert not is_red(image, 10, 35)
    assert not image.getexif()
    assert b"Anna" not in content
    assert b"Exif" not in content


@pytest.mark.parametrize(("size", "fit"), [((400, 200), (100, 50)), ((20, 400), (5, 100)), ((90, 100), (90, 100))])
def test_the_longest_side_is_limited(size: tuple[int, int], fit: tuple[int, int]) -> None:
    """Its proportions stay, and what is smaller keeps its size."""
    assert opened(Fit(longest=100).prepare(picture(size))).size == fit


@pytest.mark.parametrize(
    ("mode", "form"), [("L", "JPEG"), ("CMYK", "JPEG"), ("P", "PNG"), ("RGBA", "PNG"), ("1", "PNG")]
)
def test_every_kind_of_picture_becomes_rgb(mode: str, form: str) -> None:
    """As JPEG has no others that everybody reads."""
    image = opened(Fit().prepare(picture(mode=mode, form=form)))
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (40, 20))


def test_what_is_transparent_becomes_white() -> None:
    """As on a page; not black, as JPEG has it."""
    content = BytesIO()
    Image.new("RGBA", (10, 10), (255, 0, 0, 0)).save(content, "PNG")
    assert min(opened(Fit().prepare(content.getvalue())).getpixel((5, 5))) > 250  # type: ignore[arg-type]


def test_sixteen_bits_become_eight() -> None:
    """Scaled, not cut off: the middle stays grey, also when the picture is made smaller."""
    content = BytesIO()
    Image.frombytes("I;16", (300, 20), b"\x00\x80" * 6000).save(content, "PNG")
    image = opened(Fit(longest=100).prepare(content.getvalue()))
    assert (image.mode, image.size) == ("RGB", (100, 7))
    assert all(126 <= value <= 130 for value in image.getpixel((50, 3)))  # type: ignore[union-attr]


@pytest.mark.parametrize("form", ["GIF", "WEBP"])
def test_of_a_moving_picture_the_first_is_taken(form: str) -> None:
    """It stands still in the end."""
    frames = [Image.new("RGB", (40, 20), colour) for colour in ("red", "blue", "blue")]
    content = BytesIO()
    frames[0].save(content, form, save_all=True, append_images=frames[1:])
    image = opened(Fit().prepare(content.getvalue()))
    assert (image.format, image.size) == ("JPEG", (40, 20))
    assert is_red(image, 10, 10)


def test_a_palette_is_made_smaller_in_colours() -> None:
    """With the shades between, and what is transparent in white."""
    content = BytesIO()
    stripes = Image.new("P", (400, 40))
    stripes.putpalette([0, 0, 0, 255, 255, 255, 9, 9, 9])
    stripes.paste(1, (0, 0, 200, 40))
    for x in range(0, 200, 2):
        stripes.paste(1, (200 + x, 0, 201 + x, 40))
    stripes.paste(2, (0, 0, 40, 40))
    stripes.save(content, "PNG", transparency=2)
    image = opened(Fit(longest=100).prepare(content.getvalue()))
    assert min(image.getpixel((4, 5))) > 250  # type: ignore[arg-type]
    assert all(100 < value < 155 for value in image.getpixel((75, 5)))  # type: ignore[union-attr]


def test_a_comment_is_left_out_as_well() -> None:
    """Cameras and programs write into more places than EXIF."""
    content = picture(comment=b"Anna, 48.137 N", xmp=b"<x:xmpmeta>Anna</x:xmpmeta>")
    assert b"Anna" in content
    assert b"Anna" not in Fit().prepare(content)


def bomb(side: int) -> bytes:
    """A PNG of some hundred bytes whose header speaks of *side* times *side* pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + check

    header = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99)))


@pytest.mark.parametrize("side", [12_000, 50_000])
def test_a_bomb_is_told_by_its_header(side: int) -> None:
    """It is not unpacked; between one and two times Pillow's limit that is a warning, and here warnings are errors."""
    with pytest.raises(ValueError, match=r"cannot be read: Image size .* exceeds limit"):
        Fit().prepare(bomb(side))


def test_colours_are_those_of_srgb() -> None:
    """A profile is applied and then left out: whoever ignores profiles sees the right colours too."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = opened(Fit().prepare(picture(icc_profile=profile)))
    assert "icc_profile" not in image.info
    assert is_red(image, 5, 5)
    with pytest.raises(ValueError, match="cannot be read"):
        Fit().prepare(picture(icc_profile=b"no profile"))
    with pytest.raises(ValueError, match="cannot be read"):  # heeded where something is transparent, too
        Fit().prepare(picture(mode="RGBA", form="PNG", icc_profile=b"no profile"))


HEIC, WEBP = picture(form="HEIF"), picture(form="WEBP")


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8\xff\xe0 no picture", picture()[:-200], HEIC[:-100], HEIC[:50], WEBP[:-50], b"<html>"]
)
def test_what_cannot_be_read_is_told(content: bytes) -> None:
    """In one line; it is not published half."""
    with pytest.raises(ValueError, match="the picture cannot be read") as caught:
        Fit().prepare(content)
    assert not re.search(r"\n| at 0x", str(caught.value))


def test_the_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Among hundreds."""
    path = tmp_path / "half.jpg"
    path.write_bytes(picture()[:-200])
    bucket = Bucket(tmp_path.as_uri(), url="https://photos.example", prepare=True)
    with pytest.raises(ValueError, match=r"half\.jpg: the picture cannot be read"):
        bucket.put(path, bucket.address(path))


@pytest.mark.parametrize("wrong", [{"longest": 0}, {"longest": 20_000}, {"quality": 0}, {"quality": 101}])
def test_a_number_out_of_range_is_refused(wrong: dict[str, int]) -> None:
    """With what is possible."""
    with pytest.raises(ValueError, match="must be 1 to"):
        Fit(**wrong)


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the bucket is made, not when the first picture comes."""
    monkeypatch.setattr("ideal_async.buckets._photos.find_spec", lambda _: None)
    with pytest.raises(ImportError, match=r"pip install 'ideal-async\[photos\]'"):
        Bucket("s3://photos", prepare=True)


def test_a_prepared_picture_has_a_name_of_its_own(tmp_path: Path) -> None:
    """By the original and the recipe, so that another recipe is another object, and a second run knows the first."""
    path = tmp_path / "room.heic"
    path.write_bytes(picture(form="HEIF"))
    addresses = []
    for prepare in (True, Fit(), Fit(longest=100)):
        bucket = Bucket(tmp_path.as_uri(), url="https://photos.example", prepare=prepare)
        address = bucket.address(path)
        bucket.put(path, address)
        addresses.append(address)
        assert opened((tmp_path / address.rpartition("/")[2]).read_bytes()).format == "JPEG"
    assert addresses[0] == addresses[1] != addresses[2]
    assert addresses[2].endswith("-fit1-100-90.jpg")
