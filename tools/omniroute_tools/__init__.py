"""The tools, in the order clients see them."""

from omniroute_tools.advice import best_combo_for_task
from omniroute_tools.budget import set_budget_guard
from omniroute_tools.combos import list_combos, set_routing_strategy, switch_combo
from omniroute_tools.health import get_health
from omniroute_tools.metrics import get_combo_metrics, get_provider_metrics
from omniroute_tools.models import list_models_catalog
from omniroute_tools.pricing import sync_pricing
from omniroute_tools.quota import check_quota
from omniroute_tools.resilience import set_resilience_profile
from omniroute_tools.routing import explain_route, route_request, simulate_route
from omniroute_tools.trials import test_combo
from omniroute_tools.usage import cost_report, get_session_snapshot

TOOLS = (
    get_health,
    get_provider_metrics,
    list_combos,
    get_combo_metrics,
    switch_combo,
    set_routing_strategy,
    check_quota,
    route_request,
    simulate_route,
    test_combo,
    explain_route,
    best_combo_for_task,
    cost_report,
    get_session_snapshot,
    set_budget_guard,
    set_resilience_profile,
    list_models_catalog,
    sync_pricing,
)
