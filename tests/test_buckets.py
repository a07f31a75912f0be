"""Photographs get a URL in a bucket of the user's, and videos are delivered there."""

import base64
import email.utils
import hashlib
import hmac
import importlib
import json
import math
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from fakes import BASE_URL, KEY, Service, answer

from ideal_async import AsyncClient, ImageToVideo, UploadFailed

pytest.importorskip("obstore", reason="pip install 'ideal-async[buckets]'")
from ideal_async.buckets import Bucket
from ideal_async.buckets._store import speaking

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("real_time")]

#: Of Azurite, for everybody to know.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(range(256)) * 40
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
MP4 = b"\0\0\0\x20ftypisom" + bytes(9000)

Make = Callable[..., Bucket]
SERVED = pytest.mark.slow  # by a real server


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, s3_url: str, tmp_path: Path) -> Make:
    """Moto, as the environment tells it."""
    httpx.put(f"{s3_url}/photos").raise_for_status()
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CREDENTIAL_EXPIRATION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "one")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "two")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return partial(Bucket, "s3://photos/tour", scratch=tmp_path / "scratch")


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch, azurite_url: str, tmp_path: Path) -> Make:
    """Azurite, as the environment tells it."""
    container = f"photos{abs(hash(tmp_path))}"
    make_container(azurite_url, container)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", ACCOUNT_KEY)
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", azurite_url)
    return partial(Bucket, f"az://{container}/tour", scratch=tmp_path / "scratch")


def make_container(url: str, name: str) -> None:
    """Signed by hand: obstore makes none."""
    headers = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": "2020-04-08"}
    canonical = "".join(f"{key}:{value}\n" for key, value in headers.items())
    text = "PUT" + "\n" * 12 + canonical + f"/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    signature = base64.b64encode(hmac.new(base64.b64decode(ACCOUNT_KEY), text.encode(), "sha256").digest()).decode()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{signature}"
    httpx.put(f"{url}/{name}?restype=container", headers=headers).raise_for_status()


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Make]:
    """A stand-in for Google's, which checks signatures; its account is a file, as the environment tells."""
    pytest.importorskip("cryptography", reason="pip install 'moto[server]'")
    google_store = importlib.import_module("google_store")
    for name in ("GOOGLE_SERVICE_ACCOUNT_KEY", "GOOGLE_SERVICE_ACCOUNT_PATH", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    with google_store.open_google("photos") as server:
        (tmp_path / "account.json").write_text(server.account)
        monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(tmp_path / "account.json"))
        monkeypatch.setenv("GOOGLE_BASE_URL", server.url)
        yield partial(Bucket, "gs://photos/tour", scratch=tmp_path / "scratch")


@SERVED
async def test_who_may_not_list_may_publish_all_the_same(google: Make, tmp_path: Path) -> None:
    """What is not there is a 403 to them; what is there is put once."""
    google_store = importlib.import_module("google_store")
    with google_store.open_google("photos") as server:
        server.may_list = False
        (tmp_path / "account.json").write_text(server.account)
        bucket = google(config={"base_url": server.url})
        for _ in range(2):
            assert (await get(await bucket.publish(photo(tmp_path)))).content == JPEG
        assert [asked.partition(" ")[0] for asked in server.asked] == ["HEAD", "PUT", "GET", "HEAD", "GET"]
        assert not (bucket / "video.mp4").holds("7/video")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Make]:
    """A folder, shown by a web server."""
    place = tmp_path / "shown photos"
    place.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(place))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        yield partial(Bucket, place.as_uri(), url=url, scratch=tmp_path / "scratch")
        server.shutdown()
        thread.join()


@pytest.fixture(params=[*(pytest.param(name, marks=SERVED) for name in ("s3", "azure", "google")), "folder"])
def make(request: pytest.FixtureRequest) -> Make:
    """One of each kind."""
    found: Make = request.getfixturevalue(request.param)
    return found


