"""The first picture of the README: frames of a video, and the gallery it lies in.

ideal-async demo --jobs 24 --out videos && python -m benchmarks.showcase videos benchmarks/showcase.jpg
"""

import subprocess
import sys
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import av

from ideal_async.sandbox._pictures import to_jpeg

#: Pixels: twice what a README shows, so that it is sharp on dense screens too.
WIDTH, STRIP, GALLERY = 1680, 200, 800
FRAMES = 5
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #f6f5f2; width: {width}px; padding: 18px; box-sizing: border-box }}
p {{ display: grid; grid-template-columns: repeat({frames}, 1fr); gap: 10px; margin: 0 0 18px }}
p img {{ width: 100%; height: {strip}px; object-fit: cover; border-radius: 10px; display: block }}
iframe {{ border: 1px solid #dedbd4; border-radius: 14px; width: 100%; height: {gallery}px; display: block }}
</style><p>{images}</p><iframe src="{page}" scrolling="no"></iframe>"""


def frames(video: Path) -> list[bytes]:
    """Take frames from the whole of a video, as JPEG."""
    with av.open(str(video)) as container:
        count = container.streams.video[0].frames
        return [
            to_jpeg(frame) for frame in islice(container.decode(video=0), 0, None, max(1, (count - 1) // (FRAMES - 1)))
        ]


def shoot(page: Path, picture: Path) -> None:
    """Let Chromium draw *page* into *picture*."""
    size = f"{WIDTH},{STRIP + GALLERY + 56}"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--allow-file-access-from-files"]
    command = ["chromium", *flags, f"--window-size={size}", "--virtual-time-budget=10000", f"--screenshot={picture}"]
    subprocess.run([*command, page.as_uri()], check=True, capture_output=True, timeout=120)  # noqa: S603 - our own page


def main(folder: Path, picture: Path) -> None:
    """Draw the videos of a demo in *folder* into the JPEG *picture*."""
    video = min(folder.glob("*day-to-night.mp4"))
    with TemporaryDirectory() as place:
        images: list[str] = []
        for number, data in enumerate(frames(video)[:FRAMES]):
            Path(place, f"{number}.jpg").write_bytes(data)
            images.append(f'<img src="{number}.jpg">')
        # A picture is drawn at once, so no cover may wait until somebody scrolls to it.
        eager = folder.resolve() / "showcase.html"
        eager.write_text(
            (folder / "index.html").read_text("utf-8").replace(' loading="lazy" decoding="async"', ""), "utf-8"
        )
        gallery = eager.as_uri()
        text = PAGE.format(
            width=WIDTH, frames=FRAMES, strip=STRIP, gallery=GALLERY, images="".join(images), page=gallery
        )
        page = Path(place, "page.html")
        page.write_text(text, "utf-8")
        shoot(page, Path(place, "page.png"))
        eager.unlink()
        with av.open(str(Path(place, "page.png"))) as drawn:
            picture.write_bytes(to_jpeg(next(drawn.decode(video=0))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
