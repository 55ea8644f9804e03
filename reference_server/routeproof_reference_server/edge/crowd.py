"""All connections of clients together: how many there may be, and who goes where one more comes."""

from __future__ import annotations

from typing import Protocol, final


class Member(Protocol):
    """A connection, as the crowd sees it."""

    def make_room(self) -> None:
        """Close it, which asks nothing; what it was told before still reaches it."""
        ...


@final
class Crowd:
    """Where it is full, a newcomer takes the place of whoever has asked nothing for the longest time.

    So connections that are opened and left half open cannot shut others out, however many there are: only requests
    can, and those are counted and bounded elsewhere.
    """

    def __init__(self, *, connections_max: int) -> None:
        self._connections_max = connections_max
        self._members: set[Member] = set()
        self._idle: dict[Member, None] = {}  # the longest first

    def __len__(self) -> int:
        return len(self._members)

    def join(self, member: Member) -> bool:
        """Take *member* in; return whether there was, or could be made, a place."""
        if len(self._members) >= self._connections_max:
            longest = next(iter(self._idle), None)
            if longest is None:
                return False
            self.leave(longest)
            longest.make_room()
        self._members.add(member)
        self._idle[member] = None
        return True

    def leave(self, member: Member) -> None:
        """Forget *member*, who has gone; whoever never joined may leave too."""
        self._members.discard(member)
        self._idle.pop(member, None)

    def is_idle(self, member: Member, *, idle: bool) -> None:
        """*member* is asking something, or has been answered."""
        self._idle.pop(member, None)
        if idle and member in self._members:
            self._idle[member] = None
