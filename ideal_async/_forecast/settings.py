"""What a person may set about looking at tasks."""

import math

import attrs


def _positive(_: object, attribute: "attrs.Attribute[float]", value: float) -> None:
    if not 0.0 < value < math.inf:
        raise ValueError(f"{attribute.name} must be a positive number of seconds, not {value!r}")


@attrs.frozen(kw_only=True)
class Pacing:
    """How often to look at tasks; the defaults follow the vendor's advice of 5 to 10 seconds.

    Args:
        min_interval: least time between two looks at one task, seconds.
        max_interval: most time between two looks at one task, seconds, and so the longest an end can go unnoticed.
        look_cost: the delay that one look less is worth, seconds. Raise it to look less often.
        usual: what a task takes as long as nothing is known, seconds.

    Raises:
        ValueError: not positive, or *max_interval* under *min_interval*.

    >>> Pacing(min_interval=10.0)
    Pacing(min_interval=10.0, max_interval=60.0, look_cost=0.16666666666666666, usual=75.0)
    """

    min_interval: float = attrs.field(default=5.0, validator=_positive)
    max_interval: float = attrs.field(default=60.0, validator=_positive)
    look_cost: float = attrs.field(default=1 / 6, validator=_positive)
    usual: float = attrs.field(default=75.0, validator=_positive)

    def __attrs_post_init__(self) -> None:
        if self.max_interval < self.min_interval:
            raise ValueError(
                f"max_interval ({self.max_interval!r} s) must not be under min_interval ({self.min_interval!r} s)"
            )

    def accelerated(self, speed: float) -> "Pacing":
        """Return the same for a service *speed* times faster, such as `Sandbox(speed=...)`: all seconds are shorter.

        >>> Pacing().accelerated(10.0)
        Pacing(min_interval=0.5, max_interval=6.0, look_cost=0.016666666666666666, usual=7.5)
        """
        return Pacing(
            min_interval=self.min_interval / speed,
            max_interval=self.max_interval / speed,
            look_cost=self.look_cost / speed,
            usual=self.usual / speed,
        )
