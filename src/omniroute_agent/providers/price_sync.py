"""Putting a synced price list before the bundled data, or taking it away again. The owner's own prices stay.

Who may name which source is not decided here: the doors ask the owner first.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.errors import InvalidRequest, UpstreamFailed
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.providers.known import KnownModels
from omniroute_agent.providers.model import Price, Provider
from omniroute_agent.providers.price_book import PriceBook, of_row
from omniroute_agent.providers.price_formats import NoPrices, PriceList, read_prices
from omniroute_agent.providers.prices import OwnPrice, Stated
from omniroute_agent.providers.reading import MAX_BODY, CannotRead, get_bytes
from omniroute_agent.providers.table import PROVIDERS
from omniroute_agent.store.prices import PriceRow, PriceRows

BUNDLED: Final = "bundled"
SECONDS: Final = 60.0
_SHRUNK: Final = 0.5
"""A list with less than this share of the rows of the one before is not believed."""
_LONGEST_URL: Final = 2000
_SHORT, _LONG = 1_000, 1_000_000
"""Tokens below and above where prices jump with the length of a prompt."""
_USAGES: Final = tuple(
    usage
    for tokens in (_SHORT, _LONG)
    for usage in (
        Usage(input_tokens=tokens, output_tokens=0),
        Usage(input_tokens=0, output_tokens=tokens),
        Usage(input_tokens=tokens, output_tokens=0, cache_read_tokens=tokens),
        Usage(input_tokens=tokens, output_tokens=0, cache_write_tokens=tokens),
    )
)
_COUNTS: Final = ((_SHORT, 0), (_LONG, 0), (0, _LONG))

Kind = Literal["added", "changed", "removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChange:
    name: str
    """`provider/model`"""
    kind: Kind
    before: tuple[int, int] | None
    """Nano-dollars per million tokens in and out; None: unknown."""
    after: tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSyncReport:
    source: str
    format: str
    applied: bool
    changes: tuple[PriceChange, ...]
    unchanged: int
    kept: int
    """Rows for models whose price the owner set: theirs stays."""
    left_out: Mapping[str, int]
    cheaper: tuple[str, ...] = ()
    """Models that may be paid for with less of a budget than before: whose price is not only raised."""
    digest: str = ""
    """Of every price before and after: with the same digest the same happens."""


Agree = Callable[[PriceSyncReport], Awaitable[None]]
"""Raises when what the report says must not be done."""


class PriceSync:
    def __init__(self, rows: PriceRows, known: KnownModels, prices: PriceBook, ports: Ports) -> None:
        self._rows = rows
        self._known = known
        self._prices = prices
        self._ports = ports

    async def from_url(self, url: str, *, dry_run: bool, shorter: bool = False) -> PriceSyncReport:
        """
        Raises:
            InvalidRequest: no https address, or what is there is no price list.
            UpstreamFailed: it cannot be read.
        """
        check_url(url)
        try:
            content = await get_bytes(self._ports.http, url, seconds=SECONDS)
        except CannotRead as error:
            raise UpstreamFailed(f"{error} No price was changed.", hint="Try again later, or give a file.") from None
        return await self._take(content, source=url, dry_run=dry_run, shorter=shorter)

    async def from_file(
        self, path: Path, *, dry_run: bool, shorter: bool = False, agree: Agree | None = None
    ) -> PriceSyncReport:
        """`agree` sees what is about to be done before it is.

        Raises:
            InvalidRequest: it cannot be read, or is no price list.
        """
        try:
            content = await asyncio.to_thread(_content, path)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise InvalidRequest(
                f"The file {path.name} cannot be read: {why}. No price was changed.", hint="Check its name and place."
            ) from None
        return await self._take(content, source=path.name, dry_run=dry_run, shorter=shorter, agree=agree)

    async def to_bundled(self, *, dry_run: bool, agree: Agree | None = None) -> PriceSyncReport:
        """Back to the installed price data: the synced prices go."""
        return await self._apply(None, BUNDLED, dry_run=dry_run, agree=agree)

    async def _take(
        self, content: bytes, *, source: str, dry_run: bool, shorter: bool, agree: Agree | None = None
    ) -> PriceSyncReport:
        try:
            found = await asyncio.to_thread(read_prices, content)
        except NoPrices as error:
            raise InvalidRequest(
                f"{error} No price was changed.",
                hint="A price list is our own table, litellm's, genai-prices' or OpenRouter's; see docs/models.md.",
            ) from None
        known = await self._known.look(fresh=True)
        if not shorter and len(found.prices) < len(known.prices.synced) * _SHRUNK:
            raise InvalidRequest(
                f"It has {len(found.prices)} prices where {len(known.prices.synced)} are synced now. "
                "No price was changed.",
                hint="Sync `bundled` first if that is meant.",
            )
        return await self._apply(found, source, dry_run=dry_run, agree=agree)

    async def _apply(
        self, found: PriceList | None, source: str, *, dry_run: bool, agree: Agree | None
    ) -> PriceSyncReport:
        known = await self._known.look(fresh=True)
        before = {row.name: of_row(row) for row in known.prices.synced}
        after = {} if found is None else found.prices
        report = await asyncio.to_thread(self._compared, before, after)
        report = replace(
            report,
            source=source,
            format=BUNDLED if found is None else found.format,
            left_out={} if found is None else found.left_out,
        )
        if dry_run:
            return report
        if agree is not None:
            await agree(report)
        if found is not None or before:
            rows = {name: _row(name, price) for name, price in after.items()}
            at = self._ports.now().timestamp()
            await self._rows.replace_synced(rows, source=None if found is None else source, at=at)
            await self._known.look(fresh=True)
        return replace(report, applied=True)

    def _compared(self, before: Mapping[str, OwnPrice], after: Mapping[str, OwnPrice]) -> PriceSyncReport:
        """What becomes of each price in force now."""
        at, fresh = self._ports.now(), self._prices.fresh
        changes: list[PriceChange] = []
        cheaper: list[str] = []
        kept = unchanged = 0
        for name in sorted(before.keys() | after.keys()):
            if self._prices.owned(name) is not None:
                kept += name in after
                continue
            bundled = self._prices.bundled(*_split(name))
            synced = _stated(before.get(name))
            held = (synced or bundled) if fresh else (bundled or synced)
            coming = _stated(after.get(name)) or bundled
            was, will = _rates(held), _rates(coming)
            if was == will:
                unchanged += 1
            else:
                kind: Kind = "added" if was is None else "removed" if will is None else "changed"
                changes.append(PriceChange(name=name, kind=kind, before=was, after=will))
            if held is not coming and not _covers(coming, held, at):
                cheaper.append(name)
        return PriceSyncReport(
            source="",
            format="",
            applied=False,
            changes=tuple(changes),
            unchanged=unchanged,
            kept=kept,
            left_out={},
            cheaper=tuple(cheaper),
            digest=hashlib.sha256(repr([fresh, sorted(before.items()), sorted(after.items())]).encode()).hexdigest(),
        )


def _stated(price: OwnPrice | None) -> Price | None:
    return None if price is None else Stated(prices=price, source="")


def _covers(coming: Price | None, held: Price | None, at: datetime) -> bool:
    """Whether nothing costs less by the coming price. An unknown one pays for nothing: a guard lets no such call pass,
    and without a guard nobody knows what it spends.
    """
    if held is None or coming is None:
        return held is coming
    return all(coming.cost(usage, at) >= held.cost(usage, at) for usage in _USAGES) and all(
        coming.worst(*counts, at) >= held.worst(*counts, at) for counts in _COUNTS
    )


def check_url(url: str) -> None:
    """
    Raises:
        InvalidRequest: not an https address, one that is odd, or a credential in it.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "https" and bool(parts.hostname) and not parts.username and not parts.password
        # Some characters are dropped on the way, so that a person would agree to something else than what is read.
        usable = usable and len(url) <= _LONGEST_URL and url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        usable = False
    if not usable:
        raise InvalidRequest(
            "That is no https address of a price list.", hint="Give `bundled`, a file, or an address with https://."
        )


def _content(path: Path) -> bytes:
    """
    Raises:
        ValueError: no ordinary file, or too long.
        OSError: it cannot be read.
    """
    if not path.is_file():
        raise ValueError("there is no such file")
    with path.open("rb") as file:
        content = file.read(MAX_BODY + 1)
    if len(content) > MAX_BODY:
        raise ValueError(f"it is longer than {MAX_BODY} bytes")
    return content


def _split(name: str) -> tuple[Provider | None, str]:
    provider, _, model = name.partition("/")
    return PROVIDERS.get(provider), model


def _rates(price: Price | None) -> tuple[int, int] | None:
    return None if price is None else (price.input_per_million, price.output_per_million)


def _row(name: str, price: OwnPrice) -> PriceRow:
    return PriceRow(
        name=name,
        input=price.input,
        output=price.output,
        cache_read=price.cache_read,
        cache_write=price.cache_write,
        input_bound=price.input_bound,
    )
