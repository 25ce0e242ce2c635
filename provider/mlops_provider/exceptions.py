"""The errors of the provider. Each class takes values, builds its sentence and says whether a retry makes sense."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


UNDONE = "as before"
"""Stands in the message of a failure that put back what ran before."""


class MlopsError(Exception):
    """Root of all errors that the provider raises on purpose."""

    retryable: ClassVar[bool] = False
    """True where the same call may succeed later; operators never retry the others."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message}\n  hint: {hint}" if hint else message)


class ConfigError(MlopsError):
    """A phase's configuration is wrong in a way that only shows at run time (a rendered value, a missing setting)."""


class ExpressionError(MlopsError):
    """An expression does not parse, uses something that is not allowed, or meets a missing or non-finite value."""

    def __init__(self, expression: str, reason: str, *, column: int | None = None, hint: str = "") -> None:
        self.expression = expression
        self.reason = reason
        self.column = column
        super().__init__(f"expression '{expression}': {reason}", hint=hint)


class ImportNotAllowedError(MlopsError):
    """A dotted name in a workflow lies outside the prefixes that the deployment allows."""

    def __init__(self, name: str, allowed: Iterable[str]) -> None:
        self.name = name
        prefixes = ", ".join(sorted(allowed)) or "none"
        super().__init__(
            f"'{name}' may not be imported from a workflow",
            hint=f"allowed prefixes: {prefixes}; the deployment sets them in [mlops] allowed_imports",
        )


class ImportNotFoundError(MlopsError):
    """A dotted name in a workflow names nothing."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        super().__init__(f"'{name}' cannot be imported: {reason}", hint="write it as 'package.module.Class'")


class MissingExtraError(MlopsError):
    """Something was asked for that needs a library that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{what} is not installed", hint=f"pip install 'airflow-provider-mlops[{extra}]'")


class SourceUnavailableError(MlopsError):
    """A source of data did not answer; it may do so later."""

    retryable = True


class LabelServerError(MlopsError):
    """The label server did not answer, or has less than it had."""

    retryable = True


class DataError(MlopsError):
    """The data is not what the phase needs: empty, a missing column, a wrong type, a constant target."""


class FunctionError(MlopsError):
    """A function of a workflow raised; whether it would again is not ours to judge, so that a retry is allowed."""

    retryable = True


class PlaceError(MlopsError):
    """The place where a phase runs (a container engine, a cluster) did not answer, or ended the work; retried."""

    retryable = True


class WorkFailedError(MlopsError):
    """The work of a phase failed in its environment, container or pod, and would fail again."""


class CheckpointBlockedError(MlopsError):
    """A checkpoint's verdict is 'blocked' and its `on_fail` says stop."""


class StoreError(MlopsError):
    """The store cannot be read or written."""

    retryable = True


class NotFoundInStoreError(StoreError):
    """A reference points to something that is not in the store."""

    retryable = False

    def __init__(self, uri: str) -> None:
        self.uri = uri
        super().__init__(f"{uri} does not exist", hint="was it deleted, or is [mlops] store another folder?")


class DigestMismatchError(StoreError):
    """Stored content is not what its reference says."""

    retryable = False

    def __init__(self, uri: str, expected: str, found: str) -> None:
        self.uri = uri
        super().__init__(
            f"{uri} has digest {found[:16]}, expected {expected[:16]}",
            hint="the content was changed after it was published; restore it or run the phase that made it again",
        )


class SizeMismatchError(StoreError):
    """Stored content was cut or grew after it was published."""

    retryable = False

    def __init__(self, uri: str, expected: int, found: int) -> None:
        self.uri = uri
        super().__init__(
            f"{uri} has {found:,} bytes, expected {expected:,}",
            hint="the content was changed after it was published; restore it or run the phase that made it again",
        )


class DamagedDocumentError(StoreError):
    """A document of the store cannot be understood."""

    retryable = False

    def __init__(self, uri: str, reason: str) -> None:
        self.uri = uri
        super().__init__(f"{uri} is damaged: {reason}", hint="restore this file from a backup; nothing is overwritten")


class ConflictError(StoreError):
    """Another writer changed a document first."""

    def __init__(self, uri: str, revision: int) -> None:
        self.uri = uri
        self.revision = revision
        super().__init__(f"{uri} is no longer at revision {revision}: another writer was first")


class ChainError(StoreError):
    """An audit chain is broken: an entry was changed or removed after it was written. Nothing is appended to it."""

    retryable = False

    def __init__(self, uri: str, number: int, what: str) -> None:
        self.uri = uri
        self.number = number
        super().__init__(
            f"{uri}: entry {number} of the audit chain cannot be believed: {what}",
            hint="see all that is wrong with 'mlops versions verify'; restore the file from a backup",
        )


class PromotionRefusedError(MlopsError):
    """A version may not become the champion: it was judged against another champion, or another was approved."""


class ReleaseRefusedError(MlopsError):
    """A release may not begin or go on: another one is under way, somebody ended it, or releases are frozen."""


class ReleaseRolledBackError(MlopsError):
    """A release was ended and what was live before is live again; the same version would be judged the same."""


class RollbackRefusedError(MlopsError):
    """A service cannot go back: there is nothing to go back to, or the model of that version is gone or changed."""


class DecisionRefusedError(MlopsError):
    """A person's decision was not taken; nothing was recorded."""


class DecisionForbiddenError(DecisionRefusedError):
    """This person may not decide: an author of the change, or nobody who was asked."""


class DecisionClosedError(DecisionRefusedError):
    """There is nothing to decide any more, or this person has decided."""


class DecisionIncompleteError(DecisionRefusedError):
    """The decision lacks what it needs, such as its reason."""


class EvidenceChangedError(DecisionRefusedError):
    """What was decided on is not what is asked."""

    def __init__(self, seen: str, asked: str, about: str) -> None:
        self.seen = seen
        self.asked = asked
        shown = f"evidence {seen[:12]} was shown" if seen else "the decision does not say on which evidence"
        super().__init__(
            f"{shown}, but what is asked is about {about}, evidence {asked[:12]}",
            hint="look at the evidence as it is now, and decide again",
        )


class LinkError(MlopsError):
    """A signed link is changed, over, or not ours."""


class RegistryError(MlopsError):
    """The tracking server or model registry refused or could not be reached."""

    retryable = True


class ImageError(MlopsError):
    """An image cannot be made of what was asked for: a base that is not there, another processor, wrong answers."""


class ImageRegistryError(MlopsError):
    """A registry of images or packages did not answer, or gave other bytes than it should."""

    retryable = True


class ServiceError(MlopsError):
    """A model server did not do what the deployment record says."""

    retryable = True


class ServiceFailedError(ServiceError):
    """A model server cannot run the version that the deployment record names; the same version fails again."""

    retryable = False


class TargetUnavailableError(MlopsError):
    """A Docker engine or a cluster did not answer, or another change was made at the same moment."""

    retryable = True


class ModelLoadError(MlopsError):
    """A model cannot be loaded: untrusted types, a wrong digest, missing files."""


class RequestError(MlopsError):
    """A prediction request is malformed; the server answers with a 4xx status."""
