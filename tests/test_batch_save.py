"""A batch that saves: each outcome has its file, in a folder or a bucket; what cannot be saved is no failed video."""

from pathlib import Path
from typing import Any, assert_type

import anyio
import httpx
import pytest
from fakes import BASE_URL, KEY, ROOM, Service, answer, look
from test_delivery import Bin
from test_download import CONTENT, inline, left_over

from ideal_async import (
    AsyncClient,
    DownloadFailed,
    Failed,
    Journal,
    Made,
    Outcome,
    Progress,
    Retry,
    SubmissionUnknown,
    Unsaved,
    WaitTimeout,
    batch,
    resume,
)

pytestmark = pytest.mark.anyio


class Studio(Service):
    """Makes a video of each request; *broken* are the ids whose files cannot be had."""

    def __init__(self) -> None:
        super().__init__(submit=self._submit, look=self._look, file=self._file)
        self.made = 0
        self.broken: set[int] = set()
        self.files: list[int] = []
        self.pause = 0.0

    def _submit(self, _: httpx.Request) -> httpx.Response:
        self.made += 1
        return answer(self.made)

    def _look(self, request: httpx.Request) -> httpx.Response:
        return look("Success", int(request.url.params["taskId"]))

    async def _file(self, request: httpx.Request) -> httpx.Response:
        task_id = int(Path(request.url.path).stem)
        self.files.append(task_id)
        await anyio.sleep(self.pause)
        if task_id in self.broken:
            return httpx.Response(200, html="Sign in")
        return httpx.Response(200, content=CONTENT + bytes([task_id]))