async def get(url: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(url)


def photo(tmp_path: Path, content: bytes = JPEG, name: str = "room.jpg") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


# Photographs in


async def test_a_photograph_gets_a_url_for_everybody(make: Make, tmp_path: Path) -> None:
    """Named by its content, whatever it is called; its media type is what its bytes say."""
    bucket = make()
    url = await bucket.publish(photo(tmp_path))
    answer = await get(url)
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, JPEG, "image/jpeg")
    assert urlsplit(url).path.endswith(f"/{hashlib.sha256(JPEG).hexdigest()}.jpg")
    png = await bucket.publish(str(photo(tmp_path, PNG, "png.jpg")))
    assert (await get(png)).headers["Content-Type"] == "image/png"


async def test_the_same_photograph_is_stored_once(make: Make, tmp_path: Path) -> None:
    """Under any name and in any run: what is there is not put again; the URL is the same but for the signature."""
    first = await make().publish(photo(tmp_path))
    bucket = make()
    name = first.partition("?")[0].rpartition("/")[2]
    bucket._store.put(name, b"\xff\xd8\xffmarked by hand", "image/jpeg")
    again = await bucket.publish(photo(tmp_path, name="other.jpeg"))
    assert (await get(again)).content == b"\xff\xd8\xffmarked by hand"
    assert again.partition("?")[0] == first.partition("?")[0]
    assert await bucket.publish(photo(tmp_path, JPEG + b"edited")) != again


async def test_many_are_published_at_once(make: Make, tmp_path: Path) -> None:
    """Two of each, in threads, and not all of them together."""
    bucket = make()
    urls: list[str] = []

    async def publish(number: int) -> None:
        urls.append(await bucket.publish(photo(tmp_path, JPEG + bytes([number % 6]), f"{number}.jpg")))

    async with anyio.create_task_group() as tasks:
        for number in range(12):
            tasks.start_soon(publish, number)
    assert len({url.partition("?")[0] for url in urls}) == 6


@pytest.mark.parametrize(
    ("content", "fix"),
    [
        (b"<html>", "is no picture"),
        (b"", "is no picture"),
        (MP4, "is no picture"),
        (b"\0\0\0\x18ftypheic", "pass prepare=True"),
    ],
)
async def test_what_is_no_photograph_is_not_published(folder: Make, tmp_path: Path, content: bytes, fix: str) -> None:
    """Its name says nothing."""
    with pytest.raises(ValueError, match=fix):
        await folder().publish(photo(tmp_path, content))


async def test_a_photograph_that_is_not_there_or_far_too_large(folder: Make, tmp_path: Path) -> None:
    """Told by the system, or before it is read."""
    with pytest.raises(FileNotFoundError):
        await folder().publish(tmp_path / "missing.jpg")
    with photo(tmp_path).open("r+b") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(ValueError, match="67108865 bytes, which is no photograph"):
        await folder().publish(tmp_path / "room.jpg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes on this system")
async def test_a_pipe_is_no_photograph(folder: Make, tmp_path: Path) -> None:
    """Nobody may ever write into it, and a thread that reads it cannot be called off."""
    os.mkfifo(tmp_path / "room.jpg")
    with pytest.raises(ValueError, match="is no file that can be read again: copy the picture into one"):
        await folder().publish(tmp_path / "room.jpg")


async def test_a_photograph_that_changes_meanwhile_is_not_published(folder: Make, tmp_path: Path) -> None:
    """Its address was told: another picture there would be another video under the same key."""
    bucket, path = folder(), photo(tmp_path)
    address = bucket.address(path)
    path.write_bytes(PNG)
    with pytest.raises(ValueError, match="was changed while it was being published"):
        bucket.put(path, address)


