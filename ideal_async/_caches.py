"""Does a cache answer in the API's place? Then a wait never ends, however often it looks."""

#: Tasks that are followed for it: a cache ages the answers to all alike.
_TASKS = 100
#: Looks in a row whose answer has only become older. One is what any cache of a few seconds does.
_LOOKS = 2


class Ages:
    """Notices answers whose header `Age` grows while they stay the same (RFC 9111, 5.1)."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, bytes, int]] = {}
        self._told = False

    def only_older(self, task_id: int, age: str, content: bytes) -> bool:
        """Tell, once in a lifetime, that what answers is a cache.

        Args:
            task_id: That was looked at.
            age: The header, if there is one.
            content: The body.

        Example:
            >>> ages = Ages()
            >>> [ages.only_older(7, age, b"{}") for age in ("4", "9", "14", "19")]
            [False, False, True, False]
        """
        if self._told or not (age.isascii() and age.isdecimal()):
            return False
        seconds = int(age[:9])
        before, was, times = self._seen.pop(task_id, (seconds, content, 0))
        times = times + 1 if content == was and seconds > before else 0
        if len(self._seen) < _TASKS:
            self._seen[task_id] = seconds, content, times
        if times < _LOOKS:
            return False
        self._told, self._seen = True, {}
        return True