class Shelf:
    """A folder of a bucket in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.bins: dict[str, Bin] = {}

    def __truediv__(self, name: str) -> Bin:
        return self.bins.setdefault(name, Bin(self._folder))


def client_of(service: httpx.AsyncBaseTransport, **more: Any) -> AsyncClient:
    options: dict[str, Any] = {"_leave_loop": inline, "retry": Retry(attempts=1), **more}
    return AsyncClient(KEY, base_url=BASE_URL, transport=service, **options)


async def run(client: AsyncClient, keys: list[str | None], **options: Any) -> list[Made | Unsaved | Failed]:
    async with batch(client, [(key, ROOM) for key in keys], **options) as outcomes:
        return sorted([outcome async for outcome in outcomes], key=lambda outcome: outcome.index)


async def test_each_video_is_in_the_folder(tmp_path: Path) -> None:
    """Which is made where there is none; a file is named by key and task, so that no two can meet."""
    folder = tmp_path / "videos" / "spring"
    async with client_of(Studio()) as client:
        seen = await run(client, ["kitchen/2", "kitchen_2", None], save=str(folder))
    assert all(isinstance(outcome, Made) for outcome in seen)
    for outcome, start in zip(seen, ("kitchen_2-", "kitchen_2-", ""), strict=True):
        assert outcome.file == folder / f"{start}{outcome.task_id}.mp4"
        assert outcome.file.read_bytes() == CONTENT + bytes([outcome.task_id or 0])
    assert len(left_over(folder / "any")) == 3


async def test_without_a_folder_nothing_is_saved() -> None:
    """The tasks have their URLs."""
    async with client_of(studio := Studio()) as client:
        (outcome,) = await run(client, ["a"])
    assert isinstance(outcome, Made)
    assert (outcome.file, studio.files) == (None, [])


@pytest.mark.parametrize("kind", ["folder", "bucket"])
async def test_the_same_batch_again_brings_what_is_missing_and_pays_nothing(tmp_path: Path, kind: str) -> None:
    """A video that could not be saved is made and paid: an outcome of its own kind."""
    studio, save = Studio(), tmp_path / "videos" if kind == "folder" else Shelf(tmp_path)
    studio.broken.add(2)
    with Journal(tmp_path / "journal") as journal:
        async with client_of(studio, journal=journal) as client:
            first = await run(client, ["a", "b", "c"], save=save, max_in_flight=1)
        assert [type(outcome) for outcome in first] == [Made, Unsaved, Made]
        assert isinstance(first[1].error, DownloadFailed)
        assert (first[1].task_id, first[1].file, first[1].task and first[1].task.id) == (2, None, 2)
        studio.broken.clear()
        studio.files.clear()
        async with client_of(studio, journal=journal) as client:
            again = await run(client, ["a", "b", "c"], save=save, max_in_flight=1)
    assert [type(outcome) for outcome in again] == [Made] * 3
    assert [outcome.file for outcome in again] == [save / f"{key}-{index + 1}.mp4" for index, key in enumerate("abc")]
    assert (studio.made, studio.files) == (3, [2])


@pytest.mark.parametrize("kind", ["folder", "bucket"])
async def test_a_task_that_stands_twice_in_a_batch_is_saved_once(tmp_path: Path, kind: str) -> None:
    """The same key is the same task, and the same file: whoever comes second finds it there."""
    studio, save = Studio(), tmp_path if kind == "folder" else Shelf(tmp_path)
    studio.pause = 5.0
    async with client_of(studio) as client:
        seen = await run(client, ["a", "a", "a", "b"], save=save)
    assert [type(outcome) for outcome in seen] == [Made] * 4
    assert sorted(studio.files) == [1, 2]


async def test_a_saved_page_is_no_video(tmp_path: Path) -> None:
    """What an earlier version left there under the name is brought anew."""
    (tmp_path / "a-1.mp4").write_text("<html>Sign in</html>")
    async with client_of(Studio()) as client:
        (outcome,) = await run(client, ["a"], save=tmp_path)
    assert isinstance(outcome, Made)
    assert outcome.file == tmp_path / "a-1.mp4"
    assert outcome.file.read_bytes()[4:8] == b"ftyp"


async def test_a_folder_that_cannot_be_is_no_failed_video(tmp_path: Path) -> None:
    """It is told beside the task."""
    (tmp_path / "videos").write_text("a file")
    async with client_of(Studio()) as client:
        (outcome,) = await run(client, ["a"], save=tmp_path / "videos" / "spring")
    assert isinstance(outcome, Unsaved)
    assert isinstance(outcome.error, NotADirectoryError)


async def test_the_deadline_of_a_batch_holds_for_its_files(tmp_path: Path) -> None:
    """What was made in time is told as made."""
    studio = Studio()
    studio.pause = 3600
    async with client_of(studio) as client:
        began = anyio.current_time()
        (outcome,) = await run(client, ["a"], save=tmp_path, timeout=60)
        assert anyio.current_time() - began == 60
    assert isinstance(outcome, Unsaved)
    assert isinstance(outcome.error, DownloadFailed)
    assert "deadline passed before the video was saved" in str(outcome.error)


async def test_a_store_that_asks_to_wait_beyond_the_deadline_does_not_move_it(tmp_path: Path) -> None:
    """The batch ends when it should; the same batch again goes on."""
    busy = httpx.Response(503, headers={"Retry-After": "100"})
    async with client_of(Service(submit=answer(7), look=look("Success", 7), file=busy), retry=Retry()) as client:
        began = anyio.current_time()
        (outcome,) = await run(client, ["a"], save=tmp_path, timeout=60)
        assert anyio.current_time() - began == 60
    assert isinstance(outcome, Unsaved)


async def test_a_checker_knows_what_an_outcome_holds(tmp_path: Path) -> None:
    """Matching narrows it; so does asking for its class."""
    async with client_of(Studio()) as client, batch(client, [ROOM], save=tmp_path) as outcomes:
        async for outcome in outcomes:
            assert isinstance(outcome, Outcome)
            match outcome:
                case Made(task=task):
                    assert_type(task.id, int)
                    assert_type(outcome.error, None)
                case Unsaved():
                    assert_type(outcome.error, Exception)
                    assert_type(outcome.task_id, int)
                case Failed():
                    assert_type(outcome.task, None)


@pytest.mark.parametrize("slow", [10])
async def test_few_videos_are_brought_at_once(tmp_path: Path, slow: int) -> None:
    """As many as downloads are; the others wait, and finished outcomes do not wait for them."""
    studio = Studio()
    studio.pause = 60.0
    async with client_of(studio) as client:
        began = anyio.current_time()
        seen = await run(client, [str(number) for number in range(2 * slow)], save=tmp_path)
        took = anyio.current_time() - began
    assert all(isinstance(outcome, Made) for outcome in seen)
    assert 120 <= took < 240


@pytest.mark.parametrize("kind", ["folder", "bucket"])
async def test_what_a_crash_left_is_saved_by_resume(tmp_path: Path, kind: str) -> None:
    """It waits for what was paid, and saves it under the name that the batch would have given; a doubt stays one."""
    studio, save = Studio(), tmp_path / "videos" if kind == "folder" else Shelf(tmp_path)
    reports: list[Progress] = []
    with Journal(tmp_path / "journal") as journal:
        async with client_of(studio, journal=journal) as client:
            for key in ("a", "b", "c"):
                await client.submit(ROOM, key=key)
        async with client_of(Service(submit=httpx.ReadError("lost")), journal=journal) as client:
            with pytest.raises(SubmissionUnknown):
                await client.submit(ROOM, key="d")
        studio.broken.add(2)
        async with (
            client_of(studio, journal=journal) as client,
            resume(client, save=save, on_progress=reports.append) as outcomes,
        ):
            seen = {outcome.key: outcome async for outcome in outcomes}
        assert {key: type(outcome) for key, outcome in seen.items()} == {
            "a": Made,
            "b": Unsaved,
            "c": Made,
            "d": Failed,
        }
        assert [seen[key].file for key in "ac"] == [save / "a-1.mp4", save / "c-3.mp4"]
        assert reports[-1] == Progress(None, 0, 0, 0, 0, 2, 2, 0, 0.0)
        studio.broken.clear()
        async with client_of(studio, journal=journal) as client:
            async with resume(client, save=save) as outcomes:
                assert [outcome.key async for outcome in outcomes] == ["d"]  # the others are settled
            again = await run(client, ["a", "b", "c"], save=save)
    assert [outcome.file for outcome in again] == [save / f"{key}-{number}.mp4" for number, key in enumerate("abc", 1)]
    assert studio.made == 3


async def test_resume_has_a_deadline(tmp_path: Path) -> None:
    """What runs then stays paid, and can be resumed again."""
    service = Service(submit=answer(7), look=look("Processing", 7))
    with Journal(tmp_path / "journal") as journal:
        async with client_of(service, journal=journal) as client:
            await client.submit(ROOM, key="a")
            began = anyio.current_time()
            async with resume(client, timeout=60) as outcomes:
                (outcome,) = [outcome async for outcome in outcomes]
            assert anyio.current_time() - began == 60
    assert isinstance(outcome.error, WaitTimeout)


@pytest.mark.parametrize(
    ("save", "error", "fix"),
    [
        ("s3://videos/tour", ValueError, r"is a URL, not a path: for a bucket pass ideal_async.buckets.Bucket"),
        ("https://a.b/c?secret", ValueError, "'https://a.b/c' is a URL"),
        (5, TypeError, "in a folder, or in a bucket, not in int"),
        (b"videos", TypeError, "not in bytes"),
        (True, TypeError, "not in bool"),
    ],
)
@pytest.mark.parametrize(
    "make", [lambda client, save: batch(client, [ROOM], save=save), lambda c, s: resume(c, save=s)]
)
async def test_what_is_no_folder_is_refused_before_anything_is_paid(
    make: Any, save: Any, error: type[Exception], fix: str
) -> None:
    """With the fix."""
    async with client_of(service := Service()) as client:
        with pytest.raises(error, match=fix):
            make(client, save)
    assert service.requests == []