@SERVED
async def test_a_bucket_that_is_not_there_is_told_without_secrets(s3: Make, tmp_path: Path) -> None:
    """In the store's words."""
    del s3
    with pytest.raises(UploadFailed, match=r"room.jpg could not be published in s3://none: .*NoSuchBucket") as caught:
        await Bucket("s3://none").publish(photo(tmp_path))
    assert caught.value.path == str(tmp_path / "room.jpg")
    assert "two" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file stands in its place."""
    photo(tmp_path, name="folder")
    bucket = Bucket(f"{tmp_path.as_uri()}/folder", url="https://photos.example")
    with pytest.raises(UploadFailed, match="could not be published"):
        await bucket.publish(photo(tmp_path))
    path = bucket / "room.mp4"
    assert not path.holds("7/video")


# Keys and lifetimes


@pytest.mark.parametrize(
    ("place", "options", "fix"),
    [
        ("photos", {}, "use s3://, gs:// or az://"),
        ("http://photos.example", {}, "use s3://"),
        ("s3:///tour", {}, "use s3://"),
        ("s3://photos", {"url": "https://photos.example"}, "is no place"),
        ("s3://key:secret@photos", {}, "holds no secrets"),
        ("az://photos?sig=1", {}, "holds no secrets"),
        ("file:///srv/photos", {}, "needs url="),
        ("file:///srv/photos", {"url": "ftp://photos"}, "needs url="),
        ("file://srv/photos", {"url": "https://photos.example"}, "three slashes"),
        ("file:///", {"url": "https://photos.example"}, "three slashes"),
        ("s3://photos", {"lifetime": 0}, "positive number of seconds"),
        ("s3://photos", {"lifetime": 604_801}, r"for 604800 seconds \(a week\) at most"),
        ("gs://photos", {"lifetime": 1e7}, "a week"),
    ],
)
def test_a_place_that_cannot_be_is_refused(place: str, options: dict[str, Any], fix: str) -> None:
    """Before anything is asked of anybody, with the fix."""
    with pytest.raises(ValueError, match=fix):
        Bucket(place, **options)


@pytest.mark.parametrize(
    "wrong",
    [
        {"place": Path("/srv/photos")},
        {"place": None},
        {"lifetime": "3600"},
        {"lifetime": True},
        {"prepare": "yes"},
        {"url": 5},
        {"profile": 5},
        {"config": "endpoint"},
        {"scratch": 5},
    ],
)
def test_a_setting_of_another_kind_is_refused(wrong: dict[str, Any]) -> None:
    """When the bucket is made, and not by the first photograph."""
    with pytest.raises(TypeError, match=f"{next(iter(wrong))} is|os.PathLike"):
        Bucket(**({"place": "s3://photos"} | wrong))


@pytest.mark.parametrize("lifetime", [math.nan, math.inf, -1, 1e300])
def test_a_lifetime_has_an_end(lifetime: float) -> None:
    """Also where the store sets none."""
    with pytest.raises(ValueError, match="a century at most"):
        Bucket("az://photos", lifetime=lifetime)


def test_a_bucket_may_go_to_another_process(tmp_path: Path) -> None:
    """Outcomes hold one; it looks for its keys again there."""
    bucket = Bucket("s3://photos/tour/", lifetime=60, config={"region": "auto"}, scratch=tmp_path)
    place = pickle.loads(pickle.dumps(bucket / "videos" / "a.mp4"))  # noqa: S301 - our own
    assert place == bucket / "videos/a.mp4"
    assert repr(place.bucket) == repr(bucket)
    assert place.local("7") == (bucket / "videos/a.mp4").local("7")


@pytest.mark.parametrize("place", ["s3://photos", "gs://photos/a", "az://photos/a", "abfss://photos@account/a"])
def test_a_place_is_not_visited_before_it_is_used(place: str) -> None:
    """Nor are keys looked for; a repr holds none."""
    assert repr(Bucket(place, lifetime=604_800)) == f"Bucket({place!r}, lifetime=604800, prepare=None)"


@SERVED
@pytest.mark.parametrize(
    "session",
    [
        *((None, 3600, True), (None, 86_400, False), (7200, 3600, True), (1800, 3600, False)),
        *(("soon", 3600, True), ("soon", 3601, False), ("2099-01-01T00:00:00", 86_400, True)),
    ],
)
async def test_a_signature_does_not_outlive_its_keys(
    s3: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, session: tuple[float | str | None, float, bool]
) -> None:
    """A longer lifetime than the session's is an error, not a promise; without a known end an hour is believed."""
    ends_in, lifetime, good = session
    monkeypatch.setenv("AWS_SESSION_TOKEN", "three")
    if isinstance(ends_in, int):
        ends_in = (datetime.now(UTC) + timedelta(seconds=ends_in)).isoformat()
    if isinstance(ends_in, str):
        monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", ends_in)
    bucket = s3(lifetime=lifetime)
    if good:
        assert (await get(await bucket.publish(photo(tmp_path)))).content == JPEG
    else:
        with pytest.raises(ValueError, match=f"lifetime={lifetime} seconds is beyond"):
            await bucket.publish(photo(tmp_path))


