"""The trail: links from a prediction, a version or a run back to all that led to it, each as it is found now."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mlops_provider.exceptions import MlopsError, NotFoundInStoreError

if TYPE_CHECKING:
    from collections.abc import Callable

State = Literal["whole", "missing", "damaged", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One link. `state`: whole; missing or damaged, and `wrong` says what; none: there was nothing to link to.

    `says` is a sentence for people, `data` is JSON.
    """

    name: str
    state: State = "whole"
    says: str = ""
    wrong: tuple[str, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """All links of one subject, from the prediction to the chain; `at` is when they were looked at."""

    subject: str
    at: str
    links: tuple[Link, ...]

    @property
    def broken(self) -> tuple[Link, ...]:
        """The links that are missing or damaged."""
        return tuple(link for link in self.links if link.state in {"missing", "damaged"})

    def link(self, name: str) -> Link:
        """Give a link by its name."""
        return next(link for link in self.links if link.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "subject": self.subject,
            "at": self.at,
            "whole": not self.broken,
            "broken": [link.name for link in self.broken],
            "links": {link.name: {k: v for k, v in asdict(link).items() if k != "name"} for link in self.links},
        }


def looked_at(name: str, look: Callable[[], Link]) -> Link:
    """Give the link that a look gives; where it fails, one that says what is missing or damaged: never none."""
    try:
        return look()
    except (NotFoundInStoreError, FileNotFoundError) as err:
        said = err.message if isinstance(err, MlopsError) else f"{err.filename or err} does not exist"
        return Link(name=name, state="missing", says=f"It is gone: {said}.", wrong=(said,))
    except (MlopsError, OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        said = err.message if isinstance(err, MlopsError) else f"{type(err).__name__}: {err}"
        return Link(name=name, state="damaged", says=f"It cannot be read: {said}.", wrong=(said,))


@dataclass(slots=True)
class Flaws:
    """What is wrong with the parts of a link."""

    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    def link(self, name: str, says: str, data: dict[str, Any]) -> Link:
        """Give the link: damaged where any part is, else missing where one is, else whole."""
        state: State = "damaged" if self.damaged else "missing" if self.missing else "whole"
        return Link(name=name, state=state, says=says, wrong=(*self.damaged, *self.missing), data=data)

    def watch(self, what: str, look: Callable[[], object]) -> bool:
        """Look at a part; where that fails, note what is missing or damaged and give False."""
        found = looked_at(what, lambda: Link(name=what, data={"": look()}))
        if found.state == "whole":
            return True
        (self.missing if found.state == "missing" else self.damaged).extend(f"{what}: {each}" for each in found.wrong)
        return False
