"""The tools, in the order clients see them."""

from omniroute_tools.combos import list_combos, switch_combo
from omniroute_tools.health import get_health
from omniroute_tools.models import list_models_catalog
from omniroute_tools.routing import explain_route, route_request, simulate_route
from omniroute_tools.usage import cost_report, get_session_snapshot

TOOLS = (
    get_health,
    list_combos,
    switch_combo,
    route_request,
    simulate_route,
    explain_route,
    cost_report,
    get_session_snapshot,
    list_models_catalog,
)
