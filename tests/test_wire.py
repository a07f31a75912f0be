"""The vendor's JSON, letter by letter."""

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideal_async import (
    ImageToVideo,
    Task,
    TaskInput,
    TaskStatus,
    UnexpectedAnswer,
    VideoOutput,
)
from ideal_async._wire import is_absolute, read_task, read_task_id, write_request
from ideal_async.sandbox._orders import read_order

ID = 1234567890123456789
ROOM, NIGHT = "https://example.com/room.jpg", "https://example.com/room-night.jpg"

#: Vendor's page, Request Examples: all three.
REQUESTS = [
    (
        ImageToVideo(ROOM, duration=5, resolution="720p", prompt="Gentle camera zoom in with soft lighting"),
        {
            "imageUrl": ROOM,
            "duration": 5,
            "resolution": "720p",
            "modelType": "Flash",
            "prompt": "Gentle camera zoom in with soft lighting",
        },
    ),
    (
        ImageToVideo(ROOM, duration=5, resolution="1080p", model_type="Base", generate_audio=True, prompt="Ambiance"),
        {
            "imageUrl": ROOM,
            "duration": 5,
            "resolution": "1080p",
            "modelType": "Base",
            "generateAudio": True,
            "prompt": "Ambiance",
        },
    ),
    (
        ImageToVideo(ROOM, last_image_url=NIGHT, duration=10, resolution="720p", prompt="Smooth day to night"),
        {
            "imageUrl": ROOM,
            "lastImageUrl": NIGHT,
            "duration": 10,
            "resolution": "720p",
            "modelType": "Flash",
            "prompt": "Smooth day to night",
        },
    ),
]


@pytest.mark.parametrize(("request_", "body"), REQUESTS)
def test_a_request_is_written_as_on_the_page(request_: ImageToVideo, body: dict[str, Any]) -> None:
    """Field by field, with their JSON types."""
    assert json.dumps(write_request(request_), sort_keys=True) == json.dumps(body, sort_keys=True)


def test_what_was_not_asked_for_is_left_out() -> None:
    """A `null` is not what the page means by optional, and `generateAudio` applies only where it is wanted."""
    request = ImageToVideo(ROOM, duration=5, resolution="480p", model_type="Base")
    assert write_request(request) == {"imageUrl": ROOM, "duration": 5, "resolution": "480p", "modelType": "Base"}


def test_an_empty_prompt_is_sent() -> None:
    """It was given, so it is not ours to drop."""
    assert write_request(ImageToVideo(ROOM, duration=5, resolution="480p", prompt=""))["prompt"] == ""


urls = st.builds(
    "https://{}.example/{}".format,
    st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    st.text("abcüß/?&=%,+~-_.", max_size=20),
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
requests = st.builds(
    ImageToVideo,
    urls,
    duration=st.sampled_from([5, 10]),
    resolution=st.sampled_from(["480p", "720p", "1080p"]),
    model_type=st.just("Base"),
    generate_audio=st.booleans(),
    prompt=st.none() | texts.filter(lambda text: "prohibited" not in text),
    last_image_url=st.none() | urls,
)


@given(requests)
def test_the_service_understands_every_request(request_: ImageToVideo) -> None:
    """What the sandbox reads, which knows only the vendor's page, is what was asked for."""
    order = read_order(json.dumps(write_request(request_), ensure_ascii=False).encode())
    assert {field.name: getattr(order, field.name) for field in attrs.fields(ImageToVideo)} == attrs.asdict(request_)


@given(requests)
def test_a_task_tells_the_input_as_it_was_sent(request_: ImageToVideo) -> None:
    """There and back again."""
    task = read_task({"id": ID, "status": "Processing", "input": write_request(request_)})
    expected = TaskInput(**attrs.asdict(request_))
    if not request_.generate_audio:
        expected = attrs.evolve(expected, generate_audio=None)
    assert task.input == expected
    assert task.input.kind == request_.kind


# Fingerprints


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("image_url", "https://example.com/other.jpg"),
        ("duration", 10),
        ("resolution", "1080p"),
        ("model_type", "Base"),
        ("prompt", "pan"),
        ("last_image_url", NIGHT),
    ],
)
def test_a_different_request_has_a_different_fingerprint(field: str, other: Any) -> None:
    """Whatever is different about the video."""
    request = ImageToVideo(ROOM, duration=5, resolution="720p")
    assert attrs.evolve(request, **{field: other}).fingerprint != request.fingerprint


