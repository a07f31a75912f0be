"""What is kept or shown of a URL, and what an API is called."""

import time
from typing import Any

import pytest

from ideal_async import ImageToVideo, TaskInput, VideoOutput, redact_url
from ideal_async._identity import origin_of, redact_text


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("https://user:word@example.com/a/b.jpg?sig=1#f", "https://example.com/a/b.jpg"),
        ("https://example.com?sig=1", "https://example.com"),
        ("https://example.com/a@b.jpg", "https://example.com/a@b.jpg"),
        ("https://u:p@ss@example.com/a", "https://example.com/a"),
        ("https://example.com/a.jpg#token", "https://example.com/a.jpg"),
        ("not a url", "not a url"),
    ],
)
def test_what_may_be_secret_in_a_url_can_be_left_out(url: str, bare: str) -> None:
    """Signatures, names and passwords."""
    assert redact_url(url) == bare


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("see https://u:p@cdn.x/a.mp4?sig=1 and s3://b/c?key=2", "see https://cdn.x/a.mp4 and s3://b/c"),
        (r'{"url":"https:\/\/u:p@cdn.x\/a.mp4?sig=1"}', r'{"url":"https:\/\/cdn.x\/a.mp4"}'),
        ("what? 1:2 a@b.c", "what? 1:2 a@b.c"),
    ],
)
def test_urls_in_running_text_lose_their_secrets_too(text: str, bare: str) -> None:
    """As they are, and as JSON escapes them; what is no URL stays."""
    assert redact_text(text) == bare


@pytest.mark.parametrize("text", ["a" * 1_000_000, "a:" * 500_000, "://" * 300_000, "//@" * 300_000])
def test_redaction_takes_no_longer_than_the_text_is(text: str) -> None:
    """A message of one long word must not freeze the event loop: a megabyte takes no second of CPU."""
    begun = time.process_time()
    redact_text(text)
    assert time.process_time() - begun < 5  # quadratic, it would be hours


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.ideal.house", "https://api.ideal.house:443"),
        ("https://API.ideal.house:443/api", "https://api.ideal.house:443"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
        ("HTTP://127.0.0.1", "http://127.0.0.1:80"),
    ],
)
def test_an_api_has_one_name(url: str, origin: str) -> None:
    """However it is spelt."""
    assert origin_of(url) == origin


@pytest.mark.parametrize("url", ["", "api.ideal.house", "ftp://x", "https://", "https:///path?secret=1"])
def test_what_has_no_origin_is_refused_without_its_secrets(url: str) -> None:
    """It would scope rows by nothing."""
    with pytest.raises(ValueError, match="an origin looks like") as error:
        origin_of(url)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("url", [None, 5, b"https://api.ideal.house"])
def test_an_origin_is_text(url: Any) -> None:
    """Whatever else Python's own functions would take."""
    with pytest.raises(TypeError, match="an origin is a URL such as"):
        origin_of(url)


def test_a_repr_shows_neither_prompt_nor_signature() -> None:
    """Error trackers keep reprs."""
    url = "https://user:word@example.com/a.jpg?sig=1"
    request = ImageToVideo(url, duration=5, resolution="720p", prompt="my daughter's room", last_image_url=url)
    shown = repr([request, TaskInput(image_url=url, prompt="my daughter's room"), VideoOutput(url, url), TaskInput()])
    assert "daughter" not in shown
    assert "sig" not in shown
    assert "word" not in shown
    assert "prompt=<18 characters>" in shown
    assert "https://example.com/a.jpg" in shown


def test_a_redacted_request_is_the_same_request() -> None:
    """What a journal keeps compares equal to what is asked again with fresh signatures."""
    request = ImageToVideo("https://e.com/a.jpg?sig=1", duration=5, resolution="720p", prompt="pan?")
    assert request.redacted == ImageToVideo("https://e.com/a.jpg", duration=5, resolution="720p", prompt="pan?")
    assert request.redacted.fingerprint == request.fingerprint
