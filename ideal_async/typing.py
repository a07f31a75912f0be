"""The words that may be written, and the shapes of callbacks, for annotations of your own.

    >>> from typing import get_args
    >>> def choose(resolution: Resolution, length: Duration = 5) -> ImageToVideo:
    ...     return ImageToVideo("https://example.com/room.jpg", duration=length, resolution=resolution)
    >>> choose("720p").resolution, get_args(Resolution)
    ('720p', ('480p', '720p', '1080p'))

What is no bucket of `ideal_async.buckets` may serve as one; here the folder of a web server:

    >>> import shutil
    >>> from pathlib import Path
    >>> class WebFolder:
    ...     def address(self, path: Path) -> str:
    ...         return f"https://pictures.example/{path.name}"
    ...     def put(self, path: Path, address: str) -> None:
    ...         shutil.copy(path, "/srv/pictures")
    ...     def sign(self, address: str) -> str:
    ...         return address
    >>> uploads: Uploads = WebFolder()
    >>> client = AsyncClient("your-key", uploads=uploads)
    >>> def order(picture: str | LocalPath | BucketName) -> ImageToVideo:
    ...     return ImageToVideo(picture, duration=5, resolution="720p")
    >>> def place_of(order: str, folder: Folder) -> Path | Target:
    ...     return folder / f"{order}.mp4"
    >>> place_of("order-42", Path("videos")).name
    'order-42.mp4'

| name | is | for |
|---|---|---|
| `Duration` | `5`, `10` | seconds of a video |
| `Resolution` | `"480p"`, `"720p"`, `"1080p"` | its height in pixels |
| `ModelType` | `"Flash"`, `"Base"` | the vendor's models |
| `Part` | `"video"`, `"cover"` | what `AsyncClient.download` brings |
| `State` | `"intended"`, `"submitted"`, `"succeeded"`, `"failed"`, `"refused"`, `"unknown"` | of an `Entry` |
| `Call` | `"submit"`, `"wait"`, `"download"` | what an `Observer` surrounds |
| `Fate` | `"submitted"`, `"refused"`, `"not_sent"`, `"unknown"` | what an `Observer` hears of a request |
| `Item` | an `ImageToVideo`, or a key (or `None`) and one | what `batch` takes |
| `LocalPath`, `BucketName` | a `pathlib.Path`, or a name in a bucket | a picture of an `ImageToVideo` |
| `Uploads` | `address`, `put` and `sign`, which block | `uploads=`, where pictures are published |
| `Folder` | what has places: `folder / name` | `save=`, where videos are kept |
| `Target` | `holds`, `local` and `deliver`, which block | a place that is no path, for `AsyncClient.download` |
| `OnSubmit` | sync or async, takes a `Submission` | `on_submit=` |
| `OnProgress` | sync or async, takes a `Task` | `on_progress=` of `wait` and `generate` |
| `OnBatchProgress` | sync or async, takes a `Progress` | `on_progress=` of `batch` |
| `OnEnd` | sync or async, takes an `Entry` | `on_end=` of `AsyncClient` |
"""

from ._batch import Item
from ._callbacks import OnProgress, OnSubmit
from ._delivery import Folder, Target
from ._follow import OnEnd
from ._journal import State
from ._media import Media as Part
from ._models import BucketName, Duration, LocalPath, ModelType, Resolution
from ._observer import Call, Fate
from ._photographs import Uploads
from ._window import OnBatchProgress

__all__ = [
    "BucketName",
    "Call",
    "Duration",
    "Fate",
    "Folder",
    "Item",
    "LocalPath",
    "ModelType",
    "OnBatchProgress",
    "OnEnd",
    "OnProgress",
    "OnSubmit",
    "Part",
    "Resolution",
    "State",
    "Target",
    "Uploads",
]