@pytest.mark.parametrize("field", ["image_url", "last_image_url"])
def test_a_presigned_url_has_the_fingerprint_of_its_picture(field: str) -> None:
    """Its query string changes at every start of a program; the picture does not."""
    request = ImageToVideo(ROOM, duration=5, resolution="720p")
    changes: list[dict[str, Any]] = [{field: f"{NIGHT}?sig={sig}#f"} for sig in "ab"]
    one, two = (attrs.evolve(request, **change) for change in changes)
    assert one.fingerprint == two.fingerprint


def test_a_question_mark_in_a_prompt_is_no_query_string() -> None:
    """Only URLs lose theirs."""
    one, two = (ImageToVideo(ROOM, duration=5, resolution="720p", prompt=f"is it? {word}") for word in ("day", "night"))
    assert one.fingerprint != two.fingerprint


def test_a_fingerprint_is_the_same_tomorrow() -> None:
    """A journal written by one version is read by the next."""
    assert REQUESTS[0][0].fingerprint == "6cb2cf9da799c608"


# Ids


@pytest.mark.parametrize("task_id", [1, ID, 2**53 + 1, 2**63 - 1, 2**64 - 1])
def test_an_id_is_exact_to_the_last_of_its_64_bits(task_id: int) -> None:
    """As a number and as the string that gateways for JavaScript send."""
    for written in (task_id, str(task_id)):
        assert read_task_id(written) == task_id
        assert read_task({"id": written, "status": "Processing"}).id == task_id


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        True,
        1.0,
        1.2345678901234568e18,
        "",
        " 1",
        "1e18",
        "0x1",
        "-1",
        "١٢٣",
        "1" * 21,
        2**64,
        -(2**64),
        str(2**64),
        [ID],
        {"taskId": ID},
    ],
)
def test_what_is_no_id_is_refused(wrong: Any) -> None:
    """A float has lost digits already, and a wrong id is somebody else's video."""
    with pytest.raises(ValueError, match="64-bit integer expected, not"):
        read_task_id(wrong)
    with pytest.raises(UnexpectedAnswer) as caught:
        read_task({"id": wrong, "status": "Processing"})
    assert caught.value.problems == [f"64-bit integer expected, not {type(wrong).__name__} @ $.data.id"]


@pytest.mark.parametrize("wrong", [0, "0", -1])
def test_an_id_of_a_new_task_is_positive(wrong: Any) -> None:
    """0 is what some services answer for nothing."""
    with pytest.raises(ValueError, match="positive integer expected"):
        read_task_id(wrong)


# Looks

FINISHED = {
    "id": ID,
    "status": "Success",
    "waitNumber": 0,
    "percentage": 100,
    "input": {
        "imageUrl": ROOM,
        "lastImageUrl": NIGHT,
        "duration": 10,
        "resolution": "720p",
        "modelType": "Base",
        "generateAudio": True,
        "prompt": "Smooth",
    },
    "output": {"resultUrl": "https://cdn/v.mp4", "cover": "https://cdn/c.jpg", "width": 1280, "height": 720},
}


def test_every_field_of_the_page_is_read() -> None:
    """Get Task Result, Response Fields: all of them."""
    task = read_task(FINISHED)
    assert task == Task(
        ID,
        TaskStatus.SUCCESS,
        100,
        0,
        TaskInput(ROOM, NIGHT, 10, "720p", "Base", True, "Smooth"),
        VideoOutput("https://cdn/v.mp4", "https://cdn/c.jpg", 1280, 720),
    )
    assert task.raw == FINISHED


