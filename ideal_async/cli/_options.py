"""What several commands take: where jobs are, the fields of a request, and the groups of their options."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs
from cyclopts import Group, Parameter, Token

from ._words import STDIN


def _as_written(_: object, tokens: Sequence[Token]) -> Any:
    """Take a word for what it is; a URL is no path, and would lose a slash as one."""
    return "-" if tokens[0].value == STDIN else tokens[0].value


#: Where jobs are. It is called a path so that a shell completes the names of files.
Source = Annotated[Path, Parameter(converter=_as_written)]

VIDEO = Group("The video", help="Of a batch: for the rows that name none of their own.", sort_key=1)
MONEY = Group("Money", sort_key=2)
FILES = Group("Files", sort_key=3)
PACE = Group("Pace", sort_key=4)
SCREEN = Group("Screen", sort_key=5)


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Fields:
    """The fields of a request, but for the picture; of a batch, for the rows that leave them out."""

    duration: Annotated[Literal[5, 10] | None, Parameter(group=VIDEO, help="Seconds of video.")] = None
    resolution: Annotated[
        Literal["480p", "720p", "1080p"] | None, Parameter(group=VIDEO, help="Height of the video.")
    ] = None
    model_type: Annotated[
        Literal["Flash", "Base"] | None, Parameter(group=VIDEO, help="Flash is faster, Base can make sound.")
    ] = None
    generate_audio: Annotated[bool | None, Parameter(group=VIDEO, help="Background sound; only with Base.")] = None
    prompt: Annotated[str | None, Parameter(group=VIDEO, help="What should move, and how.")] = None
    last_image_url: Annotated[
        str | None, Parameter(group=VIDEO, help="The last frame: the video goes from the picture to this one.")
    ] = None

    def given(self) -> dict[str, Any]:
        """Tell the fields that were given."""
        return {name: value for name, value in attrs.asdict(self).items() if value is not None}


Json = Annotated[bool, Parameter(name="--json", negative=(), show_default=False, group=SCREEN)]
Yes = Annotated[bool, Parameter(name=("--yes", "-y"), negative=(), show_default=False, group=MONEY)]
Flag = Parameter(negative=(), show_default=False)