@SERVED
async def test_the_keys_of_a_profile_are_used(s3: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read by boto3, where the environment names a profile or the call does; what cannot be is told."""
    pytest.importorskip("boto3")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    (tmp_path / "config").write_text("[profile tour]\nregion = eu-west-1\n[profile empty]\nregion = eu-west-1\n")
    (tmp_path / "credentials").write_text("[tour]\naws_access_key_id = AKIATOUR\naws_secret_access_key = x\n")
    url = await s3(profile="tour").publish(photo(tmp_path))
    assert "X-Amz-Credential=AKIATOUR%2F" in url
    assert "eu-west-1" in url
    for profile, words in (("none", "could not be found"), ("empty", "holds no keys")):
        with pytest.raises(UploadFailed, match=words):
            await s3(profile=profile).publish(photo(tmp_path))
    with pytest.raises(UploadFailed):  # a service's own identity is asked for, and there is none here
        await Bucket("s3://photos", config={"metadata_endpoint": "http://127.0.0.1:9"}).publish(photo(tmp_path))


@SERVED
@pytest.mark.parametrize("place", ["s3://photos/tour", "S3://photos/tour"])
async def test_keys_among_the_settings_are_nearer_than_a_profile(
    s3: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Of a bucket elsewhere, such as R2, while boto3 finds keys of Amazon's."""
    pytest.importorskip("boto3")
    del s3
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = AKIAAMAZON\naws_secret_access_key = x\n")
    assert "Credential=AKIAAMAZON%2F" in await Bucket(place).publish(photo(tmp_path))
    keys = {"access_key_id": "R2", "secret_access_key": "y"}
    assert "Credential=R2%2F" in await Bucket(place, config=keys).publish(photo(tmp_path))


@SERVED
async def test_an_endpoint_may_be_a_setting(
    s3: Make, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As obstore names it."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    url = await s3(config={"endpoint": s3_url}).publish(photo(tmp_path))
    assert url.startswith(f"{s3_url}/photos/tour/")


@SERVED
@pytest.mark.parametrize(
    ("place", "config"),
    [
        ("s3://photos/tour", {"region": "auto"}),  # as R2 has it
        ("s3://photos/tour", {"virtual_hosted_style_request": "false"}),  # as MinIO has it; the default, too
        ("s3://photos/tour", {"checksum_algorithm": "SHA256", "timeout": "30s"}),
        ("s3://photos/tour", {"aws_endpoint_url": ""}),
        ("s3a://photos", {}),
        ("s3://photos/spring tour/été+1", {}),
    ],
)
@pytest.mark.usefixtures("s3")
async def test_the_kin_of_s3(
    s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, config: dict[str, str]
) -> None:
    """MinIO, R2 and others: another endpoint, another style; both ends work."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    endpoint = {} if "aws_endpoint_url" in config else {"endpoint": s3_url}
    settings = {name: value or s3_url for name, value in (config | endpoint).items()}
    bucket = Bucket(place, config=settings, scratch=tmp_path / "scratch")
    url = await bucket.publish(photo(tmp_path))
    assert url.startswith(f"{s3_url}/photos/")
    assert (await get(url)).content == JPEG
    target = bucket / "vidéos" / "order 42.mp4"
    target.local("7/video").write_bytes(MP4 + bytes(9 << 20))
    target.deliver(target.local("7/video"), "video/mp4", "7/video")
    assert target.holds("7/video")


@pytest.mark.parametrize(
    ("config", "allow", "told"),
    [
        ({"endpoint": "http://0.0.0.0:9"}, "", r"plain http: use https, or config=\{'allow_http': 'true'\}"),
        ({"endpoint": "http://0.0.0.0:9", "allow_http": "true"}, "", "error sending request"),
        ({"endpoint": "http://0.0.0.0:9"}, "true", "error sending request"),
        ({"nonsense": "1"}, "", "'nonsense' is not valid for store 'S3'"),
        ({"endpoint": "127.0.0.1:9000"}, "", "Unable to parse url"),
        ({"user_agent": "me"}, "", "aws_"),  # a panic of obstore's, which is no `Exception`
    ],
)
async def test_a_setting_that_cannot_be_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, str], allow: str, told: str
) -> None:
    """In one line with the fix; nothing but an `UploadFailed` ever comes out."""
    monkeypatch.setattr("ideal_async.buckets._cloud._RETRY", {"max_retries": 0})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "one")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "two")
    monkeypatch.setenv("AWS_ALLOW_HTTP", allow)
    with pytest.raises(UploadFailed, match=told) as caught:
        await Bucket("s3://photos", config=config).publish(photo(tmp_path))
    assert "\n" not in str(caught.value)


@SERVED
async def test_keys_of_somebody_else_are_told_without_them(google: Make, tmp_path: Path) -> None:
    """Google's server checks who signed; so does the stand-in."""
    account = json.loads((tmp_path / "account.json").read_text())
    pem = account["private_key"]
    google_store = importlib.import_module("google_store")
    with google_store.open_google() as other:
        account["private_key"] = json.loads(other.account)["private_key"]
    (tmp_path / "account.json").write_text(json.dumps(account))
    with pytest.raises(UploadFailed, match="403 Forbidden") as caught:
        await google().publish(photo(tmp_path))
    assert "PRIVATE" not in str(caught.value)
    account["private_key"] = pem.replace("A", "B")
    (tmp_path / "account.json").write_text(json.dumps(account))
    with pytest.raises(UploadFailed, match=r"room\.jpg could not be published") as caught:
        await google().publish(photo(tmp_path))
    assert pem[100:120] not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "Error performing PUT http://169.254.169.254/latest/api/token in 3 s",
        "Error performing GET http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/email",
        "Error performing GET http://169.254.169.254/metadata/identity/oauth2/token",
        "Generic MicrosoftAzure error: Account must be specified",
    ],
)
def test_where_no_keys_are_found_the_fix_is_told(text: str) -> None:
    """A store looks for a machine's own identity last, and a laptop has none."""
    with pytest.raises(OSError, match="no keys were found: set AWS_ACCESS_KEY_ID"), speaking():
        raise RuntimeError(f"{text}\n\nDebug source: all of it")


