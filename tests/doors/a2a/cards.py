"""Cards as tests need them: two small skills, a signer of its own, the routes behind a real gate."""

from dataclasses import dataclass, replace
from typing import Any

from doors.http_rig import KEYS
from doors.small_tools import TOOLS, parts_of
from fakes import START, FakeClock, fake_ports
from omniroute_agent.doors.a2a.card import CardBook
from omniroute_agent.doors.a2a.card_routes import CARD_PATHS, card_routes
from omniroute_agent.doors.a2a.signer import Signer, new_signing_key
from omniroute_agent.doors.access import Access
from omniroute_agent.doors.gate import Gate
from omniroute_agent.doors.mcp.http import caller_of, http_app
from omniroute_agent.doors.mcp.server import make_server

HERE = "http://127.0.0.1:20128"


@dataclass(frozen=True)
class SmallSkill:
    id: str
    name: str = "A skill"
    description: str = "Does what it says — and no more 😀."
    tags: tuple[str, ...] = ("small",)
    examples: tuple[str, ...] = ("Do it.",)
    input_modes: tuple[str, ...] = ("text/plain",)
    output_modes: tuple[str, ...] = ("text/plain",)
    scopes: frozenset[str] = frozenset()
    price: str = "Free: it asks no model."
    ceiling_usd: str | None = "0"


ROUTING = replace(
    SmallSkill("smart-routing"),
    scopes=frozenset(("execute:completions",)),
    price="Costs what its model costs, at most the request's `budget`.",
    ceiling_usd=None,
)
ABILITIES = SmallSkill("list-capabilities")
QUOTA = replace(SmallSkill("quota-management"), scopes=frozenset(("read:quota",)))
SKILLS = (ROUTING, QUOTA, ABILITIES)


def new_signer() -> Signer:
    return Signer(new_signing_key())


def new_book(signer: Signer | None = None, **more: Any) -> CardBook:
    return CardBook(SKILLS, signer or new_signer(), version="1.2.3", **more)


def served(book: CardBook, access: Access | None = None) -> Gate:
    clock = FakeClock()
    return http_app(
        lambda door: make_server(TOOLS, parts_of(clock), caller_of, door=door, version="1.2.3"),
        KEYS,
        fake_ports(clock=clock),
        access=access,
        routes=card_routes(book, START),
        open_paths=CARD_PATHS,
    )
