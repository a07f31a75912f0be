"""The words that may be written, and the shapes of callbacks, for annotations of your own.

    >>> from typing import get_args
    >>> def choose(resolution: Resolution, length: Duration = 5) -> ImageToVideo:
    ...     return ImageToVideo("https://example.com/room.jpg", duration=length, resolution=resolution)
    >>> choose("720p").resolution, get_args(Resolution)
    ('720p', ('480p', '720p', '1080p'))

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
| `OnSubmit` | sync or async, takes a `Submission` | `on_submit=` |
| `OnProgress` | sync or async, takes a `Task` | `on_progress=` of `wait` and `generate` |
| `OnBatchProgress` | sync or async, takes a `Progress` | `on_progress=` of `batch` |
| `OnEnd` | sync or async, takes an `Entry` | `on_end=` of `AsyncClient` |
"""

from ._batch import Item
from ._callbacks import OnProgress, OnSubmit
from ._follow import OnEnd
from ._journal import State
from ._media import Media as Part
from ._models import Duration, ModelType, Resolution
from ._observer import Call, Fate
from ._window import OnBatchProgress

__all__ = [
    "Call",
    "Duration",
    "Fate",
    "Item",
    "ModelType",
    "OnBatchProgress",
    "OnEnd",
    "OnProgress",
    "OnSubmit",
    "Part",
    "Resolution",
    "State",
]