def test_a_store_that_says_a_lot_is_quoted_shortly() -> None:
    """In time that grows with its length only."""
    with pytest.raises(OSError, match="aaa") as caught, speaking():
        raise RuntimeError("a" * 3_000_000)
    assert len(str(caught.value)) <= 500


def test_what_is_no_word_of_a_store_goes_through() -> None:
    """Ctrl-C, for example."""
    with pytest.raises(KeyboardInterrupt), speaking():
        raise KeyboardInterrupt


@SERVED
async def test_azure_is_given_no_url_that_it_refuses(azure: Make, tmp_path: Path) -> None:
    """A name with blanks is signed otherwise than Azure does: that is an error now, not when the task is paid."""
    bucket = azure()
    with pytest.raises(ValueError, match="only ASCII, and no blanks"):
        bucket.sign(bucket.address_of("spring tour.jpg"))
    container = str(bucket).split("/")[2]
    with pytest.raises(ValueError, match="only ASCII, and no blanks"):
        await Bucket(f"az://{container}/spring tour").publish(photo(tmp_path))
    target = bucket / "videos" / "é 1.mp4"  # nobody needs a URL of that
    target.local("7/video").write_bytes(MP4)
    target.deliver(target.local("7/video"), "video/mp4", "7/video")
    assert target.holds("7/video")


