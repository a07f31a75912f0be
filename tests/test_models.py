"""What may be asked for, and what a look shows."""

import copy
import pickle
from pathlib import Path
from typing import Any

import attrs
import pytest

from ideal_async import ImageToVideo, Task, TaskInput, TaskStatus, VideoOutput

URL = "https://example.com/room.jpg"


def ask(image_url: Any = URL, **fields: Any) -> ImageToVideo:
    return ImageToVideo(image_url, **{"duration": 5, "resolution": "720p", **fields})


def test_a_request_needs_only_what_the_page_requires() -> None:
    """The rest has the page's defaults: Flash, no audio, no prompt, no last frame."""
    assert attrs.asdict(ask()) == {
        "image_url": URL,
        "duration": 5,
        "resolution": "720p",
        "model_type": "Flash",
        "generate_audio": False,
        "prompt": None,
        "last_image_url": None,
    }


@pytest.mark.parametrize("missing", ["duration", "resolution"])
def test_what_the_page_requires_has_no_default(missing: str) -> None:
    """Length and size decide the price, so nobody gets one they did not ask for."""
    fields: dict[str, Any] = {"duration": 5, "resolution": "720p"}
    del fields[missing]
    with pytest.raises(TypeError, match=missing):
        ImageToVideo(URL, **fields)


@pytest.mark.parametrize("duration", [5, 10])
@pytest.mark.parametrize("resolution", ["480p", "720p", "1080p"])
@pytest.mark.parametrize(("model_type", "generate_audio"), [("Flash", False), ("Base", False), ("Base", True)])
def test_every_combination_of_the_price_tables_can_be_asked_for(
    duration: int, resolution: str, model_type: str, generate_audio: bool
) -> None:
    """Eighteen kinds, and each knows which it is."""
    request = ask(duration=duration, resolution=resolution, model_type=model_type, generate_audio=generate_audio)
    assert request.kind == (model_type, resolution, duration, generate_audio)


@pytest.mark.parametrize(
    ("fields", "fix"),
    [
        ({"duration": 7}, "duration must be one of 5, 10, not 7"),
        ({"duration": "5"}, "duration must be one of 5, 10, not '5'"),
        ({"duration": 5.0}, "duration must be one of 5, 10, not 5.0"),
        ({"duration": None}, "duration must be one of 5, 10, not None"),
        ({"duration": True}, "duration must be one of 5, 10, not True"),
        ({"resolution": "4k"}, "resolution must be one of '480p', '720p', '1080p', not '4k'"),
        ({"resolution": 720}, "resolution must be one of '480p', '720p', '1080p', not 720"),
        ({"model_type": "flash"}, "model_type must be one of 'Flash', 'Base', not 'flash'"),
        ({"model_type": None}, "model_type must be one of 'Flash', 'Base', not None"),
        ({"generate_audio": True}, 'generate_audio needs model_type="Base"'),
        ({"prompt": "cut \ud83d"}, "prompt has half a surrogate pair in it"),
    ],
)
def test_a_value_the_page_does_not_list_is_refused_with_the_fix(fields: dict[str, Any], fix: str) -> None:
    """Before anything is sent, in the words of the page."""
    with pytest.raises(ValueError, match=fix):
        ask(**fields)


