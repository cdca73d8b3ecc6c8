"""Models inside clouds: addresses with a part of the account in them, and keys that may open more than models.

How rows are checked: see `makers`. A variable whose key opens more than models is not looked at.
"""

from typing import Final

from omniroute_agent.providers.model import Blank, Provider
from omniroute_agent.wire.dialect import Quirks

REGION: Final = Blank(name="region", means="the AWS region, like us-east-1", env=("AWS_REGION", "AWS_DEFAULT_REGION"))
"""Where a Bedrock key is good."""

PROJECT: Final = Blank(
    name="project", means="the id of your Google Cloud project", env=("GOOGLE_CLOUD_PROJECT", "GOOGLE_VERTEX_PROJECT")
)
"""Another location than `global` has another host: give the whole address then."""

CLOUDS: Final = (
    Provider(
        id="azure",
        title="Azure OpenAI",
        base_url="https://{resource}.openai.azure.com/openai/v1",
        dialect="openai-chat",
        blanks=(Blank(name="resource", means="the name of your Azure OpenAI resource", env=("AZURE_RESOURCE_NAME",)),),
        auth="api-key",
        env=("AZURE_OPENAI_API_KEY", "AZURE_API_KEY"),
        # A model's name here is that of your deployment, so its price is not known.
        # Reasoning models refuse `max_tokens`, as at OpenAI.
        quirks=Quirks(max_tokens_field="max_completion_tokens"),
        source="https://learn.microsoft.com/en-us/azure/foundry/openai/api-version-lifecycle",
        seen=("pydantic-ai", "pi-ai", "public code"),
        checked="2026-11-21",
    ),
    Provider(
        id="bedrock",
        title="Amazon Bedrock",
        base_url="https://bedrock-runtime.{region}.amazonaws.com/openai/v1",
        dialect="openai-chat",
        blanks=(REGION,),
        env=("AWS_BEARER_TOKEN_BEDROCK",),
        prices="aws",
        # Claude, Nova and Llama are not served here: https://tanstack.com/ai/latest/docs/adapters/bedrock
        not_served="(anthropic|amazon|meta|cohere|ai21)[.]",
        source="https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html",
        seen=("own page", "litellm", "pydantic-ai"),
        checked="2026-11-21",
    ),
    Provider(
        id="bedrock-mantle",
        title="Amazon Bedrock (Mantle)",
        base_url="https://bedrock-mantle.{region}.api.aws/v1",
        dialect="openai-chat",
        blanks=(REGION,),
        # A Bedrock key opens this address too; the variable belongs to `bedrock`.
        source="https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions-mantle.html",
        seen=("own page", "litellm", "pydantic-ai"),
        checked="2026-11-21",
    ),
    Provider(
        id="vertex",
        title="Google Vertex AI",
        base_url="https://aiplatform.googleapis.com/v1/projects/{project}/locations/global/publishers/google",
        dialect="gemini",
        blanks=(PROJECT,),
        auth="google-account",
        # GOOGLE_APPLICATION_CREDENTIALS opens all of a project; only the owner's settings name the file for this.
        default_model="gemini-3.5-flash-lite",
        prices="google",
        not_served="^claude",
        source="https://cloud.google.com/vertex-ai/generative-ai/docs/start/express-mode/vertex-ai-express-mode-api-reference",
        seen=("own page", "litellm", "public code"),
        checked="2026-11-21",
    ),
    Provider(
        id="vertex-openai",
        title="Google Vertex AI (Chat Completions)",
        base_url="https://aiplatform.googleapis.com/v1/projects/{project}/locations/global/endpoints/openapi",
        dialect="openai-chat",
        blanks=(PROJECT,),
        auth="google-account",
        source="https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/call-vertex-using-openai-library",
        seen=("models.dev", "public code"),
        checked="2026-11-21",
    ),
    Provider(
        id="vertex-express",
        title="Google Vertex AI (express mode)",
        base_url="https://aiplatform.googleapis.com/v1/publishers/google",
        dialect="gemini",
        auth="x-goog-api-key",
        default_model="gemini-3.5-flash-lite",
        prices="google",
        not_served="^claude",
        source="https://cloud.google.com/vertex-ai/generative-ai/docs/start/express-mode/vertex-ai-express-mode-api-reference",
        seen=("own page", "litellm"),
        checked="2026-11-21",
    ),
    Provider(
        id="cloudflare",
        title="Cloudflare Workers AI",
        base_url="https://api.cloudflare.com/client/v4/accounts/{account_id}/ai/v1",
        dialect="openai-chat",
        blanks=(Blank(name="account_id", means="your Cloudflare account id", env=("CLOUDFLARE_ACCOUNT_ID",)),),
        # Cloudflare's tokens open much more than models; only the owner's settings name one for this.
        prices="cloudflare",
        source="https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility/",
        seen=("models.dev", "litellm", "pi-ai", "genai-prices"),
        checked="2026-11-21",
    ),
    Provider(
        id="databricks",
        title="Databricks",
        base_url="https://{host}/ai-gateway/mlflow/v1",
        dialect="openai-chat",
        blanks=(Blank(name="host", means="the host name of your workspace", env=("DATABRICKS_HOST",)),),
        # DATABRICKS_TOKEN opens the whole workspace; only the owner's settings name it for this.
        prices="databricks",
        # Unknown fields are refused; these two are unknown. Source: litellm 1.109, llms/databricks/chat.
        quirks=Quirks(stream_usage=False, parallel_tool_calls_field=False),
        source="https://docs.databricks.com/aws/en/machine-learning/foundation-models/",
        seen=("models.dev", "litellm", "genai-prices", "public code"),
        checked="2026-11-21",
    ),
    Provider(
        id="snowflake",
        title="Snowflake Cortex",
        base_url="https://{account}.snowflakecomputing.com/api/v2/cortex/v1",
        dialect="openai-chat",
        blanks=(Blank(name="account", means="your Snowflake account identifier", env=("SNOWFLAKE_ACCOUNT",)),),
        # Source: litellm 1.109, llms/snowflake/chat, which sends no other name.
        quirks=Quirks(max_tokens_field="max_completion_tokens"),
        source="https://docs.snowflake.com/en/user-guide/snowflake-cortex/cortex-rest-api",
        seen=("litellm", "pydantic-ai", "public code"),
        checked="2026-11-21",
    ),
    Provider(
        id="scaleway",
        title="Scaleway",
        base_url="https://api.scaleway.ai/v1",
        dialect="openai-chat",
        env=("SCALEWAY_API_KEY",),
        source="https://www.scaleway.com/en/docs/generative-apis/",
        seen=("models.dev", "litellm"),
        checked="2026-11-21",
    ),
    Provider(
        id="ovhcloud",
        title="OVHcloud AI Endpoints",
        base_url="https://oai.endpoints.kepler.ai.cloud.ovh.net/v1",
        dialect="openai-chat",
        env=("OVHCLOUD_API_KEY",),
        default_model="gpt-oss-120b",
        prices="ovhcloud",
        source="https://www.ovhcloud.com/en/public-cloud/ai-endpoints/catalog/",
        seen=("models.dev", "litellm", "pydantic-ai", "genai-prices"),
        checked="2026-11-21",
    ),
    Provider(
        id="ionos",
        title="IONOS AI Model Hub",
        base_url="https://openai.inference.de-txl.ionos.com/v1",
        dialect="openai-chat",
        # IONOS tokens open the whole cloud account; only the owner's settings name one for this.
        source="https://docs.ionos.com/cloud/ai/ai-model-hub",
        seen=("public code",),
        checked="2026-11-21",
    ),
    Provider(
        id="digitalocean",
        title="DigitalOcean",
        base_url="https://inference.do-ai.run/v1",
        dialect="openai-chat",
        # DIGITALOCEAN_ACCESS_TOKEN opens the whole account; only the owner's settings name a key for this.
        source="https://docs.digitalocean.com/products/gradient-ai-platform/details/models/",
        seen=("models.dev", "public code"),
        checked="2026-11-21",
    ),
    Provider(
        id="stackit",
        title="STACKIT",
        base_url="https://api.openai-compat.model-serving.eu01.onstackit.cloud/v1",
        dialect="openai-chat",
        env=("STACKIT_API_KEY",),
        source="https://docs.stackit.cloud/products/data-and-ai/ai-model-serving/basics/available-shared-models",
        seen=("models.dev", "public code"),
        checked="2026-11-21",
    ),
    Provider(
        id="regolo",
        title="Regolo AI",
        base_url="https://api.regolo.ai/v1",
        dialect="openai-chat",
        env=("REGOLO_API_KEY",),
        source="https://docs.regolo.ai/",
        seen=("models.dev", "public code"),
        checked="2026-11-21",
    ),
)