async def test_a_picture_may_lie_in_a_bucket_already(make: Make, tmp_path: Path) -> None:
    """It is signed just before the request is sent, whatever it is called; nothing is published."""
    bucket = make()
    name = "1+2.jpg" if str(bucket).startswith("az:") else "été 1+2.jpg"
    bucket._store.put(f"rooms/{name}", JPEG, "image/jpeg")
    service = Service(submit=answer(7))
    room = ImageToVideo(bucket / "rooms" / name, duration=5, resolution="480p")
    async with AsyncClient(KEY, base_url=BASE_URL, transport=service, uploads=bucket) as client:
        assert await client.submit(room, key="a") == 7
    assert (await get(service.submits[0]["imageUrl"])).content == JPEG
    assert "?" not in room.image_url
    async with AsyncClient(KEY, base_url=BASE_URL, transport=service) as client:
        with pytest.raises(ValueError, match=r"lies in a bucket, and has to be signed: pass AsyncClient\(uploads="):
            await client.submit(room)
    other = Bucket(tmp_path.as_uri(), url="https://photos.example")
    async with AsyncClient(KEY, base_url=BASE_URL, transport=service, uploads=other) as client:
        with pytest.raises(ValueError, match="does not lie in file:"):
            await client.submit(room)
    assert len(service.submits) == 1


# Videos out


async def test_a_video_is_delivered_whole(make: Make) -> None:
    """In one put, of several parts if it is large; it bears the mark of its task; nothing of it is left here."""
    bucket = make()
    target = bucket / "videos" / "order-42.mp4"
    mark = "https://api.ideal.house:443 7/video"
    assert not target.holds(mark)
    local = target.local(mark)
    content = MP4 + bytes(20 << 20)
    local.write_bytes(content)
    target.deliver(local, "video/mp4", mark)
    assert not local.exists()
    assert (bucket / "videos/order-42.mp4").holds(mark)
    assert not target.holds("https://api.ideal.house:443 8/video")
    url = bucket._store.sign(target.name, 60)
    assert (await get(url)).content == content


def test_a_name_in_a_bucket_stays_in_it() -> None:
    """Words between single slashes."""
    bucket = Bucket("s3://photos/tour/")
    assert str(bucket / "a" / "b/c.mp4") == "s3://photos/tour/a/b/c.mp4"
    assert bucket / "a" / "b" == bucket / "a/b" != bucket / "a"
    assert len({bucket / "a", Bucket("s3://photos/tour") / "a"}) == 1
    for name in ("", "/a", "a/", "a//b", "../a", "a/./b", "a\nb"):
        with pytest.raises(ValueError, match="is no name in a bucket"):
            bucket / name


def test_what_waits_for_delivery_is_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the system's temporary folder, unless told otherwise; a folder that somebody else laid there is not used."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    bucket = Bucket("s3://photos")
    scratch = bucket.scratch
    assert scratch.parent == tmp_path
    assert scratch.stat().st_mode & 0o777 == 0o700
    assert (bucket / "a").local("1") != (bucket / "a").local("2")
    scratch.rmdir()
    (tmp_path / "theirs").mkdir()
    scratch.symlink_to(tmp_path / "theirs")
    with pytest.raises(PermissionError, match="pass scratch="):
        _ = bucket.scratch


# Keys that end, stores that fail


