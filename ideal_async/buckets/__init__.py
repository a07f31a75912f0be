"""Photographs in, videos out: a bucket of yours at both ends (extra `buckets`; for `prepare=` also `photos`).

A `Bucket` is a folder in S3 (or R2, MinIO and other kin), Google Cloud Storage or Azure, or a plain folder that some
web server shows. Here it is such a folder, and the service a sandbox, so that the examples run as they stand:

    >>> import anyio, tempfile
    >>> from pathlib import Path
    >>> from ideal_async.sandbox import Sandbox
    >>> folder = Path(tempfile.mkdtemp())
    >>> photo = folder / "room.jpg"
    >>> size = photo.write_bytes(bytes.fromhex("ffd8ffe0") + b" a photograph")
    >>> bucket = Bucket(folder.as_uri(), url="https://example.com/tour")  # or "s3://photos/tour"
    >>> sandbox = Sandbox(render=False, speed=1000)

A photograph gets a URL that the service can fetch, named by what is in it:

    >>> anyio.run(bucket.publish, photo).rpartition("/")[2]
    'f96789ffffb5fb852a77b1a6ae1ab5ca37d7b9015db77bbe220ab4043efd0771.jpg'

A client with `uploads=` does that by itself, and a video may go to a name in the bucket:

    >>> async def make_one():
    ...     async with AsyncClient("sandbox", transport=sandbox.transport, uploads=bucket) as client:
    ...         task = await client.generate(ImageToVideo(photo, duration=5, resolution="480p"))
    ...         return await client.download(task, bucket / "videos" / "order-42.mp4")
    >>> anyio.run(make_one).name
    'videos/order-42.mp4'

So does a batch; with a journal, the same again pays nothing and brings what is missing:

    >>> async def make_all():
    ...     rooms = {path.stem: ImageToVideo(path, duration=5, resolution="480p") for path in folder.glob("room*.jpg")}
    ...     with Journal(folder / "tour.journal") as journal:
    ...         ends = {"uploads": bucket, "journal": journal}
    ...         async with AsyncClient("sandbox", transport=sandbox.transport, **ends) as client:
    ...             async with batch(client, rooms.items(), save=bucket / "videos") as outcomes:
    ...                 return [outcome.key async for outcome in outcomes if outcome.file]
    >>> anyio.run(make_all), anyio.run(make_all), len(sandbox.created)
    (['room'], ['room'], 2)

Keys are found as the store's own tools find them:

| store | keys | rights |
|---|---|---|
| `s3://` | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`; a profile (boto3); a role | get, put |
| `gs://` | `GOOGLE_APPLICATION_CREDENTIALS`, the file of a service account | get, create |
| `az://` | `AZURE_STORAGE_ACCOUNT_NAME`, `AZURE_STORAGE_ACCOUNT_KEY` | read, write |

For R2 and MinIO add their address: `AWS_ENDPOINT_URL`, or `config={"endpoint": "https://..."}`. A large video is put in
parts; a process that is killed meanwhile may leave some, which nobody sees: a lifecycle rule of the store
(`AbortIncompleteMultipartUpload`) tidies them up.
"""

try:
    from ._bucket import Bucket, BucketPath
except ModuleNotFoundError as error:
    if error.name != "obstore":
        raise
    raise ImportError("buckets need obstore: pip install 'ideal-async[buckets]'") from error
from ._photos import Fit

__all__ = ["Bucket", "BucketPath", "Fit"]
