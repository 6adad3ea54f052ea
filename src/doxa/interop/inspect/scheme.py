"""``inspect:provider/model``: every model that Inspect's model interface reaches, as a subject."""

from __future__ import annotations

from typing import ClassVar

from doxa.errors import InputError
from doxa.subjects.base import Capability, Subject
from doxa.subjects.schemes import Address, Form, Scheme, subjects


@subjects.register("inspect")
class InspectModels(Scheme):
    """inspect:openai/gpt-4o, inspect:hf/org/name?scores=true."""

    hosted: ClassVar[bool] = True

    def open(self, address: Address) -> Subject:
        """Return the model; nothing is sent before the first question.

        Options are ``scores`` (``true`` where the provider gives top log-probabilities) and ``revision`` (what tells
        this model from others of the same name).

        Raises:
            InputError: an option means nothing here, or there is no such provider.
            MissingExtraError: the extra ``inspect`` is not installed.
            SubjectError: the provider cannot be set up, for example because its key is not set.
        """
        from doxa.interop.inspect.subject import InspectSubject

        options = _options(address)
        return InspectSubject.open(
            address.name, scores=options["scores"] == "true", revision=options["revision"]
        )

    def identity(self, address: Address) -> str:
        """Return the digest of model and revision.

        Raises:
            MissingExtraError: the extra ``inspect`` is not installed; said before a run has begun.
        """
        from doxa.interop.inspect.needed import need_inspect
        from doxa.interop.inspect.subject import identity_of

        need_inspect(f"inspect:{address.name}")
        return identity_of(address.name, _options(address)["revision"])

    def form(self, address: Address) -> Form:
        """Return published: a provider's model is asked in plain English."""
        del address
        return "published"

    def capabilities(self, address: Address) -> frozenset[Capability]:
        """Return what can be asked of it."""
        from doxa.interop.inspect.subject import capabilities_of

        return capabilities_of(scores=_options(address)["scores"] == "true")


def _options(address: Address) -> dict[str, str]:
    options = address.choose(scores="false", revision="")
    if options["scores"] not in ("true", "false"):
        raise InputError(f"subject {address.text!r}: scores must be true or false")
    return options
