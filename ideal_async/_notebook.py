"""How a notebook shows a task and a batch: small pieces of HTML, in which other people's words are only words."""

from collections.abc import Iterable
from html import escape
from urllib.parse import urlsplit

_MINUTE = 60


def show_video(caption: str, url: str | None, cover: str | None = None, width: int | None = None) -> str:
    """Return a caption, under a player if there is a video to play.

    Args:
        caption: Text.
        url: Of the video; one that is not http or https is not put into a page.
        cover: URL of the picture to show until it plays.
        width: Pixels of the video; it is shown smaller where the page is.
    """
    words = f"<figcaption>{escape(caption)}</figcaption>"
    if not _is_web(url):
        return f"<figure>{words}</figure>"
    poster = f' poster="{escape(cover)}"' if cover is not None and _is_web(cover) else ""
    size = "" if width is None else f' width="{width:d}"'
    player = (
        f'<video controls loop playsinline preload="metadata" referrerpolicy="no-referrer"{size}{poster} '
        f'style="max-width:100%;max-height:60vh" src="{escape(url or "")}"></video>'
    )
    return f"<figure>{player}{words}</figure>"


def show_progress(ended: int, total: int, parts: Iterable[tuple[int, str]], *more: str) -> str:
    """Return a bar, and in words what stands where.

    Args:
        ended: Of *total*.
        total: Of which the end of the bar tells; 0: nobody knows.
        parts: A number and what it counts; zeros are left out.
        more: Further words.
    """
    words = [f"{number} {name}" for number, name in parts if number] + [word for word in more if word]
    bar = f'<progress max="{total:d}" value="{ended:d}"></progress>' if total else "<progress></progress>"
    return f"<div>{bar} {escape(' · '.join(words))}</div>"


def about(seconds: float | None) -> str:
    """Return a forecast in words; an empty string for none.

    Example:
        >>> about(12.3), about(150), about(None)
        ('about 12 s left', 'about 2.5 min left', '')
    """
    if seconds is None:
        return ""
    return f"about {seconds:.0f} s left" if seconds < _MINUTE else f"about {seconds / _MINUTE:.1f} min left"


def _is_web(url: str | None) -> bool:
    try:
        return url is not None and urlsplit(url).scheme in {"http", "https"}
    except ValueError:
        return False
