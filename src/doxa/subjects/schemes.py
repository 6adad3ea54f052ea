"""Schemes: what an address begins with, and how the subjects behind it are opened.

A scheme is a class without arguments, registered by name; a package adds its own through the entry-point group
``doxa.subjects``. ``docs/guide/my-own-components.md`` shows one whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple, TypeAlias

from doxa.errors import InputError, did_you_mean
from doxa.lab.registry import Registry
from doxa.subjects.base import Capability, Subject

Form: TypeAlias = Literal["micro", "published"]


class Address(NamedTuple):
    """An address taken apart.

    Attributes:
        scheme: what it begins with, a name in ``subjects``.
        name: what is behind it: planted name, organism, folder or hub name, base URL, addresses of a pool.
        options: what stands behind ``?``.
        model: what stands behind ``#``: a server's model, or the address of a subject that is wrapped.
        text: the address as a whole; of a server without its options, in which a key might stand.
    """

    scheme: str
    name: str
    options: dict[str, str]
    model: str = ""
    text: str = ""

    def choose(self, **defaults: str) -> dict[str, str]:
        """Return the value of each option, its default where the address gives none.

        Raises:
            InputError: the address gives an option that has no default here.

        >>> Address("hf", "gpt2", {"device": "cuda"}).choose(dtype="auto", device="cpu")
        {'dtype': 'auto', 'device': 'cuda'}
        """
        for name in self.options:
            if name not in defaults:
                raise InputError(f"subject {self.text!r}: no option '{name}'; {did_you_mean(name, defaults)}")
        return defaults | self.options


class Price(NamedTuple):
    """What a server's tokens cost.

    Attributes:
        prompt, reply: dollars per million tokens of prompts and of replies.
    """

    prompt: float
    reply: float

    def of(self, prompt_tokens: int, reply_tokens: int) -> float:
        """Return what some tokens cost, in dollars.

        >>> Price(3, 15).of(1_000_000, 200_000)
        6.0
        """
        return (self.prompt * prompt_tokens + self.reply * reply_tokens) / 1e6


class Scheme:
    """How the subjects of one scheme are opened, identified and spoken to.

    ``identity`` and ``form`` open the subject to ask it; a scheme whose subjects are slow to open overrides both, so
    that a run can be planned without opening any.

    Attributes:
        hosted: whether replies come from elsewhere and are therefore kept in the reply cache and not asked twice.
        metered: whether asking costs something, so that budgets count it.
        wraps: whether the address ends in ``#`` and another subject's address, around which something is put. Who
            answers is that subject, so that cache, budget and price are its own.
        several: whether the address goes on with those of several subjects, which answer as one.
    """

    hosted: ClassVar[bool] = False
    metered: ClassVar[bool] = True
    wraps: ClassVar[bool] = False
    several: ClassVar[bool] = False

    def open(self, address: Address) -> Subject:
        """Return the open subject.

        Raises:
            InputError: the name or an option means nothing here.
            SubjectError: the subject cannot be loaded.
        """
        raise NotImplementedError

    def identity(self, address: Address) -> str:
        """Return the identity that the open subject would have."""
        return self.open(address).identity

    def form(self, address: Address) -> Form:
        """Return the form that the open subject would have."""
        return self.open(address).form

    def capabilities(self, address: Address) -> frozenset[Capability]:
        """Return what the open subject could be asked for."""
        return self.open(address).capabilities

    def wrap(self, subject: Subject, address: Address) -> Subject:
        """Return a subject with what this scheme puts around it; only a scheme that wraps is asked to.

        Raises:
            InputError: the name or an option means nothing here.
            CapabilityError: the subject cannot do what that takes.
        """
        raise NotImplementedError

    def price(self, address: Address) -> Price | None:
        """Return what tokens cost, None where that is not known."""
        del address
        return None

    def remarks(self, address: Address) -> tuple[str, ...]:
        """Return what the user should be told before the subject is asked; nothing is loaded for it."""
        del address
        return ()


subjects: Registry[type[Scheme]] = Registry("subjects")


@subjects.register("planted")
class Planted(Scheme):
    """Scripted subjects with known dynamics."""

    metered: ClassVar[bool] = False

    def open(self, address: Address) -> Subject:
        """Return the planted subject; options are its parameters."""
        from doxa.subjects.planted import PlantedSubject

        return PlantedSubject.open(address.name, address.options)


@subjects.register("hf")
class Weights(Scheme):
    """Causal models in transformers format, in a folder or on the hub."""

    options: ClassVar[Mapping[str, str]] = {
        "dtype": "auto",
        "device": "cpu",
        "exact": "false",
        "revision": "",
    }
    """The options and their defaults.

    With ``exact=true`` every option and reply is computed alone, so that its bits do not depend on what else is asked;
    a revision is a branch, tag or commit on the hub.
    """

    def folder(self, address: Address) -> str:
        """Return the folder or hub name of the weights."""
        return address.name

    def open(self, address: Address) -> Subject:
        """Return the model."""
        from doxa.subjects.transformers import TransformersSubject

        options = address.choose(**self.options)
        if options["exact"] not in ("true", "false"):
            raise InputError(f"subject {address.text!r}: exact must be true or false")
        return TransformersSubject.open(
            self.folder(address),
            address=address.text,
            dtype=options["dtype"],
            device=options["device"],
            exact=options["exact"] == "true",
            revision=options.get("revision") or None,
        )

    def identity(self, address: Address) -> str:
        """Return the digest of the files, without loading weights."""
        from doxa.subjects.transformers_files import identity_of

        options = address.choose(**self.options)
        revision = options.get("revision") or None
        return identity_of(self.folder(address), dtype=options["dtype"], revision=revision)

    def form(self, address: Address) -> Form:
        """Return what the folder's config.json says."""
        from doxa.subjects.transformers_files import form_of

        return form_of(self.folder(address), revision=address.options.get("revision") or None)

    def capabilities(self, address: Address) -> frozenset[Capability]:
        """Return what every causal model can do; whether it takes tools is known only once it is loaded."""
        del address
        return frozenset(set(Capability) - {Capability.TOOLS})

    def remarks(self, address: Address) -> tuple[str, ...]:
        """Say so where the model has no chat template."""
        from doxa.subjects.transformers_files import find_folder
        from doxa.subjects.transformers_whole import has_chat_template

        folder = find_folder(self.folder(address), revision=address.options.get("revision") or None)
        plain = (
            f"{address.text}: has no chat template, so it is asked in plain text ('User: ...', 'Assistant:'); "
            "right for a base model, but a chat model needs its chat_template.jinja in the folder"
        )
        return () if has_chat_template(folder) else (plain,)


