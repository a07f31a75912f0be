"""Pictures of phones are made to fit: upright, not too large, JPEG in sRGB, and silent about where they were taken."""

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


def test_colours_are_those_of_srgb() -> None:
    """A profile is applied and then left out: whoever ignores profiles sees the right colours too."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = opened(Fit().prepare(picture(icc_profile=profile)))
    assert "icc_profile" not in image.info
    assert is_red(image, 5, 5)
    with pytest.raises(ValueError, match="cannot be read"):
        Fit().prepare(picture(icc_profile=b"no profile"))


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0 no picture", picture()[:-200], b"<html>"])
def test_what_cannot_be_read_is_told(content: bytes) -> None:
    """It is not published half."""
    with pytest.raises(ValueError, match="the picture cannot be read"):
        Fit().prepare(content)


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
