"""`ideal-async batch` from pictures of this computer into a bucket; a bucket is asked nothing before it is needed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("obstore", reason="pip install 'ideal-async[buckets]'")
import obstore
from obstore.store import from_url
from test_buckets import s3
from test_cli_batch import QUICK, Start, results

from ideal_async.__main__ import main

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("alone", "loop_elsewhere")]

__all__ = ["s3"]  # a fixture

JPEG = b"\xff\xd8\xff\xe0"
FILM = ["--duration", "5", "--resolution", "480p"]
BUCKETS = ["--upload-to", "s3://photos/tour", "--out", "s3://photos/videos", *QUICK]


@pytest.fixture(autouse=True)
def photos(alone: Path) -> Path:
    folder = alone / "photos"
    folder.mkdir()
    for number in range(4):
        (folder / f"room {number}.JPG").write_bytes(JPEG + bytes([number]) * 1000)
    (folder / "notes.txt").write_text("no picture")
    return folder


def stored() -> dict[str, int]:
    store = from_url("s3://photos", client_options={"allow_http": True})
    return {each["path"]: each["size"] for page in obstore.list(store) for each in page}


@pytest.mark.usefixtures("s3")
def test_a_folder_of_pictures_becomes_videos_in_a_bucket(
    service: Start, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same command again costs nothing and brings nothing, wherever the pictures lie by then."""
    sandbox = service()
    assert main(["batch", "photos", *FILM, *BUCKETS, "--yes"]) == 0
    assert "done     4 of 4, in s3://photos/videos" in capsys.readouterr().out
    first = stored()
    assert len([name for name in first if name.startswith("tour/")]) == 4
    assert sorted(results(), key=lambda row: row["key"]) == results()
    for row in results():
        assert first[row["video"] if row["video"].startswith("videos/") else f"videos/{row['video']}"] == 16384
    photos.rename("elsewhere")
    assert main(["batch", "elsewhere", *FILM, *BUCKETS]) == 0
    assert (len(sandbox.created), stored()) == (4, first)
    Path("elsewhere/room 1.JPG").write_bytes(JPEG + b"tidied up")
    assert main(["batch", "elsewhere", *FILM, *BUCKETS, "--yes"]) == 0
    assert len(sandbox.created) == 5
    assert sorted(path.name for path in Path("videos").iterdir() if path.suffix == ".mp4") == []


@pytest.mark.usefixtures("s3")
def test_a_table_names_files_beside_it(service: Start, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By a key of its own each job keeps its picture: another one under it is refused, before anything is spent."""
    sandbox = service()
    lines = ["key,image_url,last_image_url", "day,room 0.JPG,room 1.JPG", "web,https://example.com/a.jpg,"]
    (photos / "rooms.csv").write_text("\n".join(lines))
    assert main(["batch", "photos/rooms.csv", *FILM, *BUCKETS, "--yes"]) == 0
    assert main(["batch", "photos/rooms.csv", *FILM, *BUCKETS]) == 0
    assert len(sandbox.created) == 2
    (echo,) = [receipt.input for receipt in sandbox.created if "lastImageUrl" in receipt.input]
    assert "X-Amz-Signature=" in echo["imageUrl"]
    assert "X-Amz-Signature=" in echo["lastImageUrl"]
    assert main(["batch", "videos/results.jsonl", *BUCKETS]) == 0
    (photos / "room 1.JPG").write_bytes(JPEG + b"tidied up")
    capsys.readouterr()
    assert main(["batch", "photos/rooms.csv", *FILM, *BUCKETS, "--yes"]) == 2
    assert "key 'day' was used for another request" in capsys.readouterr().err
    assert len(sandbox.created) == 2


def test_pictures_may_be_named_one_by_one(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """And by a pattern; a file of jobs beside them is one still."""
    service()
    Path("urls.txt").write_text("https://example.com/a.jpg\n")
    names = ["photos/room 0.JPG", "photos/room [12].JPG", "urls.txt"]
    assert main(["batch", *names, *FILM, *BUCKETS, "--dry-run"]) == 0
    assert "4 jobs, 4 to make for 40 credits" in capsys.readouterr().out


def test_a_dry_run_asks_nothing_of_a_bucket(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """There are no keys, and no bucket; it tells the price all the same."""
    sandbox = service()
    assert main(["batch", "photos", *FILM, *BUCKETS, "--dry-run"]) == 0
    assert "4 jobs, 4 to make for 40 credits" in capsys.readouterr().out
    assert sandbox.created == []


def test_an_estimate_needs_no_bucket(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor the extra for one: prices are known."""
    assert main(["estimate", "photos", *FILM, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["credits"] == 40
    Path("rooms.csv").write_text("image_url,last_image_url\nphotos/room 0.JPG,photos/room 1.JPG\n")
    assert main(["estimate", "rooms.csv", "photos/room 2.JPG", *FILM]) == 0
    assert "20" in capsys.readouterr().out
    Path("rooms.csv").write_text("image_url\nphotos/missing.jpg\n")
    assert main(["estimate", "rooms.csv", *FILM]) == 2
    assert "missing.jpg cannot be read: No such file" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["photos"], "--upload-to s3://bucket/folder"),
        (["photos/room 0.JPG"], "--upload-to s3://bucket/folder"),
        (["photos", "--upload-to", "photos"], "use s3://, gs:// or az://"),
        (["photos", "--upload-to", "file:///srv"], "the service cannot fetch: use s3://, gs:// or az://"),
        (["photos", "--upload-to", "s3://b?secret=x"], "no secrets and no query: use the environment"),
        (["photos", "--out", "ftp://videos"], "use s3://"),
        (["photos", *BUCKETS, "--gallery"], "leave it out"),
        (["photos", "--prepare"], "name --upload-to too"),
        (["empty", *BUCKETS], "no pictures in this folder"),
        (["missing.csv", *BUCKETS], "missing.jpg cannot be read: No such file"),
        (["text.csv", *BUCKETS], "is no picture"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_spent(
    service: Start, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    """With the fix."""
    sandbox = service()
    Path("empty").mkdir()
    Path("missing.csv").write_text("image_url\nphotos/missing.jpg\n")
    Path("text.csv").write_text("image_url\nphotos/notes.txt\n")
    assert main(["batch", *options, *FILM, "--yes"]) == 2
    err = " ".join(capsys.readouterr().err.split())
    assert told in err
    assert not re.search(r"url=|profile=|config=|pathlib", err)
    assert sandbox.created == []


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_is_not_there_costs_nothing(service: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """The same command goes on when there is one."""
    sandbox = service()
    assert main(["batch", "photos", *FILM, "--upload-to", "s3://none", "--yes", *QUICK]) != 0
    assert "NoSuchBucket" in capsys.readouterr().err
    assert sandbox.created == []
    rows: list[dict[str, Any]] = [json.loads(line) for line in Path("videos/results.jsonl").read_text().splitlines()]
    assert {row["status"] for row in rows} == {"refused"}