@SERVED
@pytest.mark.parametrize(("minutes", "good"), [("20, 300", True), ("20, 20", False), ("300", True)])
async def test_keys_that_end_too_soon_are_renewed_once(
    s3: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minutes: str, good: bool
) -> None:
    """A session that was used for a while ends before a new one."""
    pytest.importorskip("boto3")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    (tmp_path / "keys.py").write_text(
        "import datetime, json, pathlib\n"
        f"calls = pathlib.Path({str(tmp_path / 'calls')!r})\n"
        "calls.write_text(calls.read_text() + '.' if calls.exists() else '.')\n"
        f"minutes = ({minutes},)\n"
        "left = datetime.timedelta(minutes=minutes[min(len(calls.read_text()), len(minutes)) - 1])\n"
        "end = datetime.datetime.now(datetime.timezone.utc) + left\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': 'A', 'SecretAccessKey': 'B', 'SessionToken': 'C', "
        "'Expiration': end.isoformat()}))\n"
    )
    (tmp_path / "config").write_text(f"[profile role]\ncredential_process = {sys.executable} {tmp_path / 'keys.py'}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    bucket = s3(profile="role", lifetime=3600)
    if good:
        assert (await get(await bucket.publish(photo(tmp_path)))).content == JPEG
    else:
        with pytest.raises(ValueError, match="lifetime=3600 seconds is beyond"):
            await bucket.publish(photo(tmp_path))


async def test_a_profile_without_boto3_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what reads it; without a profile the store looks for keys itself."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.setattr("ideal_async.buckets._cloud.find_spec", lambda _: None)
    with pytest.raises(UploadFailed, match="pip install boto3"):
        await Bucket("s3://photos", profile="tour").publish(photo(tmp_path))
    with pytest.raises(UploadFailed):
        await Bucket("s3://photos", config={"metadata_endpoint": "http://127.0.0.1:9"}).publish(photo(tmp_path))


@SERVED
async def test_a_store_that_fails_later_is_told_as_well(s3: Make, tmp_path: Path) -> None:
    """When it is asked, when it takes a video, and when it signs."""
    bucket = s3()
    await bucket.publish(photo(tmp_path))

    class Down:
        """No store of obstore's."""

    bucket._store._store = Down()  # type: ignore[attr-defined]
    address = bucket.address_of(f"{'0' * 64}.jpg")
    for call in (lambda: bucket.put(tmp_path / "room.jpg", address), lambda: bucket.sign(address)):
        with pytest.raises(UploadFailed, match="could not be published"):
            call()
    fresh = s3()
    fresh._store._store = Down()  # type: ignore[attr-defined]
    with pytest.raises(UploadFailed, match=r"room\.jpg could not be published"):
        fresh.address(tmp_path / "room.jpg")
    with pytest.raises(UploadFailed, match="a photograph could not be published"):
        _ = (fresh / "room.jpg").address
    with pytest.raises(OSError, match="Down"):
        (bucket / "a").deliver(tmp_path / "room.jpg", "video/mp4", "1")


def test_a_folder_forgets_whose_a_file_was_before_it_takes_another(tmp_path: Path) -> None:
    """A crash between the two leaves no file with the note of another."""
    bucket = Bucket(tmp_path.as_uri(), url="https://photos.example", scratch=tmp_path)
    target = bucket / "videos" / "a.mp4"
    for mark in ("1", "2"):
        target.local(mark).write_bytes(MP4)
        target.deliver(target.local(mark), "video/mp4", mark)
    assert (target.holds("1"), target.holds("2")) == (False, True)
    (tmp_path / "videos" / ".a.mp4.task").unlink()
    assert not target.holds("2")


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    for name in ("", "._arguments", "._bucket", "._cloud", "._store"):
        monkeypatch.delitem(sys.modules, f"ideal_async.buckets{name}")
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(ImportError, match=r"pip install 'ideal-async\[buckets\]'"):
        importlib.import_module("ideal_async.buckets")
    monkeypatch.setitem(sys.modules, "ideal_async.buckets._photos", None)
    monkeypatch.delitem(sys.modules, "obstore")
    with pytest.raises(ModuleNotFoundError, match="_photos"):  # another one is not taken for it
        importlib.import_module("ideal_async.buckets")