@pytest.mark.parametrize("status", ["Unprocessed", "Processing", "Failed"])
def test_output_is_null_until_there_is_one(status: str) -> None:
    """The page's examples of a running and of a failed task; its status is one of the four."""
    task = read_task({**FINISHED, "status": status, "waitNumber": 2, "percentage": 30, "output": None})
    assert isinstance(task.status, TaskStatus)
    assert (task.status.value, task.wait_number, task.percentage, task.output) == (status, 2, 30, None)


@pytest.mark.parametrize("output", [{}, {"resultUrl": None, "width": None}, {"resultUrl": ""}, [], "none"])
def test_the_frame_of_an_output_is_none_while_the_task_runs(output: Any) -> None:
    """Some services send it empty first; that is no reason to lose sight of a paid task."""
    assert read_task({"id": ID, "status": "Processing", "output": output}).output is None


@pytest.mark.parametrize(
    "output",
    [None, {}, {"resultUrl": None}, {"resultUrl": ""}, {"resultUrl": " "}, {"resultUrl": ["x"]}, [], [1], "none"],
)
def test_success_without_a_result_has_no_output(output: Any) -> None:
    """There is nothing to download yet."""
    task = read_task({"id": ID, "status": "Success", "output": output})
    assert (task.status, task.output) == (TaskStatus.SUCCESS, None)


@pytest.mark.parametrize(
    "output",
    [
        {"resultUrl": " https://cdn/v.mp4\n", "cover": " ", "width": "auto", "height": "720.0"},
        {"resultUrl": "https://cdn/v.mp4", "cover": [], "width": True, "height": 720.0},
        {"resultUrl": "https://cdn/v.mp4", "cover": None, "width": "", "height": " 720 "},
        [{"resultUrl": "https://cdn/v.mp4", "width": {}, "height": "720"}],
    ],
)
def test_what_surrounds_a_url_is_unknown_where_it_cannot_be_read(output: Any) -> None:
    """Only the URL delivers."""
    task = read_task({"id": ID, "status": "Success", "output": output})
    assert task.output == VideoOutput("https://cdn/v.mp4", None, None, 720)
    assert read_task({"id": ID, "status": "Success", "output": " https://cdn/v.mp4"}).output == VideoOutput(
        "https://cdn/v.mp4"
    )


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        *[(text, TaskStatus.SUCCESS) for text in ("Success", "SUCCESS", "success", " Success\n")],
        *[(text, TaskStatus.FAILED) for text in ("FAILED", "failed ")],
        ("PROCESSING", TaskStatus.PROCESSING),
        ("unprocessed", TaskStatus.UNPROCESSED),
        ("Paused", "Paused"),
        (None, ""),
        (7, "7"),
        ("x" * 1000, "x" * 80 + "…"),
    ],
)
def test_case_and_blanks_of_a_status_do_not_count(sent: Any, status: str) -> None:
    """And one that is none is an unknown one."""
    task = read_task({"id": ID, "status": sent})
    assert (task.status, type(task.status)) == (status, type(status))


@pytest.mark.parametrize("asked", [77, 2**53 - 1, ID, 2**63 - 1, 2**64 - 1])
def test_an_id_in_an_answer_contradicts_only_where_it_is_another(asked: int) -> None:
    """One that JavaScript rounded, one that is missing, and one that is none are no contradiction."""
    rounded = float(asked)
    written = int(Decimal(repr(rounded)))
    equals: tuple[Any, ...] = (
        asked,
        str(asked),
        f" {asked} ",
        int(rounded),
        rounded,
        written,
        str(written),
        None,
        "",
        "x",
        0,
        [],
        1.5,
    )
    for same in equals:
        assert read_task({"id": same, "status": "Processing"}, task_id=asked).id == asked
    assert read_task({"status": "Processing"}, task_id=asked).id == asked
    for other in (asked - 1, str(asked - 1), 78, 5.0):
        if other != int(rounded) and other != written:
            with pytest.raises(UnexpectedAnswer, match=r"another task's id @ \$\.data\.id"):
                read_task({"id": other, "status": "Processing"}, task_id=asked)


