"""Subscriptions with an address of their own. How rows are checked: see `makers`.

Keys of coding plans are not those of the same maker's paid API; a variable that both use belongs to the API.
"""

from typing import Final

from omniroute_agent.providers.model import Provider
from omniroute_agent.wire.dialect import Quirks

PLANS: Final = (
    Provider(
        id="zai-coding",
        title="Z.AI coding plan",
        base_url="https://api.z.ai/api/coding/paas/v4",
        dialect="openai-chat",
        tier="subscription",
        # As at its other address, see `zai`.
        quirks=Quirks(json_schema=False, reasoning_field=""),
        source="https://docs.z.ai/devpack/overview",
        seen=("models.dev", "pydantic-ai", "pi-ai"),
        checked="2026-11-21",
    ),
    Provider(
        id="zhipu-coding",
        title="Zhipu AI coding plan (China)",
        base_url="https://open.bigmodel.cn/api/coding/paas/v4",
        dialect="openai-chat",
        tier="subscription",
        # As at its other address, see `zai`.
        quirks=Quirks(json_schema=False, reasoning_field=""),
        source="https://docs.bigmodel.cn/cn/coding-plan/overview",
        seen=("models.dev", "public code"),
        checked="2026-11-21",
    ),
    Provider(
        id="kimi-coding",
        title="Kimi for Coding",
        base_url="https://api.kimi.com/coding/v1",
        dialect="anthropic-messages",
        auth="x-api-key",
        env=("KIMI_API_KEY",),
        headers=(("anthropic-version", "2023-06-01"),),
        tier="subscription",
        source="https://www.kimi.com/coding/docs/en/third-party-agents.html",
        seen=("models.dev", "pi-ai", "public code"),
        checked="2026-11-21",
    ),
    Provider(
        id="alibaba-coding",
        title="Alibaba coding plan",
        base_url="https://coding-intl.dashscope.aliyuncs.com/v1",
        dialect="openai-chat",
        env=("ALIBABA_CODING_PLAN_API_KEY",),
        tier="subscription",
        source="https://www.alibabacloud.com/help/en/model-studio/coding-plan",
        seen=("models.dev", "public code"),
        checked="2026-11-21",
    ),
    Provider(
        id="stepfun-plan",
        title="StepFun Step Plan",
        base_url="https://api.stepfun.ai/step_plan/v1",
        dialect="openai-chat",
        tier="subscription",
        source="https://platform.stepfun.ai/docs/en/step-plan/overview",
        seen=("models.dev", "neurolink", "public code"),
        checked="2026-11-21",
    ),
    Provider(
        id="ollama-cloud",
        title="Ollama Cloud",
        base_url="https://ollama.com",
        dialect="ollama",
        other_door="/v1",
        env=("OLLAMA_API_KEY",),
        tier="subscription",
        source="https://docs.ollama.com/cloud",
        seen=("models.dev", "litellm", "public code"),
        checked="2026-11-21",
    ),
)