@subjects.register("organism")
class Organisms(Weights):
    """Small models that ship with doxa."""

    options: ClassVar[Mapping[str, str]] = {"dtype": "auto", "device": "cpu", "exact": "false"}

    def folder(self, address: Address) -> str:
        """Return the folder of a member of the zoo."""
        from doxa.subjects.organisms import folder

        return str(folder(address.name))

    def form(self, address: Address) -> Form:
        """Return micro: all organisms speak the micro world's English."""
        del address
        return "micro"


@subjects.register("http")
@subjects.register("https")
class Server(Scheme):
    """Models behind an OpenAI-compatible server."""

    hosted: ClassVar[bool] = True

    def open(self, address: Address) -> Subject:
        """Return the server's model; nothing is sent before the first question.

        Options are ``scores`` (``true`` where the server gives log-probabilities), ``revision`` (what tells these
        weights from others of the same name), ``connections`` (requests under way at once), ``record`` (a file in which
        every exchange is kept), ``replay`` (such a file, from which all is answered) and ``price`` (dollars per million
        tokens of prompts and of replies, as in ``price=3,15``).
        """
        from doxa.subjects.endpoint import EndpointSubject
        from doxa.subjects.endpoint_options import patience_of, transport_of

        options = address.choose(scores="false", revision="", connections="", record="", replay="", price="")
        self.price(address)
        if options["scores"] not in ("true", "false"):
            raise InputError(f"subject {address.text!r}: scores must be true or false")
        return EndpointSubject.open(
            address.name,
            address.model,
            revision=options["revision"],
            scores=options["scores"] == "true",
            patience=patience_of(address.text, options),
            transport=transport_of(address.text, options),
        )

    def identity(self, address: Address) -> str:
        """Return the identity, of which a record changes nothing."""
        return self.open(_unrecorded(address)).identity

    def capabilities(self, address: Address) -> frozenset[Capability]:
        """Return what the address says that the server can do."""
        return self.open(_unrecorded(address)).capabilities

    def price(self, address: Address) -> Price | None:
        """Return what the address says that tokens cost."""
        given = address.options.get("price", "")
        if not given:
            return None
        try:
            price = Price(*map(float, given.split(",")))
        except (TypeError, ValueError):
            price = Price(-1, -1)
        if not all(0 <= dollars < 1e6 for dollars in price):
            raise InputError(
                f"subject {address.text!r}: price={given} must be dollars per million tokens of prompts and of "
                "replies, as in price=3,15"
            )
        return price

    def form(self, address: Address) -> Form:
        """Return published: a server is asked in plain English."""
        del address
        return "published"


@subjects.register("pool")
class Pool(Scheme):
    """One model on several servers, which share the work by their speed."""

    hosted: ClassVar[bool] = True
    several: ClassVar[bool] = True

    def open(self, address: Address) -> Subject:
        """Return the model; nothing is sent before the first question."""
        from doxa.subjects.endpoint import EndpointSubject
        from doxa.subjects.endpoints import PoolSubject

        opened = [Server().open(server) for server in _servers(address)]
        return PoolSubject([one for one in opened if isinstance(one, EndpointSubject)])

    def identity(self, address: Address) -> str:
        """Return the identity of the model, whatever its addresses are."""
        from doxa.subjects.endpoints import pool_identity

        first = _servers(address)[0]
        return pool_identity(first.model, first.options.get("revision", ""))

    def capabilities(self, address: Address) -> frozenset[Capability]:
        """Return what all servers can do."""
        return frozenset.intersection(*(Server().capabilities(server) for server in _servers(address)))

    def price(self, address: Address) -> Price | None:
        """Return the most that tokens cost on any server, None where one of them does not say."""
        prices = [Server().price(server) for server in _servers(address)]
        known = [price for price in prices if price is not None]
        return Price(*map(max, zip(*known, strict=True))) if len(known) == len(prices) else None

    def form(self, address: Address) -> Form:
        """Return published: servers are asked in plain English."""
        del address
        return "published"


def _servers(address: Address) -> list[Address]:
    """Return the servers of a pool.

    Raises:
        InputError: one is no server, or they do not serve one model.
    """
    from doxa.subjects.addresses import members
    from doxa.subjects.endpoints import one_model

    servers = members(address)
    for server in servers:
        if server.scheme not in ("http", "https"):
            raise InputError(
                f"{server.text} is no server: several addresses are one model on several servers; run different "
                "subjects one after another"
            )
    one_model([(server.text, server.model, server.options.get("revision", "")) for server in servers])
    return servers


def _unrecorded(address: Address) -> Address:
    """Return an address that opens no file."""
    kept = {name: value for name, value in address.options.items() if name not in ("record", "replay")}
    return address._replace(options=kept)