@pytest.mark.parametrize(
    ("url", "usable"),
    [
        ("https://cdn/v.mp4", True),
        ("HTTP://cdn/v.mp4?a=b", True),
        ("/v.mp4", False),
        ("//cdn/v.mp4", False),
        ("cdn/v.mp4", False),
        ("https:///v.mp4", False),
        ("ftp://cdn/v.mp4", False),
        ("https://[bad/v.mp4", False),
    ],
)
def test_a_url_that_delivers_is_absolute(url: str, usable: bool) -> None:
    """A relative one leads nowhere."""
    assert is_absolute(url) is usable


def test_a_result_needs_no_more_than_its_url() -> None:
    """A cover that is missing spoils no video."""
    output = {"resultUrl": "https://cdn/v.mp4", "cover": None, "width": None}
    assert read_task({"id": ID, "status": "Success", "output": output}).output == VideoOutput("https://cdn/v.mp4")


def test_what_the_vendor_adds_tomorrow_breaks_nobody_today() -> None:
    """Unknown fields are ignored and kept in `raw`, unknown enum values are kept as they came."""
    data = {
        "id": ID,
        "status": "Paused",
        "raw": "a field of this name",
        "eta": 30,
        "input": {"imageUrl": ROOM, "modelType": "Turbo", "resolution": "4k", "duration": 15, "seed": 3},
    }
    task = read_task(data)
    assert type(task.status) is str
    assert (task.status, task.eta) == ("Paused", None)
    assert task.input == TaskInput(ROOM, duration=15, resolution="4k", model_type="Turbo")
    assert task.raw == data


@pytest.mark.parametrize(
    ("field", "sent", "read"),
    [
        ("percentage", None, 0),
        ("percentage", "30", 30),
        ("percentage", 30.0, 30),
        ("percentage", 33.4, 33),
        ("percentage", "30%", 30),
        ("percentage", " 30.5 % ".strip(), 30),
        ("percentage", "30.5", 30),
        ("percentage", float("nan"), 0),
        ("percentage", float("inf"), 0),
        ("percentage", "nan", 0),
        ("percentage", "a third", 0),
        ("percentage", True, 0),
        ("percentage", [30], 0),
        ("percentage", -5, 0),
        ("percentage", 101, 100),
        ("percentage", 10**30, 0),
        ("percentage", "9" * 100_000, 0),
        ("waitNumber", "", 0),
        ("waitNumber", {}, 0),
        ("waitNumber", -1, 0),
        ("waitNumber", None, 0),
        ("waitNumber", "2", 2),
    ],
)
def test_a_number_may_be_written_in_another_way(field: str, sent: Any, read: int) -> None:
    """These are only for watching."""
    task = read_task({"id": ID, "status": "Processing", field: sent})
    assert {"percentage": task.percentage, "waitNumber": task.wait_number}[field] == read


@pytest.mark.parametrize(
    "echo", [None, {}, [], "room", 5, {"duration": "five"}, {"imageUrl": 5}, {"generateAudio": "no"}]
)
def test_an_input_that_cannot_be_read_hides_no_task(echo: Any) -> None:
    """It is only an echo of what was asked for."""
    assert read_task({"id": ID, "status": "Processing", "input": echo}).input == TaskInput()


@pytest.mark.parametrize(
    ("data", "problems"),
    [
        (None, ["object expected @ $.data"]),
        (ID, ["object expected @ $.data"]),
        ([], ["object expected @ $.data"]),
        ({}, ["id, status and output missing @ $.data"]),
        ({"percentage": "SECRET"}, ["id, status and output missing @ $.data"]),
        ({"status": "Success"}, ["64-bit integer expected, not NoneType @ $.data.id"]),
    ],
)
def test_a_broken_contract_is_reported_in_the_vendors_names(data: Any, problems: list[str]) -> None:
    """All of it at once, where it is, and nothing of what was in it."""
    with pytest.raises(UnexpectedAnswer) as caught:
        read_task(data, http_status=200)
    assert caught.value.problems == problems


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["id", "status", "waitNumber", "percentage", "input", "output", "raw", "x"]), json_values
    )
    | json_values
)
def test_any_answer_is_a_task_or_an_unexpected_answer(data: Any) -> None:
    """Whatever a service sends, no other exception comes out."""
    with suppress(UnexpectedAnswer):
        assert isinstance(read_task(data), Task)