@pytest.mark.parametrize(
    ("fields", "fix"),
    [
        ({"generate_audio": 1, "model_type": "Base"}, "generate_audio must be True or False, not 1"),
        ({"generate_audio": None}, "generate_audio must be True or False, not None"),
        ({"prompt": b"zoom"}, "prompt must be str or None, not bytes"),
        ({"last_image_url": 5}, "last_image_url must be a URL as str, not int"),
        ({"image_url": None}, "image_url must be a URL as str, not NoneType"),
        ({"image_url": b"\xff\xd8\xff"}, "the API fetches the picture itself"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_the_fix(fields: dict[str, Any], fix: str) -> None:
    """Silently turning `1` into `True` would spend money on a guess."""
    with pytest.raises(TypeError, match=fix):
        ask(**fields)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "room.jpg",
        "./room.jpg",
        "/home/me/room.jpg",
        "C:\\rooms\\room.jpg",
        "file:///home/me/room.jpg",
        "data:image/png;base64,iVBORw0KGgo=",
        "s3://bucket/room.jpg",
        "https://",
        "https:///room.jpg",
        "//example.com/room.jpg",
        "https://example.com:port/room.jpg",
        "https://example.com:99999/room.jpg",
        "https://[::1/room.jpg",
        "https://example.com/my room.jpg",
        "https://example.com/room.jpg\n",
        "https://example.com/room\x7f.jpg",
        "https://example.com/\ud800.jpg",
    ],
)
@pytest.mark.parametrize("name", ["image_url", "last_image_url"])
def test_a_local_file_or_a_broken_url_is_refused_with_the_fix(name: str, url: str) -> None:
    """The API takes URLs only, and an error from it would come after the queue."""
    with pytest.raises(ValueError, match=rf"{name} must be an http\(s\) URL.*upload it somewhere"):
        ask(**{name: url})


def test_a_space_in_a_url_is_named_and_what_it_should_be() -> None:
    """Also where it stands in a signature, of which nothing is repeated."""
    for url in ("https://example.com/my room.jpg", "https://example.com/my?sig=secret room"):
        with pytest.raises(ValueError, match=r"a space in one is %20 \(after 'https://example.com/my'\)") as caught:
            ask(image_url=url)
        assert "secret" not in str(caught.value)


def test_a_path_is_a_picture_of_this_machine() -> None:
    """A client with `uploads` publishes it. It has to be a path: a string may come from a stranger."""
    room = ask(Path("my room.jpg"), last_image_url=Path("/photos/night.jpg"))
    assert room.image_url == (Path.cwd() / "my room.jpg").as_uri()
    assert room.last_image_url == "file:///photos/night.jpg"
    assert "my%20room.jpg" in repr(room)
    assert room.redacted == room
    assert room.fingerprint == ask(Path("my room.jpg"), last_image_url=Path("/photos/night.jpg")).fingerprint
    again = pickle.loads(pickle.dumps(room))  # noqa: S301 - our own
    assert again == room
    assert again.image_url.path == room.image_url.path == str(Path.cwd() / "my room.jpg")  # type: ignore[attr-defined]
    assert attrs.evolve(room, duration=10).image_url is room.image_url
    with pytest.raises(ValueError, match=r"pass a pathlib.Path to a client that publishes it, AsyncClient\(uploads"):
        ask(room.image_url.replace("room", "room"))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.jpg",
        "HTTPS://EXAMPLE.COM/a",
        "https://[2001:db8::1]:8443/a?b=c#d",
        "https://bücher.example/ü",
    ],
)
def test_any_absolute_http_url_is_taken_as_it_is(url: str) -> None:
    """The service fetches it, so it is not ours to rewrite."""
    assert ask(url, last_image_url=url).image_url == url


def test_a_message_about_a_url_keeps_its_signature_to_itself() -> None:
    """What follows the `?` of a presigned URL is a secret, and an endless value is no message."""
    with pytest.raises(ValueError, match="must be") as caught:
        ask("ftp://example.com/" + "x" * 5000 + "?X-Amz-Signature=SECRET")
    assert "SECRET" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_request_is_a_value() -> None:
    """Equal when equal, hashable, unchangeable, and safe to send to another process."""
    request = ask(prompt="zoom")
    assert request == ask(prompt="zoom") != ask()
    assert len({request, ask(prompt="zoom")}) == 1
    assert pickle.loads(pickle.dumps(request)) == copy.deepcopy(request) == request  # noqa: S301 - our own bytes
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        request.prompt = "pan"  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(
    ("status", "done", "succeeded"),
    [
        (TaskStatus.UNPROCESSED, False, False),
        (TaskStatus.PROCESSING, False, False),
        (TaskStatus.SUCCESS, True, True),
        (TaskStatus.FAILED, True, False),
        ("Paused", False, False),
    ],
)
def test_only_success_and_failed_are_the_end(status: TaskStatus | str, done: bool, succeeded: bool) -> None:
    """A status we do not know still runs."""
    task = Task(1, status)
    assert (task.done, task.succeeded) == (done, succeeded)


def test_a_task_can_be_kept_and_sent_elsewhere() -> None:
    """Workers hand tasks to other processes."""
    task = Task(2**63 - 1, TaskStatus.SUCCESS, 100, 0, TaskInput(URL), VideoOutput("https://cdn/v.mp4"), raw={"new": 1})
    again = pickle.loads(pickle.dumps(task))  # noqa: S301 - our own bytes
    assert again == task
    assert again.raw == {"new": 1}
    assert hash(again) == hash(task)


def test_what_the_vendor_adds_to_an_answer_does_not_clutter_a_repr() -> None:
    """`raw` repeats everything, so it is left out."""
    assert "secret" not in repr(Task(1, "Processing", raw={"secret": 1}))


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (TaskInput(URL, resolution="720p", duration=5), ("Flash", "720p", 5, False)),
        (
            TaskInput(resolution="1080p", duration=10, model_type="Base", generate_audio=True),
            ("Base", "1080p", 10, True),
        ),
        (TaskInput(resolution="720p"), None),
        (TaskInput(duration=5), None),
        (TaskInput(), None),
    ],
)
def test_the_kind_of_somebody_elses_task_is_read_off_its_input(given: TaskInput, kind: object) -> None:
    """With the page's defaults, and only when enough of it is there."""
    assert given.kind == kind
